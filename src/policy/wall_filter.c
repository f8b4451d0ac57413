/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The filter of system calls, as a program for the kernel's classic BPF machine.
 *
 * The rows of wall.def, by number, become ranges with one answer each; the program looks a call's range up by
 * binary search and then gives the answer, or checks arguments in one of the blocks behind the search. The kernel tries
 * every number on the program when it is installed, to remember which calls are let through without a look at arguments:
 * so such a call, and nearly all that a guest makes are, costs the same as without a filter, and what the search saves is
 * time at every start. Rejected: a list of comparisons ordered by frequency, 40 times as many steps at installation.
 *
 * A pointer that a call is given cannot be looked at here, because another thread may change what it points to: what lies
 * behind names of files is Landlock's part. So calls with names have to be relative to a descriptor, and there are none
 * when nothing was granted.
 *
 * Invariants: 1. jumps lead forward (BPF knows no others). 2. A path that no answer was written for ends in EPERM. 3. A
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

enum check {
  WALL_REFUSED, /* no row */
  WALL_ALWAYS,
  WALL_READER,
  WALL_NAMED,
  WALL_NAMED_1,
  WALL_CHANGE,
  WALL_CHANGE_1,
  WALL_CHANGE_0_2,
  WALL_TIMES,
  WALL_DESCRIBE,
  WALL_LIST,
  WALL_MAP,
  WALL_PROTECT,
  WALL_REMAP,
  WALL_THREAD,
  WALL_NOT_THERE,
  WALL_SELF,
  WALL_CHILD,
  WALL_LOOK,
  WALL_CONTROL,
  WALL_FLAGS,
  WALL_NAMING,
  WALL_ACCEPT,
  WALL_SOCKET,
  WALL_SOCKETS,
  WALL_SOCKETCALL,
  WALL_DEADLY,
  CHECK_COUNT,
};

struct row {
  uint32_t number;
  enum check check;
};
static const struct row rows[] = {
#include "wall_calls.gen.h"
};
enum { ROW_COUNT = BASE_ARRAY_LEN(rows), RANGES_MAX = 2 * ROW_COUNT + 1, NUMBERS_MAX = 1024 };
struct range {
  uint32_t first; /* to the next range's first */
  enum check check;
};

/* ---- An assembler ---------------------------------------------------------------------------------------------------- */

/* Labels are numbers; a label is where it was placed. NEXT is the following instruction. */
enum label { NEXT, ALLOW, DENY, FIRST_BLOCK, FIRST_LOCAL = FIRST_BLOCK + CHECK_COUNT };
enum { LABELS_MAX = FIRST_LOCAL + RANGES_MAX + 16 };

struct assembler {
  struct wall_filter *out;
  struct {
    uint16_t yes, no;
  } targets[WALL_FILTER_MAX];
  uint16_t places[LABELS_MAX];
  uint16_t label_count;
  bool failed;
};

static uint16_t label_new(struct assembler *self) {
  if (self->label_count < LABELS_MAX) return self->label_count++;
  self->failed = true;
  return NEXT;
}

static void place(struct assembler *self, uint16_t label) { self->places[label] = (uint16_t)self->out->count; }

static void emit(struct assembler *self, uint16_t code, uint32_t k, uint16_t yes, uint16_t no) {
  if (self->out->count == WALL_FILTER_MAX) {
    self->failed = true;
    return;
  }
  self->targets[self->out->count].yes = yes;
  self->targets[self->out->count].no = no;
  self->out->code[self->out->count++] = (struct sock_filter)BPF_STMT(code, k);
}

static void answer(struct assembler *self, uint32_t action) { emit(self, BPF_RET | BPF_K, action, NEXT, NEXT); }
static void go(struct assembler *self, uint16_t label) { emit(self, BPF_JMP | BPF_JA, 0, label, label); }
static void compute(struct assembler *self, uint16_t code, uint32_t k) { emit(self, code, k, NEXT, NEXT); }

