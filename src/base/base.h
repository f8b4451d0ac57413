/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Door of the room `base`: what every other room needs and no other room owns.
 *
 * Memory. All memory of the library goes through one process-wide allocator that the embedder may replace before the
 * first use (base_allocator_set). Sizes are bytes. Every allocation function returns NULL on failure, and the caller
 * reports it (base_error_memory). base_free(NULL) is allowed.
 *
 * Errors. Functions return `enum cay_status` and take a caller-owned `struct cay_error *` last; see cay_error.h.
 *
 * Threads. Everything here may be called from any thread; objects are not locked. */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "cay_error.h"

#define BASE_PRINTF(format_index, first_index) __attribute__((format(printf, format_index, first_index)))
#define BASE_COLD __attribute__((cold, noinline))
#define BASE_LIKELY(x) __builtin_expect(!!(x), 1)
#define BASE_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define BASE_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* ---- Errors -------------------------------------------------------------------------------------------------- */

/* Fills `error` (may be NULL) and returns `status`, so that a failing function can `return base_error_set(...)`. The text
 * of an error is one line and safe on a terminal, whatever words from outside are formatted into it: here and in the
 * functions below it is written as base_printable writes it. */
BASE_COLD enum cay_status base_error_set(struct cay_error *error, enum cay_status status, const char *format, ...)
    BASE_PRINTF(3, 4);
BASE_COLD enum cay_status base_error_set_at(struct cay_error *error, enum cay_status status, uint64_t offset,
                                            const char *format, ...) BASE_PRINTF(4, 5);
/* As base_error_set, followed by ": " and the text of `errno_value`; status CAY_ERROR_SYSTEM. */
BASE_COLD enum cay_status base_error_system(struct cay_error *error, int errno_value, const char *format, ...)
    BASE_PRINTF(3, 4);
BASE_COLD enum cay_status base_error_memory(struct cay_error *error);
/* Adds what kind of `status` it is to an error that was just set; returns `status`. */
BASE_COLD enum cay_status base_error_kind(struct cay_error *error, enum cay_status status, enum cay_error_kind kind);
/* Puts "PREFIX: " in front of the text that is there; truncates at the end. For callers that know more context. */
BASE_COLD void base_error_prefix(struct cay_error *error, const char *format, ...) BASE_PRINTF(2, 3);

/* ---- Memory -------------------------------------------------------------------------------------------------- */

struct base_allocator {
  /* old == NULL: allocate; new_bytes == 0: free; otherwise resize, keeping the contents. Aligned as malloc does. */
  void *(*resize)(void *owner, void *old, size_t new_bytes);
  void *owner;
};
/* Replaces the allocator; NULL restores the default (the C library's). Only while nothing is allocated. */
void base_allocator_set(const struct base_allocator *allocator);

void *base_alloc(size_t bytes);                         /* uninitialised */
void *base_alloc_zero(size_t count, size_t item_bytes); /* zeroed; checks the product */
void *base_resize(void *old, size_t bytes);             /* bytes > 0 */
void *base_resize_array(void *old, size_t count, size_t item_bytes);
void base_free(void *memory);
char *base_string_copy(const char *text, size_t len_bytes); /* NUL-terminated copy */

/* A local `BASE_AUTO_FREE char *p = NULL;` is freed when the scope ends. */
static inline void base_auto_free(void *variable) { base_free(*(void **)variable); }
#define BASE_AUTO_FREE __attribute__((cleanup(base_auto_free)))

/* Many small objects with one lifetime. Zero-initialise before use; base_arena_deinit frees everything. */
struct base_arena {
  struct base_arena_block *blocks;
  char *next, *end;
  size_t total_bytes;
};
void *base_arena_alloc(struct base_arena *arena, size_t count, size_t item_bytes); /* zeroed, aligned as by malloc */
void base_arena_deinit(struct base_arena *arena);

/* Growable array of any element type: `struct { T *items; size_t count, capacity; } v = {0};`
 * BASE_VEC_PUSH evaluates to a pointer to the new zeroed element, or NULL when memory is out.
 * Elements move when the vector grows. */
