/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Part of the door of `tiers` (tiers.h includes it): code that was made once and is kept, in files of `cay compile` and in
 * the cache. kept.c has the format. Every build reads it, because the file holds the module, too; only one with the optimizing
 * tier runs its code, and only one with LLVM makes it. */
#ifndef TIERS_KEPT_H
#define TIERS_KEPT_H

#include "base/base.h"

/* For which processor code is made: this one, or all that have the features of one kind. `BASE` is what every processor is that
 * shares its instructions; NATIVE: of this machine. */
#define TIERS_CPUS(X)                \
  X(NATIVE, "native", NATIVE)        \
  X(X86_64, "x86-64", X86_64)        \
  X(X86_64_V2, "x86-64-v2", X86_64)  \
  X(X86_64_V3, "x86-64-v3", X86_64)  \
  X(X86_64_V4, "x86-64-v4", X86_64)  \
  X(AARCH64, "aarch64", AARCH64)     \
  X(RISCV64, "riscv64", RISCV64)
enum tiers_cpu {
#define X(NAME, name, BASE) TIERS_CPU_##NAME,
  TIERS_CPUS(X)
#undef X
      TIERS_CPU_COUNT
};
const char *tiers_cpu_name(enum tiers_cpu cpu);
/* The one called `name`; TIERS_CPU_COUNT: none is. */
enum tiers_cpu tiers_cpu_find(const char *name);
enum tiers_cpu tiers_cpu_base(enum tiers_cpu cpu);
/* What every processor of the target is that is called so, "aarch64-linux"; TIERS_CPU_COUNT: none is. */
enum tiers_cpu tiers_target_find(const char *name);

enum { TIERS_LEVEL_DEFAULT = 2, TIERS_LEVELS = 4 };

/* All that code depends on: code can be used where every number of its key is the one that is wanted. */
struct tiers_kept_key {
  uint8_t build[BASE_SHA256_BYTES];  /* of cay: version, sources, compiler */
  uint8_t module[BASE_SHA256_BYTES]; /* its bytes */
  uint64_t features;                 /* that the module was loaded with */
  uint64_t processor;                /* a number of this one's, for TIERS_CPU_NATIVE; else 0 */
  uint32_t cpu;                      /* enum tiers_cpu */
  uint32_t flags;                    /* enum wire_flags */
  uint32_t level;                    /* of optimization, below TIERS_LEVELS */
  uint32_t entry_count;              /* functions that the module defines */
};

/* A whole file in memory. Pointers lead into its bytes. */
struct tiers_kept {
  struct tiers_kept_key key;
  const uint8_t *module; /* NULL: it is elsewhere */
  size_t module_bytes;
  const uint8_t *answers;
  size_t answers_bytes;
  uint32_t answer_count;
  bool is_part; /* nothing has been made of the functions that have no answer */
  const char *where; /* for people: "in the cache"; set by who has it */
};

/* Whether it begins as such a file does. */
bool tiers_kept_is(const void *bytes, size_t len_bytes);
/* Every number is checked, and every checksum. CAY_ERROR_MALFORMED: damaged, or not such a file; CAY_ERROR_UNSUPPORTED: of
 * another version of cay. `out->module` is set whenever the module in it is whole, whatever became of the rest. */
enum cay_status tiers_kept_read(const void *bytes, size_t len_bytes, struct tiers_kept *out, struct cay_error *error);
/* Whether this cay can run its code on this processor; CAY_ERROR_UNSUPPORTED says why not. */
enum cay_status tiers_kept_runs(const struct tiers_kept *kept, struct cay_error *error);

/* Writing: a head of this size, the module or nothing, answers one behind the other. The head is written when all is known. */
enum { TIERS_KEPT_HEAD_BYTES = 152, TIERS_KEPT_ANSWER_HEAD_BYTES = 16 };
void tiers_kept_head(const struct tiers_kept *kept, uint8_t out[TIERS_KEPT_HEAD_BYTES]);
/* In front of an answer's bytes. */
void tiers_kept_answer_head(const void *answer, size_t len_bytes, uint8_t out[TIERS_KEPT_ANSWER_HEAD_BYTES]);

/* The build's part of a key; the processor's number, and whether it is one of a kind. */
void tiers_kept_build(uint8_t out[BASE_SHA256_BYTES]);
extern const enum tiers_cpu tiers_processor_base; /* TIERS_CPU_COUNT: no code is for it */
uint64_t tiers_processor(void);
/* Whether programs can move a segment that code reaches memory by: gs on x86-64, where system and processor let them. */
bool tiers_has_segment(void);
bool tiers_processor_is(enum tiers_cpu cpu);

/* Where answers of kept code are read from: an optimizer_source. */
struct tiers_kept_reader {
  const uint8_t *at, *end; /* of all answers */
  size_t left;             /* of the answer that is being read */
};
bool tiers_kept_take(void *reader, void *to, size_t count);

#endif
