/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* One LLVM module: made, optimized, compiled.
 *
 * How much a function takes of the native stack, LLVM says when it is done. Where that is more than its share of the value
 * stack allows (translate.c), the batch is made once more with nothing inlined into the function, and then without the function;
 * without it also where it turns out not to be translatable. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <llvm-c/Analysis.h>
#include <llvm-c/Transforms/PassBuilder.h>

#include "tiers/optimizer/helper/helper.h"

/* ---- The LLVM module ------------------------------------------------------------------------------------------------------- */

static void set_up_types(struct batch *b) {
  LLVMContextRef context = b->context;
  b->void_type = LLVMVoidTypeInContext(context);
  b->i8 = LLVMInt8TypeInContext(context);
  b->i16 = LLVMInt16TypeInContext(context);
  b->pointer = LLVMPointerTypeInContext(context, 0);
  b->segment = LLVMPointerTypeInContext(context, 256);
  b->types[VALUE_I32] = LLVMInt32TypeInContext(context);
  b->types[VALUE_I64] = LLVMInt64TypeInContext(context);
  b->types[VALUE_F32] = LLVMFloatTypeInContext(context);
  b->types[VALUE_F64] = LLVMDoubleTypeInContext(context);
  b->types[VALUE_V128] = LLVMVectorType(b->types[VALUE_I64], 2);
}

static unsigned kind_of(struct batch *b, const char *name) {
  return LLVMGetMDKindIDInContext(b->context, name, (unsigned)strlen(name));
}

static void set_up_metadata(struct batch *b) {
  b->invariant_kind = kind_of(b, "invariant.load");
  b->invariant = LLVMMetadataAsValue(b->context, LLVMMDNodeInContext2(b->context, NULL, 0));
  b->weights_kind = kind_of(b, "prof");
  b->widened_kind = kind_of(b, "widened");
  LLVMTypeRef i32 = b->types[VALUE_I32];
  LLVMMetadataRef parts[] = {LLVMMDStringInContext2(b->context, "branch_weights", 14),
                             LLVMValueAsMetadata(LLVMConstInt(i32, 1, false)),
                             LLVMValueAsMetadata(LLVMConstInt(i32, 1 << 20, false))};
  b->unlikely = LLVMMetadataAsValue(b->context, LLVMMDNodeInContext2(b->context, parts, 3));
}

static void add_flag(struct batch *b, const char *name, uint32_t value) {
  LLVMValueRef number = LLVMConstInt(b->types[VALUE_I32], value, false);
  LLVMAddModuleFlag(b->llvm, LLVMModuleFlagBehaviorWarning, name, strlen(name), LLVMValueAsMetadata(number));
}

/* The same in the module of the semantic functions. */
static void tell_abi(struct batch *b, const char *abi) {
  static const char name[] = "target-abi";
  LLVMAddModuleFlag(b->llvm, LLVMModuleFlagBehaviorError, name, sizeof name - 1,
                    LLVMMDStringInContext2(b->context, abi, strlen(abi)));
}

/* Lines are offsets in the wasm module. */
static void set_up_debug(struct batch *b) {
  add_flag(b, "Debug Info Version", LLVMDebugMetadataVersion());
  add_flag(b, "Dwarf Version", 4);
  b->debug = LLVMCreateDIBuilder(b->llvm);
  b->file = LLVMDIBuilderCreateFile(b->debug, "m", 1, "", 0);
  LLVMDIBuilderCreateCompileUnit(b->debug, LLVMDWARFSourceLanguageC, b->file, "", 0, false, "", 0, 0, "", 0,
                                 LLVMDWARFEmissionLineTablesOnly, 0, false, false, "", 0, "", 0);
  b->function_debug_type = LLVMDIBuilderCreateSubroutineType(b->debug, b->file, NULL, 0, LLVMDIFlagZero);
}

static struct batch_function *find_function(struct batch *b, unsigned entry) {
  for (uint32_t i = 0; i < b->function_count; i++)
    if (b->functions[i].entry == entry) return &b->functions[i];
  return NULL;
}

bool batch_inlines_less(struct batch *b, uint32_t entry) {
  struct batch_function *function = find_function(b, entry);
  if (!function || function->keeps_calls) return false;
  function->keeps_calls = b->is_again = true;
  return true;
}

/* "stack frame size (N) exceeds limit (M) in function 'fK'", or 'oK.L' */
static void hear(LLVMDiagnosticInfoRef info, void *batch) {
  char *text = LLVMGetDiagInfoDescription(info);
  struct batch *b = batch;
  unsigned entry;
  struct batch_function *function;
  const char *at = strstr(text, "frame size (");
  if (at && sscanf(at, "frame size (%*u) exceeds limit (%*u) in function '%*c%u'", &entry) == 1 &&
      !batch_inlines_less(b, entry) && (function = find_function(b, entry))) {
    function->refusal = WIRE_REASON_TOO_LARGE;
    b->is_again = true;
  }
  LLVMDisposeMessage(text);
}

static bool set_up(struct batch *b) {
  b->context = LLVMContextCreate();
  LLVMContextSetDiagnosticHandler(b->context, hear, b);
  b->llvm = LLVMModuleCreateWithNameInContext("m", b->context);
  LLVMSetTarget(b->llvm, b->job->triple);
  LLVMSetDataLayout(b->llvm, b->job->layout);
  b->builder = LLVMCreateBuilderInContext(b->context);
  b->entry_builder = LLVMCreateBuilderInContext(b->context);
  set_up_types(b);
  set_up_metadata(b);
  set_up_debug(b);
  if (b->job->target->abi) tell_abi(b, b->job->target->abi);
  const struct module *module = b->job->module;
  b->natives = base_alloc_zero(module->func_count - module->imported_func_count, sizeof *b->natives);
  return b->natives != NULL;
}

