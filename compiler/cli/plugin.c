/* plugin.c: `ctc plugin list` and `ctc plugin new`. */
#include "cli/cli.h"

#include "backends/template.h"
#include "base/file.h"
#include "plugins/plugin.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* --- list --- */

/* "elementwise", "kernel", "replaces Conv", "replaces Mul Conv Sqrt Div" */
static const char *plugin_kind(Arena *arena, const Plugin *p) {
  if (!p->patterns.count) return p->elementwise ? "elementwise" : "kernel";
  const PluginPattern *first = &p->patterns.items[0];
  Str text = str_in(arena);
  str_add(&text, "replaces");
  for (size_t i = 0; i < first->nodes.count; i++) str_addf(&text, " %s", first->nodes.items[i].op);
  return str_text(&text);
}

static void print_plugin(Cli *cli, const Plugin *p) {
  const char *name = arena_printf(cli->arena, "%s.%s %d", p->domain, p->name, p->version);
  printf("%-28s  %-16s  %s\n", name, plugin_kind(cli->arena, p), p->folder);
  if (*p->summary) printf("    %s\n", p->summary);
}

int cli_plugin_list_command(Cli *cli) {
  PluginSet *set = plugins_create(cli->arena, &cli->diag);
  const Options *o = &cli->options;
  bool ok = plugins_find(set, o->plugins, o->plugin_count, "./model");
  for (size_t i = 0; i < set->plugins.count; i++) print_plugin(cli, set->plugins.items[i]);
  if (!set->plugins.count && ok && !cli->quiet) {
    puts("no plugins are found here");
    puts("ctc looks at --plugin DIR, ./ctc.plugins and the folders of CTC_PLUGIN_PATH");
  }
  cli_finish(cli);
  return ok ? EXIT_OK : EXIT_MODEL;
}

/* --- new --- */

/* The files of the two sorts of skeletons, and the templates that they are made from. */
typedef struct {
  const char *file, *kernel, *elementwise;
} SkeletonRow;

static const SkeletonRow skeleton[] = {
    {"layer.json", "plugin_kernel.layer.json", "plugin_elementwise.layer.json"},
    {"kernel.c", "plugin_kernel.kernel.c", "plugin_elementwise.kernel.c"},
    {"gradient.c", "plugin_kernel.gradient.c", "plugin_elementwise.gradient.c"},
    {"cases.json", "plugin_kernel.cases.json", "plugin_elementwise.cases.json"},
};
enum { SKELETON_FILES = sizeof skeleton / sizeof *skeleton, NAME_LENGTH = 60 };

static const char *with_case(Arena *arena, const char *text, int (*change)(int c)) {
  char *copy = arena_strdup(arena, text);
  for (char *at = copy; *at; at++) *at = (char)change((unsigned char)*at);
  return copy;
}

static bool check_name(Cli *cli, const char *name) {
  bool good = isalpha((unsigned char)*name) && strlen(name) <= NAME_LENGTH;
  for (const char *at = name; *at; at++) good = good && (isalnum((unsigned char)*at) || *at == '_');
  if (good && strcmp(with_case(cli->arena, name, tolower), "ctc") != 0) return true;
  diag_error(&cli->diag, "ctc", "a layer cannot be called '%s'", name);
  return diag_hint(&cli->diag, "a name is letters, digits and '_', and begins with a letter: "
                               "'MyNorm'; the folder is called like it, in lower case");
}

/* `$t` and the loop over element types are for the kernel, not for us: they stand for themselves.
 */
static Scope *skeleton_scope(Arena *arena, const char *name) {
  Scope *scope = scope_create(arena, NULL);
  scope_text(scope, "name", name);
  scope_text(scope, "prefix", with_case(arena, name, tolower));
  scope_text(scope, "t", "$t");
  scope_text(scope, "T", "$T");
  scope_text(scope, "each_type", "//$ for t in f32 f64");
  scope_text(scope, "end", "//$ end");
  return scope;
}

static bool begin_file(Cli *cli, const Scope *scope, const char *template, const char *path,
                       FileWriter *writer) {
  const char *file, *text;
  Str out = str_in(cli->arena);
  if (!template_load(cli->options.templates, template, cli->arena, &file, &text, &cli->diag) ||
      !template_expand(file, text, scope, &out, NULL, &cli->diag) ||
      !file_write_begin(writer, path, cli->arena, &cli->diag))
    return false;
  fputs(str_text(&out), writer->stream);
  return true;
}

static bool write_skeleton(Cli *cli, const char *name, const char *folder) {
  FileWriter writers[SKELETON_FILES];
  const Scope *scope = skeleton_scope(cli->arena, name);
  for (size_t i = 0; i < SKELETON_FILES; i++) {
    const SkeletonRow *row = &skeleton[i];
    const char *path = arena_printf(cli->arena, "%s/%s", folder, row->file);
    const char *template = cli->elementwise ? row->elementwise : row->kernel;
    if (begin_file(cli, scope, template, path, &writers[i])) continue;
    while (i-- > 0) file_write_abort(&writers[i]);
    return false;
  }
  return file_write_commit_all(writers, SKELETON_FILES, &cli->diag);
}

int cli_plugin_new_command(Cli *cli) {
  const char *name = cli->arguments.items[0];
  if (!check_name(cli, name)) return EXIT_USAGE;
  const char *folder = with_case(cli->arena, name, tolower);
  if (mkdir(folder, 0777) != 0) {
    diag_error(&cli->diag, folder, "cannot make the folder: %s", strerror(errno));
    if (errno == EEXIST) diag_hint(&cli->diag, "nothing was written: ctc replaces no plugin");
    return EXIT_MODEL;
  }
  if (write_skeleton(cli, name, folder) && !cli->quiet) {
    for (size_t i = 0; i < SKELETON_FILES; i++) printf("wrote %s/%s\n", folder, skeleton[i].file);
    printf("test it: ctc plugin check %s\n", folder);
  }
  return cli_finish(cli);
}
