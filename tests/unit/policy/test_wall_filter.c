/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The filter of system calls as a program: what it answers, computed here instead of by the kernel. So it is tried for
 * processors that this is not, once for each: wall_filter.c is compiled with their numbers (arch/), and TEST_ARCH says
 * which they are. What is expected is written down in numbers, as the kernel's documentation has them, because names would
 * come from the same headers as the filter's. */
#include "test.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/host.h"
#include "policy/wall_parts.h"

enum { X86_64, AARCH64, RISCV64, ARCH_COUNT };
static const uint32_t arches[ARCH_COUNT] = {0xC000003E, 0xC00000B7, 0xC00000F3};
static const uint32_t refused = SECCOMP_RET_ERRNO | EPERM, not_there = SECCOMP_RET_ERRNO | ENOSYS;
static const uint32_t allowed = SECCOMP_RET_ALLOW, killed = SECCOMP_RET_KILL_PROCESS;

static struct wall_filter filter;

/* ---- The machine ------------------------------------------------------------------------------------------------------- */

static uint32_t value_of(const struct sock_filter *code, uint32_t x) {
  return BPF_SRC(code->code) == BPF_X ? x : code->k;
}

static bool is_taken(const struct sock_filter *code, uint32_t a, uint32_t x) {
  uint32_t k = value_of(code, x);
  switch (BPF_OP(code->code)) {
  case BPF_JEQ: return a == k;
  case BPF_JGT: return a > k;
  case BPF_JGE: return a >= k;
  case BPF_JSET: return a & k;
  default: abort();
  }
}

static uint32_t run(const struct seccomp_data *call) {
  uint32_t a = 0, x = 0, memory[BPF_MEMWORDS] = {0};
  for (size_t at = 0;; at++) {
    if (at >= filter.count) abort();
    const struct sock_filter *code = &filter.code[WALL_FILTER_MAX - filter.count + at];
    switch (code->code) {
    case BPF_LD | BPF_W | BPF_ABS:
      if (code->k % 4 || code->k >= sizeof *call) abort();
      memcpy(&a, (const char *)call + code->k, 4);
      break;
    case BPF_LD | BPF_MEM: a = memory[code->k]; break;
    case BPF_ST: memory[code->k] = a; break;
    case BPF_MISC | BPF_TAX: x = a; break;
    case BPF_ALU | BPF_ADD | BPF_K:
    case BPF_ALU | BPF_ADD | BPF_X: a += value_of(code, x); break;
    case BPF_ALU | BPF_SUB | BPF_K: a -= code->k; break;
    case BPF_ALU | BPF_NEG: a = -a; break;
    case BPF_ALU | BPF_AND | BPF_K: a &= code->k; break;
    case BPF_JMP | BPF_JA: at += code->k; break;
    case BPF_RET | BPF_K: return code->k;
    default:
      if (BPF_CLASS(code->code) != BPF_JMP) abort();
      at += is_taken(code, a, x) ? code->jt : code->jf;
    }
  }
}

static void make(const struct policy_wall *wall) {
  CHECK(wall_filter_make(wall, &filter));
  CHECK(filter.count > 0 && filter.count <= WALL_FILTER_MAX);
}

static uint32_t answer(uint32_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
  const struct seccomp_data call = {.nr = (int)number, .arch = arches[TEST_ARCH], .args = {a, b, c, d}};
  return run(&call);
}

/* ---- Numbers ------------------------------------------------------------------------------------------------------------ */

/* Of x86-64, of AArch64, of RISC-V. */
struct call {
  const char *name;
  uint32_t numbers[ARCH_COUNT];
};
#define BOTH(x86_64, generic) {x86_64, generic, generic}