bool base_vec_grow(void **items, size_t *capacity, size_t wanted, size_t item_bytes);
#define BASE_VEC(T)  \
  struct {           \
    T *items;        \
    size_t count;    \
    size_t capacity; \
  }
#define BASE_VEC_RESERVE(v, wanted) \
  ((wanted) <= (v)->capacity || base_vec_grow((void **)&(v)->items, &(v)->capacity, (wanted), sizeof(*(v)->items)))
#define BASE_VEC_PUSH(v)                                                                      \
  (BASE_VEC_RESERVE((v), (v)->count + 1)                                                      \
       ? (memset(&(v)->items[(v)->count], 0, sizeof(*(v)->items)), &(v)->items[(v)->count++]) \
       : NULL)
#define BASE_VEC_DEINIT(v) (base_free((v)->items), (void)((v)->items = NULL), (void)((v)->count = (v)->capacity = 0))

/* ---- Strings ------------------------------------------------------------------------------------------------- */

/* A growing text. `failed` becomes true when memory ran out; then the text is what fitted. Zero-initialise. */
struct base_text {
  char *bytes; /* NUL-terminated once anything was added, else NULL */
  size_t len_bytes, capacity;
  bool failed;
};
void base_text_add(struct base_text *text, const char *bytes, size_t len_bytes);
void base_text_addz(struct base_text *text, const char *zero_terminated);
void base_text_format(struct base_text *text, const char *format, ...) BASE_PRINTF(2, 3);
/* Adds the bytes as a JSON string with quotes; invalid UTF-8 becomes U+FFFD, and what base_printable would not show as it
 * is stands as an escape, because people read JSON on terminals, too. */
void base_text_add_json(struct base_text *text, const char *bytes, size_t len_bytes);
void base_text_deinit(struct base_text *text);

/* Writes up to `capacity` bytes of a NUL-terminated copy of untrusted bytes that is safe on a terminal: control
 * characters, what ends or reorders lines, and invalid UTF-8 appear as \xNN, long input ends in "...". Returns `out`. */
const char *base_printable(char *out, size_t capacity, const void *bytes, size_t len_bytes);
/* The value of a variable in a NULL-terminated list of "NAME=VALUE" (NULL: an empty one); NULL: there is none. */
const char *base_environment(char *const *environment, const char *name);
bool base_utf8_valid(const void *bytes, size_t len_bytes);
/* How many bytes from the start on are valid UTF-8. */
size_t base_utf8_valid_prefix(const void *bytes, size_t len_bytes);

/* ---- Bytes --------------------------------------------------------------------------------------------------- */

static inline uint16_t base_load_u16(const void *p) {
  uint16_t v;
  memcpy(&v, p, 2);
  return v;
}
static inline uint32_t base_load_u32(const void *p) {
  uint32_t v;
  memcpy(&v, p, 4);
  return v;
}
static inline uint64_t base_load_u64(const void *p) {
  uint64_t v;
  memcpy(&v, p, 8);
  return v;
}
static inline void base_store_u16(void *p, uint16_t v) { memcpy(p, &v, 2); }
static inline void base_store_u32(void *p, uint32_t v) { memcpy(p, &v, 4); }
static inline void base_store_u64(void *p, uint64_t v) { memcpy(p, &v, 8); }

/* Memory that a guest's threads may change at any moment. What they race for is their affair; these accesses are such
 * that neither the compiler nor a sanitizer makes it ours: each byte is read or written once. */
