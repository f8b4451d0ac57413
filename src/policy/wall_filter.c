/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The filter of system calls, as a program for the kernel's classic BPF machine.
 *
 * The rows of wall.def, by number, become ranges with one answer each, and these stretches; the program looks a call's stretch up by binary search
 * and then gives the answer, or checks arguments behind the search. What is to be short is the start of every run, where
 * the kernel spends its time on two things: it compiles the program, at 0.15 microseconds an instruction, and it tries
 * every number on it, at 3 nanoseconds a step, to remember which calls are let through without a look at arguments. Such a
 * call, and nearly all that a guest makes are, costs the same as without a filter from then on. So answers are shared, and
 * the search halves the numbers, not the ranges. Rejected: a list of comparisons ordered by frequency, 40 times as many
 * steps; sets of numbers as bits, half as many instructions, but of kinds that the kernel does not try, so that the filter
 * would run at every call.
 *
 * A pointer that a call is given cannot be looked at here, because another thread may change what it points to: what lies
 * behind names of files is Landlock's part. So calls with names have to be relative to a descriptor, and there are none
 * when nothing was granted.
 *
 * Invariants: 1. jumps lead forward (BPF knows no others). 2. A call that no row lets through ends in EPERM or worse. 3. A
 * call of another kind of processor (32-bit calls of a 64-bit one, x32) ends the process: the numbers mean other things. */
#include "policy/wall_parts.h"

#include <asm/termbits.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/net.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/host.h"

struct row {
  uint32_t number;
  enum wall_check check;
};
static const struct row rows[] = {
#include "wall_calls.gen.h"
};
enum { ROW_COUNT = BASE_ARRAY_LEN(rows), RANGES_MAX = 2 * ROW_COUNT + 1, NUMBERS_MAX = 1024 };
/* About how many calls processors have, each of which the kernel tries. */
enum { NUMBERS_TRIED = 470 };
struct range {
  uint32_t first; /* to the next range's first */
  enum wall_check check;
};

/* Ranges that nearly all have one answer: `usual`. The others are single numbers, so that each takes one comparison, where
 * a search takes two. */
enum { EXCEPTIONS_MAX = 3 };
struct stretch {
  uint16_t first, count; /* ranges */
  uint8_t usual;
};
_Static_assert(RANGES_MAX <= UINT16_MAX && WALL_CHECK_COUNT <= UINT8_MAX, "small, to take no more pages of the stack");

/* ---- An assembler ---------------------------------------------------------------------------------------------------- */

/* It works from the end to the start: each instruction is put in front of those that are there, and says which of them
 * follows. So the distance of a jump is known when it is made, and nested calls read in the order in which they will run. A
 * place is the number of instructions from there to the end. */
typedef uint16_t place;

struct assembler {
  struct wall_filter *out;
  const struct policy_wall *wall;
  struct range ranges[RANGES_MAX];
  struct stretch stretches[RANGES_MAX];
  place answers[WALL_CHECK_COUNT];
  bool failed;
};

static place put(struct assembler *self, struct sock_filter instruction) {
  if (self->out->count == WALL_FILTER_MAX)
    self->failed = true;
  else
    self->out->code[WALL_FILTER_MAX - ++self->out->count] = instruction;
  return (place)self->out->count;
}

/* The same place or one that leads there, which the next two instructions can jump to. */
static place near(struct assembler *self, place target) {
  enum { REACH = UINT8_MAX - 1 };
  size_t distance = self->out->count - target;
  if (distance <= REACH) return target;
  struct sock_filter there = self->out->code[WALL_FILTER_MAX - target];
  bool is_answer = BPF_CLASS(there.code) == BPF_RET;
  return put(self, is_answer ? there : (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, (uint32_t)distance));
}

static place compute(struct assembler *self, uint16_t code, uint32_t k, place next) {
  size_t distance = self->out->count - next;
  if (distance) put(self, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, (uint32_t)distance));
  return put(self, (struct sock_filter)BPF_STMT(code, k));
}

/* Loads the lower or upper half of argument `index`, on a little-endian processor. */
enum half { LOWER = 0, UPPER = 4 };
static place load(struct assembler *self, unsigned index, enum half half, place next) {
  uint32_t offset = (uint32_t)(offsetof(struct seccomp_data, args) + index * sizeof(uint64_t) + half);
  return compute(self, BPF_LD | BPF_W | BPF_ABS, offset, next);
}

