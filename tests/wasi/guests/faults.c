/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Pointers outside of memory, wholly or in part, in every function that takes one. */
#include "check.h"

static unsigned char bytes[256];
static uint32_t done;
static uint64_t at;

/* An address with `inside` bytes of memory left. */
static void *edge(uint32_t inside) { return (void *)(__builtin_wasm_memory_size(0) * 65536 - inside); }

static void outputs(uint32_t file, void *wrong1, void *wrong4, void *wrong8) {
  __wasi_iovec_t vector = {bytes, 1};
  IS(raw_fd_fdstat_get(file, wrong8), FAULT);
  IS(raw_fd_filestat_get(file, wrong8), FAULT);
  IS(raw_fd_prestat_get(ROOT, wrong4), FAULT);
  IS(raw_fd_prestat_dir_name(ROOT, wrong1, 2), FAULT);
  IS(raw_fd_read(file, &vector, 1, wrong4), FAULT);
  IS(raw_fd_pread(file, &vector, 1, 0, wrong4), FAULT);
  IS(raw_fd_write(file, &vector, 1, wrong4), FAULT);
  IS(raw_fd_pwrite(file, &vector, 1, 0, wrong4), FAULT);
  IS(raw_fd_seek(file, 0, RAW_CUR, wrong8), FAULT);
  IS(raw_fd_tell(file, wrong8), FAULT);
  IS(raw_fd_readdir(ROOT, wrong1, 64, 0, &done), FAULT);
  IS(raw_fd_readdir(ROOT, bytes, 64, 0, wrong4), FAULT);
  IS(raw_path_filestat_get(ROOT, 0, P("file"), wrong8), FAULT);
  IS(raw_path_open(ROOT, 0, P("file"), 0, READ, 0, 0, wrong4), FAULT);
  IS(raw_path_readlink(ROOT, P("link"), wrong1, 64, &done), FAULT);
  IS(raw_path_readlink(ROOT, P("link"), bytes, 64, wrong4), FAULT);
}

static void paths(uint32_t file, const void *wrong, uint32_t length) {
  IS(raw_path_create_directory(ROOT, wrong, length), FAULT);
  IS(raw_path_filestat_get(ROOT, 0, wrong, length, bytes), FAULT);
  IS(raw_path_filestat_set_times(ROOT, 0, wrong, length, 0, 0, 0), FAULT);
  IS(raw_path_link(ROOT, 0, wrong, length, ROOT, P("new")), FAULT);
  IS(raw_path_link(ROOT, 0, P("file"), ROOT, wrong, length), FAULT);
  IS(raw_path_open(ROOT, 0, wrong, length, 0, READ, 0, 0, &done), FAULT);
  IS(raw_path_readlink(ROOT, wrong, length, bytes, 64, &done), FAULT);
  IS(raw_path_remove_directory(ROOT, wrong, length), FAULT);
  IS(raw_path_rename(ROOT, wrong, length, ROOT, P("new")), FAULT);
  IS(raw_path_rename(ROOT, P("file"), ROOT, wrong, length), FAULT);
  IS(raw_path_symlink(wrong, length, ROOT, P("new")), FAULT);
  IS(raw_path_symlink(P("file"), ROOT, wrong, length), FAULT);
  IS(raw_path_unlink_file(ROOT, wrong, length), FAULT);
  (void)file;
}

/* The list of buffers, and the buffers in it. */
static void vectors(uint32_t file) {
  __wasi_iovec_t part[2] = {{bytes, 4}, {edge(8), 9}}, wild[1] = {{(uint8_t *)(intptr_t)-16, 4}},
                 huge[1] = {{bytes, 0xFFFFFFFF}};
  const struct {
    const void *vectors;
    uint32_t count;
  } cases[] = {
      {edge(8), 2}, {edge(0), 1}, {(void *)(intptr_t)-8, 1}, {bytes, 0x20000000}, {bytes, 0xFFFFFFFF}, {part, 2},
      {wild, 1},    {huge, 1}};
  for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
    const void *list = cases[i].vectors;
    uint32_t count = cases[i].count;
    unsigned before = check_failures;
    /* A list of too many buffers may be refused for its length. */
    IS_OR(raw_fd_read(file, list, count, &done), FAULT, INVAL);
    IS_OR(raw_fd_pread(file, list, count, 0, &done), FAULT, INVAL);
    IS_OR(raw_fd_write(file, list, count, &done), FAULT, INVAL);
    IS_OR(raw_fd_pwrite(file, list, count, 0, &done), FAULT, INVAL);
    IN_CASE(check_failures == before, "vectors %u", i);
  }
}

int main(void) {
  make_file("file", "0123456789");
  OK(raw_path_symlink(P("file"), ROOT, P("link")));
  uint32_t file = must_open("file", 0, FILE_RIGHTS);
  outputs(file, edge(0), edge(0), edge(0));
  outputs(file, edge(1), edge(3), edge(7));
  outputs(file, (void *)(intptr_t)-1, (void *)(intptr_t)-4, (void *)(intptr_t)-8);
  paths(file, edge(0), 1);
  paths(file, edge(3), 4);
  paths(file, (void *)(intptr_t)-2, 2);
  paths(file, "x", 0xFFFFFFFF);
  vectors(file);
  /* Nothing was done, and nothing is out of order. */
  TRUE(holds("file", "0123456789") && !exists("new"));
  OK(raw_fd_tell(file, &at));
  EQUAL(at, 0);
  EQUAL(must_open("file", 0, READ), file + 1);
  /* The last bytes of memory are memory. */
  __wasi_iovec_t last = {edge(10), 10};
  OK(raw_fd_read(file, &last, 1, edge(4) - 10));
  TRUE(memcmp(edge(10), "0123456789", 10) == 0);
  OK(raw_fd_tell(file, edge(8)));
  return check_end();
}
