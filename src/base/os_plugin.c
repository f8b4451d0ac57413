/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Finding and loading the internal shared objects on systems with dlopen and /proc. They are searched beside the
 * executable (the build folder), in the installed folder relative to the executable (a moved installation), in the
 * installed folder as configured (the library inside somebody else's program), and last where the loader searches. */
#include "base/base.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static bool is_alone;

void base_os_stand_alone(void) { is_alone = true; }

bool base_os_stands_alone(void) { return is_alone; }

/* The executable's folder with a final slash, or "" when it cannot be known. */
static void executable_folder(char out[PATH_MAX]) {
  ssize_t len = readlink(BASE_OWN_EXECUTABLE, out, PATH_MAX - 1);
  if (len < 0) len = 0;
  out[len] = 0;
  char *slash = strrchr(out, '/');
  out[slash ? slash - out + 1 : 0] = 0;
}

static void *open_in(const char *folder, const char *relative, const char *name) {
  char path[PATH_MAX];
  int len = snprintf(path, sizeof path, "%s%slibcay-%s.so", folder, relative, name);
  if (len < 0 || (size_t)len >= sizeof path) return NULL;
  return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

void *base_os_plugin(const char *name, const char *symbol, struct cay_error *error) {
  char folder[PATH_MAX];
  if (is_alone) {
    base_error_set(error, CAY_ERROR_UNSUPPORTED, "this program has no libcay-%s.so", name);
    return NULL;
  }
  executable_folder(folder);
  void *plugin = folder[0] ? open_in(folder, "", name) : NULL;
  if (!plugin && folder[0]) plugin = open_in(folder, BASE_PLUGIN_RELATIVE "/", name);
  if (!plugin) plugin = open_in(BASE_PLUGIN_FOLDER, "/", name);
  if (!plugin) plugin = open_in("", "", name);
  if (!plugin) {
    base_error_set(error, CAY_ERROR_UNSUPPORTED, "libcay-%s.so cannot be loaded: %s", name, dlerror());
    return NULL;
  }
  void *address = dlsym(plugin, symbol);
  if (address) return address;
  base_error_set(error, CAY_ERROR_UNSUPPORTED, "libcay-%s.so is of another version: it lacks %s", name, symbol);
  dlclose(plugin);
  return NULL;
}
