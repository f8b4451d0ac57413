/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The meaning of every scalar numeric instruction, as C functions on values: one function per row of ops.def that names
 * one. Interpreter, baseline and constant evaluation are generated from or written with these; nobody else defines
 * what an instruction computes.
 *
 * Integers are unsigned everywhere: wrapping is then defined, and signedness is a matter of the operation. A comparison
 * returns 0 or 1. A function that can trap returns enum sem_trap and writes its result only when it is SEM_OK.
 *
 * Floating point follows IEEE 754 with round-to-nearest-even. NaN results are quiet; payloads are what the hardware
 * gives, which the specification allows (a canonical operand gives a canonical result), but abs, neg, copysign and
 * reinterpret keep every bit, a NaN's too. Nothing calls libm: rounding is done with integer conversions, because a
 * call costs the interpreter's handlers their registers.
 *
 * The functions need float and double arithmetic without excess precision or contraction (-ffp-contract=off). */
#ifndef MODULE_OPS_SEM_H
#define MODULE_OPS_SEM_H

#include <float.h>
#include <stdint.h>
#include <string.h>

#if FLT_EVAL_METHOD != 0
#error "WebAssembly needs exact float and double arithmetic; on 32-bit x86 compile with -msse2 -mfpmath=sse"
#endif

enum sem_trap { SEM_OK = 0, SEM_INTEGER_OVERFLOW, SEM_DIVIDE_BY_ZERO, SEM_INVALID_CONVERSION };

#include "module/ops/sem_int.h"

#include "module/ops/sem_float.h"

#include "module/ops/sem_convert.h"

#endif
