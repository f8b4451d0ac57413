/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* A guest without code: a store, a memory and the functions of 0.1, called as a tier would call them.
 *
 * Memory: strings are put at TEXT and on, iovecs at IOVECS, bytes at BYTES, results at OUT. */
#ifndef TESTS_UNIT_WASI_GUEST_H
#define TESTS_UNIT_WASI_GUEST_H

#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"
#include "wasi/wasi.h"

enum { OUT = 0x100, IOVECS = 0x800, BYTES = 0x1000, TEXT = 0x8000, MEMORY_BYTES = 0x10000 };

/* Errnos of 0.1 that the tests expect. */
enum {
  E_AGAIN = 6,
  E_BADF = 8,
  E_EXIST = 20,
  E_FAULT = 21,
  E_INVAL = 28,
  E_ISDIR = 31,
  E_LOOP = 32,
  E_MFILE = 33,
  E_NAMETOOLONG = 37,
  E_NOENT = 44,
  E_NOTDIR = 54,
  E_NOTEMPTY = 55,
  E_NOTSOCK = 57,
  E_NOTSUP = 58,
  E_ROFS = 69,
  E_SPIPE = 70,
  E_NOTCAPABLE = 76
};
enum { RIGHT_READ = 2, RIGHT_SEEK = 4, RIGHT_WRITE = 64, ALL_RIGHTS = 0x3FFFFFFF };

static enum cay_status stub_code_new(struct module *module, const struct engine_code_options *options, void **code,
                                     const void *const **entries, struct cay_error *error) {
  (void)module, (void)options, (void)code, (void)entries;
  return base_error_set(error, CAY_ERROR_UNSUPPORTED, "no code");
}
static const struct engine_tier stub_tier = {.name = "stub", .code_new = stub_code_new};

static struct engine *engine;
static struct engine_store *store;
static struct engine_linker *linker;
static struct engine_instance instance;
static struct wasi_p1 *p1;
static const char *surface = "wasi_snapshot_preview1";
static enum engine_trap last_trap;

static struct wasi_hooks next_hooks; /* of the next guest that is started */

static inline void guest_start(struct wasi_config *config) {
  struct cay_error error = {0};
  struct wasi_hooks hooks = next_hooks;
  next_hooks = (struct wasi_hooks){0};
  struct engine_options options = {.tier = &stub_tier, .explicit_bounds = true};
  struct module_memory_type type = {.limits = {.min = 1, .max = 1, .has_max = true}, .page_log2 = 16};
  if (engine_new(&options, &engine, &error) || engine_store_new(engine, NULL, &store, &error) ||
      engine_linker_new(store, &linker, &error) || engine_memory_new(store, &type, &instance.memory0, &error) ||
      wasi_p1_new(config, &hooks, &p1, &error) || wasi_p1_define(linker, store, p1, NULL, &error)) {
    fprintf(stderr, "%s\n", error.text);
    abort();
  }
  instance.host_memory = instance.memory0;
  wasi_config_free(config);
}

static inline void limit_handles(uint64_t most) {
  struct base_budget *budget = base_budget_new(NULL);
  base_budget_set_limit(budget, BASE_LIMIT_HANDLES, most);
  CHECK_INT(wasi_p1_set_budget(p1, budget, NULL), CAY_OK);
  base_budget_release(budget);
}

static inline void guest_end(void) {
  engine_linker_free(linker);
  engine_store_free(store);
  engine_free(engine);
  wasi_p1_free(p1);
}

static inline struct wasi_config *config_new(void) {
  struct wasi_config *config = NULL;
  if (wasi_config_new(&config, NULL)) abort();
  return config;
}

static inline uint8_t *memory(uint32_t at) { return instance.memory0->base + at; }
static inline uint32_t get32(uint32_t at) { return base_load_u32(memory(at)); }
static inline uint64_t get64(uint32_t at) { return base_load_u64(memory(at)); }

static inline int call_slots(const char *name, uint64_t *slots) {
  struct engine_extern found;
  struct module_name module_name = {surface, (uint32_t)strlen(surface)}, function = {name, (uint32_t)strlen(name)};
  if (!engine_linker_find(linker, module_name, function, &found)) {
    fprintf(stderr, "no function %s\n", name);
    abort();
  }
  struct engine_call call = {
      .thread = engine_store_thread(store), .caller = &instance, .function = found.func, .env = found.func->env};
  last_trap = found.func->host(&call, slots);
  return last_trap == ENGINE_TRAP_NONE ? (int)(uint32_t)slots[0] : -1;
}

/* Calls with up to nine 64-bit arguments; -1 when it trapped. */
#define CALL(name, ...) call_slots(#name, (uint64_t[10]){__VA_ARGS__})

/* Puts a string into memory; each call of a test uses another `place`. Expands to pointer and length. */
static inline uint32_t put_text(unsigned place, const char *text) {
  uint32_t at = TEXT + place * 0x1000;
  memcpy(memory(at), text, strlen(text));
  return at;
}
#define PATH(text) put_text(0, text), strlen(text)
#define PATH2(text) put_text(1, text), strlen(text)

static inline uint32_t iovec(uint32_t at, uint32_t len_bytes) {
  base_store_u32(memory(IOVECS), at);
  base_store_u32(memory(IOVECS + 4), len_bytes);
  return IOVECS;
}

/* path_open of handle 3; the new handle, or minus the errno. */
static inline int open_path(const char *path, uint32_t oflags, uint64_t rights, uint32_t fdflags) {
  int result = CALL(path_open, 3, 1, PATH(path), oflags, rights, ALL_RIGHTS, fdflags, OUT);
  return result ? -result : (int)get32(OUT);
}

static char scratch[64];
static int scratch_remove_one(const char *path, const struct stat *status, int type, struct FTW *walk) {
  (void)status, (void)type, (void)walk;
  return remove(path);
}
static inline void scratch_remove(void) { nftw(scratch, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS); }
static inline void scratch_enter(void) {
  strcpy(scratch, "/tmp/cay-wasi-XXXXXX");
  if (!mkdtemp(scratch) || chdir(scratch) != 0) abort();
  atexit(scratch_remove);
}
static inline void write_file(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  if (!file || fputs(text, file) < 0 || fclose(file) != 0) abort();
}

static inline enum cay_status try_grant(struct wasi_config *config, const char *host, const char *guest, uint32_t rights,
                                        struct cay_error *error) {
  struct wasi_grant grant = {.host_path = host, .guest_path = guest, .rights = rights};
  return wasi_config_grant(config, &grant, error);
}

static inline void grant_path(struct wasi_config *config, const char *host, const char *guest, uint32_t rights) {
  struct cay_error error;
  if (try_grant(config, host, guest, rights, &error)) {
    fprintf(stderr, "%s\n", error.text);
    abort();
  }
}

#endif