static const struct call always[] = {
    {"read", BOTH(0, 63)},
    {"write", BOTH(1, 64)},
    {"readv", BOTH(19, 65)},
    {"pread64", BOTH(17, 67)},
    {"pwritev", BOTH(296, 70)},
    {"close", BOTH(3, 57)},
    {"fstat", BOTH(5, 80)},
    {"ppoll", BOTH(271, 73)},
    {"pipe2", BOTH(293, 59)},
    {"sendmsg", BOTH(46, 211)},
    {"recvfrom", BOTH(45, 207)},
    {"shutdown", BOTH(48, 210)},
    {"munmap", BOTH(11, 215)},
    {"madvise", BOTH(28, 233)},
    {"brk", BOTH(12, 214)},
    {"futex", BOTH(202, 98)},
    {"clock_gettime", BOTH(228, 113)},
    {"clock_nanosleep", BOTH(230, 115)},
    {"getrandom", BOTH(318, 278)},
    {"sched_yield", BOTH(24, 124)},
    {"rt_sigreturn", BOTH(15, 139)},
    {"rt_sigaction", BOTH(13, 134)},
    {"sigaltstack", BOTH(131, 132)},
    {"exit_group", BOTH(231, 94)},
    {"gettid", BOTH(186, 178)},
    {"membarrier", BOTH(324, 283)},
    {"restart_syscall", BOTH(219, 128)},
};
static const struct call deadly[] = {
    {"execve", BOTH(59, 221)},
    {"execveat", BOTH(322, 281)},
    {"ptrace", BOTH(101, 117)},
    {"process_vm_readv", BOTH(310, 270)},
    {"process_vm_writev", BOTH(311, 271)},
    {"pidfd_getfd", BOTH(438, 438)},
    {"pidfd_open", BOTH(434, 434)},
    {"name_to_handle_at", BOTH(303, 264)},
    {"setrlimit", BOTH(160, 164)},
    {"sethostname", BOTH(170, 161)},
    {"clock_adjtime", BOTH(305, 266)},
    {"kcmp", BOTH(312, 272)},
    {"bpf", BOTH(321, 280)},
    {"io_uring_setup", BOTH(425, 425)},
    {"io_uring_enter", BOTH(426, 426)},
    {"userfaultfd", BOTH(323, 282)},
    {"perf_event_open", BOTH(298, 241)},
    {"personality", BOTH(135, 92)},
    {"setns", BOTH(308, 268)},
    {"unshare", BOTH(272, 97)},
    {"chroot", BOTH(161, 51)},
    {"pivot_root", BOTH(155, 41)},
    {"mount", BOTH(165, 40)},
    {"umount2", BOTH(166, 39)},
    {"open_by_handle_at", BOTH(304, 265)},
    {"keyctl", BOTH(250, 219)},
    {"add_key", BOTH(248, 217)},
    {"request_key", BOTH(249, 218)},
    {"kexec_load", BOTH(246, 104)},
    {"init_module", BOTH(175, 105)},
    {"finit_module", BOTH(313, 273)},
    {"reboot", BOTH(169, 142)},
    {"shmat", BOTH(30, 196)},
    {"remap_file_pages", BOTH(216, 234)},
    {"pkey_mprotect", BOTH(329, 288)},
    {"settimeofday", BOTH(164, 170)},
    {"clock_settime", BOTH(227, 112)},
    {"quotactl", BOTH(179, 60)},
};
/* Refused when nothing was granted. */
static const struct call never[] = {
    {"openat", BOTH(257, 56)},        {"openat2", BOTH(437, 437)},   {"newfstatat", BOTH(262, 79)},
    {"statx", BOTH(332, 291)},        {"readlinkat", BOTH(267, 78)}, {"getdents64", BOTH(217, 61)},
    {"unlinkat", BOTH(263, 35)},      {"linkat", BOTH(265, 37)},     {"renameat2", BOTH(316, 276)},
    {"socket", BOTH(41, 198)},        {"socketpair", BOTH(53, 199)}, {"connect", BOTH(42, 203)},
    {"bind", BOTH(49, 200)},          {"listen", BOTH(50, 201)},     {"accept4", BOTH(288, 242)},
    {"accept", BOTH(43, 202)},        {"setsockopt", BOTH(54, 208)}, {"clone", BOTH(56, 220)},
    {"kill", BOTH(62, 129)},          {"tkill", BOTH(200, 130)},     {"wait4", BOTH(61, 260)},
    {"setuid", BOTH(105, 146)},       {"capset", BOTH(126, 91)},     {"seccomp", BOTH(317, 277)},
    {"memfd_create", BOTH(319, 279)}, {"fchmodat", BOTH(268, 53)},   {"mknodat", BOTH(259, 33)},
    {"signalfd4", BOTH(289, 74)},     {"rseq", BOTH(334, 293)},      {"sched_setaffinity", BOTH(203, 122)},
};