/* Conditions on the accumulator. */
static place test(struct assembler *self, uint16_t code, uint32_t k, place yes, place no) {
  yes = near(self, yes);
  no = near(self, no);
  uint8_t to_yes = (uint8_t)(self->out->count - yes), to_no = (uint8_t)(self->out->count - no);
  return put(self, (struct sock_filter)BPF_JUMP(BPF_JMP | code, k, to_yes, to_no));
}
static place if_equal(struct assembler *self, uint32_t k, place yes, place no) {
  return test(self, BPF_JEQ | BPF_K, k, yes, no);
}
static place if_least(struct assembler *self, uint32_t k, place yes, place no) {
  return test(self, BPF_JGE | BPF_K, k, yes, no);
}
static place if_above(struct assembler *self, uint32_t k, place yes, place no) {
  return test(self, BPF_JGT | BPF_K, k, yes, no);
}
static place if_any(struct assembler *self, uint32_t bits, place yes, place no) {
  return test(self, BPF_JSET | BPF_K, bits, yes, no);
}

static place allow(const struct assembler *self) { return self->answers[WALL_ALWAYS]; }
static place deny(const struct assembler *self) { return self->answers[WALL_REFUSED]; }

/* ---- Checks of arguments ------------------------------------------------------------------------------------------------- */

static place if_zero(struct assembler *self, unsigned index, place yes, place no) {
  place lower = load(self, index, LOWER, if_equal(self, 0, yes, no));
  return load(self, index, UPPER, if_equal(self, 0, lower, no));
}

/* The accumulator is one of `count` values. */
static place if_one_of(struct assembler *self, const uint32_t *values, size_t count, place yes) {
  place next = deny(self);
  while (count) next = if_equal(self, values[--count], yes, next);
  return next;
}

static place argument_is_one_of(struct assembler *self, unsigned index, const uint32_t *values, size_t count) {
  return load(self, index, LOWER, if_one_of(self, values, count, allow(self)));
}

static place if_directory(struct assembler *self, unsigned index, place yes) {
  return load(self, index, LOWER, if_equal(self, (uint32_t)AT_FDCWD, deny(self), yes));
}

/* [argument 0, argument 0 + argument 1) lies in the arena of code. Both are brought down to 32 bits: X is how long it is, A
 * becomes where it starts in the arena, and then how much of the arena is left from there. */
static place if_in_arena(struct assembler *self, place yes) {
  const uint64_t start = self->wall->code;
  const uint32_t bytes = (uint32_t)self->wall->code_bytes, low = (uint32_t)start, high = (uint32_t)(start >> 32);
  assert(self->wall->code_bytes <= UINT32_MAX);
  place fits = compute(self, BPF_ALU | BPF_NEG, 0,
                       compute(self, BPF_ALU | BPF_ADD, bytes, test(self, BPF_JGE | BPF_X, 0, yes, deny(self))));
  place inside = compute(self, BPF_ALU | BPF_SUB | BPF_K, low, if_above(self, bytes, deny(self), fits));
  place below = deny(self);
  if ((start + bytes - 1) >> 32 != high) /* the arena goes on where another upper half begins */
    below = if_equal(self, high + 1, load(self, 0, LOWER, if_least(self, low, deny(self), inside)), deny(self));
  place within = if_equal(self, high, load(self, 0, LOWER, if_least(self, low, inside, deny(self))), below);
  place length = load(self, 1, LOWER, compute(self, BPF_MISC | BPF_TAX, 0, load(self, 0, UPPER, within)));
  return load(self, 1, UPPER, if_equal(self, 0, length, deny(self)));
}

/* The whole of argument 2 is the protection to be; `code` is for memory that only may be read and executed. */
static place if_protection(struct assembler *self, place code) {
  place executable = if_equal(self, PROT_READ | PROT_EXEC, code, deny(self));
  return load(self, 2, LOWER, if_any(self, PROT_EXEC, executable, allow(self)));
}

static bool may_be_code(const struct assembler *self, enum base_code_change change) {
  return self->wall && self->wall->code_bytes && self->wall->code_change == change;
}

static place check_map(struct assembler *self) {
  if (!may_be_code(self, BASE_CODE_MAPS_ANEW)) return if_protection(self, deny(self));
  place anew = load(self, 3, LOWER, if_equal(self, MAP_SHARED | MAP_FIXED, allow(self), deny(self)));
  return if_protection(self, if_in_arena(self, anew));
}

static place check_protect(struct assembler *self) {
  bool flips = may_be_code(self, BASE_CODE_FLIPS);
  return if_protection(self, flips ? if_in_arena(self, allow(self)) : deny(self));
}