/* Conditions on the accumulator. */
static void if_equal(struct assembler *self, uint32_t k, uint16_t yes, uint16_t no) {
  emit(self, BPF_JMP | BPF_JEQ | BPF_K, k, yes, no);
}
static void if_least(struct assembler *self, uint32_t k, uint16_t yes, uint16_t no) {
  emit(self, BPF_JMP | BPF_JGE | BPF_K, k, yes, no);
}
static void if_above(struct assembler *self, uint32_t k, uint16_t yes, uint16_t no) {
  emit(self, BPF_JMP | BPF_JGT | BPF_K, k, yes, no);
}
static void if_any(struct assembler *self, uint32_t bits, uint16_t yes, uint16_t no) {
  emit(self, BPF_JMP | BPF_JSET | BPF_K, bits, yes, no);
}

/* Loads the lower or upper half of argument `index`, on a little-endian processor. */
static void load(struct assembler *self, unsigned index, bool upper) {
  compute(self, BPF_LD | BPF_W | BPF_ABS,
          (uint32_t)(offsetof(struct seccomp_data, args) + index * sizeof(uint64_t) + (upper ? 4 : 0)));
}

/* Replaces labels by distances. */
static bool resolve(struct assembler *self) {
  for (size_t i = 0; i < self->out->count && !self->failed; i++) {
    struct sock_filter *code = &self->out->code[i];
    size_t yes = self->targets[i].yes ? self->places[self->targets[i].yes] - i - 1 : 0;
    size_t no = self->targets[i].no ? self->places[self->targets[i].no] - i - 1 : 0;
    if (BPF_CLASS(code->code) != BPF_JMP) continue;
    if (BPF_OP(code->code) == BPF_JA) {
      code->k = (uint32_t)yes;
      self->failed |= yes >= self->out->count;
    } else {
      code->jt = (uint8_t)yes;
      code->jf = (uint8_t)no;
      self->failed |= yes > UINT8_MAX || no > UINT8_MAX;
    }
  }
  return !self->failed;
}

/* ---- Blocks that check arguments ----------------------------------------------------------------------------------------- */

static void block_directory(struct assembler *self, unsigned index) {
  load(self, index, false);
  if_equal(self, (uint32_t)AT_FDCWD, DENY, NEXT);
}

/* Goes on where [argument 0, argument 0 + argument 1) lies in the arena of code, else to DENY. */
static void block_in_arena(struct assembler *self, const struct policy_wall *wall) {
  enum { END_LOW, END_HIGH };
  const uint64_t start = wall->code, end = start + wall->code_bytes;
  uint16_t no_carry = label_new(self), from_start = label_new(self), to_end = label_new(self);
  load(self, 1, true);
  if_equal(self, 0, NEXT, DENY);
  load(self, 1, false); /* the end's lower half: a sum of two lower halves is less than each when it overflows */
  compute(self, BPF_MISC | BPF_TAX, 0);
  load(self, 0, false);
  compute(self, BPF_ALU | BPF_ADD | BPF_X, 0);
  compute(self, BPF_ST, END_LOW);
  emit(self, BPF_JMP | BPF_JGE | BPF_X, 0, no_carry, NEXT);
  load(self, 0, true);
  compute(self, BPF_ALU | BPF_ADD, 1);
  compute(self, BPF_ST, END_HIGH);
  go(self, from_start);
  place(self, no_carry);
  load(self, 0, true);
  compute(self, BPF_ST, END_HIGH);
  place(self, from_start);
  uint16_t start_fits = label_new(self);
  load(self, 0, true);
  if_above(self, (uint32_t)(start >> 32), start_fits, NEXT);
  if_equal(self, (uint32_t)(start >> 32), NEXT, DENY);
  load(self, 0, false);
  if_least(self, (uint32_t)start, NEXT, DENY);
  place(self, start_fits);
  compute(self, BPF_LD | BPF_MEM, END_HIGH);
  if_least(self, (uint32_t)(end >> 32), NEXT, to_end);
  if_equal(self, (uint32_t)(end >> 32), NEXT, DENY);
  compute(self, BPF_LD | BPF_MEM, END_LOW);
  if_above(self, (uint32_t)end, DENY, NEXT);
  place(self, to_end);
}

