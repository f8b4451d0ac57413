/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* cay-llvm: compiles modules for the cay that started it, and knows nothing else. It keeps the module that was last asked about. wire.h has what is said; it ends when the
 * other side does. What goes wrong with one batch is told as refusals of its functions; when LLVM itself ends the process, the
 * other side sees that, and runs what is missing in the baseline. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
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

static bool tell(const void *bytes, size_t count) { return base_os_write_all(WIRE_SPAWN_FD, bytes, count); }

/* ---- LLVM ---------------------------------------------------------------------------------------------------------------- */

/* Merging equal code at the ends of blocks would merge traps of different places, and calls: a merged one belongs to no
 * instruction, so that the collector would take another's references for those that live there (frames.c). Pushing arguments
 * would merge what is loaded and calls. Every function has its frame from its first instruction on, since the walker of frames
 * finds it by its frame pointer wherever a fault is. An innermost loop begins with a line of the processor's cache (64 bytes): one
 * of a few instructions that lies in two takes up to twice as long, and where it lies would be chance. */
static void set_options(void) {
  static const char *const options[] = {"cay-llvm", "-enable-tail-merge=0", "-enable-shrink-wrap=0",
                                        "-no-x86-call-frame-opt", "-x86-experimental-pref-innermost-loop-alignment=6"};
  LLVMParseCommandLineOptions((int)BASE_ARRAY_LEN(options), options, NULL);
}

/* For this processor, or for all of a kind. */
static void choose_processor(struct job *job, enum tiers_cpu cpu) {
  bool is_native = cpu == TIERS_CPU_NATIVE;
  const struct target *target = target_of(cpu);
  LLVMDisposeMessage(job->cpu);
  LLVMDisposeMessage(job->features);
  job->target = target;
  job->cpu = is_native ? LLVMGetHostCPUName() : LLVMCreateMessage(target->cpu ? target->cpu : tiers_cpu_name(cpu));
  job->features = is_native ? LLVMGetHostCPUFeatures() : LLVMCreateMessage(target->features);
  job->cpu_kind = cpu;
  job->rounds = is_native ? strstr(job->features, "+sse4.1") != NULL : target->rounds && cpu != TIERS_CPU_X86_64;
  job->has_avx =
      is_native ? strstr(job->features, "+avx") != NULL : cpu == TIERS_CPU_X86_64_V3 || cpu == TIERS_CPU_X86_64_V4;
  LLVMDisposeMessage(job->triple);
  job->triple = job->target->triple ? LLVMCreateMessage(job->target->triple) : LLVMGetDefaultTargetTriple();
}

static bool set_up_machine(struct job *job, enum tiers_cpu cpu) {
  LLVMTargetRef target;
  char *message = NULL;
  choose_processor(job, cpu);
  if (LLVMGetTargetFromTriple(job->triple, &target, &message)) return false;
  if (job->machine) LLVMDisposeTargetMachine(job->machine);
  job->machine = LLVMCreateTargetMachine(target, job->triple, job->cpu, job->features, LLVMCodeGenLevelDefault,
                                         LLVMRelocPIC, job->target->code_model);
  if (!job->machine) return false;
  LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(job->machine);
  LLVMDisposeMessage(job->layout);
  job->layout = LLVMCopyStringRepOfTargetData(layout);
  LLVMDisposeTargetData(layout);
  return true;
}

#define INITIALIZE(TARGET)              \
  LLVMInitialize##TARGET##TargetInfo(); \
  LLVMInitialize##TARGET##Target();     \
  LLVMInitialize##TARGET##TargetMC();   \
  LLVMInitialize##TARGET##AsmPrinter(); \
  LLVMInitialize##TARGET##AsmParser() /* of the lines of assembly in the code */

static bool set_up(struct job *job) {
  INITIALIZE(X86);
  INITIALIZE(AArch64);
  INITIALIZE(RISCV);
  set_options();
  if (!set_up_machine(job, TIERS_CPU_NATIVE)) return false;
  return numeric_prepare(job, LLVMContextCreate());
}

/* ---- Time ------------------------------------------------------------------------------------------------------------------ */

/* What LLVM takes for a function is a matter of luck, and grows faster than the function. LLVM cannot be left while it compiles,
 * so the process ends, and who asks starts another one for the rest. */
static struct {
  uint32_t patience_ms; /* for a batch, of processor time; 0: any */
  uint32_t entry;       /* which is refused then */
} late;

static void give_up(int signal) {
  const struct wire_batch head = {.magic = WIRE_MAGIC, .refusal_count = 1, .last = WIRE_FORGOTTEN};
  const struct wire_refusal refusal = {late.entry, WIRE_REASON_TIME};
  (void)signal;
  if (tell(&head, sizeof head)) tell(&refusal, sizeof refusal);
  _exit(0);
}

