/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Programs with the classic bugs of C, one for each argument. A bug that stays in the program's own memory is checked
 * here: exit code 0 says that it did its damage, and the damage is the program's own. One that leaves the memory has to
 * trap. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The compiler must not see through any of this. */
static volatile size_t hidden;
static size_t opaque(size_t value) {
  hidden = value;
  return hidden;
}
static unsigned char *anywhere(uint32_t address) { return (unsigned char *)opaque(address); }
static uint32_t end_of_memory(void) { return (uint32_t)__builtin_wasm_memory_size(0) * 65536; }

static struct {
  char buffer[16];
  char beside[16];
} globals = {"", "untouched"};

static struct {
  char buffer[16];
  void (*function)(void);
} record;

/* ---- Within the program's memory ---------------------------------------------------------------------------------- */

/* Copies without asking how much room there is, as strcpy does. */
__attribute__((noinline)) static void copy_unchecked(volatile char *to, const char *from) {
  while ((*to++ = *from++)) {
  }
}

static int stack_overflow(void) {
  struct {
    volatile char buffer[8];
    volatile char beside[24];
  } frame = {{0}, {0}};
  copy_unchecked(frame.buffer + opaque(0), "AAAAAAAABBBBBBBBCCCCC");
  return strcmp((char *)frame.beside, "BBBBBBBBCCCCC") == 0 ? 0 : 1;
}

static int heap_overflow(void) {
  char *first = malloc(16), *second = malloc(16);
  if (!first || !second || second < first) return 1;
  strcpy(second, "untouched");
  size_t distance = (size_t)(second - first);
  memset(first + opaque(0), 'A', opaque(distance + 4));
  return memcmp(second, "AAAAuched", 9) == 0 ? 0 : 1;
}

static int global_overflow(void) {
  copy_unchecked(globals.buffer + opaque(0), "AAAAAAAAAAAAAAAABBBB");
  return strcmp(globals.beside, "BBBB") == 0 ? 0 : 1;
}

static int use_after_free(void) {
  char *old = malloc(64);
  if (!old) return 1;
  free(old);
  char *next = malloc(64);
  if (!next) return 1;
  strcpy(next, "of the next owner");
  strcpy((char *)opaque((size_t)old), "of the old one");
  return next == old && strcmp(next, "of the old one") == 0 ? 0 : 1;
}

static int double_free(void) {
  char *block = malloc(64);
  free(block);
  free((void *)opaque((size_t)block));
  return malloc(64) && malloc(64) ? 0 : 1;
}

/* Address 0 is memory like any other. */
static int null_pointer(void) {
  *anywhere(0) = 'A';
  return *anywhere(0) == 'A' ? 0 : 1;
}

/* What printf is asked to write where it has no business. */
static int format_string(void) {
  char text[64];
  int written = 0;
  const char *format = (const char *)opaque((size_t)"%n");
  snprintf(text, sizeof text, format, &written);
  return 0;
}

static int integer_overflow(void) {
  uint32_t count = (uint32_t)opaque(0x40000001);
  uint32_t *items = malloc(count * sizeof *items); /* 4 bytes */
  if (!items) return 1;
  items[opaque(1)] = 0x41414141;
  return 0;
}

/* ---- Beyond it ------------------------------------------------------------------------------------------------------ */

static int fill_up(void) {
  for (unsigned char *at = anywhere(end_of_memory() - 64);; at++) *(volatile unsigned char *)at = 'A';
}

static int fill_all(void) {
  memset(anywhere((uint32_t)(size_t)&record), 'A', opaque(0xF0000000));
  return 0;
}

/* Everything from 0 on, its own stack and globals first. */
static int fill_from_zero(void) {
  for (volatile uint32_t *at = (volatile uint32_t *)anywhere(0);; at++) *at = 0x41414141;
}

static int below_zero(void) {
  unsigned char *at = anywhere(0);
  at[(ptrdiff_t)opaque((size_t)-4)] = 'A';
  return 0;
}

static int far_index(void) {
  globals.buffer[opaque(0x7FFFFFF0)] = 'A';
  return 0;
}

__attribute__((noinline)) static int descend(volatile char *above) {
  volatile char frame[4096];
  frame[0] = *above;
  frame[4095] = 'A';
  if (*above == 'Z') return 0;
  return descend(frame) + frame[0];
}
static int endless_recursion(void) {
  volatile char top[16] = {0};
  return descend(top);
}

/* One frame larger than the whole memory: the stack pointer wraps. */
static int huge_frame(void) {
  volatile char *frame = __builtin_alloca(opaque(0x7FFF0000));
  frame[0] = 'A';
  frame[opaque(0x7FFEFFFF)] = 'A';
  return 0;
}

static int wild_function(void) {
  record.function = (void (*)(void))opaque(0x41414141);
  record.function();
  return 0;
}

/* An overflow into a pointer to a function: there is no address of code to jump to, only a table. */
static int overwritten_function(void) {
  record.function = (void (*)(void))opaque((size_t)abort);
  memset(record.buffer, 'A', opaque(sizeof record));
  record.function();
  return 0;
}

static int wrong_type(void) {
  double (*function)(double, int) = (double (*)(double, int))opaque((size_t)stack_overflow);
  return (int)function(1, 2);
}

static int null_function(void) {
  record.function = (void (*)(void))opaque(0);
  record.function();
  return 0;
}

static int wild_free(void) {
  free(anywhere(0x41414140));
  return 0;
}

static const struct {
  const char *name;
  int (*run)(void);
} bugs[] = {
    {"stack-overflow", stack_overflow},
    {"heap-overflow", heap_overflow},
    {"global-overflow", global_overflow},
    {"use-after-free", use_after_free},
    {"double-free", double_free},
    {"null-pointer", null_pointer},
    {"format-string", format_string},
    {"integer-overflow", integer_overflow},
    {"fill-up", fill_up},
    {"fill-all", fill_all},
    {"fill-from-zero", fill_from_zero},
    {"below-zero", below_zero},
    {"far-index", far_index},
    {"endless-recursion", endless_recursion},
    {"huge-frame", huge_frame},
    {"wild-function", wild_function},
    {"overwritten-function", overwritten_function},
    {"wrong-type", wrong_type},
    {"null-function", null_function},
    {"wild-free", wild_free},
};

int main(int argc, char **argv) {
  for (size_t i = 0; i < sizeof bugs / sizeof *bugs; i++)
    if (argc > 1 && strcmp(argv[1], bugs[i].name) == 0) return bugs[i].run();
  return 2;
}