static void check_calls(const char *what, const struct call *calls, size_t count, uint32_t expected) {
  for (size_t i = 0; i < count; i++) {
    uint32_t got = answer(calls[i].numbers[TEST_ARCH], 0, 0, 0, 0);
    test_checks++;
    if (got == expected) continue;
    test_failures++;
    fprintf(stderr, "%s: %s gives 0x%x, expected 0x%x\n", what, calls[i].name, got, expected);
  }
}
#define CHECK_CALLS(what, calls, expected) check_calls(what, calls, BASE_ARRAY_LEN(calls), expected)

TEST(numbers) {
  make(&(struct policy_wall){0});
  CHECK_CALLS("always", always, allowed);
  CHECK_CALLS("deadly", deadly, killed);
  CHECK_CALLS("never", never, refused);
  CHECK_INT(answer(435, 0, 0, 0, 0), not_there);                                /* clone3, everywhere */
  CHECK_INT(answer(259, 0, 0, 0, 0), TEST_ARCH == RISCV64 ? allowed : refused); /* riscv_flush_icache, or mknodat */
}

TEST(other_processors) {
  make(&(struct policy_wall){0});
  for (int arch = 0; arch < ARCH_COUNT; arch++) {
    const struct seccomp_data call = {.nr = TEST_ARCH == X86_64 ? 0 : 63, .arch = arches[arch]};
    CHECK_INT(run(&call), arch == TEST_ARCH ? allowed : killed);
  }
  static const uint32_t others[] = {AUDIT_ARCH_I386, AUDIT_ARCH_ARM, AUDIT_ARCH_RISCV32, AUDIT_ARCH_MIPS64, 0};
  for (size_t i = 0; i < BASE_ARRAY_LEN(others); i++) {
    const struct seccomp_data call = {.nr = 63, .arch = others[i]};
    CHECK_INT(run(&call), killed);
  }
  CHECK_INT(answer(0x40000000, 0, 0, 0, 0), killed);
  CHECK_INT(answer(0x40000001, 0, 0, 0, 0), killed);
  CHECK_INT(answer(UINT32_MAX, 0, 0, 0, 0), killed);
  CHECK_INT(answer(1023, 0, 0, 0, 0), refused);
  CHECK_INT(answer(1024, 0, 0, 0, 0), refused);
  CHECK_INT(answer(0x3FFFFFFF, 0, 0, 0, 0), refused);
}

/* Every number up to the largest, against the table. */
static const struct {
  uint32_t number;
  int check;
} rows[] = {
#include "policy/wall_calls.gen.h"
};

static int check_of(uint32_t number) {
  for (size_t i = 0; i < BASE_ARRAY_LEN(rows); i++)
    if (rows[i].number == number) return rows[i].check;
  return WALL_REFUSED;
}

TEST(whole_table) {
  CHECK(BASE_ARRAY_LEN(rows) > 120);
  make(&(struct policy_wall){0});
  for (uint32_t number = 0; number < 2048; number++) {
    uint32_t got = answer(number, 0, 0, 0, 0);
    switch (check_of(number)) {
    case WALL_ALWAYS:
    case WALL_READER: CHECK_INT(got, allowed); break;
    case WALL_DEADLY: CHECK_INT(got, killed); break;
    case WALL_NOT_THERE: CHECK_INT(got, not_there); break;
    case WALL_NAMED:
    case WALL_CHANGE:
    case WALL_LIST:
    case WALL_THREAD:
    case WALL_THREADS:
    case WALL_CHILD:
    case WALL_SOCKET:
    case WALL_SOCKETS:
    case WALL_OPTION:
    case WALL_ACCEPT:
    case WALL_REFUSED: CHECK_INT(got, refused); break;
    default: CHECK(got == allowed || got == refused);
    }
  }
  make(NULL);
  for (uint32_t number = 0; number < 2048; number++) {
    uint32_t got = answer(number, 0, 0, 0, 0);
    int check = check_of(number);
    bool is_memory = check == WALL_MAP || check == WALL_PROTECT || check == WALL_REMAP;
    bool is_send = check == WALL_SEND_2 || check == WALL_SEND_3;
    CHECK_INT(got, check == WALL_READER || is_memory || is_send ? allowed
                   : check == WALL_DEADLY                       ? killed
                   : check == WALL_NOT_THERE                    ? not_there
                                                                : refused);
  }
}