/* The whole of argument 2 is the protection to be. */
static void block_protection(struct assembler *self, const struct policy_wall *wall, bool may_be_code) {
  load(self, 2, false);
  if_any(self, PROT_EXEC, NEXT, ALLOW);
  if (!may_be_code) {
    go(self, DENY);
    return;
  }
  if_equal(self, PROT_READ | PROT_EXEC, NEXT, DENY);
  block_in_arena(self, wall);
}

static void block_map(struct assembler *self, const struct policy_wall *wall) {
  bool may = wall && wall->code_bytes && wall->code_change == BASE_CODE_MAPS_ANEW;
  block_protection(self, wall, may);
  if (!may) return;
  load(self, 3, false);
  if_equal(self, MAP_SHARED | MAP_FIXED, ALLOW, DENY);
}

static void block_protect(struct assembler *self, const struct policy_wall *wall) {
  bool may = wall && wall->code_bytes && wall->code_change == BASE_CODE_FLIPS;
  block_protection(self, wall, may);
  if (may) go(self, ALLOW);
}

static void block_remap(struct assembler *self) {
  load(self, 3, false);
  if_any(self, ~(uint32_t)MREMAP_MAYMOVE, DENY, ALLOW);
}

static void block_thread(struct assembler *self) {
  const uint32_t needed = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
  const uint32_t harmless =
      CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | CLONE_DETACHED;
  load(self, 0, false);
  if_any(self, ~(needed | harmless), DENY, NEXT);
  compute(self, BPF_ALU | BPF_AND | BPF_K, needed);
  if_equal(self, needed, ALLOW, DENY);
}

/* The accumulator is one of the values; then to `yes`, else to DENY. */
static void if_one_of(struct assembler *self, const uint32_t *values, size_t count, uint16_t yes) {
  for (size_t i = 0; i < count; i++) if_equal(self, values[i], yes, i + 1 < count ? NEXT : DENY);
}

static void block_one_of(struct assembler *self, unsigned index, const uint32_t *values, size_t count) {
  load(self, index, false);
  if_one_of(self, values, count, ALLOW);
}

/* Raw sockets, those of other families and of further protocols have more of the kernel behind them than a guest can use. */
static void block_socket(struct assembler *self) {
  static const uint32_t families[] = {AF_INET, AF_INET6}, types[] = {SOCK_STREAM, SOCK_DGRAM},
                        protocols[] = {0, IPPROTO_TCP, IPPROTO_UDP};
  uint16_t family_fits = label_new(self), type_fits = label_new(self);
  load(self, 0, false);
  if_one_of(self, families, BASE_ARRAY_LEN(families), family_fits);
  place(self, family_fits);
  load(self, 1, false);
  compute(self, BPF_ALU | BPF_AND | BPF_K, ~(uint32_t)(SOCK_CLOEXEC | SOCK_NONBLOCK));
  if_one_of(self, types, BASE_ARRAY_LEN(types), type_fits);
  place(self, type_fits);
  block_one_of(self, 2, protocols, BASE_ARRAY_LEN(protocols));
}

/* What is let through for sockets that are there, then with listeners, then with the right to make some. */
static void block_socketcall(struct assembler *self, const struct policy_wall *wall) {
  static const uint32_t calls[] = {SYS_GETSOCKNAME, SYS_GETPEERNAME, SYS_SEND,     SYS_RECV,
                                   SYS_SENDTO,      SYS_RECVFROM,    SYS_SHUTDOWN, SYS_GETSOCKOPT,
                                   SYS_SENDMSG,     SYS_RECVMSG,     SYS_ACCEPT4,  SYS_SOCKET,
                                   SYS_BIND,        SYS_CONNECT,     SYS_LISTEN,   SYS_SETSOCKOPT};
  enum { TRANSFERS = 10, ACCEPTS };
  block_one_of(self, 0, calls, wall->sockets ? BASE_ARRAY_LEN(calls) : wall->listeners ? ACCEPTS : TRANSFERS);
}

/* New limits (argument 2) only as null, of this process (argument 0: 0). */
static void block_look(struct assembler *self) {
  load(self, 0, false);
  if_equal(self, 0, NEXT, DENY);
  load(self, 2, false);
  if_equal(self, 0, NEXT, DENY);
  load(self, 2, true);
  if_equal(self, 0, ALLOW, DENY);
}