static void set_timer(uint32_t ms) {
  const struct itimerval timer = {.it_value = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000}};
  if (late.patience_ms) setitimer(ITIMER_PROF, &timer, NULL);
}

/* ---- Batches --------------------------------------------------------------------------------------------------------------- */

enum { BATCH_BYTES = 64 * 1024, CALLEES_BYTES = 16 * 1024 }; /* of wasm: a batch, and up to where callees come along */

struct answer {
  struct object_code code;
  BASE_VEC(struct wire_refusal) refusals;
  BASE_VEC(struct wire_target) targets;
};

static bool refuse(struct answer *answer, uint32_t entry, int reason) {
  struct wire_refusal *refusal = BASE_VEC_PUSH(&answer->refusals);
  if (refusal) *refusal = (struct wire_refusal){entry, (uint32_t)reason};
  return refusal != NULL;
}

static bool tell_answer(const struct answer *answer, enum wire_last last) {
  const struct object_code *code = &answer->code;
  struct wire_batch head = {.magic = WIRE_MAGIC,
                            .code_bytes = (uint32_t)code->bytes.count,
                            .function_count = (uint32_t)code->functions.count,
                            .line_count = (uint32_t)code->lines.count,
                            .inlined_count = (uint32_t)code->inlined.count,
                            .refusal_count = (uint32_t)answer->refusals.count,
                            .target_count = (uint32_t)answer->targets.count,
                            .last = last};
  return tell(&head, sizeof head) && tell(code->bytes.items, code->bytes.count) &&
         tell(code->functions.items, code->functions.count * sizeof *code->functions.items) &&
         tell(code->lines.items, code->lines.count * sizeof *code->lines.items) &&
         tell(code->inlined.items, code->inlined.count * sizeof *code->inlined.items) &&
         tell(answer->refusals.items, answer->refusals.count * sizeof *answer->refusals.items) &&
         tell(answer->targets.items, answer->targets.count * sizeof *answer->targets.items);
}

static void answer_free(struct answer *answer) {
  object_free(&answer->code);
  BASE_VEC_DEINIT(&answer->refusals);
  BASE_VEC_DEINIT(&answer->targets);
}

/* For tests, by the toss of a coin that falls the same way again. */
static bool is_left_out(const struct job *job, uint32_t entry) {
  return job->mix && ((entry ^ job->mix) * UINT32_C(0x9E3779B1)) >> 31;
}

static uint32_t body_bytes(const struct job *job, uint32_t entry) {
  return job->module->funcs[job->module->imported_func_count + entry].body_bytes;
}

static uint32_t largest(const struct job *job, const struct batch_function *functions, uint32_t count) {
  uint32_t found = functions[0].entry;
  for (uint32_t i = 1; i < count; i++)
    if (body_bytes(job, functions[i].entry) > body_bytes(job, found)) found = functions[i].entry;
  return found;
}

/* What the request says of its calls; false: no memory. */
static bool tell_targets(const struct job *job, uint32_t entry, struct answer *answer) {
  const struct module_func *func = &job->module->funcs[job->module->imported_func_count + entry];
  for (uint32_t i = call_targets_from(job, func->body_offset); i < job->target_count; i++) {
    if (job->targets[i].offset >= func->body_offset + func->body_bytes) return true;
    struct wire_target *target = answer->targets.count < WIRE_MOST_TARGETS ? BASE_VEC_PUSH(&answer->targets) : NULL;
    if (!target) return false;
    *target = job->targets[i];
  }
  return true;
}

/* A batch fails as a whole. */
static bool compile_batch(struct job *job, struct batch_function *functions, uint32_t count, struct answer *answer) {
  late.entry = largest(job, functions, count);
  set_timer(late.patience_ms);
  bool done = batch_compile(job, functions, count, &answer->code);
  set_timer(0);
  if (!done) object_free(&answer->code);
  for (uint32_t i = 0; i < count; i++) {
    if (functions[i].refusal < 0 && !done) functions[i].refusal = WIRE_REASON_FAILED;
    if (functions[i].refusal >= 0 && !refuse(answer, functions[i].entry, functions[i].refusal)) return false;
    if (functions[i].refusal < 0 && !tell_targets(job, functions[i].entry, answer)) return false;
  }
  return true;
}

static struct batch_function function_of(struct job *job, uint32_t entry, uint32_t loop) {
  struct batch_function function = {.entry = entry, .loop = loop};
  function.refusal = is_left_out(job, entry) ? WIRE_REASON_MIX : translate_refusal(job, &function);
  return function;
}