/* ---- Arguments ----------------------------------------------------------------------------------------------------------- */

static uint32_t number_of(uint32_t x86_64, uint32_t generic) { return TEST_ARCH == X86_64 ? x86_64 : generic; }

TEST(code) {
  const uint32_t protect = number_of(10, 226), map = number_of(9, 222);
  const uint64_t code = UINT64_C(0x7FFFFFFF0000), code_bytes = 0x20000; /* over a boundary of 4 GiB */
  struct policy_wall wall = {.code = (uintptr_t)code, .code_bytes = (size_t)code_bytes, .code_change = BASE_CODE_FLIPS};
  const uint64_t executable = PROT_READ | PROT_EXEC;
  make(&wall);
  CHECK_INT(answer(protect, 0x1000, 0x1000, PROT_READ | PROT_WRITE, 0), allowed);
  CHECK_INT(answer(protect, 0x1000, 0x1000, executable, 0), refused);
  CHECK_INT(answer(protect, code, code_bytes, executable, 0), allowed);
  CHECK_INT(answer(protect, code, code_bytes, executable | PROT_WRITE, 0), refused);
  CHECK_INT(answer(protect, code - 0x1000, 0x1000, executable, 0), refused);
  CHECK_INT(answer(protect, code, code_bytes + 1, executable, 0), refused);
  CHECK_INT(answer(protect, code + code_bytes - 0x1000, 0x1000, executable, 0), allowed);
  CHECK_INT(answer(protect, code + code_bytes, 0x1000, executable, 0), refused);
  CHECK_INT(answer(protect, code, UINT64_C(1) << 32, executable, 0), refused);
  CHECK_INT(answer(protect, code, UINT64_MAX - code + 1, executable, 0), refused);
  CHECK_INT(answer(protect, code & UINT32_MAX, 0x1000, executable, 0), refused);
  CHECK_INT(answer(map, code, 0x1000, executable, MAP_SHARED | MAP_FIXED), refused);
  wall.code_change = BASE_CODE_MAPS_ANEW;
  make(&wall);
  CHECK_INT(answer(map, code, 0x1000, executable, MAP_SHARED | MAP_FIXED), allowed);
  CHECK_INT(answer(map, code, 0x1000, executable, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS), refused);
  CHECK_INT(answer(map, 0, 0x1000, executable, MAP_SHARED | MAP_FIXED), refused);
  CHECK_INT(answer(protect, code, 0x1000, executable, 0), refused);
}

TEST(threads_signals_children) {
  const uint32_t clone = number_of(56, 220), tgkill = number_of(234, 131), wait = number_of(61, 260);
  const uint64_t thread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                          CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
  make(&(struct policy_wall){.threads = true, .child = 77});
  CHECK_INT(answer(clone, thread, 0, 0, 0), allowed);
  CHECK_INT(answer(clone, thread & ~(uint64_t)CLONE_THREAD, 0, 0, 0), refused);
  CHECK_INT(answer(clone, thread | CLONE_NEWUSER, 0, 0, 0), refused);
  CHECK_INT(answer(clone, CLONE_VM | CLONE_VFORK, 0, 0, 0), refused);
  CHECK_INT(answer(number_of(334, 293), 0, 0, 0, 0), allowed); /* rseq, which each new thread calls */
  CHECK_INT(answer(tgkill, (uint64_t)getpid(), 1, 9, 0), allowed);
  CHECK_INT(answer(tgkill, (uint64_t)getpid() + 1, 1, 9, 0), refused);
  CHECK_INT(answer(wait, 77, 0, 0, 0), allowed);
  CHECK_INT(answer(wait, UINT64_MAX, 0, 0, 0), refused);
}