static place check_remap(struct assembler *self) {
  return load(self, 3, LOWER, if_any(self, ~(uint32_t)MREMAP_MAYMOVE, deny(self), allow(self)));
}

static place check_thread(struct assembler *self) {
  const uint32_t needed = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
  const uint32_t harmless =
      CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | CLONE_DETACHED;
  place all = compute(self, BPF_ALU | BPF_AND | BPF_K, needed, if_equal(self, needed, allow(self), deny(self)));
  return load(self, 0, LOWER, if_any(self, ~(needed | harmless), deny(self), all));
}

/* Raw sockets, those of other families and of further protocols have more of the kernel behind them than a guest can use. */
static place check_socket(struct assembler *self) {
  static const uint32_t families[] = {AF_INET, AF_INET6}, types[] = {SOCK_STREAM, SOCK_DGRAM},
                        protocols[] = {0, IPPROTO_TCP, IPPROTO_UDP};
  place protocol = argument_is_one_of(self, 2, protocols, BASE_ARRAY_LEN(protocols));
  place type = if_one_of(self, types, BASE_ARRAY_LEN(types), protocol);
  type = compute(self, BPF_ALU | BPF_AND | BPF_K, ~(uint32_t)(SOCK_CLOEXEC | SOCK_NONBLOCK), type);
  return load(self, 0, LOWER, if_one_of(self, families, BASE_ARRAY_LEN(families), load(self, 1, LOWER, type)));
}

static place check_option(struct assembler *self) {
  place reuse = load(self, 2, LOWER, if_equal(self, SO_REUSEADDR, allow(self), deny(self)));
  place only = load(self, 2, LOWER, if_equal(self, IPV6_V6ONLY, allow(self), deny(self)));
  return load(self, 1, LOWER, if_equal(self, SOL_SOCKET, reuse, if_equal(self, IPPROTO_IPV6, only, deny(self))));
}

static place check_send(struct assembler *self, unsigned index) {
  return load(self, index, LOWER, if_any(self, MSG_FASTOPEN, deny(self), allow(self)));
}

/* What is let through for sockets that are there, then with listeners, then with the right to make some. What would have to
 * be looked at behind the pointer (kinds of sockets, flags for sending to an address, options) has calls of its own, which
 * cay uses. */
static place check_socketcall(struct assembler *self) {
  static const uint32_t calls[] = {SYS_GETSOCKNAME, SYS_GETPEERNAME, SYS_SEND,    SYS_RECV, SYS_RECVFROM, SYS_SHUTDOWN,
                                   SYS_GETSOCKOPT,  SYS_RECVMSG,     SYS_ACCEPT4, SYS_BIND, SYS_CONNECT,  SYS_LISTEN};
  enum { TRANSFERS = 8, ACCEPTS };
  const struct policy_wall *wall = self->wall;
  return argument_is_one_of(self, 0, calls,
                            wall->sockets     ? BASE_ARRAY_LEN(calls)
                            : wall->listeners ? ACCEPTS
                                              : TRANSFERS);
}

/* New limits (argument 2) only as null, of this process (argument 0: 0). */
static place check_look(struct assembler *self) {
  place reads = if_zero(self, 2, allow(self), deny(self));
  return load(self, 0, LOWER, if_equal(self, 0, reads, deny(self)));
}

static uint32_t rights_of_all(const struct policy_wall *wall) {
  uint32_t rights = 0;
  for (size_t i = 0; i < wall->path_count; i++) rights |= wall->paths[i].rights;
  return rights;
}

/* Without a name (argument 1) it is the descriptor that is meant. */
static place check_times(struct assembler *self) {
  bool may_name = rights_of_all(self->wall) & HOST_RIGHT_WRITE;
  return if_zero(self, 1, allow(self), may_name ? if_directory(self, 0, allow(self)) : deny(self));
}

static place check_describe(struct assembler *self) {
  place named = self->wall->path_count ? if_directory(self, 0, allow(self)) : deny(self);
  return load(self, 2, LOWER, if_any(self, AT_EMPTY_PATH, allow(self), named));
}