#define BASE_RACY __attribute__((no_sanitize("thread")))
#define BASE_RACY_ACCESS(bits)                                                                                          \
  struct base_racy_u##bits { uint##bits##_t value; } __attribute__((packed, may_alias));                                \
  BASE_RACY static inline uint##bits##_t base_racy_load_u##bits(const void *p) {                                        \
    return ((const volatile struct base_racy_u##bits *)p)->value;                                                       \
  }                                                                                                                     \
  BASE_RACY static inline void base_racy_store_u##bits(void *p, uint##bits##_t v) {                                     \
    ((volatile struct base_racy_u##bits *)p)->value = v;                                                                \
  }
BASE_RACY_ACCESS(8) BASE_RACY_ACCESS(16) BASE_RACY_ACCESS(32) BASE_RACY_ACCESS(64)
void base_racy_fill(void *to, uint8_t value, size_t count);
void base_racy_move(void *to, const void *from, size_t count); /* as memmove */
/* Around system calls that read or write such memory: the sanitizer watches what they are given. */
#if defined(__SANITIZE_THREAD__)
#define BASE_WATCHES_THREADS 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define BASE_WATCHES_THREADS 1
#endif
#endif
#if defined(BASE_WATCHES_THREADS)
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);
#define BASE_RACY_BEGIN() (AnnotateIgnoreReadsBegin(__FILE__, __LINE__), AnnotateIgnoreWritesBegin(__FILE__, __LINE__))
#define BASE_RACY_END() (AnnotateIgnoreWritesEnd(__FILE__, __LINE__), AnnotateIgnoreReadsEnd(__FILE__, __LINE__))
#else
#define BASE_RACY_BEGIN() (void)0
#define BASE_RACY_END() (void)0
#endif

/* A 64-bit hash with a key of the process: for tables in memory whose keys a stranger chooses; differs in each process. */
uint64_t base_hash(const void *bytes, size_t len_bytes);
/* A 64-bit hash that is the same in every process: for finding damage in files, not against whoever wants to deceive. */
uint64_t base_checksum(const void *bytes, size_t len_bytes);

/* SHA-256: init, add any number of times, finish once. */
enum { BASE_SHA256_BYTES = 32, BASE_SHA256_HEX_BYTES = 65, BASE_SHA256_BLOCK = 64 };
struct base_sha256 {
  uint32_t state[8];
  uint64_t len_bytes;
  unsigned buffered;
  uint8_t buffer[BASE_SHA256_BLOCK];
};
void base_sha256_init(struct base_sha256 *hash);
void base_sha256_add(struct base_sha256 *hash, const void *bytes, size_t len_bytes);
void base_sha256_finish(struct base_sha256 *hash, uint8_t out[BASE_SHA256_BYTES]);
void base_sha256_of(const void *bytes, size_t len_bytes, uint8_t out[BASE_SHA256_BYTES]); /* all at once */
/* 64 lower-case digits and a zero byte. */
void base_sha256_hex(const uint8_t digest[BASE_SHA256_BYTES], char out[BASE_SHA256_HEX_BYTES]);

/* ---- Operating system (os_*.c, chosen by the build) ----------------------------------------------------------- */

size_t base_os_page_bytes(void);
/* Reserves address space without access. NULL when the system refuses. */
void *base_os_reserve(size_t bytes);
/* Accessible at once, and zero: one mapping, which the system may make one of with its neighbours. NULL: no room. */
void *base_os_map(size_t bytes);
/* Makes [address, address+bytes) of a reservation readable and writable, zeroed on first commit. */
bool base_os_commit(void *address, size_t bytes);
/* Takes access away again and gives the pages back. */
bool base_os_decommit(void *address, size_t bytes);
/* Gives the pages of readable and writable memory back without taking access away; they are zero when they are touched
 * again. False: the system cannot, and nothing changed. */
bool base_os_discard(void *address, size_t bytes);
void base_os_release(void *address, size_t bytes);
/* The process is about to end: from now on neither that nor base_code_give does anything, since the system takes all pages back at
 * once, in half the time. */
void base_os_set_ending(void);
bool base_os_is_ending(void);

/* ---- Executable memory (os_code_*.c) --------------------------------------------------------------------------- */

/* The process has one arena of address space for machine code, made at the first request, so that code can name places
 * in it by 32 bits. What is executable is never writable at the same address: code is written at another one, which is
 * random, or, where the system does not allow that, before its pages become executable, once and for all.
 *
 * A forked child can run code that exists, as long as its parent does not give it back; it gets no more memory for code. */
enum { BASE_CODE_CHUNK_BYTES = 64 * 1024, BASE_CODE_ARENA_BYTES = 1 << 30 };
struct base_code_chunk {
  uint8_t *run;   /* where it is executed */
  uint8_t *write; /* where it is written */
  size_t bytes;
};
/* A chunk of at least `bytes` bytes, readable and zeroed, at a multiple of the page size. False: no room or memory, or
 * no executable memory in this process. Any thread. */
bool base_code_take(size_t bytes, struct base_code_chunk *out);
void base_code_give(const struct base_code_chunk *chunk); /* nothing runs in it, nor will */
/* Makes [offset, offset + bytes) of the chunk, which was written, what every thread executes there. `offset` is a
 * multiple of base_code_granule(), and no byte of it or of the rest of the last granule is written any more. */
bool base_code_publish(const struct base_code_chunk *chunk, size_t offset, size_t bytes);
size_t base_code_granule(void); /* in a process that has taken a chunk */
bool base_code_is_writable(void); /* false: in a forked child */
bool base_code_may_run(void);      /* whether the system lets this process make code and run it */
/* The arena's address, NULL while there is none, and whether an address lies in it. Async-signal-safe. */
uint8_t *base_code_arena(void);
size_t base_code_arena_bytes(void);
bool base_code_contains(uintptr_t address);
/* What the system is asked for when code comes into the arena: nothing, a new map of the file in place of an old one, or
 * that written pages become executable. For whoever confines the process. */
enum base_code_change { BASE_CODE_NOTHING, BASE_CODE_MAPS_ANEW, BASE_CODE_FLIPS };
enum base_code_change base_code_change(void);
/* For tests: from now on as on a system without a second mapping. Only before the first chunk. */
void base_code_set_single(bool is_single);

uint64_t base_os_monotonic_ns(void);
/* On x86-64 only: what the instruction CPUID says (eax, ebx, ecx, edx). False, and zeros: the processor has no such leaf, as far as
 * it can be told. */
bool base_arch_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
uint64_t base_os_memory_bytes(void); /* of the machine; 0: not known */
/* Blocks while *word is `expected`, until base_os_wake or the deadline (on base_os_monotonic_ns; UINT64_MAX: none), and
 * now and then for no reason: the caller looks at what it waits for, and asks again. False: the deadline has passed. */
bool base_os_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t deadline_ns);
/* Wakes all that wait for the word, which the caller has changed before. Async-signal-safe. */
void base_os_wake(_Atomic uint32_t *word);
/* Fills `bytes` (at most 256) with what a stranger cannot guess. */
void base_os_random(void *bytes, size_t len_bytes);

