/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the command and its helper `cay-llvm` say to each other over a stream socket. Both are made by one build and run on
 * one machine, so numbers are the machine's; `layout` tells when that is not so.
 *
 * The command sends a request, the module's bytes, what calls have gone to, and what is wanted of it. The helper answers with
 * batches, each followed by its code, its functions, its lines, what is inlined, its refusals, and what it was told of its calls;
 * the last one says so. Where nothing is named everything is wanted, and
 * every function that the module defines has then been answered once; else what was named has been answered, and such of what
 * it calls as fitted. A helper that dies in between has answered what came before.
 *
 * Several helpers can share a request: each gets all of it, and answers every so many-th batch. So batches are the same however
 * many there are, and they are in order when one batch of each is taken in turn.
 *
 * The command believes nothing: answer.c checks every number. What it cannot check is the code itself. */
#ifndef TIERS_OPTIMIZER_WIRE_H
#define TIERS_OPTIMIZER_WIRE_H

#include <stdint.h>

enum {
  WIRE_MAGIC = 0x4F796163,
  WIRE_MOST_CODE_BYTES = 1 << 28,
  WIRE_SPAWN_FD = 3, /* the helper's end of the socket */
  WIRE_MOST_ITEMS = 1 << 20,
  WIRE_MOST_SHARES = 64,
  WIRE_MOST_TARGETS = 8192,
};

/* The first argument of a helper that yields to all other processes. The second one is how many milliseconds of processor time it
 * may take for a batch: then it refuses the largest function of that, and ends. */
#define WIRE_YIELDS "yields"

/* NOW: what was not answered yet. LATER, to a relay, which has it compiled afresh when the asker has ended, with all that was
 * asked before; there is no answer. */
enum wire_when { WIRE_NOW, WIRE_LATER };

/* SEGMENT: memory 0 is where the segment gs begins. */
enum wire_flags {
  WIRE_EXPLICIT_BOUNDS = 1,
  WIRE_DETERMINISTIC = 2,
  WIRE_CANONICAL_NANS = 4,
  WIRE_FUEL = 8,
  WIRE_SEGMENT = 16
};

struct wire_request {
  uint32_t magic, layout; /* layout: optimizer_layout() */
  uint64_t features;      /* that the module was loaded with */
  uint32_t flags;         /* enum wire_flags */
  uint32_t module_bytes;  /* 0: it is about the same module as the last one, and all else is as in that */
  uint32_t item_count, target_count;
  uint32_t mix; /* for tests: which functions are left out; 0: none */
  uint32_t level, cpu;    /* of optimization, below TIERS_LEVELS; enum tiers_cpu */
  uint32_t entry_count;   /* functions that the module defines */
  uint32_t when;          /* enum wire_when */
  uint32_t share, shares; /* batch number `share` is this helper's, and then every `shares`-th; 0 of 0: all are */
};

/* A function that is wanted: with `label`, to be entered at that loop of its register code as well. */
#define WIRE_NO_LABEL UINT32_MAX
struct wire_item {
  uint32_t entry, label;
};

/* The call at `offset` in the module's bytes, of a function that is found at run time, goes mostly to function `entry`. Ascending
 * offsets; those of a request take the place of all that came before. Code asks whether it is so, each time, and is right in any
 * case: so nobody checks what it says before the helper makes code of it. */
struct wire_target {
  uint32_t offset, entry;
};

/* Whether more batches of the request follow. FORGOTTEN: none, though some may lack, and the next request has to bring its
 * module, since whoever has answered so ends. */
enum wire_last { WIRE_MORE, WIRE_LAST, WIRE_FORGOTTEN };

struct wire_batch {
  uint32_t magic;
  uint32_t code_bytes, function_count, line_count, inlined_count, refusal_count, target_count;
  uint32_t last; /* enum wire_last */
};

/* A piece of a batch's code that belongs to one function of the module. Ascending, none overlaps another. A native one takes
 * arguments in registers by the C convention; an adapter takes them in the frame, and calls the native one. Every function
 * has both: first come all native ones, then the adapters in the same order, then what is entered at a loop, with all values
 * in the frame, results too. What lies behind the last piece are constants. */
enum wire_kind { WIRE_NATIVE, WIRE_ADAPTER, WIRE_LOOP, WIRE_KINDS };
struct wire_function {
  uint32_t entry; /* number of the function among those that the module defines */
  uint32_t kind;
  uint32_t start, bytes;
  uint32_t label; /* of the loop; WIRE_NO_LABEL: none */
  /* How far enum wire_told lies from the frame pointer in the native frame, in bytes. 0: nobody looks into the frame. */
  int32_t slots_at;
};
/* Words of 64 bits in native frames: a pointer to the frame on the value stack; and, where exceptions are caught, what has
 * landed, or 0, and the native stack pointer that it lands with. */
enum wire_told { WIRE_TOLD_FRAME, WIRE_TOLD_LANDED, WIRE_TOLD_STACK, WIRE_TOLD_WORDS };
/* That of a clause with a label of the register code. */
#define WIRE_LANDED(label) ((uint64_t)(label) + 1)
enum { WIRE_MOST_NATIVE_BYTES = 1 << 24 };

/* From byte `position` of the batch's code on, up to the next line, the code belongs to the wasm instruction at `offset` in
 * the module's bytes; 0: to none; with WIRE_INLINED: to what stands in that row of what is inlined. Ascending. */
struct wire_line {
  uint32_t position, offset;
};

/* The instruction at `offset` of function `entry`, which is inlined where `caller` calls it: an offset, or, with WIRE_INLINED, an
 * earlier row, since a function may be inlined into one that is itself. So many at most, one into the other. */
#define WIRE_INLINED (UINT32_C(1) << 31)
enum { WIRE_MOST_INLINED = 7 };
struct wire_inlined {
  uint32_t entry, offset, caller;
};

/* Why a function stays in the baseline. One table: name, text for people. */
#define WIRE_REASONS(X)                                                                  \
  X(INSTRUCTION, "an instruction that the optimizer does not know")                      \
  X(TOO_LARGE, "a frame or body too large")                                              \
  X(MIX, "the sake of a test")                                                           \
  X(FAILED, "LLVM could not compile it")                                                 \
  X(TIME, "the time that LLVM takes")
enum wire_reason {
#define X(NAME, text) WIRE_REASON_##NAME,
  WIRE_REASONS(X)
#undef X
      WIRE_REASON_COUNT
};
struct wire_refusal {
  uint32_t entry;
  uint32_t reason; /* enum wire_reason */
};

#endif
