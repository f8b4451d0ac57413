/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The arena of executable memory, on Linux.
 *
 * Pages of a memory file, mapped twice: executable and read-only for running, writable for writing at an address that
 * nobody can guess. Publishing code costs no system call, and no page is both. Where pages need not be mapped anew the file
 * is closed then: by its descriptor code could be written without knowing that address. The file is sparse: what was not
 * touched, or was given back (a hole is punched), takes no memory. Where the system refuses executable memory files, the arena is
 * anonymous memory instead: pages are written, then flipped to executable, and a granule is a page.
 *
 * Rejected: changing the protection for each function in any case (6 us and a shootdown of other CPUs' address
 * translations each), and mappings that are writable and executable.
 *
 * Chunks are runs of units of 64 KiB, kept track of in a bit set. Threads: one lock; addresses are set once, before the
 * first chunk is handed out, and read without it. */
#include "base/base.h"

#include <assert.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif

enum { UNIT = BASE_CODE_CHUNK_BYTES, UNIT_COUNT = BASE_CODE_ARENA_BYTES / UNIT, SMALLEST_BYTES = 16 << 20 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t taken[UNIT_COUNT / 64];
static size_t unit_count, first_free; /* units below are taken */
static _Atomic(uint8_t *) arena;
static size_t arena_bytes;
static uint8_t *writable; /* NULL: pages are flipped */
static int file = -1;     /* open while it is mapped, and longer where pages are mapped anew */
static bool is_child, is_single;

uint8_t *base_code_arena(void) { return atomic_load_explicit(&arena, memory_order_relaxed); }

size_t base_code_arena_bytes(void) { return base_code_arena() ? arena_bytes : 0; }

bool base_code_contains(uintptr_t address) {
  uint8_t *start = base_code_arena();
  return start && address - (uintptr_t)start < arena_bytes;
}

bool base_code_is_writable(void) { return !is_child; }

size_t base_code_granule(void) { return writable ? 1 : base_os_page_bytes(); }

void base_code_set_single(bool wanted) {
  assert(!base_code_arena());
  is_single = wanted;
}

/* ---- Other CPUs ---- */

/* Where a CPU may still execute what it fetched before the code was there, as x86-64 does not. */
#if !defined(__x86_64__)
static bool syncs_cores;
enum { MAPS_ANEW = true };
static void prepare_syncs(void) {
  syncs_cores = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0) == 0;
}
static void sync_cores(void) {
  if (syncs_cores) syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0);
}
/* Emulators keep what they have translated, and do not see that it is written at another address. */
static bool map_anew(void *run, size_t bytes, off_t offset) {
  return mmap(run, bytes, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, file, offset) == run;
}
#else
enum { MAPS_ANEW = false };
static void prepare_syncs(void) {}
static void sync_cores(void) {}
static bool map_anew(void *run, size_t bytes, off_t offset) { return true; }
#endif

enum base_code_change base_code_change(void) {
  if (!writable) return BASE_CODE_FLIPS;
  return MAPS_ANEW ? BASE_CODE_MAPS_ANEW : BASE_CODE_NOTHING;
}

/* ---- Making the arena ----------------------------------------------------------------------------------------------- */

/* The parent's pages are shared with it: writing there would change the parent's code. */
static void in_child(void) { is_child = true; }

/* A file too large for the process's limit of file sizes would end it by a signal. */
static bool file_may_have(size_t bytes) {
  struct rlimit limit;
  return getrlimit(RLIMIT_FSIZE, &limit) == 0 && (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= bytes);
}

