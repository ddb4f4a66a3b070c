/* load.c: where plugins are found, and what a compilation knows of them. */
#include "plugins/plugin.h"

#include "base/file.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

PluginSet *plugins_create(Arena *arena, Diag *diag) {
  PluginSet *set = ARENA_NEW(arena, PluginSet);
  *set = (PluginSet){.arena = arena, .diag = diag, .defined = map_in(arena)};
  return set;
}

static bool is_folder(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static bool has_descriptor(Arena *arena, const char *folder) {
  return access(arena_printf(arena, "%s/layer.json", folder), F_OK) == 0;
}

/* The path without what comes to nothing: "gdn/" is "gdn". */
static const char *trimmed(Arena *arena, const char *folder) {
  size_t length = strlen(folder);
  while (length > 1 && folder[length - 1] == '/') length--;
  return arena_strndup(arena, folder, length);
}

static Plugin *find_same(const PluginSet *set, const Plugin *plugin) {
  for (size_t i = 0; i < set->plugins.count; i++) {
    Plugin *other = set->plugins.items[i];
    if (strcmp(other->name, plugin->name) == 0 && strcmp(other->domain, plugin->domain) == 0)
      return other;
  }
  return NULL;
}

/* *hidden: a plugin that was found before has the same operator; that is no error. */
static Plugin *load(PluginSet *set, const char *folder, bool *hidden) {
  Plugin *plugin = ARENA_NEW(set->arena, Plugin);
  plugin->folder = trimmed(set->arena, folder);
  *hidden = false;
  if (!is_folder(plugin->folder) || !has_descriptor(set->arena, plugin->folder)) {
    diag_error(set->diag, folder, "it is no plugin: there is no %s/layer.json", plugin->folder);
    return NULL;
  }
  if (!plugin_read_descriptor(set, plugin)) return NULL;
  *hidden = find_same(set, plugin) != NULL;
  if (*hidden || !plugin_read_functions(set, plugin)) return NULL;
  plugin_make_op(set->arena, plugin);
  vec_push(set->arena, &set->plugins, plugin);
  return plugin;
}

Plugin *plugin_load(PluginSet *set, const char *folder) {
  bool hidden;
  Plugin *plugin = load(set, folder, &hidden);
  if (hidden)
    diag_error(set->diag, folder, "a plugin of the same domain and name was given before");
  return plugin;
}

static int compare_texts(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* All plugins in `folder`, in the order of their names. */
static bool load_all(PluginSet *set, const char *folder) {
  DIR *stream = opendir(folder);
  Vec(const char *) paths = {0};
  bool ok = true, hidden;
  if (!stream) return diag_error(set->diag, folder, "the folder cannot be read");
  for (struct dirent *entry = readdir(stream); entry; entry = readdir(stream)) {
    const char *path = arena_printf(set->arena, "%s/%s", folder, entry->d_name);
    if (entry->d_name[0] != '.' && has_descriptor(set->arena, path))
      vec_push(set->arena, &paths, path);
  }
  closedir(stream);
  if (paths.count) qsort(paths.items, paths.count, sizeof *paths.items, compare_texts);
  for (size_t i = 0; i < paths.count; i++)
    if (!load(set, paths.items[i], &hidden) && !hidden) ok = false;
  return ok;
}

/* The folders of CTC_PLUGIN_PATH, separated by colons. */
static bool load_path(PluginSet *set, const char *path) {
  bool ok = true;
  while (*path) {
    size_t length = strcspn(path, ":");
    if (length) ok = load_all(set, arena_strndup(set->arena, path, length)) && ok;
    path += length + (path[length] == ':');
  }
  return ok;
}

bool plugins_find(PluginSet *set, const char *const *folders, size_t count, const char *model) {
  const char *path = getenv("CTC_PLUGIN_PATH");
  bool ok = true;
  for (size_t i = 0; i < count; i++) ok = plugin_load(set, folders[i]) && ok;
  if (model) {
    const char *beside = arena_printf(set->arena, "%s/ctc.plugins", path_folder(set->arena, model));
    if (is_folder(beside)) ok = load_all(set, beside) && ok;
  }
  return (!path || load_path(set, path)) && ok;
}

void plugins_use(PluginSet *set, Compilation *c) {
  c->library = &set->library;
  for (size_t i = 0; i < set->plugins.count; i++)
    vec_push(c->arena, &c->plugin_ops, (const OpDef *)&set->plugins.items[i]->op);
}