/* A file's contents, in memory of our own. */
struct base_file {
  const uint8_t *bytes;
  size_t len_bytes;
  bool stays; /* the memory is part of the program instead, never freed, and may be used as long as it runs */
};
/* What tells a regular file from every other one, and from itself after a change. */
struct base_file_identity {
  uint64_t device, inode, len_bytes;
  int64_t modify_ns, change_ns;
  uint64_t is_known; /* 0: it is no regular file, or was changed while it was read */
};
/* Whether every further change will show in it: one that comes within a moment of the last one may show in no time of the file. */
bool base_file_is_settled(const struct base_file_identity *identity);
/* `path` "-" reads standard input to its end. `identity`, NULL allowed: of the bytes that were read. */
enum cay_status base_file_read_known(const char *path, struct base_file *out, struct base_file_identity *identity,
                                     struct cay_error *error);
enum cay_status base_file_read(const char *path, struct base_file *out, struct cay_error *error);
/* A regular file of which at most `most_bytes` and one more are read, so that the caller sees that there is more. Anything
 * else than a regular file is CAY_ERROR_UNSUPPORTED and is neither opened nor waited for; no such file is
 * CAY_ERROR_SYSTEM with `*missing` true. */
enum cay_status base_file_read_small(const char *path, size_t most_bytes, struct base_file *out, bool *missing,
                                     struct cay_error *error);