static int file_new(size_t bytes) {
  if (is_single || !file_may_have(bytes)) return -1;
  int made = memfd_create("cay-code", MFD_CLOEXEC | MFD_EXEC);
  if (made < 0) made = memfd_create("cay-code", MFD_CLOEXEC); /* before Linux 6.3 there was no such flag */
  if (made >= 0 && made <= STDERR_FILENO) { /* never in the place of a standard stream that is closed */
    int moved = fcntl(made, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    close(made);
    made = moved;
  }
  if (made >= 0 && ftruncate(made, (off_t)bytes) == 0) return made;
  if (made >= 0) close(made);
  return -1;
}

/* Maps the file where nobody expects it: somewhere below the executable mapping or the stack, one of which the system has
 * put near the upper end of the address space. Where no wish for a place is heard, that the code can run matters more. */
static uint8_t *map_writable(const uint8_t *executable, size_t bytes) {
  enum { TRIES = 8 };
  const uintptr_t lowest = (uintptr_t)1 << 32, stack = (uintptr_t)__builtin_frame_address(0);
  uintptr_t top = (uintptr_t)executable > stack ? (uintptr_t)executable : stack, room = top - lowest - bytes;
  for (int i = 0; i < TRIES && top > lowest + bytes; i++) {
    uint64_t random;
    base_os_random(&random, sizeof random);
    uintptr_t hint = lowest + (random % room & ~(uintptr_t)(UNIT - 1));
    void *got = mmap((void *)hint, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (got == (void *)hint) return got;
    if (got != MAP_FAILED) munmap(got, bytes); /* the wish was not heard: something is there */
  }
  void *anywhere = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0); /* valgrind hears no wishes */
  return anywhere == MAP_FAILED ? NULL : anywhere;
}

static void *map_executable(void *wish, size_t bytes) {
  return mmap(wish, bytes, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0);
}

static uint8_t *map_twice(size_t bytes) {
  file = file_new(bytes);
  if (file < 0) return NULL;
  void *executable = map_executable(NULL, bytes);
  if ((uintptr_t)executable <= UINT32_MAX) { /* where tools put things; the offsets of sites are told from addresses */
    munmap(executable, bytes);
    executable = map_executable((void *)((uintptr_t)1 << 42), bytes);
  }
  if (executable != MAP_FAILED) {
    writable = map_writable(executable, bytes);
    if (writable && MAPS_ANEW) return executable;
    if (!writable) munmap(executable, bytes);
  }
  close(file);
  file = -1;
  return writable ? executable : NULL;
}

/* Of a limited address space only a part. */
static size_t arena_size(void) {
  enum { PART = 16 };
  size_t bytes = BASE_CODE_ARENA_BYTES;
  struct rlimit limit;
  if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    while (bytes > limit.rlim_cur / PART && bytes > SMALLEST_BYTES) bytes /= 2;
  return bytes;
}

static bool make_locked(void) {
  if (base_code_arena()) return true;
  size_t bytes = arena_size();
  uint8_t *made = map_twice(bytes);
  if (!made) made = base_os_reserve(bytes);
  if (!made) return false;
  pthread_atfork(NULL, NULL, in_child);
  prepare_syncs();
  arena_bytes = bytes;
  unit_count = bytes / UNIT;
  atomic_store_explicit(&arena, made, memory_order_release);
  return true;
}

/* ---- Chunks ---------------------------------------------------------------------------------------------------------- */

static bool is_taken(size_t unit) { return taken[unit / 64] >> (unit % 64) & 1; }

static void mark(size_t unit, size_t count, bool wanted) {
  for (size_t i = unit; i < unit + count; i++) {
    assert(is_taken(i) != wanted);
    taken[i / 64] ^= UINT64_C(1) << (i % 64);
  }
}

/* The first free run of `count` units, or unit_count. */
static size_t find_run(size_t count) {
  while (first_free < unit_count && is_taken(first_free)) first_free++;
  size_t run = 0;
  for (size_t unit = first_free; unit < unit_count; unit++) {
    run = is_taken(unit) ? 0 : run + 1;
    if (run == count) return unit + 1 - count;
  }
  return unit_count;
}

static bool take_locked(size_t count, struct base_code_chunk *out) {
  if (is_child || !make_locked()) return false;
  size_t unit = find_run(count);
  if (unit == unit_count) return false;
  uint8_t *run = base_code_arena() + unit * UNIT;
  if (!writable && !base_os_commit(run, count * UNIT)) return false;
  mark(unit, count, true);
  *out = (struct base_code_chunk){run, writable ? writable + unit * UNIT : run, count * UNIT};
  return true;
}

bool base_code_take(size_t bytes, struct base_code_chunk *out) {
  if (bytes > BASE_CODE_ARENA_BYTES) return false;
  pthread_mutex_lock(&lock);
  bool done = take_locked((bytes + UNIT - 1) / UNIT, out);
  pthread_mutex_unlock(&lock);
  return done;
}

/* By the descriptor while there is one: emulators answer madvise() without doing anything. */
static bool punch_hole(off_t offset, size_t bytes) {
  if (file >= 0) return fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, (off_t)bytes) == 0;
  return madvise(writable + offset, bytes, MADV_REMOVE) == 0;
}

/* Makes the pages as they were before: zero. False: the system did not, and they must not be used again. */
static bool wipe(const struct base_code_chunk *chunk) {
  if (!writable) return base_os_decommit(chunk->run, chunk->bytes);
  off_t offset = chunk->run - base_code_arena();
  return punch_hole(offset, chunk->bytes) && map_anew(chunk->run, chunk->bytes, offset);
}

void base_code_give(const struct base_code_chunk *chunk) {
  assert(chunk->bytes % UNIT == 0 && base_code_contains((uintptr_t)chunk->run));
  if (base_os_is_ending()) return;
  pthread_mutex_lock(&lock);
  if (!is_child && wipe(chunk)) {
    size_t unit = (size_t)(chunk->run - base_code_arena()) / UNIT;
    mark(unit, chunk->bytes / UNIT, false);
    if (unit < first_free) first_free = unit;
  }
  pthread_mutex_unlock(&lock);
}

bool base_code_publish(const struct base_code_chunk *chunk, size_t offset, size_t bytes) {
  assert(offset % base_code_granule() == 0 && bytes <= chunk->bytes && offset <= chunk->bytes - bytes);
  size_t page_bytes = base_os_page_bytes();
  uint8_t *start = chunk->run + offset;
  if (!writable && mprotect(start, (bytes + page_bytes - 1) & ~(page_bytes - 1), PROT_READ | PROT_EXEC) != 0)
    return false;
  __builtin___clear_cache((char *)start, (char *)start + bytes); /* nothing where caches see each other */
  sync_cores();
  return true;
}

bool base_code_may_run(void) {
  pthread_mutex_lock(&lock);
  bool is_made = !is_child && make_locked();
  pthread_mutex_unlock(&lock);
  if (!is_made || writable) return is_made; /* the second mapping is one to execute already */
  struct base_code_chunk chunk;
  if (!base_code_take(1, &chunk)) return false;
  bool may = base_code_publish(&chunk, 0, 1);
  base_code_give(&chunk);
  return may;
}
