/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* cay-llvm: compiles modules for the cay that started it, and knows nothing else. wire.h has what is said; it ends when the
 * other side does. What goes wrong with one batch is told as refusals of its functions; when LLVM itself ends the process, the
 * other side sees that, and runs what is missing in the baseline. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <llvm-c/Support.h>
#include <llvm-c/Target.h>

#include "tiers/optimizer/helper/helper.h"
#include "tiers/optimizer/optimizer.h"

/* ---- The socket --------------------------------------------------------------------------------------------------------- */

static bool hear(void *to, size_t count) {
  for (uint8_t *at = to; count > 0;) {
    ssize_t got = read(WIRE_SPAWN_FD, at, count);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    count -= (size_t)got;
  }
  return true;
}

static bool tell(const void *bytes, size_t count) {
  for (const uint8_t *at = bytes; count > 0;) {
    ssize_t put = write(WIRE_SPAWN_FD, at, count);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    at += put;
    count -= (size_t)put;
  }
  return true;
}

/* ---- LLVM ---------------------------------------------------------------------------------------------------------------- */

/* Merging equal code at the ends of blocks would merge traps of different places, and pushing arguments what is loaded and
 * calls. Every function has its frame from its first
 * instruction on, since the walker of frames finds it by its frame pointer wherever a fault is. */
static void set_options(void) {
  static const char *const options[] = {"cay-llvm", "-enable-tail-merge=0", "-enable-shrink-wrap=0",
                                        "-no-x86-call-frame-opt"};
  LLVMParseCommandLineOptions((int)BASE_ARRAY_LEN(options), options, NULL);
}

static bool set_up_machine(struct job *job) {
  LLVMTargetRef target;
  char *message = NULL;
  job->triple = LLVMGetDefaultTargetTriple();
  job->cpu = LLVMGetHostCPUName();
  job->features = LLVMGetHostCPUFeatures();
  job->rounds = strstr(job->features, "+sse4.1") != NULL;
  if (LLVMGetTargetFromTriple(job->triple, &target, &message)) return false;
  job->machine = LLVMCreateTargetMachine(target, job->triple, job->cpu, job->features, LLVMCodeGenLevelDefault,
                                         LLVMRelocPIC, LLVMCodeModelSmall);
  if (!job->machine) return false;
  LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(job->machine);
  job->layout = LLVMCopyStringRepOfTargetData(layout);
  LLVMDisposeTargetData(layout);
  return true;
}

static bool set_up(struct job *job) {
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
  LLVMInitializeX86AsmParser(); /* of the lines of assembly in the code */
  set_options();
  return set_up_machine(job) && numeric_prepare(job, LLVMContextCreate());
}

/* ---- Batches --------------------------------------------------------------------------------------------------------------- */

struct answer {
  struct object_code code;
  BASE_VEC(struct wire_refusal) refusals;
};

static bool refuse(struct answer *answer, uint32_t entry, int reason) {
  struct wire_refusal *refusal = BASE_VEC_PUSH(&answer->refusals);
  if (refusal) *refusal = (struct wire_refusal){entry, (uint32_t)reason};
  return refusal != NULL;
}

static bool tell_answer(const struct answer *answer, bool is_last) {
  const struct object_code *code = &answer->code;
  struct wire_batch head = {WIRE_MAGIC,
                            (uint32_t)code->bytes.count,
                            (uint32_t)code->functions.count,
                            (uint32_t)code->lines.count,
                            (uint32_t)answer->refusals.count,
                            is_last};
  return tell(&head, sizeof head) && tell(code->bytes.items, code->bytes.count) &&
         tell(code->functions.items, code->functions.count * sizeof *code->functions.items) &&
         tell(code->lines.items, code->lines.count * sizeof *code->lines.items) &&
         tell(answer->refusals.items, answer->refusals.count * sizeof *answer->refusals.items);
}

/* A batch that fails as a whole is tried function by function, once. */
static bool compile_batch(struct job *job, struct batch_function *functions, uint32_t count, struct answer *answer) {
  bool done = batch_compile(job, functions, count, &answer->code);
  if (!done) object_free(&answer->code);
  for (uint32_t i = 0; i < count; i++) {
    if (functions[i].refusal < 0 && !done) functions[i].refusal = WIRE_REASON_FAILED;
    if (functions[i].refusal >= 0 && !refuse(answer, functions[i].entry, functions[i].refusal)) return false;
  }
  return true;
}