static place arguments(struct assembler *self, enum wall_check check) {
  static const uint32_t controls[] = {TCGETS, TCGETS2, FIONREAD}, namings[] = {PR_SET_VMA, PR_SET_NAME},
                        flags[] = {F_GETFL, F_SETFL, F_GETFD, F_SETFD, F_DUPFD_CLOEXEC};
  switch (check) {
  case WALL_NAMED: return if_directory(self, 0, allow(self));
  case WALL_NAMED_1: return if_directory(self, 1, allow(self));
  case WALL_CHANGE_0_2: return if_directory(self, 0, if_directory(self, 2, allow(self)));
  case WALL_TIMES: return check_times(self);
  case WALL_DESCRIBE: return check_describe(self);
  case WALL_MAP: return check_map(self);
  case WALL_PROTECT: return check_protect(self);
  case WALL_REMAP: return check_remap(self);
  case WALL_THREAD: return check_thread(self);
  case WALL_SELF: return argument_is_one_of(self, 0, (const uint32_t[]){(uint32_t)getpid()}, 1);
  case WALL_CHILD: return argument_is_one_of(self, 0, (const uint32_t[]){(uint32_t)self->wall->child}, 1);
  case WALL_LOOK: return check_look(self);
  case WALL_CONTROL: return argument_is_one_of(self, 1, controls, BASE_ARRAY_LEN(controls));
  case WALL_FLAGS: return argument_is_one_of(self, 1, flags, BASE_ARRAY_LEN(flags));
  case WALL_SOCKET: return check_socket(self);
  case WALL_OPTION: return check_option(self);
  case WALL_SEND_2: return check_send(self, 2);
  case WALL_SEND_3: return check_send(self, 3);
  case WALL_SOCKETCALL: return check_socketcall(self);
  case WALL_NAMING: return argument_is_one_of(self, 0, namings, BASE_ARRAY_LEN(namings));
  default: assert(false); return deny(self);
  }
}

/* ---- What a row means for this wall -------------------------------------------------------------------------------------- */

/* Rows that the wall has no use for are as if they were not there, those that need no look at arguments ALWAYS, and those
 * that look at the same ones the same. */
static enum wall_check simplify(const struct policy_wall *wall, bool may_change, enum wall_check check) {
  if (!wall) {
    bool is_memory = check == WALL_MAP || check == WALL_PROTECT || check == WALL_REMAP;
    bool is_send = check == WALL_SEND_2 || check == WALL_SEND_3;
    return check == WALL_READER                                                      ? WALL_ALWAYS
           : is_memory || is_send || check == WALL_NOT_THERE || check == WALL_DEADLY ? check
                                                                                     : WALL_REFUSED;
  }
  bool may_name = wall->path_count > 0;
  switch (check) {
  case WALL_READER: return WALL_ALWAYS;
  case WALL_LIST: return may_name ? WALL_ALWAYS : WALL_REFUSED;
  case WALL_NAMED:
  case WALL_NAMED_1: return may_name ? check : WALL_REFUSED;
  case WALL_CHANGE: return may_change ? WALL_NAMED : WALL_REFUSED;
  case WALL_CHANGE_1: return may_change ? WALL_NAMED_1 : WALL_REFUSED;
  case WALL_CHANGE_0_2: return may_change ? check : WALL_REFUSED;
  case WALL_CHILD: return wall->child ? check : WALL_REFUSED;
  case WALL_THREAD: return wall->threads ? check : WALL_REFUSED;
  case WALL_THREADS: return wall->threads ? WALL_ALWAYS : WALL_REFUSED;
  case WALL_ACCEPT: return wall->listeners || wall->sockets ? WALL_ALWAYS : WALL_REFUSED;
  case WALL_SOCKET:
  case WALL_OPTION: return wall->sockets ? check : WALL_REFUSED;
  case WALL_SOCKETS: return wall->sockets ? WALL_ALWAYS : WALL_REFUSED;
  default: return check;
  }
}

static size_t make_ranges(const struct policy_wall *wall, struct range *out) {
  bool may_change = wall && rights_of_all(wall) & (HOST_RIGHT_MUTATE | HOST_RIGHT_CREATE);
  uint8_t checks[NUMBERS_MAX + 1] = {WALL_REFUSED};
  for (size_t i = 0; i < ROW_COUNT; i++) {
    assert(rows[i].number < NUMBERS_MAX && !checks[rows[i].number]);
    checks[rows[i].number] = (uint8_t)simplify(wall, may_change, rows[i].check);
  }
  size_t count = 0;
  for (uint32_t number = 0; number <= NUMBERS_MAX; number++)
    if (number == 0 || checks[number] != checks[number - 1]) {
      assert(count < RANGES_MAX);
      out[count++] = (struct range){number, (enum wall_check)checks[number]};
    }
  return count;
}