/* To the end of what a descriptor gives. */
enum cay_status base_file_read_from(int fd, struct base_file *out, struct cay_error *error);
/* `len_bytes` bytes, from byte `at` on, of the file that this program was started from. They are mapped and stay.
 * `*is_short`: it has fewer, which is CAY_ERROR_MALFORMED. */
enum cay_status base_file_map_own(uint64_t at, uint64_t len_bytes, struct base_file *out, bool *is_short,
                                  struct cay_error *error);
#define BASE_OWN_EXECUTABLE "/proc/self/exe" /* what this process was started from, whatever has become of its name */
void base_file_deinit(struct base_file *file);
/* All of it, in as many writes as that takes; false: errno says why. */
bool base_os_write_all(int fd, const void *bytes, size_t len_bytes);
/* Closes all descriptors from `first` on but `kept` (-1: none), also those above the limit of them, which may have been lowered.
 * For a child that will not need what it was started with. */
void base_os_close_from(int first, int kept);
/* Starts a process that is for when something is to be asked, and costs little until then: when the first packet comes through
 * `socket`, it becomes this process's program, anew, with `words` as arguments, no environment, no descriptors but the
 * socket (0), the program (1) and, unless `also` is -1, that (2), and all signals blocked. It ends when the socket's other end is closed before. Nothing of this process is
 * in it, not its memory either. Returns its number; 0: it cannot be had here. Only of a process of one thread.
 * For a moment it still runs in this process's memory, with the texts of `words`: before those go, and before anything runs here that
 * is not trusted, base_os_await_waiter waits until it has left. */
int base_os_start_waiter(int socket, int also, char *const words[]);
void base_os_await_waiter(void);
/* A descriptor, closed on exec, that can be read as soon as the process has ended, and never means another one; -1: there is none, as
 * on older systems. And ends a child by it, and waits for that; where this process may not end it, nothing happens. */
int base_os_process_fd(int process);
void base_os_process_end(int fd);
/* socket, sendmsg and setsockopt (of an int), such that a filter of system calls sees the kinds, flags and options. */
struct msghdr;
int base_os_socket(int family, int type, int protocol);
ssize_t base_os_sendmsg(int socket, const struct msghdr *message, int flags);
int base_os_setsockopt(int socket, int level, int option, int value);

/* Loads the internal shared object libcay-NAME.so, which carries a third-party library that is not needed at every
 * start, and returns the address of its `symbol`; it stays loaded. NULL and CAY_ERROR_UNSUPPORTED when it is not
 * installed. A room declares one by adding to `plugins` in its meson.build. */
void *base_os_plugin(const char *name, const char *symbol, struct cay_error *error);
/* From now on this program takes nothing from where it happens to lie: no internal shared object, no helper. Before any other
 * thread. */
void base_os_stand_alone(void);
bool base_os_stands_alone(void);

/* ---- Budgets -------------------------------------------------------------------------------------------------- */

/* What a program may use: one table for all rooms. name: as in messages and receipts. The first three are held and given
 * back; TIME and CPU_TIME are nanoseconds and STACK bytes, which are watched elsewhere and only told here. */
#define BASE_LIMITS(X)                                                            \
  X(MEMORY, "memory")     /* bytes of memories, tables, objects, host buffers */  \
  X(HANDLES, "handles")   /* open handles */                                      \
  X(THREADS, "threads")   /* besides the first */                                 \
  X(CREATED, "created")   /* files, directories and links made */                 \
  X(READ, "read")         /* bytes read from files, streams and sockets */        \
  X(WRITTEN, "written")   /* bytes written to files, streams and sockets */       \
  X(SENT, "sent")         /* bytes sent over the network */                       \
  X(OUTPUT, "output")     /* bytes written to standard output and error */        \
  X(FUEL, "fuel")         /* instructions, as they are counted */                 \
  X(TIME, "time")                                                                 \
  X(CPU_TIME, "cpu-time")                                                         \
  X(STACK, "stack")
