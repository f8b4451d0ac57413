/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Door of the room `tiers`: the ways of executing functions that this build has. */
#ifndef TIERS_TIERS_H
#define TIERS_TIERS_H

#include "engine/engine.h"
#include "tiers/kept.h"

/* Threaded register code; runs everywhere and needs no executable memory. */
extern const struct engine_tier tiers_interp;

/* Machine code copied together from stencils; where the build has it (TIERS_HAS_BASELINE). */
extern const struct engine_tier tiers_baseline;
#if TIERS_HAS_BASELINE
/* Whether the interpreter runs function `func`, which the module defines, in place of compiled code: from the next call
 * on, in all instances that share the code object; in frames that run already, from the next loop head on after an
 * engine_look of their thread. From any thread. What cannot be compiled is interpreted anyway. */
enum cay_status tiers_baseline_interpret(void *code, uint32_t func, bool is_interpreted, struct cay_error *error);
#endif
#if TIERS_RUNS_OPTIMIZED
/* The baseline, with all functions compiled by LLVM in a helper process, cay-llvm, before the first is called. Those that it
 * cannot compile, all if there is no helper, stay in the baseline; `report` says how many and why. */
extern const struct engine_tier tiers_optimized;
#if TIERS_HAS_OPTIMIZER
/* The baseline, and the same helper for what turns out to be busy while it runs: it is started by the first function that is. */
extern const struct engine_tier tiers_auto;
#endif
/* For tests: about every so many-th call or round of a loop has its function optimized, and waits for that; 0: busy ones are. */
void tiers_auto_hasten(uint32_t every);
/* For tests: how many ms of processor time LLVM may take for some functions before the largest of them is given up. */
void tiers_auto_patience(uint32_t ms);
/* Where cay-llvm is looked for first, by programs that are not beside it. The text is the caller's; before it is started. */
void tiers_optimized_look_in(const char *folder);
/* How many helpers compile a module at once, at most; one when this is not called. A module of `module_bytes`, the largest that
 * comes, decides how many are worth it. Before any is started. */
void tiers_optimized_jobs(unsigned most, size_t module_bytes);
/* For tests: of modules that are made code of from now on, about half of the functions stay in the baseline; `seed` tells which,
 * 0: none for this reason. */
void tiers_optimized_mix(uint32_t seed);

/* Kept code (kept.h). What code of the module, made with these options, depends on; `module_hash`: of its bytes. False:
 * nothing is optimized with them. */
bool tiers_optimized_key(const struct module *module, const uint8_t module_hash[BASE_SHA256_BYTES],
                         const struct engine_code_options *options, enum tiers_cpu cpu, uint32_t level,
                         struct tiers_kept_key *out);
/* Has the helper compile all of the module for the key, and hands its answers out one by one, checked; the last one says so.
 * `take` returns false to end it (CAY_ERROR_SYSTEM). */
struct tiers_answer {
  const uint8_t *bytes;
  size_t len_bytes;
  uint32_t optimized, refused; /* functions */
  bool has_failed;             /* of the refused, some for want of memory or the like: another time they may not be */
  bool is_last;
};
enum cay_status tiers_optimized_make(const struct module *module, const struct tiers_kept_key *key,
                                     bool (*take)(void *env, const struct tiers_answer *answer), void *env,
                                     struct cay_error *error);
/* Where code objects of a module get their answers, in place of the helper: from kept code, or, where that is NULL, from
 * another process, which answers the request `number` (one uint32_t) on `socket` with the answers one behind the other. The
 * same goes for all modules then: those without an offer stay in the baseline, and the helper is not started here. What is
 * made with other options than the key's stays in the baseline, too. */
struct tiers_offer {
  struct module *module;
  struct tiers_kept_key key;
  const struct tiers_kept *kept; /* borrowed until tiers_optimized_forget */
  int socket;
  uint32_t number;
};
/* Before any other thread makes code. False: memory is out. */
bool tiers_optimized_offer(const struct tiers_offer *offer);
/* Nobody waits for the helper's answers any more: gives it this priority, and at most so much more CPU time. */
void tiers_optimized_linger(int priority, unsigned cpu_s);
void tiers_optimized_forget(void);

/* Between a process whose code is of the tier `auto`, which asks for some functions of a module after the others, and helpers, one
 * for each module. One in a process. */
enum { TIERS_RELAY_MODULES = 8 }; /* that it remembers at once; each has a number */
struct tiers_relay {
  int asker; /* the socket of the process that asks */
  int life;  /* base_os_process_fd of that; -1: its end is the socket's */
  unsigned linger_cpu_s; /* what a helper gets when nobody asks any more */
  void *env;
  void (*left)(void *env); /* nobody asks any more */
  /* A module has come, in place of what had its number before, and answers about it follow. Returns what is kept of it already,
   * borrowed for the moment, or NULL. */
  const struct tiers_kept *(*begin)(void *env, unsigned module, const struct tiers_kept_key *key);
  /* An answer, checked; `is_last` of those to one request. */
  void (*take)(void *env, unsigned module, const struct tiers_answer *answer);
};
/* Starts helpers and passes on what they say, until the process that asks has ended, or a helper. */
void tiers_auto_relay(const struct tiers_relay *how);
/* After that: has everything that was asked for of a module compiled again as one whole, with what was kept already and what the
 * process wants for later runs; to be taken. False: there is nothing, or not all was answered. */
bool tiers_auto_relay_afresh(const struct tiers_relay *how, unsigned module);
void tiers_auto_relay_want(unsigned module, const struct tiers_kept *kept); /* before that: what others have kept meanwhile */
void tiers_auto_relay_end(void); /* the helpers' */
#endif
/* All of this build, the one that the command takes when nothing is asked for first; NULL ends the list. */
extern const struct engine_tier *const tiers_all[];
/* What runs when nothing is asked for: the fastest that the system lets run in this process alone. */
const struct engine_tier *tiers_default(void);
/* The fastest that there is where a process may be started for it. */
const struct engine_tier *tiers_fastest(void);

#endif
