/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Any other CPU or system: guest code runs on the caller's stack and memories check their bounds. */
#include <setjmp.h>
#include <stdlib.h>

#include "engine/engine_arch.h"

const bool engine_arch_switches = false;
const bool engine_arch_redirects = false;

int engine_arch_switch_call(void *sp, int (*fn)(void *argument), void *argument, void **old_sp) {
  (void)sp;
  *old_sp = __builtin_frame_address(0);
  return fn(argument);
}

struct frame {
  jmp_buf registers;
  int value;
};

int engine_arch_enter(int (*fn)(void *argument), void *argument, void **frame_out) {
  struct frame frame;
  *frame_out = &frame;
  if (setjmp(frame.registers) != 0) return frame.value;
  return fn(argument);
}

_Noreturn void engine_arch_leave(void *frame, int value) {
  struct frame *target = frame;
  target->value = value;
  longjmp(target->registers, 1);
}

/* Nobody asks for registers where engine_arch_redirects is false. */
uintptr_t engine_arch_pc(const void *machine_context) {
  (void)machine_context;
  return 0;
}

void engine_arch_set_pc(void *machine_context, uintptr_t pc) {
  (void)machine_context, (void)pc;
  abort();
}

uintptr_t engine_arch_sp(const void *machine_context) {
  (void)machine_context;
  return 0;
}

uintptr_t engine_arch_frame(const void *machine_context) {
  (void)machine_context;
  return 0;
}

uintptr_t engine_arch_link(const void *machine_context) {
  (void)machine_context;
  return 0;
}

void engine_arch_set_sp(void *machine_context, uintptr_t sp) {
  (void)machine_context, (void)sp;
  abort();
}

uint64_t engine_arch_pinned(const void *machine_context, unsigned index) {
  (void)machine_context, (void)index;
  return 0;
}

void engine_arch_set_pinned(void *machine_context, unsigned index, uint64_t value) {
  (void)machine_context, (void)index, (void)value;
  abort();
}

void engine_arch_redirect(void *machine_context, void *sp, void (*fn)(void *argument), void *argument) {
  (void)machine_context, (void)sp, (void)fn, (void)argument;
  abort();
}