enum base_limit {
#define X(NAME, name) BASE_LIMIT_##NAME,
  BASE_LIMITS(X)
#undef X
  BASE_LIMIT_COUNT
};
#define BASE_NO_LIMIT UINT64_MAX
const char *base_limit_name(enum base_limit limit);

/* A budget; NULL stands for one without limits that counts nothing. Counted by references; any thread may take and give. */
struct base_budget;
/* `parent` (NULL allowed, retained): what is taken here is taken there, too. NULL: no memory. */
struct base_budget *base_budget_new(struct base_budget *parent);
struct base_budget *base_budget_retain(struct base_budget *budget); /* NULL allowed */
void base_budget_release(struct base_budget *budget);               /* NULL allowed */
/* Before the first use. */
void base_budget_set_limit(struct base_budget *budget, enum base_limit limit, uint64_t most);
/* Gives a budget that has none a parent, which gets what is used already; false: one above has not so much, and nothing
 * happened. And takes it away again, with what is held (memory, handles, threads); what was used up stays used there. */
bool base_budget_join(struct base_budget *budget, struct base_budget *parent);
void base_budget_leave(struct base_budget *budget); /* without a parent: nothing */
/* Begins to count anew, with what is held now, in a budget without a parent. */
void base_budget_restart(struct base_budget *budget);
/* All of `amount` or nothing. A refusal is noted as a hit, unless it is only tried. */
bool base_budget_take(struct base_budget *budget, enum base_limit limit, uint64_t amount);
bool base_budget_try(struct base_budget *budget, enum base_limit limit, uint64_t amount);
/* As much of `amount` as there is left; a hit when that is less, unless it is only tried. */
uint64_t base_budget_take_part(struct base_budget *budget, enum base_limit limit, uint64_t amount);
uint64_t base_budget_try_part(struct base_budget *budget, enum base_limit limit, uint64_t amount);
void base_budget_give(struct base_budget *budget, enum base_limit limit, uint64_t amount);
/* Notes that the limit was reached; the limits that were, as bits 1 << enum base_limit; and the one that was last,
 * BASE_LIMIT_COUNT: none. */
void base_budget_hit(struct base_budget *budget, enum base_limit limit);
uint32_t base_budget_hits(const struct base_budget *budget);
enum base_limit base_budget_last_hit(const struct base_budget *budget);
void base_budget_forget_hits(struct base_budget *budget);
/* What a budget begins with, for the next function alone. */
struct base_budget_head {
  struct base_budget *parent;   /* retained, or NULL */
  _Atomic uint32_t hits, times; /* bits 1 << limit: that were reached; of times, that are limited */
};
/* Whether nothing limits a time, in it or above, and no limit of its own was reached. */
static inline bool base_budget_is_quiet(const struct base_budget *budget) {
  const struct base_budget_head *head = (const void *)budget;
  if (head && atomic_load_explicit(&head->hits, memory_order_relaxed)) return false;
  for (; head; head = (const void *)head->parent)
    if (atomic_load_explicit(&head->times, memory_order_relaxed)) return false;
  return true;
}
/* The same of one that is there, and has nothing above it, where that can be told at once. */
static inline bool base_budget_is_alone(const struct base_budget *budget) {
  const struct base_budget_head *head = (const void *)budget;
  return !head->parent && !atomic_load_explicit(&head->hits, memory_order_relaxed) &&
         !atomic_load_explicit(&head->times, memory_order_relaxed);
}
/* How much can be taken now, and whose limit that is: the budget's own or that of one above it. */
uint64_t base_budget_left(const struct base_budget *budget, enum base_limit limit);
const struct base_budget *base_budget_tightest(const struct base_budget *budget, enum base_limit limit);
uint64_t base_budget_limit(const struct base_budget *budget, enum base_limit limit);
uint64_t base_budget_used(const struct base_budget *budget, enum base_limit limit);
uint64_t base_budget_peak(const struct base_budget *budget, enum base_limit limit);

#endif