/* Without a name (argument 1) it is the descriptor that is meant. */
static void block_times(struct assembler *self, bool has_named) {
  uint16_t named = has_named ? label_new(self) : DENY;
  load(self, 1, false);
  if_equal(self, 0, NEXT, named);
  load(self, 1, true);
  if_equal(self, 0, ALLOW, named);
  if (!has_named) return;
  place(self, named);
  block_directory(self, 0);
  go(self, ALLOW);
}

static void block_describe(struct assembler *self, bool has_named) {
  load(self, 2, false);
  if_any(self, AT_EMPTY_PATH, ALLOW, has_named ? NEXT : DENY);
  if (!has_named) return;
  block_directory(self, 0);
  go(self, ALLOW);
}

static uint32_t rights_of_all(const struct policy_wall *wall) {
  uint32_t rights = 0;
  for (size_t i = 0; i < wall->path_count; i++) rights |= wall->paths[i].rights;
  return rights;
}

static void block(struct assembler *self, const struct policy_wall *wall, enum check check) {
  static const uint32_t controls[] = {TCGETS, TCGETS2, FIONREAD}, namings[] = {PR_SET_VMA, PR_SET_NAME},
                        flags[] = {F_GETFL, F_SETFL, F_GETFD, F_SETFD, F_DUPFD_CLOEXEC};
  place(self, (uint16_t)(FIRST_BLOCK + check));
  switch (check) {
  case WALL_NAMED:
  case WALL_CHANGE: block_directory(self, 0); break;
  case WALL_NAMED_1:
  case WALL_CHANGE_1: block_directory(self, 1); break;
  case WALL_CHANGE_0_2:
    block_directory(self, 0);
    block_directory(self, 2);
    break;
  case WALL_TIMES: block_times(self, rights_of_all(wall) & HOST_RIGHT_WRITE); return;
  case WALL_DESCRIBE: block_describe(self, wall->path_count > 0); return;
  case WALL_MAP: block_map(self, wall); return;
  case WALL_PROTECT: block_protect(self, wall); return;
  case WALL_REMAP: block_remap(self); return;
  case WALL_THREAD: block_thread(self); return;
  case WALL_SELF: block_one_of(self, 0, (const uint32_t[]){(uint32_t)getpid()}, 1); return;
  case WALL_CHILD: block_one_of(self, 0, (const uint32_t[]){(uint32_t)wall->child}, 1); return;
  case WALL_LOOK: block_look(self); return;
  case WALL_CONTROL: block_one_of(self, 1, controls, BASE_ARRAY_LEN(controls)); return;
  case WALL_FLAGS: block_one_of(self, 1, flags, BASE_ARRAY_LEN(flags)); return;
  case WALL_SOCKET: block_socket(self); return;
  case WALL_SOCKETCALL: block_socketcall(self, wall); return;
  case WALL_NAMING: block_one_of(self, 0, namings, BASE_ARRAY_LEN(namings)); return;
  default: assert(false);
  }
  go(self, ALLOW);
}

/* ---- What a row means for this wall -------------------------------------------------------------------------------------- */

/* Rows that the wall has no use for are as if they were not there, and those that need no look at arguments ALWAYS. */
static enum check simplify(const struct policy_wall *wall, enum check check) {
  if (!wall) {
    bool is_memory = check == WALL_MAP || check == WALL_PROTECT || check == WALL_REMAP;
    return check == WALL_READER                                           ? WALL_ALWAYS
           : is_memory || check == WALL_NOT_THERE || check == WALL_DEADLY ? check
                                                                          : WALL_REFUSED;
  }
  bool may_name = wall->path_count > 0, may_change = rights_of_all(wall) & (HOST_RIGHT_MUTATE | HOST_RIGHT_CREATE);
  switch (check) {
  case WALL_READER: return WALL_ALWAYS;
  case WALL_LIST: return may_name ? WALL_ALWAYS : WALL_REFUSED;
  case WALL_NAMED:
  case WALL_NAMED_1: return may_name ? check : WALL_REFUSED;
  case WALL_CHANGE:
  case WALL_CHANGE_1:
  case WALL_CHANGE_0_2: return may_change ? check : WALL_REFUSED;
  case WALL_CHILD: return wall->child ? check : WALL_REFUSED;
  case WALL_THREAD: return wall->threads ? check : WALL_REFUSED;
  case WALL_ACCEPT: return wall->listeners || wall->sockets ? WALL_ALWAYS : WALL_REFUSED;
  case WALL_SOCKET: return wall->sockets ? check : WALL_REFUSED;
  case WALL_SOCKETS: return wall->sockets ? WALL_ALWAYS : WALL_REFUSED;
  default: return check;
  }
}