/* ---- The program ----------------------------------------------------------------------------------------------------------- */

static void put_answers(struct assembler *self) {
  static const struct {
    enum wall_check check;
    uint32_t action;
  } answers[] = {{WALL_DEADLY, SECCOMP_RET_KILL_PROCESS},
                 {WALL_NOT_THERE, SECCOMP_RET_ERRNO | ENOSYS},
                 {WALL_REFUSED, SECCOMP_RET_ERRNO | EPERM},
                 {WALL_ALWAYS, SECCOMP_RET_ALLOW}};
  for (size_t i = 0; i < BASE_ARRAY_LEN(answers); i++)
    self->answers[answers[i].check] = put(self, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, answers[i].action));
}

static place leaf(struct assembler *self, enum wall_check check) {
  if (!self->answers[check]) self->answers[check] = arguments(self, check);
  return self->answers[check];
}

/* How many ranges from the first on belong to one stretch: those of the usual answer, and single numbers of others. */
static size_t stretch_length(const struct range *ranges, size_t count, enum wall_check usual) {
  size_t length = 0;
  for (size_t exceptions = 0; length < count; length++) {
    const struct range *range = &ranges[length];
    if (range->check == usual) continue;
    bool is_single = length + 1 < count && range[1].first == range->first + 1;
    if (!is_single || ++exceptions > EXCEPTIONS_MAX) break;
  }
  return length;
}

static size_t make_stretches(const struct range *ranges, size_t count, struct stretch *out) {
  size_t stretches = 0;
  for (size_t at = 0; at < count; at += out[stretches++].count) {
    size_t left = count - at, by_first = stretch_length(&ranges[at], left, ranges[at].check);
    size_t by_second = left > 1 ? stretch_length(&ranges[at], left, ranges[at + 1].check) : 0;
    bool is_first = by_first >= by_second;
    out[stretches] = (struct stretch){.first = (uint16_t)at,
                                      .count = (uint16_t)(is_first ? by_first : by_second),
                                      .usual = (uint8_t)ranges[is_first ? at : at + 1].check};
  }
  return stretches;
}

/* The last stretch has no end: behind the numbers of the processor it holds those of another kind. */
static place if_exception(struct assembler *self, const struct stretch *stretch, bool is_last) {
  enum { FIRST_FOREIGN = 0x40000000 }; /* x32's bit; no processor has a call of such a number */
  place next = leaf(self, (enum wall_check)stretch->usual);
  if (is_last) next = if_least(self, FIRST_FOREIGN, self->answers[WALL_DEADLY], next);
  for (size_t i = 0; i < stretch->count; i++) {
    const struct range *range = &self->ranges[stretch->first + i];
    if (range->check != stretch->usual) next = if_equal(self, range->first, self->answers[range->check], next);
  }
  return next;
}

static uint32_t first_number(const struct assembler *self, size_t stretch) {
  return self->ranges[self->stretches[stretch].first].first;
}

/* From stretch `begin` to `end`, the first number behind it. Each step halves the numbers, as far as stretches allow it. */
static place search(struct assembler *self, size_t begin, size_t end, uint32_t end_number, bool has_last) {
  if (begin + 1 == end) return if_exception(self, &self->stretches[begin], has_last);
  uint32_t first = first_number(self, begin), middle = first + (end_number - first) / 2;
  size_t half = begin + 1;
  while (half + 1 < end && first_number(self, half) < middle) half++;
  if (half > begin + 1 && middle - first_number(self, half - 1) < first_number(self, half) - middle) half--;
  uint32_t half_number = first_number(self, half);
  place upper = search(self, half, end, end_number, has_last);
  return if_least(self, half_number, upper, search(self, begin, half, half_number, false));
}

bool wall_filter_make(const struct policy_wall *wall, struct wall_filter *out) {
  struct assembler self;
  self.out = out;
  self.wall = wall;
  self.failed = false;
  memset(self.answers, 0, sizeof self.answers);
  size_t range_count = make_ranges(wall, self.ranges);
  size_t count = make_stretches(self.ranges, range_count, self.stretches);
  out->count = 0;
  put_answers(&self);
  for (size_t i = 0; i < range_count; i++) leaf(&self, self.ranges[i].check); /* first, to be at hand for all */
  place number = compute(&self, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr),
                         search(&self, 0, count, NUMBERS_TRIED, true));
  compute(&self, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch),
          if_equal(&self, POLICY_AUDIT_ARCH, number, self.answers[WALL_DEADLY]));
  return !self.failed;
}