static void tear_down(struct batch *b) {
  base_free(b->natives);
  BASE_VEC_DEINIT(&b->stale);
  BASE_VEC_DEINIT(&b->known_slots);
  BASE_VEC_DEINIT(&b->users);
  BASE_VEC_DEINIT(&b->phis);
  LLVMDisposeBuilder(b->builder);
  LLVMDisposeBuilder(b->entry_builder);
  LLVMDisposeDIBuilder(b->debug);
  LLVMDisposeModule(b->llvm);
  LLVMContextDispose(b->context);
}

/* ---- Compiling ---------------------------------------------------------------------------------------------------------------- */

/* `instcombine` alone ends the process where it finds no fixed point. Loops whose number of rounds is not known are not
 * unrolled: the guest's compiler has done that where it is worth it, and a second time costs more than it gives (matmul and
 * fannkuch take 4 and 8 % longer). */
#define COMBINE "instcombine<no-verify-fixpoint>"
#define CLEAN COMBINE ",simplifycfg"
#define BEGIN "sroa,early-cse<memssa>," CLEAN
#define LOOPS \
  "reassociate,loop-mssa(loop-rotate,licm)," COMBINE ",loop(indvars),gvn," CLEAN ",loop-unroll<O2;no-runtime>," CLEAN
/* What is inlined is clean already. */
#define INLINED "always-inline,globaldce,function(" BEGIN "),cgscc(inline),function(early-cse<memssa>," CLEAN "," LOOPS
static const char *const pipelines[TIERS_LEVELS] = {
    "always-inline,globaldce,function(sroa)",
    "always-inline,globaldce,function(" BEGIN ")",
    INLINED ")",
    INLINED ",jump-threading,correlated-propagation,loop-mssa(licm),gvn," CLEAN ")",
};

static bool optimize(struct batch *b) {
  LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
  LLVMErrorRef error = LLVMRunPasses(b->llvm, pipelines[b->job->level], b->job->machine, options);
  LLVMDisposePassBuilderOptions(options);
  if (error) LLVMConsumeError(error);
  return !error;
}

static bool emit(struct batch *b, struct object_code *out) {
  LLVMMemoryBufferRef object;
  char *message = NULL;
  if (LLVMTargetMachineEmitToMemoryBuffer(b->job->machine, b->llvm, LLVMObjectFile, &message, &object)) {
    LLVMDisposeMessage(message);
    return false;
  }
  bool done = object_read(b->job->target, (const uint8_t *)LLVMGetBufferStart(object), LLVMGetBufferSize(object), out);
  LLVMDisposeMemoryBuffer(object);
  return done;
}

enum outcome { COMPILED, AGAIN, FAILED };

static enum outcome translate(struct batch *b) {
  bool is_refused = false;
  for (uint32_t i = 0; i < b->function_count; i++)
    if (b->functions[i].refusal < 0) translate_add(b, &b->functions[i]);
  for (uint32_t i = 0; i < b->function_count; i++) {
    struct batch_function *own = &b->functions[i];
    if (own->refusal >= 0) continue;
    if (!translate_function(b, own)) return FAILED;
    is_refused = is_refused || own->refusal >= 0;
  }
  if (is_refused) return AGAIN;
  for (uint32_t i = 0; i < b->function_count; i++)
    if (b->functions[i].refusal < 0) translate_adapter(b, &b->functions[i]);
  for (uint32_t i = 0; i < b->function_count; i++) {
    struct batch_function *own = &b->functions[i];
    if (own->refusal >= 0 || own->loop == WIRE_NO_LABEL) continue;
    if (!translate_loop(b, own)) return FAILED;
    if (own->refusal >= 0) return AGAIN;
  }
  LLVMDIBuilderFinalize(b->debug);
  return COMPILED;
}

static enum outcome compile(struct batch *b, struct object_code *out) {
  enum outcome outcome = translate(b);
  if (outcome != COMPILED) return outcome;
  char *message = NULL;
  if (!numeric_link(b) || LLVMVerifyModule(b->llvm, LLVMReturnStatusAction, &message)) {
    LLVMDisposeMessage(message);
    return FAILED;
  }
  LLVMDisposeMessage(message);
  if (!optimize(b)) return FAILED;
  modes_settle(b);
  if (!widths_settle(b)) return FAILED;
  catches_settle(b);
  if (!places_settle(b, out) || !emit(b, out)) return FAILED;
  return b->is_again ? AGAIN : COMPILED;
}

bool batch_compile(struct job *job, struct batch_function *functions, uint32_t count, struct object_code *out) {
  enum { MOST_TIMES = 8 };
  enum outcome outcome = AGAIN;
  for (int i = 0; i < MOST_TIMES && outcome == AGAIN; i++) {
    object_free(out);
    for (uint32_t k = 0; i == MOST_TIMES / 2 && k < count; k++) functions[k].keeps_calls = true; /* whatever it was */
    struct batch batch = {.job = job, .functions = functions, .function_count = count};
    outcome = set_up(&batch) ? compile(&batch, out) : FAILED;
    tear_down(&batch);
  }
  return outcome == COMPILED;
}