/* For tests, by the toss of a coin that falls the same way again. */
static bool is_left_out(const struct job *job, uint32_t entry) {
  return job->mix && ((entry ^ job->mix) * UINT32_C(0x9E3779B1)) >> 31;
}

/* The functions from `first` on that make a batch; how many of the module's it goes through. */
static uint32_t choose(struct job *job, uint32_t first, struct batch_function *out, uint32_t *count,
                       struct answer *answer) {
  enum { BODY_BYTES = 64 * 1024 };
  const struct module *module = job->module;
  uint32_t all = module->func_count - module->imported_func_count, at = first;
  const module_features thrown = MODULE_FEATURE_BIT(EXCEPTIONS) | MODULE_FEATURE_BIT(LEGACY_EXCEPTIONS);
  size_t bytes = 0;
  for (*count = 0; at < all && bytes < BODY_BYTES; at++) {
    struct batch_function function = {.entry = at};
    function.refusal = is_left_out(job, at)             ? WIRE_REASON_MIX
                       : module->features_used & thrown ? WIRE_REASON_EXCEPTIONS
                                                        : translate_refusal(job, &function);
    if (function.refusal >= 0) {
      refuse(answer, at, function.refusal);
      continue;
    }
    bytes += module->funcs[module->imported_func_count + at].body_bytes;
    out[(*count)++] = function;
  }
  return at - first;
}

static bool answer_batch(struct job *job, struct batch_function *functions, uint32_t *next, uint32_t all) {
  struct answer answer = {0};
  uint32_t count;
  *next += choose(job, *next, functions, &count, &answer);
  bool done = (count == 0 || compile_batch(job, functions, count, &answer)) && tell_answer(&answer, *next == all);
  object_free(&answer.code);
  BASE_VEC_DEINIT(&answer.refusals);
  return done;
}

static bool answer_module(struct job *job) {
  uint32_t all = job->module->func_count - job->module->imported_func_count, next = 0;
  struct batch_function *functions = base_alloc((size_t)all * sizeof *functions + 1);
  bool done = functions != NULL;
  while (done && next < all) done = answer_batch(job, functions, &next, all);
  base_free(functions);
  return done;
}

/* ---- Requests ----------------------------------------------------------------------------------------------------------------- */

static struct engine_code_options options_of(uint32_t flags) {
  return (struct engine_code_options){.explicit_bounds = flags & WIRE_EXPLICIT_BOUNDS,
                                      .deterministic_relaxed_simd = flags & WIRE_DETERMINISTIC,
                                      .canonical_nans = flags & WIRE_CANONICAL_NANS,
                                      .fuel = flags & WIRE_FUEL};
}

static bool answer_request(struct job *job, const struct wire_request *request, const uint8_t *bytes) {
  struct engine_code_options options = options_of(request->flags);
  struct module *module;
  struct cay_error error;
  if (module_load(bytes, request->module_bytes, MODULE_BYTES_BORROW, request->features, NULL, &module, &error) !=
      CAY_OK)
    return false;
  job->module = module;
  job->flags = request->flags;
  job->mix = request->mix;
  job->frontend = ir_frontend_new(&options);
  bool done = job->frontend && answer_module(job);
  ir_frontend_free(job->frontend);
  module_release(module);
  return done;
}

static bool serve(struct job *job) {
  struct wire_request request;
  if (!hear(&request, sizeof request)) return false;
  if (request.magic != WIRE_MAGIC || request.layout != optimizer_layout()) return false;
  uint8_t *bytes = base_alloc((size_t)request.module_bytes + 1);
  bool done = bytes && hear(bytes, request.module_bytes) && answer_request(job, &request, bytes);
  base_free(bytes);
  return done;
}

int main(void) {
  struct job job = {0};
  if (!set_up(&job)) return 1;
  sandbox_enter();
  while (serve(&job)) continue;
  return 0;
}