/* The functions from `first` on that make a batch; how many of the module's it goes through. */
static uint32_t choose(struct job *job, uint32_t first, struct batch_function *out, uint32_t *count,
                       struct answer *answer) {
  const struct module *module = job->module;
  uint32_t all = module->func_count - module->imported_func_count, at = first;
  size_t bytes = 0;
  for (*count = 0; at < all && bytes < BATCH_BYTES; at++) {
    struct batch_function function = function_of(job, at, WIRE_NO_LABEL);
    if (function.refusal >= 0) {
      refuse(answer, at, function.refusal);
      continue;
    }
    bytes += body_bytes(job, at);
    out[(*count)++] = function;
  }
  return at - first;
}

/* Others choose the same batches. */
static bool is_own(struct job *job) { return job->batch_count++ % job->shares == job->share; }

static bool answer_batch(struct job *job, struct batch_function *functions, uint32_t *next, uint32_t all) {
  struct answer answer = {0};
  uint32_t count;
  *next += choose(job, *next, functions, &count, &answer);
  bool done = !is_own(job) || ((count == 0 || compile_batch(job, functions, count, &answer)) &&
                               tell_answer(&answer, *next == all ? WIRE_LAST : WIRE_MORE));
  answer_free(&answer);
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

/* ---- What is wanted --------------------------------------------------------------------------------------------------------- */

/* What is wanted, and then, in order of their distance, functions that it calls. */
struct choice {
  struct batch_function *functions;
  uint32_t count;
  size_t bytes;
};

static void choose_one(struct job *job, struct choice *choice, uint32_t entry, uint32_t loop, struct answer *answer) {
  struct batch_function function = function_of(job, entry, loop);
  job->is_answered[entry] = true;
  if (function.refusal >= 0) {
    refuse(answer, entry, function.refusal);
    return;
  }
  choice->bytes += body_bytes(job, entry);
  choice->functions[choice->count++] = function;
}

/* Of a call, known or told; CALL_NO_TARGET: none is. */
static uint32_t callee_of(const struct job *job, const struct ir_insn *insn) {
  uint32_t imported = job->module->imported_func_count;
  if (insn->op == IR_CALL) return insn->imm >= imported ? (uint32_t)insn->imm - imported : CALL_NO_TARGET;
  return insn->op == IR_CALL_INDIRECT || insn->op == IR_CALL_REF ? call_target(job, insn) : CALL_NO_TARGET;
}

static void choose_callees(struct job *job, struct choice *choice, uint32_t entry, struct answer *answer) {
  uint32_t imported = job->module->imported_func_count, callees[64], count = 0;
  const struct ir_function *ir = ir_translate(job->frontend, job->module, imported + entry);
  for (size_t i = 0; ir && i < ir->insns.count && count < BASE_ARRAY_LEN(callees); i++) {
    uint32_t callee = callee_of(job, &ir->insns.items[i]);
    if (callee != CALL_NO_TARGET) callees[count++] = callee;
  }
  for (uint32_t i = 0; i < count; i++)
    if (!job->is_answered[callees[i]] && choice->bytes + body_bytes(job, callees[i]) <= CALLEES_BYTES)
      choose_one(job, choice, callees[i], WIRE_NO_LABEL, answer);
}

static bool is_chosen(const struct choice *choice, uint32_t entry) {
  for (uint32_t i = 0; i < choice->count; i++)
    if (choice->functions[i].entry == entry) return true;
  return false;
}

/* A function that was answered is compiled again where a loop of it is wanted now. One loop of a function at a time: another
 * one is a batch of its own. */
static void choose_items(struct job *job, struct choice *choice, const struct wire_item *items, uint32_t *next,
                         uint32_t count, struct answer *answer) {
  for (; *next < count && choice->bytes < BATCH_BYTES && !is_chosen(choice, items[*next].entry); ++*next) {
    const struct wire_item *item = &items[*next];
    if (!job->is_answered[item->entry] || item->label != WIRE_NO_LABEL)
      choose_one(job, choice, item->entry, item->label, answer);
  }
  for (uint32_t i = 0; i < choice->count; i++) choose_callees(job, choice, choice->functions[i].entry, answer);
}

static bool answer_some(struct job *job, struct batch_function *functions, const struct wire_item *items,
                        uint32_t *next, uint32_t count) {
  struct choice choice = {.functions = functions};
  struct answer answer = {0};
  choose_items(job, &choice, items, next, count, &answer);
  bool done = !is_own(job) || ((choice.count == 0 || compile_batch(job, functions, choice.count, &answer)) &&
                               tell_answer(&answer, *next == count ? WIRE_LAST : WIRE_MORE));
  answer_free(&answer);
  return done;
}

static bool answer_items(struct job *job, const struct wire_item *items, uint32_t count) {
  uint32_t all = job->module->func_count - job->module->imported_func_count, next = 0;
  struct batch_function *functions = base_alloc((size_t)all * sizeof *functions + 1);
  bool done = functions != NULL;
  while (done && next < count) done = answer_some(job, functions, items, &next, count);
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

static void forget_module(struct job *job) {
  ir_frontend_free(job->frontend);
  if (job->module) module_release((struct module *)job->module);
  base_free(job->is_answered);
  base_free(job->targets);
  base_free(job->bytes);
  job->frontend = NULL;
  job->module = NULL;
  job->is_answered = NULL;
  job->targets = NULL;
  job->target_count = 0;
  job->bytes = NULL;
}

static bool hear_module(struct job *job, const struct wire_request *request) {
  struct engine_code_options options = options_of(request->flags);
  struct module *module;
  struct cay_error error;
  forget_module(job);
  job->bytes = base_alloc(request->module_bytes);
  if (!job->bytes || !hear(job->bytes, request->module_bytes) ||
      module_load(job->bytes, request->module_bytes, MODULE_BYTES_BORROW, request->features, NULL, &module, &error))
    return false;
  job->module = module;
  job->flags = request->flags;
  job->mix = request->mix;
  job->level = request->level;
  job->frontend = ir_frontend_new(&options);
  job->is_answered = base_alloc_zero((size_t)module->func_count + 1, sizeof *job->is_answered);
  if (request->entry_count != module->func_count - module->imported_func_count) return false;
  bool is_ready = request->cpu == job->cpu_kind || set_up_machine(job, request->cpu);
  return is_ready && job->frontend && job->is_answered;
}

static bool hear_targets(struct job *job, uint32_t count) {
  base_free(job->targets);
  job->targets = base_alloc(count * sizeof *job->targets + 1);
  job->target_count = job->targets ? count : 0;
  return job->targets && hear(job->targets, count * sizeof *job->targets);
}

static bool are_in_module(const struct job *job, const struct wire_item *items, uint32_t count) {
  uint32_t all = job->module->func_count - job->module->imported_func_count;
  for (uint32_t i = 0; i < count; i++)
    if (items[i].entry >= all) return false;
  return true;
}

static bool serve(struct job *job) {
  struct wire_request request;
  if (!hear(&request, sizeof request)) return false;
  if (request.magic != WIRE_MAGIC || request.layout != optimizer_layout() || request.item_count > WIRE_MOST_ITEMS)
    return false;
  if (request.target_count > WIRE_MOST_TARGETS) return false;
  if (request.level >= TIERS_LEVELS || request.cpu >= TIERS_CPU_COUNT || request.shares > WIRE_MOST_SHARES)
    return false;
  job->shares = request.shares ? request.shares : 1;
  job->share = request.share;
  job->batch_count = 0;
  if (request.module_bytes ? !hear_module(job, &request) : !job->module) return false;
  if (!hear_targets(job, request.target_count)) return false;
  if (request.item_count == 0) return answer_module(job);
  struct wire_item *items = base_alloc(request.item_count * sizeof *items);
  bool done = items && hear(items, request.item_count * sizeof *items) &&
              are_in_module(job, items, request.item_count) &&
              (request.when == WIRE_LATER || answer_items(job, items, request.item_count));
  base_free(items);
  return done;
}

/* ---- Life --------------------------------------------------------------------------------------------------------------------- */

/* Compiling can take a while, and nobody is to wait for its end who does not want what comes of it. */
static void look_for_end(int signal) {
  struct pollfd fd = {.fd = WIRE_SPAWN_FD, .events = POLLRDHUP};
  (void)signal;
  if (poll(&fd, 1, 0) > 0 && fd.revents & (POLLRDHUP | POLLHUP | POLLERR)) _exit(0);
}

/* The kernel sends a signal when something happens to the socket. */
static void watch_for_end(void) {
  struct sigaction action = {.sa_handler = look_for_end, .sa_flags = SA_RESTART};
  sigaction(SIGIO, &action, NULL);
  fcntl(WIRE_SPAWN_FD, F_SETOWN, getpid());
  fcntl(WIRE_SPAWN_FD, F_SETFL, fcntl(WIRE_SPAWN_FD, F_GETFL) | O_ASYNC);
  look_for_end(SIGIO);
}

static bool yield_to_all(const char *patience_ms) {
  struct sigaction action = {.sa_handler = give_up};
  late.patience_ms = (uint32_t)strtoul(patience_ms, NULL, 10);
  return sigaction(SIGPROF, &action, NULL) == 0 && nice(19) >= 0;
}

int main(int argc, char **argv) {
  struct job job = {0};
  if (argc > 2 && strcmp(argv[1], WIRE_YIELDS) == 0 && !yield_to_all(argv[2])) return 1;
  watch_for_end();
  if (!set_up(&job)) return 1;
  sandbox_enter();
  while (serve(&job)) continue;
  return 0;
}
