/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* An interpreter inside the interpreter: a stack machine with a switch runs a program that finds the longest Collatz
 * sequence of the starts 1 to n (at most 100,000): a jump table, and a dispatch that depends on data. */
#include "kernel.h"

enum code { END, PUSH, LOAD, STORE, ADD, MULTIPLY, HALVE, IS_ODD, IS_LESS, IS_EQUAL, JUMP, JUMP_IF };
enum local { LIMIT, START, TERM, LENGTH, LONGEST, LONGEST_START, TOTAL, LOCALS };
/* Where the blocks of the program begin; each leaves by a jump, so the gaps between them are never reached. */
enum block { OUTER = 0, STEP = 16, UP = 32, CHECK = 48, BETTER = 64, NEXT = 80, FINISH = 96 };

struct instruction {
  uint32_t code, operand;
};

static const struct instruction program[] = {
    /* while (!(limit < start)) { term = start; length = 0; */
    [OUTER] = {LOAD, LIMIT},
    {LOAD, START},
    {IS_LESS},
    {JUMP_IF, FINISH},
    {LOAD, START},
    {STORE, TERM},
    {PUSH, 0},
    {STORE, LENGTH},
    {JUMP, STEP},
    /* while (term != 1) { length++; if (!(term & 1)) term /= 2; */
    [STEP] = {LOAD, TERM},
    {PUSH, 1},
    {IS_EQUAL},
    {JUMP_IF, CHECK},
    {LOAD, LENGTH},
    {PUSH, 1},
    {ADD},
    {STORE, LENGTH},
    {LOAD, TERM},
    {IS_ODD},
    {JUMP_IF, UP},
    {LOAD, TERM},
    {HALVE},
    {STORE, TERM},
    {JUMP, STEP},
    /* else term = 3 * term + 1; } */
    [UP] = {LOAD, TERM},
    {PUSH, 3},
    {MULTIPLY},
    {PUSH, 1},
    {ADD},
    {STORE, TERM},
    {JUMP, STEP},
    /* total += length; if (longest < length) { */
    [CHECK] = {LOAD, TOTAL},
    {LOAD, LENGTH},
    {ADD},
    {STORE, TOTAL},
    {LOAD, LONGEST},
    {LOAD, LENGTH},
    {IS_LESS},
    {JUMP_IF, BETTER},
    {JUMP, NEXT},
    /* longest = length; longest_start = start; } */
    [BETTER] = {LOAD, LENGTH},
    {STORE, LONGEST},
    {LOAD, START},
    {STORE, LONGEST_START},
    {JUMP, NEXT},
    /* start++; } */
    [NEXT] = {LOAD, START},
    {PUSH, 1},
    {ADD},
    {STORE, START},
    {JUMP, OUTER},
    [FINISH] = {END},
};

static void interpret(uint32_t *locals) {
  uint32_t stack[8], *top = stack; /* the first free entry */
  for (const struct instruction *at = program;; at++) switch ((enum code)at->code) {
    case END: return;
    case PUSH: *top++ = at->operand; break;
    case LOAD: *top++ = locals[at->operand]; break;
    case STORE: locals[at->operand] = *--top; break;
    case ADD: top--, top[-1] += top[0]; break;
    case MULTIPLY: top--, top[-1] *= top[0]; break;
    case HALVE: top[-1] /= 2; break;
    case IS_ODD: top[-1] &= 1; break;
    case IS_LESS: top--, top[-1] = top[-1] < top[0]; break;
    case IS_EQUAL: top--, top[-1] = top[-1] == top[0]; break;
    case JUMP: at = program + at->operand - 1; break;
    case JUMP_IF:
      if (*--top) at = program + at->operand - 1;
      break;
    }
}

uint32_t run(uint32_t n) {
  uint32_t locals[LOCALS] = {[LIMIT] = n > 100000 ? 100000 : n, [START] = 1};
  interpret(locals);
  return kernel_mix(kernel_mix(locals[LONGEST_START], locals[LONGEST]), locals[TOTAL]);
}
