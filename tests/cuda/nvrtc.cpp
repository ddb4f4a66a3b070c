/* nvrtc.cpp: NVRTC: a kernel text is written behind device.h and compiled by g++ into a shared
 * object, which is the "cubin".
 *
 * What was compiled before is taken from the folder CTC_CUDA_CACHE: the file's name is a hash of
 * the text, of device.h and of the command. */
#include "api.h"
#include "driver.h"
#include "image.h"
#include "sanitizer.h"
#include <ctype.h>
#include <dlfcn.h>
#include <fstream>
#include <sstream>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

struct Program {
  std::string text, name, log, path, image, ptx;
  std::vector<std::string> defines; /* -D options */
};

// --- files ---

static std::string read_file(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

static bool write_file(const std::string &path, const std::string &text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  return !file.fail();
}

/* The folder of this library: device.h lies there too. */
static std::string own_folder() {
  Dl_info self;
  if (!dladdr((const void *)own_folder, &self)) return ".";
  std::string path = self.dli_fname;
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

static std::string cache_folder() {
  std::string path = setting("CTC_CUDA_CACHE", "");
  if (path.empty())
    path = std::string(setting("TMPDIR", P_tmpdir)) + "/ctc-cuda-" + std::to_string(getuid());
  mkdir(path.c_str(), 0700);
  return path;
}

/* FNV-1a, 64 bits, from two starts: 32 digits. */
static std::string hash_of(const std::string &text) {
  char digits[40];
  uint64_t a = 0xcbf29ce484222325u, b = 0x9ae16a3b2f90404fu;
  for (unsigned char c : text) {
    a = (a ^ c) * 0x100000001b3u;
    b = (b ^ c) * 0x100000001b3u;
  }
  snprintf(digits, sizeof digits, "%016llx%016llx", (unsigned long long)a, (unsigned long long)b);
  return digits;
}

/* A word of a shell command. */
static std::string quoted(const std::string &word) {
  std::string result = "'";
  for (char c : word) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

// --- the text ---

/* The text with blanks for comments, strings and characters: only code is left, at its place. */
static std::string code_of(const std::string &text) {
  std::string code = text;
  auto blank = [&](size_t from, size_t to) {
    for (size_t i = from; i < to && i < code.size(); i++)
      if (code[i] != '\n') code[i] = ' ';
    return to;
  };
  auto after = [&](const char *what, size_t from) {
    size_t at = text.find(what, from);
    return at == std::string::npos ? text.size() : at + strlen(what);
  };
  for (size_t i = 0; i < text.size(); i++) {
    if (!text.compare(i, 2, "//"))
      i = blank(i, after("\n", i)) - 1;
    else if (!text.compare(i, 2, "/*"))
      i = blank(i, after("*/", i + 2)) - 1;
    else if (text[i] == '"' || (text[i] == '\'' && !(i && isalnum((unsigned char)text[i - 1])))) {
      size_t end = i + 1;
      while (end < text.size() && text[end] != text[i]) end += text[end] == '\\' ? 2 : 1;
      i = blank(i, end + 1) - 1;
    }
  }
  return code;
}

static bool in_word(char c) {
  return isalnum((unsigned char)c) || c == '_';
}

static size_t skip_spaces(const std::string &code, size_t at) {
  while (at < code.size() && isspace((unsigned char)code[at])) at++;
  return at;
}

static std::string word_at(const std::string &code, size_t at) {
  size_t end = at;
  while (end < code.size() && in_word(code[end])) end++;
  return code.substr(at, end - at);
}

/* Where the bracket that opens at `open` closes; the end of the text if it does not. */
static size_t closing(const std::string &code, size_t open) {
  int depth = 0;
  for (size_t i = open; i < code.size(); i++) {
    depth += code[i] == '(' ? 1 : code[i] == ')' ? -1 : 0;
    if (!depth) return i;
  }
  return code.size();
}

/* What is inside of __launch_bounds__(…), up to the first comma of its own. */
static std::string first_argument(const std::string &code, size_t open) {
  int depth = 0;
  size_t i = open;
  for (; i < code.size(); i++) {
    depth += code[i] == '(' ? 1 : code[i] == ')' ? -1 : 0;
    if (!depth || (depth == 1 && code[i] == ',')) break;
  }
  return code.substr(open + 1, i - open - 1);
}

/* CPU_KERNEL(name, bound) for the kernel whose __global__ ends at `at`; "": no kernel is defined
 * there. */
static std::string entry_at(const std::string &code, size_t at) {
  std::string bound = "0";
  for (;;) {
    at = skip_spaces(code, at);
    std::string word = word_at(code, at);
    if (word.empty()) return "";
    size_t open = skip_spaces(code, at + word.size());
    if (open >= code.size() || code[open] != '(') {
      at = open;
      continue;
    }
    size_t close = closing(code, open);
    if (word == "__launch_bounds__") {
      bound = first_argument(code, open);
      at = close + 1;
      continue;
    }
    size_t body = skip_spaces(code, close + 1);
    return body < code.size() && code[body] == '{' ? "CPU_KERNEL(" + word + ", (" + bound + "))\n"
                                                   : "";
  }
}

/* All kernels that can be found by their names: extern "C" (the name of the language is blank in
 * `code`). */
static std::string entries_of(const std::string &code) {
  static const char mark[] = "__global__";
  std::string entries;
  for (size_t at = 0; (at = code.find(mark, at)) != std::string::npos;) {
    size_t end = at + strlen(mark), before = at;
    while (before && isspace((unsigned char)code[before - 1])) before--;
    bool external = before >= 6 && !code.compare(before - 6, 6, "extern");
    if (external && !in_word(code[end])) entries += entry_at(code, end);
    at = end;
  }
  return entries;
}

/* A type without __align__(…) and alignas(…): dynamic memory is aligned for all. */
static std::string without_alignment(std::string type) {
  for (const char *word : {"__align__", "alignas"}) {
    size_t at = type.find(word);
    if (at != std::string::npos) type.erase(at, closing(type, type.find('(', at)) + 1 - at);
  }
  return type;
}

/* `extern __shared__ T name[];` becomes a pointer to the unit's dynamic memory, on the same line.
 */
static std::string with_dynamic_memory(const std::string &text, const std::string &code) {
  std::string result;
  size_t done = 0;
  for (size_t at = 0; (at = code.find("extern", at)) != std::string::npos; at += 6) {
    size_t shared = skip_spaces(code, at + 6), end = code.find(';', at);
    if (code.compare(shared, 10, "__shared__") || end == std::string::npos) continue;
    size_t name_end = code.rfind('[', end);
    if (name_end == std::string::npos || name_end < shared) continue;
    while (isspace((unsigned char)code[name_end - 1])) name_end--;
    size_t begin = name_end;
    while (in_word(code[begin - 1])) begin--;
    std::string type = without_alignment(code.substr(shared + 10, begin - shared - 10)),
                name = code.substr(begin, name_end - begin);
    result +=
        text.substr(done, at - done) + type + " *const " + name + " = (" + type + " *)cpu_dynamic;";
    done = end + 1;
  }
  return result + text.substr(done);
}

static std::string unit_text(const Program &program) {
  std::string code = code_of(program.text),
              name = program.name.empty() ? "default_program" : program.name;
  return "#include \"device.h\"\nnamespace {\n#line 1 \"" + name + "\"\n" +
         with_dynamic_memory(program.text, code) + "\n}\n#line 1 \"entries\"\n" + entries_of(code);
}

// --- compiling ---

/* CTC_CUDA_RACES=1: every access is told (races.cpp). */
static bool race_checked() {
  return setting_number("CTC_CUDA_RACES", 0) != 0;
}

/* CTC_CUDA_SANITIZE=0 or 1; by default kernels are checked if the program is. */
static bool sanitized() {
  return !race_checked() && setting_number("CTC_CUDA_SANITIZE", __asan_init != nullptr) != 0;
}

/* What makes fmaf one instruction. Nothing is contracted, so results do not depend on it. */
static const char *processor_flags() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return " -mavx2 -mfma";
#endif
  return "";
}

/* Without definitions and files. */
static std::string command_of_settings() {
  std::string command = setting("CTC_CUDA_CXX", "g++");
  command += std::string(" ") + setting("CTC_CUDA_FLAGS", "-O1");
  command += " -std=c++17 -w -g1 -fPIC -shared -fvisibility=hidden -fno-exceptions "
             "-fno-strict-aliasing "
             "-fno-math-errno -ffp-contract=off";
  command += processor_flags();
  if (sanitized())
    command +=
        " -fsanitize=address,undefined -fno-sanitize-recover=all -fsanitize-sections=cpu_shared";
  else
    command += " -fsanitize=alignment -fsanitize-undefined-trap-on-error";
  if (race_checked()) command += " -fsanitize=thread -DCPU_RACES -nodefaultlibs";
  return command + " -I" + quoted(own_folder());
}

std::string build_key() {
  std::string headers =
      read_file(own_folder() + "/device.h") + read_file(own_folder() + "/block.h");
  return hash_of(headers + command_of_settings());
}

/* Without the last words: the files. */
static std::string command_of(const Program &program) {
  std::string command = command_of_settings() + " " + quoted("-DCPU_BUILT=\"" + build_key() + "\"");
  for (const std::string &define : program.defines) command += " " + quoted(define);
  return command;
}

static std::string run_and_read(const std::string &command, int *status) {
  std::string text;
  FILE *pipe = popen((command + " 2>&1").c_str(), "r");
  char part[4096];
  size_t n;
  while (pipe && (n = fread(part, 1, sizeof part, pipe)) > 0) text.append(part, n);
  *status = pipe ? pclose(pipe) : -1;
  return text;
}

/* Runs a command that writes `path`: under a name of its own that is then changed, so that several
 * processes may do the same. */
static bool make_file(const std::string &command, const std::string &words, const std::string &path,
                      std::string *log) {
  std::string own = path + "-" + std::to_string(getpid());
  int status = -1;
  *log = run_and_read(command + " -o " + quoted(own) + " " + words, &status);
  if (status) unlink(own.c_str());
  return !status && !rename(own.c_str(), path.c_str());
}

/* A folder with device.h as this command compiles it, where a text that lies there finds it first:
 * most texts are shorter than what device.h includes. */
static std::string header_folder(const std::string &command) {
  std::string folder = cache_folder() + "/" + hash_of(command), log;
  std::string path = folder + "/device.h.gch";
  mkdir(folder.c_str(), 0700);
  if (access(path.c_str(), R_OK))
    make_file(command, "-x c++-header " + quoted(own_folder() + "/device.h"), path, &log);
  return folder;
}

static bool compile(Program *program, const std::string &text, const std::string &path) {
  std::string command = command_of(*program);
  std::string source = header_folder(command) + path.substr(path.rfind('/')) + "-" +
                       std::to_string(getpid()) + ".cpp";
  if (!write_file(source, text)) {
    program->log = "cuda stand-in: cannot write " + source + "\n";
    return false;
  }
  bool good = make_file(command, quoted(source) + " -lm -lc -lgcc", path, &program->log);
  unlink(source.c_str());
  return good;
}

/* -D goes to g++; what else NVRTC knows changes nothing here. */
static bool take_option(Program *program, const char *option, const char *next, bool *took_next) {
  static const char *const known[] = {"-arch",
                                      "--gpu-architecture",
                                      "-std",
                                      "--std",
                                      "-default-device",
                                      "--device-as-default-execution-space",
                                      "-use_fast_math",
                                      "--use_fast_math",
                                      "-fmad",
                                      "--fmad",
                                      "-ftz",
                                      "--ftz",
                                      "-prec-div",
                                      "--prec-div",
                                      "-prec-sqrt",
                                      "--prec-sqrt",
                                      "-lineinfo",
                                      "--generate-line-info",
                                      "-G",
                                      "--device-debug",
                                      "-maxrregcount",
                                      "--maxrregcount",
                                      "--minimal",
                                      "-minimal",
                                      "-w",
                                      "--disable-warnings",
                                      "-extra-device-vectorization",
                                      "--extra-device-vectorization",
                                      "-restrict",
                                      "--restrict",
                                      "-dopt",
                                      "--dopt",
                                      "-Xptxas",
                                      "--ptxas-options",
                                      "-I",
                                      "--include-path",
                                      "-diag-suppress",
                                      "--diag-suppress",
                                      "-split-compile",
                                      "--split-compile",
                                      "--no-cache",
                                      "-no-cache",
                                      "-default-stream",
                                      "--relocatable-device-code",
                                      "-rdc"};
  std::string text = option;
  *took_next = false;
  if (text == "-D" || text == "--define-macro") {
    *took_next = true;
    if (next) program->defines.push_back(std::string("-D") + next);
    return next != nullptr;
  }
  if (!text.compare(0, 2, "-D") || !text.compare(0, 15, "--define-macro=")) {
    program->defines.push_back("-D" + text.substr(text[1] == 'D' ? 2 : 15));
    return true;
  }
  for (const char *one : known) {
    size_t n = strlen(one);
    if (!text.compare(0, n, one) && (text.size() == n || text[n] == '=' || !strcmp(one, "-I"))) {
      *took_next = text.size() == n && (!strcmp(one, "-I") || !strcmp(one, "-Xptxas"));
      return true;
    }
  }
  program->log =
      "nvrtc: error: invalid value for --gpu-architecture or unknown option: " + text + "\n";
  return false;
}

static bool take_options(Program *program, int count, const char *const *options) {
  program->defines.clear();
  const char *arch = getenv("CTC_CUDA_ARCH_MACRO");
  if (arch && *arch) program->defines.push_back(std::string("-D__CUDA_ARCH__=") + arch);
  for (int i = 0; i < count; i++) {
    bool took_next;
    if (!take_option(program, options[i], i + 1 < count ? options[i + 1] : nullptr, &took_next))
      return false;
    i += took_next;
  }
  return true;
}

// --- the API ---

/* The minor version tells the settings apart: programs keep cubins by version. */
CTC_API nvrtcResult nvrtcVersion(int *major, int *minor) {
  if (!major || !minor) return NVRTC_ERROR_INVALID_INPUT;
  *major = 13;
  *minor = (int)(strtoul(build_key().substr(0, 8).c_str(), nullptr, 16) % 1000000);
  return NVRTC_SUCCESS;
}

static const int archs[] = {75, 80, 86, 87, 88, 89, 90, 100, 103, 110, 120, 121};

CTC_API nvrtcResult nvrtcGetNumSupportedArchs(int *count) {
  if (!count) return NVRTC_ERROR_INVALID_INPUT;
  *count = (int)(sizeof archs / sizeof *archs);
  return NVRTC_SUCCESS;
}

CTC_API nvrtcResult nvrtcGetSupportedArchs(int *list) {
  if (!list) return NVRTC_ERROR_INVALID_INPUT;
  memcpy(list, archs, sizeof archs);
  return NVRTC_SUCCESS;
}

CTC_API const char *nvrtcGetErrorString(nvrtcResult result) {
  static const char *const names[] = {"NVRTC_SUCCESS",
                                      "NVRTC_ERROR_OUT_OF_MEMORY",
                                      "NVRTC_ERROR_PROGRAM_CREATION_FAILURE",
                                      "NVRTC_ERROR_INVALID_INPUT",
                                      "NVRTC_ERROR_INVALID_PROGRAM",
                                      "NVRTC_ERROR_INVALID_OPTION",
                                      "NVRTC_ERROR_COMPILATION"};
  return result >= 0 && result <= NVRTC_ERROR_COMPILATION ? names[result] : "NVRTC_ERROR unknown";
}

CTC_API nvrtcResult nvrtcCreateProgram(nvrtcProgram *program, const char *text, const char *name,
                                       int headers, const char *const *, const char *const *) {
  if (!program || !text || headers) return NVRTC_ERROR_INVALID_INPUT;
  *program = new Program();
  (*program)->text = text;
  (*program)->name = name ? name : "";
  return NVRTC_SUCCESS;
}

CTC_API nvrtcResult nvrtcDestroyProgram(nvrtcProgram *program) {
  if (!program || !*program) return NVRTC_ERROR_INVALID_PROGRAM;
  delete *program;
  *program = nullptr;
  return NVRTC_SUCCESS;
}

CTC_API nvrtcResult nvrtcCompileProgram(nvrtcProgram program, int count,
                                        const char *const *options) {
  if (!program) return NVRTC_ERROR_INVALID_PROGRAM;
  program->log.clear();
  program->image.clear();
  if (!take_options(program, count, options)) return NVRTC_ERROR_INVALID_OPTION;
  if (sanitized() && !__asan_init) {
    program->log = "cuda stand-in: CTC_CUDA_SANITIZE=1 needs a program that is built with "
                   "-fsanitize=address\n";
    return NVRTC_ERROR_COMPILATION;
  }
  std::string text = unit_text(*program);
  program->path = cache_folder() + "/" + hash_of(text + command_of(*program)) + ".so";
  if (access(program->path.c_str(), R_OK) && !compile(program, text, program->path))
    return NVRTC_ERROR_COMPILATION;
  program->image = read_file(program->path);
  program->ptx = PTX_BEGIN + program->path + "\n";
  return NVRTC_SUCCESS;
}

/* A result of a compilation, with the byte 0 behind it that the sizes of texts count. */
static nvrtcResult give(nvrtcProgram program, const std::string &what, size_t extra, size_t *size,
                        char *to) {
  if (!program || program->image.empty()) return NVRTC_ERROR_INVALID_PROGRAM;
  if (size) *size = what.size() + extra;
  if (to) memcpy(to, what.c_str(), what.size() + extra);
  return NVRTC_SUCCESS;
}

CTC_API nvrtcResult nvrtcGetCUBINSize(nvrtcProgram program, size_t *size) {
  if (!program) return NVRTC_ERROR_INVALID_PROGRAM;
  return size ? give(program, program->image, 0, size, nullptr) : NVRTC_ERROR_INVALID_INPUT;
}

CTC_API nvrtcResult nvrtcGetCUBIN(nvrtcProgram program, char *cubin) {
  if (!program) return NVRTC_ERROR_INVALID_PROGRAM;
  return cubin ? give(program, program->image, 0, nullptr, cubin) : NVRTC_ERROR_INVALID_INPUT;
}

CTC_API nvrtcResult nvrtcGetPTXSize(nvrtcProgram program, size_t *size) {
  if (!program) return NVRTC_ERROR_INVALID_PROGRAM;
  return size ? give(program, program->ptx, 1, size, nullptr) : NVRTC_ERROR_INVALID_INPUT;
}

CTC_API nvrtcResult nvrtcGetPTX(nvrtcProgram program, char *ptx) {
  if (!program) return NVRTC_ERROR_INVALID_PROGRAM;
  return ptx ? give(program, program->ptx, 1, nullptr, ptx) : NVRTC_ERROR_INVALID_INPUT;
}

CTC_API nvrtcResult nvrtcGetProgramLogSize(nvrtcProgram program, size_t *size) {
  if (!program) return NVRTC_ERROR_INVALID_PROGRAM;
  if (!size) return NVRTC_ERROR_INVALID_INPUT;
  *size = program->log.size() + 1;
  return NVRTC_SUCCESS;
}

CTC_API nvrtcResult nvrtcGetProgramLog(nvrtcProgram program, char *log) {
  if (!program) return NVRTC_ERROR_INVALID_PROGRAM;
  if (!log) return NVRTC_ERROR_INVALID_INPUT;
  memcpy(log, program->log.c_str(), program->log.size() + 1);
  return NVRTC_SUCCESS;
}