TEST(sockets) {
  const uint32_t make_one = number_of(41, 198), connect = number_of(42, 203), accept = number_of(288, 242);
  make(&(struct policy_wall){.listeners = true});
  CHECK_INT(answer(accept, 3, 0, 0, 0), allowed);
  CHECK_INT(answer(make_one, AF_INET, SOCK_STREAM, 0, 0), refused);
  make(&(struct policy_wall){.sockets = true});
  CHECK_INT(answer(make_one, AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, 0), allowed);
  CHECK_INT(answer(make_one, AF_INET6, SOCK_DGRAM, 17, 0), allowed);
  CHECK_INT(answer(make_one, AF_INET, SOCK_RAW, 0, 0), refused);
  CHECK_INT(answer(make_one, AF_UNIX, SOCK_STREAM, 0, 0), refused);
  CHECK_INT(answer(make_one, 16 /* netlink */, SOCK_DGRAM, 0, 0), refused);
  CHECK_INT(answer(make_one, AF_INET, SOCK_STREAM, 262 /* MPTCP */, 0), refused);
  CHECK_INT(answer(connect, 3, 0, 0, 0), allowed);
  CHECK_INT(answer(accept, 3, 0, 0, 0), allowed);
}

TEST(sending_and_options) {
  const uint32_t sendto_ = number_of(44, 206), sendmsg_ = number_of(46, 211), option = number_of(54, 208);
  const uint64_t flags = MSG_DONTWAIT | MSG_NOSIGNAL;
  const struct policy_wall wall = {.sockets = true};
  for (int reads_only = 0; reads_only < 2; reads_only++) {
    make(reads_only ? NULL : &wall);
    CHECK_INT(answer(sendto_, 3, 1, 1, flags), allowed);
    CHECK_INT(answer(sendto_, 3, 1, 1, flags | MSG_FASTOPEN), refused);
    CHECK_INT(answer(sendmsg_, 3, 1, flags, MSG_FASTOPEN), allowed);
    CHECK_INT(answer(sendmsg_, 3, 1, MSG_FASTOPEN, 0), refused);
  }
  make(&wall);
  CHECK_INT(answer(option, 3, SOL_SOCKET, SO_REUSEADDR, 0), allowed);
  CHECK_INT(answer(option, 3, SOL_SOCKET, SO_ATTACH_FILTER, 0), refused);
  CHECK_INT(answer(option, 3, IPPROTO_IPV6, IPV6_V6ONLY, 0), allowed);
  CHECK_INT(answer(option, 3, IPPROTO_IPV6, SO_REUSEADDR, 0), refused);
  CHECK_INT(answer(option, 3, IPPROTO_TCP, SO_REUSEADDR, 0), refused);
  make(&(struct policy_wall){.listeners = true});
  CHECK_INT(answer(option, 3, SOL_SOCKET, SO_REUSEADDR, 0), refused);
}

TEST(names_of_files) {
  const uint32_t open = number_of(257, 56), unlink = number_of(263, 35), times = number_of(280, 88);
  const uint64_t current = (uint32_t)-100;
  const struct policy_wall_path path = {.rights = HOST_RIGHTS_READ_ONLY, .is_directory = true};
  struct policy_wall_path changed = {.rights = HOST_RIGHTS_ALL, .is_directory = true};
  make(&(struct policy_wall){.paths = &path, .path_count = 1});
  CHECK_INT(answer(open, 3, 1, 0, 0), allowed);
  CHECK_INT(answer(open, current, 1, 0, 0), refused);
  CHECK_INT(answer(unlink, 3, 1, 0, 0), refused);
  CHECK_INT(answer(times, 3, 1, 0, 0), refused);
  CHECK_INT(answer(times, 3, 0, 0, 0), allowed);
  make(&(struct policy_wall){.paths = &changed, .path_count = 1});
  CHECK_INT(answer(unlink, 3, 1, 0, 0), allowed);
  CHECK_INT(answer(unlink, current, 1, 0, 0), refused);
  CHECK_INT(answer(times, 3, 1, 0, 0), allowed);
  CHECK_INT(answer(times, 3, UINT64_C(1) << 32, 0, 0), allowed);
  CHECK_INT(answer(times, current, 1, 0, 0), refused);
}

TEST_MAIN({RUN(numbers) RUN(other_processors) RUN(whole_table) RUN(code) RUN(threads_signals_children) RUN(sockets)
               RUN(sending_and_options) RUN(names_of_files)})