static bool is_answer(enum check check) {
  return check == WALL_REFUSED || check == WALL_ALWAYS || check == WALL_NOT_THERE || check == WALL_DEADLY;
}

static size_t make_ranges(const struct policy_wall *wall, struct range *out) {
  uint8_t checks[NUMBERS_MAX] = {WALL_REFUSED};
  for (size_t i = 0; i < ROW_COUNT; i++) {
    assert(rows[i].number < NUMBERS_MAX && !checks[rows[i].number]);
    checks[rows[i].number] = (uint8_t)simplify(wall, rows[i].check);
  }
  size_t count = 0;
  for (uint32_t number = 0; number < NUMBERS_MAX; number++)
    if (number == 0 || checks[number] != checks[number - 1]) {
      assert(count < RANGES_MAX);
      out[count++] = (struct range){number, (enum check)checks[number]};
    }
  return count;
}

/* ---- The program ----------------------------------------------------------------------------------------------------------- */

static void leaf(struct assembler *self, enum check check) {
  static const uint32_t answers[CHECK_COUNT] = {[WALL_REFUSED] = SECCOMP_RET_ERRNO | EPERM,
                                                [WALL_ALWAYS] = SECCOMP_RET_ALLOW,
                                                [WALL_NOT_THERE] = SECCOMP_RET_ERRNO | ENOSYS,
                                                [WALL_DEADLY] = SECCOMP_RET_KILL_PROCESS};
  if (is_answer(check))
    answer(self, answers[check]);
  else
    go(self, (uint16_t)(FIRST_BLOCK + check));
}

static void search(struct assembler *self, const struct range *ranges, size_t count) {
  if (count == 1) {
    leaf(self, ranges->check);
    return;
  }
  size_t half = count / 2;
  uint16_t upper = label_new(self);
  if_least(self, ranges[half].first, upper, NEXT);
  search(self, ranges, half);
  place(self, upper);
  search(self, ranges + half, count - half);
}

static void blocks(struct assembler *self, const struct policy_wall *wall, const struct range *ranges, size_t count) {
  bool is_used[CHECK_COUNT] = {false};
  for (size_t i = 0; i < count; i++) is_used[ranges[i].check] = true;
  for (int check = 0; check < CHECK_COUNT; check++)
    if (is_used[check] && !is_answer((enum check)check)) block(self, wall, (enum check)check);
}

bool wall_filter_make(const struct policy_wall *wall, struct wall_filter *out) {
  enum { FIRST_FOREIGN = 0x40000000 }; /* x32's bit; no processor has a call of such a number */
  struct range ranges[RANGES_MAX];
  struct assembler self = {.out = out, .label_count = FIRST_LOCAL};
  size_t count = make_ranges(wall, ranges);
  uint16_t known = label_new(&self), native = label_new(&self);
  out->count = 0;
  compute(&self, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
  if_equal(&self, POLICY_AUDIT_ARCH, known, NEXT);
  answer(&self, SECCOMP_RET_KILL_PROCESS);
  place(&self, known);
  compute(&self, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  if_least(&self, FIRST_FOREIGN, NEXT, native);
  answer(&self, SECCOMP_RET_KILL_PROCESS);
  place(&self, native);
  search(&self, ranges, count);
  blocks(&self, wall, ranges, count);
  place(&self, ALLOW);
  answer(&self, SECCOMP_RET_ALLOW);
  place(&self, DENY);
  answer(&self, SECCOMP_RET_ERRNO | EPERM);
  return resolve(&self);
}
