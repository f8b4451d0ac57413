/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The arena of executable memory, with two mappings and with one. Each process has one arena: the second way is tested in
 * a child that has not used it yet. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "test.h"

#ifdef SYS_mmap2
enum { SYS_MAPPING = SYS_mmap2 }; /* 32-bit systems */
#else
enum { SYS_MAPPING = SYS_mmap };
#endif

static struct base_code_chunk taken(size_t bytes) {
  struct base_code_chunk chunk = {0};
  CHECK(base_code_take(bytes, &chunk));
  CHECK(chunk.bytes >= bytes && base_code_contains((uintptr_t)chunk.run));
  return chunk;
}

static bool is_zero(const struct base_code_chunk *chunk) {
  for (size_t i = 0; i < chunk->bytes; i++)
    if (chunk->run[i]) return false;
  return true;
}

/* Pages of the process's own map that are writable and executable. */
static int pages_of_both_kinds(void) {
  int found = 0;
  char line[512];
  FILE *maps = fopen("/proc/self/maps", "r");
  while (maps && fgets(line, sizeof line, maps)) {
    const char *mode = strchr(line, ' ');
    if (mode && mode[2] == 'w' && mode[3] == 'x') found++;
  }
  if (maps) fclose(maps);
  return found;
}

TEST(written_bytes_run) {
  struct base_code_chunk chunk = taken(1);
  CHECK(is_zero(&chunk));
  memset(chunk.write, 0xCC, 100);
  CHECK(base_code_publish(&chunk, 0, 100));
  CHECK(chunk.run[0] == 0xCC && chunk.run[99] == 0xCC && chunk.run[100] == 0);
  size_t next = base_code_granule() > 128 ? base_code_granule() : 128;
  memset(chunk.write + next, 0xDD, 100); /* the rest can still be written */
  CHECK(base_code_publish(&chunk, next, 100));
  CHECK(chunk.run[0] == 0xCC && chunk.run[next] == 0xDD);
  CHECK_INT(pages_of_both_kinds(), 0);
  base_code_give(&chunk);
}

TEST(chunks_are_apart_and_come_back_zeroed) {
  struct base_code_chunk chunks[20];
  for (size_t i = 0; i < 20; i++) {
    chunks[i] = taken((i % 3 + 1) * BASE_CODE_CHUNK_BYTES - i % 2);
    for (size_t k = 0; k < i; k++)
      CHECK(chunks[i].run >= chunks[k].run + chunks[k].bytes || chunks[k].run >= chunks[i].run + chunks[i].bytes);
    memset(chunks[i].write, (int)i + 1, chunks[i].bytes);
    CHECK(base_code_publish(&chunks[i], 0, chunks[i].bytes));
  }
  for (size_t i = 0; i < 20; i++) CHECK(chunks[i].run[chunks[i].bytes - 1] == i + 1);
  uint8_t *hole = chunks[4].run; /* three units between two others */
  base_code_give(&chunks[5]);
  base_code_give(&chunks[4]);
  chunks[4] = taken(2 * BASE_CODE_CHUNK_BYTES);
  CHECK(chunks[4].run == hole && is_zero(&chunks[4]));
  chunks[5] = taken(BASE_CODE_CHUNK_BYTES);
  CHECK(is_zero(&chunks[5]));
  for (size_t i = 0; i < 20; i++) base_code_give(&chunks[i]);
}

TEST(the_arena_has_an_end) {
  struct base_code_chunk all, none, again;
  CHECK(!base_code_take((size_t)BASE_CODE_ARENA_BYTES + 1, &none));
  size_t bytes = BASE_CODE_ARENA_BYTES;
  while (!base_code_take(bytes, &all)) bytes /= 2; /* where the address space is limited */
  bool is_whole = bytes == BASE_CODE_ARENA_BYTES;
  if (is_whole) CHECK(!base_code_take(1, &none));
  base_code_give(&all);
  CHECK(base_code_take(bytes, &again));
  base_code_give(&again);
}

TEST(a_child_runs_code_but_makes_none) {
  struct base_code_chunk chunk = taken(1), mine;
  memset(chunk.write, 0x5A, 10);
  CHECK(base_code_publish(&chunk, 0, 10));
  pid_t child = fork();
  if (child == 0) _exit(chunk.run[9] == 0x5A && !base_code_is_writable() && !base_code_take(1, &mine) ? 7 : 1);
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
  CHECK(base_code_is_writable());
  base_code_give(&chunk);
}

TEST(making_it_is_quick) {
  uint64_t start_ns = base_os_monotonic_ns();
  struct base_code_chunk chunk = taken(1);
  memset(chunk.write, 1, 1);
  CHECK(base_code_publish(&chunk, 0, 1));
  printf("first chunk: %.1f us\n", (double)(base_os_monotonic_ns() - start_ns) / 1e3);
  base_code_give(&chunk);
}

static void all(void){RUN(making_it_is_quick) RUN(written_bytes_run) RUN(chunks_are_apart_and_come_back_zeroed)
                          RUN(the_arena_has_an_end) RUN(a_child_runs_code_but_makes_none)}

TEST(with_one_mapping) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    base_code_set_single(true);
    test_failures = 0;
    all();
    fflush(stdout);
    _exit(test_failures != 0);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* As systems do that let no process make code. False: this system has no such filters. */
static bool forbid_executable_mappings(void) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_MAPPING, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {BASE_ARRAY_LEN(code), code};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST(where_code_is_forbidden) {
  enum { MAY_NOT, MAY, NO_FILTERS };
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) _exit(!forbid_executable_mappings() ? NO_FILTERS : base_code_may_run() ? MAY : MAY_NOT);
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) != MAY);
}

TEST(where_code_is_allowed) { CHECK(base_code_may_run()); }

TEST_MAIN(RUN(where_code_is_forbidden) RUN(with_one_mapping) RUN(where_code_is_allowed) all())
