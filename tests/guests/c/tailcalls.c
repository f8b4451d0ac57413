/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* tailcalls N: calls that must be jumps, because N of them would need more stack than there is: two functions that end
 * in each other, a stack machine whose instructions end in a call by table, a search by continuations. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define JUMP __attribute__((musttail)) return

static int64_t odd(int64_t n, int64_t sum);
static int64_t even(int64_t n, int64_t sum) {
  if (n == 0) return sum;
  JUMP odd(n - 1, sum + n);
}
static int64_t odd(int64_t n, int64_t sum) {
  if (n == 0) return -sum;
  JUMP even(n - 1, sum ^ n);
}

/* ---- A stack machine ------------------------------------------------------------------------------------------------- */

struct machine {
  int64_t stack[16];
  uint64_t executed;
};
enum { PUSH, DUPLICATE, ADD, SUBTRACT, STORE, LOAD, JUMP_IF, HALT };

typedef int64_t instruction(const int8_t *code, int64_t *top, int64_t *locals, struct machine *machine);
static instruction push, duplicate, add, subtract, store, load, jump_if, halt;
static instruction *const instructions[] = {push, duplicate, add, subtract, store, load, jump_if, halt};

#define NEXT(code, top) JUMP instructions[*(code)]((code) + 1, top, locals, machine)
#define INSTRUCTION(name) \
  static int64_t name(const int8_t *code, int64_t *top, int64_t *locals, struct machine *machine)

INSTRUCTION(push) {
  machine->executed++;
  *++top = *code;
  NEXT(code + 1, top);
}
INSTRUCTION(duplicate) {
  machine->executed++;
  top[1] = *top;
  NEXT(code, top + 1);
}
INSTRUCTION(add) {
  machine->executed++;
  top[-1] += *top;
  NEXT(code, top - 1);
}
INSTRUCTION(subtract) {
  machine->executed++;
  top[-1] -= *top;
  NEXT(code, top - 1);
}
INSTRUCTION(store) {
  machine->executed++;
  locals[*code] = *top;
  NEXT(code + 1, top - 1);
}
INSTRUCTION(load) {
  machine->executed++;
  *++top = locals[*code];
  NEXT(code + 1, top);
}
INSTRUCTION(jump_if) {
  machine->executed++;
  NEXT(*top ? code + *code : code + 1, top - 1);
}
INSTRUCTION(halt) {
  (void)code, (void)locals, (void)machine;
  return *top;
}

/* sum = 0; do { sum += n; n -= 1; } while (n) */
static const int8_t program[] = {PUSH, 0,    STORE, 1,        LOAD,      1,     LOAD, 0,       ADD, STORE, 1, LOAD,
                                 0,    PUSH, 1,     SUBTRACT, DUPLICATE, STORE, 0,    JUMP_IF, -16, LOAD,  1, HALT};

static int64_t machine_sum(int64_t n, uint64_t *executed) {
  struct machine machine = {0};
  int64_t locals[2] = {n, 0};
  int64_t sum = instructions[*program](program + 1, machine.stack, locals, &machine);
  *executed = machine.executed;
  return sum;
}

/* ---- Continuations: the parts of N as sums of 1, 2 and 5 ----------------------------------------------------------------- */

struct rest {
  int amount, coin;
  struct rest *next;
};
static const int coins[] = {5, 2, 1};
static int64_t ways;

static int64_t explore(int amount, int coin, struct rest *next, struct rest *unused);
static int64_t resume(int amount, int coin, struct rest *next, struct rest *unused) {
  (void)amount, (void)coin;
  if (!next) return ways;
  struct rest *following = next->next;
  int its_amount = next->amount, its_coin = next->coin;
  next->next = unused;
  JUMP explore(its_amount, its_coin, following, next);
}
static int64_t explore(int amount, int coin, struct rest *next, struct rest *unused) {
  if (amount < 0 || coin == 3) JUMP resume(0, 0, next, unused);
  if (amount == 0) {
    ways++;
    JUMP resume(0, 0, next, unused);
  }
  struct rest *later = unused;
  unused = unused->next;
  *later = (struct rest){amount, coin + 1, next};
  JUMP explore(amount - coins[coin], coin, later, unused);
}

int main(int argc, char **argv) {
  int64_t n = argc > 1 ? atoll(argv[1]) : 1000000;
  static struct rest rests[4096];
  for (int i = 0; i + 1 < 4096; i++) rests[i].next = &rests[i + 1];
  uint64_t executed;
  int64_t sum = machine_sum(n, &executed);
  printf("mutual %lld, machine %lld after %llu instructions", (long long)even(n, 0), (long long)sum,
         (unsigned long long)executed);
  printf(", ways %lld\n", (long long)explore(400, 0, NULL, rests));
  return 0;
}
