/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The differential test: generated modules in every tier of cay, with guard pages and with explicit bounds, in a mix of
 * optimized functions and others, and on a reference, all in this process and in lock-step.
 *
 *   diff GENERATOR REFERENCE FOLDER COUNT [SEED]
 *
 * GENERATOR and REFERENCE are shared objects (run.sh makes and fetches them). Module number i comes from seed SEED + i,
 * and so does everything done with it: copies with changed bytes, which all must accept or all refuse; then
 * instantiation, and each exported function with several sets of arguments. Outcomes, results, calls of imports,
 * exceptions that nobody caught and, after each trap and at the end, memories, globals and tables must be the same, and
 * between cay's tiers the place of a trap, its calls, and whether the stack ended. A failure names its seed and leaves the module in FOLDER/diff-SEED.wasm; FOLDER/diff-seed holds the seed in work, for
 * when the process dies. The last lines count outcomes, modules by the proposals that they use, and modules.
 *
 * The proposals are those that cay runs. The reference does not know the legacy form of exceptions: it gets the same
 * module with the newer one.
 *
 * Where two runs may differ, and what becomes of it; each is counted:
 *
 *   Call stacks end where an implementation likes (specification, appendix "Implementation Limitations"): a module on
 *   which one side runs out of stack is left there.
 *   Bits of NaNs that arithmetic makes are open (4.3.3, "NaN Propagation"), apart from the deterministic profile. A run
 *   that differs is done again with modules in which such NaNs are made canonical, and must not differ then.
 *   Relaxed multiplication with addition may round once or twice (4.3.6). Both sides have relaxed SIMD as in the
 *   deterministic profile, but the reference takes rounding once to be that, where the specification has twice. A run
 *   that differs is done again with the two instructions in place of the one for the reference alone, and must then not
 *   differ.
 *   A trap is a trap (4.2.2): of two that are due, either may come. Before the bounds cay looks whether an atomic
 *   access is aligned and the memory of a wait shared, as the specification of threads writes it; the reference does so
 *   after them for waits and where a 64-bit address overflows.
 *
 * What the test cannot make is left out, and counted: arguments and imports of types without null of which no value is
 * known, and imports with types that name other types or belong to a group, which cay's hosts cannot have. */
#include "side.h"
#include "tiers/tiers.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <unistd.h>

enum { MAX_SIDES = 11, ROUNDS = 3, MUTANTS = 6, STRESSED_ONE_IN = 4, MAX_VALUES = 2048 };
enum { TEST_STACK_BYTES = 256 << 20 }; /* wasm code of the reference runs on it */
enum verdict { PASSED, FAILED, SKIPPED };

struct bytes {
  uint8_t *base;
  size_t len_bytes;
};

/* Variants of a module, as the generator numbers them (patch.rs). */
enum { CANONICAL_NANS = 1, TWO_ROUNDINGS = 2, LEGACY_FORM = 4 };
#define LEGACY MODULE_FEATURE_BIT(LEGACY_EXCEPTIONS)

/* Why two runs may differ. */
#define EXPLANATIONS(X)                                                                    \
  X(ROUNDING, "the reference rounds relaxed multiplication with addition once, cay twice") \
  X(NAN_BITS, "bits of NaNs that arithmetic made")                                         \
  X(TWO_TRAPS, "which of two reasons to trap an atomic access has")                        \
  X(STACK, "a call stack ended")
enum explanation {
#define X(NAME, text) NAME,
  EXPLANATIONS(X)
#undef X
      EXPLANATION_COUNT
};

struct test {
  uint64_t (*proposal)(const char *name); /* the generator's */
  uint8_t *(*module_new)(uint64_t seed, uint64_t proposals, uint32_t variant, size_t *len_bytes);
  void (*module_free)(uint8_t *module, size_t len_bytes);
  const char *folder;
  int seed_file;
  uint64_t first_seed, count, seed, random;
  uint64_t proposals;            /* that may be drawn, as the generator numbers them */
  struct side *sides[MAX_SIDES]; /* the reference last */
  int side_count;
  uint64_t verdicts[3], instances, outcomes[SIDE_OUTCOME_COUNT], mutants, mutants_accepted;
  uint64_t explained[EXPLANATION_COUNT];
  bool is_again;                           /* a module that was counted */
  bool is_silent;                          /* what fails is looked at again */
  uint64_t calls_left_out, not_importable; /* for want of a value */
  uint64_t users[MODULE_FEATURE_COUNT];    /* of proposals: modules */
};

static const char *outcome_name(enum side_outcome outcome) {
  static const char *const names[] = {
#define X(NAME) #NAME,
      SIDE_OUTCOMES(X)
#undef X
  };
  return names[outcome];
}

/* Its number among the sides. */
#define REFERENCE(test) ((test)->side_count - 1)

static uint64_t draw(struct test *test) { return test->random = side_mix(test->random, 3); }

/* Says what differs and keeps the bytes. */
__attribute__((format(printf, 3, 4))) static enum verdict fail(struct test *test, const struct bytes *bytes,
                                                               const char *format, ...) {
  char path[4096];
  if (test->is_silent) return FAILED;
  snprintf(path, sizeof path, "%s/diff-%" PRIu64 ".wasm", test->folder, test->seed);
  va_list arguments;
  va_start(arguments, format);
  printf("seed %" PRIu64 ": ", test->seed);
  vprintf(format, arguments);
  printf(" (%s)\n", path);
  va_end(arguments);
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(bytes->base, 1, bytes->len_bytes, file) != bytes->len_bytes)
    printf("%s cannot be written\n", path);
  if (file) fclose(file);
  return FAILED;
}

/* ---- Accepting ------------------------------------------------------------------------------------------------- */

/* All sides accept, or none: FAILED when they disagree, SKIPPED when they refuse. The reference reads some of what
 * belongs to proposals that are off (0x63 0x70 for funcref), so a changed module may be refused for that. */
static enum verdict compare_acceptance(struct test *test, const struct bytes *bytes, bool is_mutant) {
  bool accepted[MAX_SIDES];
  for (int i = 0; i < test->side_count; i++)
    accepted[i] = test->sides[i]->kind->accepts(test->sides[i], bytes->base, bytes->len_bytes);
  for (int i = 1; i < test->side_count; i++)
    if (accepted[i] != accepted[0]) {
      const struct side *refuser = test->sides[accepted[i] ? 0 : i];
      if (is_mutant && refuser->refuses_proposal) return SKIPPED;
      return fail(test, bytes, "%s is refused only by %s: %s", is_mutant ? "a changed module" : "the module",
                  refuser->name, refuser->reason);
    }
  return accepted[0] ? PASSED : SKIPPED;
}

static size_t mutate(struct test *test, uint8_t *bytes, size_t len_bytes) {
  static const uint8_t telling[] = {0x00, 0x01, 0x0B, 0x40, 0x41, 0x6F, 0x70, 0x7C, 0x7F, 0x80, 0xFC, 0xFF};
  uint64_t random = draw(test);
  size_t at = (size_t)(draw(test) % len_bytes);
  switch (random % 6) {
  case 0: bytes[at] ^= (uint8_t)(1 << (random >> 8) % 8); break;
  case 1: bytes[at] = (uint8_t)(random >> 8); break;
  case 2: bytes[at] = telling[(random >> 8) % sizeof telling]; break;
  case 3: bytes[at] = (uint8_t)(bytes[at] + (random >> 8 & 1 ? 1 : -1)); break;
  case 4: memmove(bytes + at, bytes + at + 1, len_bytes - at - 1); return len_bytes - 1;
  default:
    if (random >> 8 & 3) break;
    return at;
  }
  return len_bytes;
}

static enum verdict compare_mutants(struct test *test, const struct bytes *bytes) {
  struct bytes mutant = {malloc(bytes->len_bytes), 0};
  enum verdict verdict = PASSED;
  for (int i = 0; i < MUTANTS && verdict != FAILED; i++) {
    memcpy(mutant.base, bytes->base, bytes->len_bytes);
    mutant.len_bytes = bytes->len_bytes;
    for (uint64_t changes = draw(test) % 3 + 1; changes && mutant.len_bytes; changes--)
      mutant.len_bytes = mutate(test, mutant.base, mutant.len_bytes);
    verdict = compare_acceptance(test, &mutant, true);
    test->mutants++;
    test->mutants_accepted += verdict == PASSED;
  }
  free(mutant.base);
  return verdict == FAILED ? FAILED : PASSED;
}

/* ---- Running --------------------------------------------------------------------------------------------------- */

struct run {
  struct test *test;
  struct bytes bytes, reference_bytes;
  const struct module *module;
};

#define FAIL(run, ...) fail((run)->test, &(run)->bytes, __VA_ARGS__)

static enum verdict compare_memory(const struct run *run, uint32_t export_index) {
  struct side **sides = run->test->sides, *reference = sides[REFERENCE(run->test)];
  struct side_bytes expected = reference->kind->memory(reference, export_index);
  for (int i = 0; sides[i] != reference; i++) {
    struct side_bytes actual = sides[i]->kind->memory(sides[i], export_index);
    if (actual.len_bytes != expected.len_bytes)
      return FAIL(run, "%s has a memory of %" PRIu64 " bytes instead of %" PRIu64, sides[i]->name, actual.len_bytes,
                  expected.len_bytes);
    for (uint64_t at = 0; expected.len_bytes && memcmp(actual.base, expected.base, expected.len_bytes) != 0; at++)
      if (actual.base[at] != expected.base[at])
        return FAIL(run, "%s has %02x at %" PRIu64 " of memory instead of %02x", sides[i]->name, actual.base[at], at,
                    expected.base[at]);
  }
  return PASSED;
}

static const char *value_text(struct side_value value, char out[64]) {
  static const char *const kinds[] = {
      [SIDE_NUMBER] = "",      [SIDE_NULL] = "null",         [SIDE_FOREIGN] = "extern ",
      [SIDE_I31] = "i31 ",     [SIDE_FUNCTION] = "func ",    [SIDE_STRUCT] = "struct ",
      [SIDE_ARRAY] = "array ", [SIDE_THROWN] = "exception ", [SIDE_OF_GLOBAL] = "global "};
  if (value.bits[1])
    snprintf(out, 64, "%s%" PRIx64 ":%016" PRIx64, kinds[value.kind], value.bits[1], value.bits[0]);
  else
    snprintf(out, 64, "%s%" PRIx64, kinds[value.kind], value.bits[0]);
  return out;
}

static enum verdict compare_values(const struct run *run, const struct side *side, struct side_value actual,
                                   struct side_value expected, const char *what, uint64_t index) {
  char texts[2][64];
  if (side_value_equal(actual, expected)) return PASSED;
  return FAIL(run, "%s has %s in %s %" PRIu64 " instead of %s", side->name, value_text(actual, texts[0]), what, index,
              value_text(expected, texts[1]));
}

static enum verdict compare_global(const struct run *run, uint32_t export_index) {
  struct side **sides = run->test->sides, *reference = sides[REFERENCE(run->test)];
  struct side_value expected = reference->kind->global(reference, export_index);
  enum verdict verdict = PASSED;
  for (int i = 0; sides[i] != reference && verdict == PASSED; i++)
    verdict = compare_values(run, sides[i], sides[i]->kind->global(sides[i], export_index), expected, "global",
                             run->module->exports[export_index].index);
  return verdict;
}

static enum verdict compare_table(const struct run *run, uint32_t export_index) {
  struct side **sides = run->test->sides, *reference = sides[REFERENCE(run->test)];
  char what[64];
  enum verdict verdict = PASSED;
  uint64_t size = reference->kind->table_size(reference, export_index);
  snprintf(what, sizeof what, "table %u, element", run->module->exports[export_index].index);
  for (int i = 0; sides[i] != reference; i++) {
    uint64_t actual = sides[i]->kind->table_size(sides[i], export_index);
    if (actual != size)
      return FAIL(run, "%s has %" PRIu64 " elements in table %u instead of %" PRIu64, sides[i]->name, actual,
                  run->module->exports[export_index].index, size);
  }
  for (uint64_t at = 0; at < size && verdict == PASSED; at++) {
    struct side_value expected = reference->kind->table_element(reference, export_index, at);
    for (int i = 0; sides[i] != reference && verdict == PASSED; i++)
      verdict =
          compare_values(run, sides[i], sides[i]->kind->table_element(sides[i], export_index, at), expected, what, at);
  }
  return verdict;
}

static enum verdict compare_state(const struct run *run) {
  enum verdict verdict = PASSED;
  for (uint32_t i = 0; i < run->module->export_count && verdict == PASSED; i++) switch (run->module->exports[i].kind) {
    case MODULE_MEMORY: verdict = compare_memory(run, i); break;
    case MODULE_GLOBAL: verdict = compare_global(run, i); break;
    case MODULE_TABLE: verdict = compare_table(run, i); break;
    default: break;
    }
  return verdict;
}

/* A trap is a trap to the specification; only which of two reasons it has may differ. */
static bool is_same_outcome(struct test *test, enum side_outcome actual, enum side_outcome expected) {
  bool are_two = (actual == SIDE_UNSHARED_WAIT || actual == SIDE_UNALIGNED_ATOMIC) && expected == SIDE_MEMORY_BOUNDS;
  test->explained[TWO_TRAPS] += are_two;
  return are_two || actual == expected;
}

static bool is_stack_ended(const struct side *side, enum side_outcome outcome) {
  return outcome == SIDE_STACK_EXHAUSTED || side->stack_ended;
}

/* cay's tiers have the same frames, so that stacks end in all of them, or in none; but optimized ones are larger. */
static bool has_larger_frames(const struct side *side) {
  return strstr(side->name, "optimized") || strstr(side->name, "auto");
}

static enum verdict compare_stack_ends(const struct run *run, const enum side_outcome *outcomes, const char *what) {
  struct side **sides = run->test->sides;
  for (int i = 1; i < REFERENCE(run->test); i++)
    if (!has_larger_frames(sides[i]) && is_stack_ended(sides[i], outcomes[i]) != is_stack_ended(sides[0], outcomes[0]))
      return FAIL(run, "%s: the stack ends in only one of %s and %s", what, sides[0]->name, sides[i]->name);
  return PASSED;
}

static enum verdict compare_frames(const struct run *run, const char *what) {
  struct side **sides = run->test->sides;
  for (int i = 1; i < REFERENCE(run->test); i++)
    if (strcmp(sides[i]->frames, sides[0]->frames) != 0)
      return FAIL(run, "%s: %s traps in %s, %s in %s", what, sides[i]->name, sides[i]->frames, sides[0]->name,
                  sides[0]->frames);
  return PASSED;
}

/* SKIPPED: a stack ended, nothing more can be compared. */
static enum verdict compare_outcomes(const struct run *run, const enum side_outcome *outcomes, const char *what) {
  struct side **sides = run->test->sides;
  int last = REFERENCE(run->test);
  const struct side *reference = sides[last];
  if (compare_stack_ends(run, outcomes, what) == FAILED) return FAILED;
  for (int i = 0; i <= last; i++)
    if (is_stack_ended(sides[i], outcomes[i])) return run->test->explained[STACK]++, SKIPPED;
  for (int i = 0; i < last; i++) {
    if (!is_same_outcome(run->test, outcomes[i], outcomes[last]))
      return FAIL(run, "%s: %s says %s %s instead of %s %s", what, sides[i]->name, outcome_name(outcomes[i]),
                  outcomes[i] == SIDE_REFUSED ? sides[i]->reason : "", outcome_name(outcomes[last]),
                  outcomes[last] == SIDE_REFUSED ? reference->reason : "");
    if (sides[i]->import_calls != reference->import_calls || sides[i]->import_digest != reference->import_digest)
      return FAIL(run, "%s: %s makes %" PRIu64 " calls of imports, of %" PRIu64 ", or with other arguments", what,
                  sides[i]->name, sides[i]->import_calls, reference->import_calls);
    if (outcomes[i] == SIDE_EXCEPTION && sides[i]->exception_digest != reference->exception_digest)
      return FAIL(run, "%s: %s throws another exception", what, sides[i]->name);
  }
  return compare_frames(run, what);
}

/* Makes calls through tables likelier to succeed: most elements that are null become functions. */
static void fill_tables(const struct run *run) {
  struct side **sides = run->test->sides;
  const struct module *module = run->module;
  for (uint32_t i = 0; i < module->export_count; i++) {
    const struct module_export *table = &module->exports[i];
    if (table->kind != MODULE_TABLE || module->tables[table->index].type.elem != MODULE_FUNCREF) continue;
    for (uint64_t at = 0; at < sides[0]->kind->table_size(sides[0], i); at++) {
      uint32_t function = (uint32_t)(draw(run->test) % module->export_count);
      if (module->exports[function].kind != MODULE_FUNC ||
          sides[0]->kind->table_element(sides[0], i, at).kind != SIDE_NULL)
        continue;
      for (int j = 0; j < run->test->side_count; j++) sides[j]->kind->set_table_function(sides[j], i, at, function);
    }
  }
}

/* The global that ends loops, see generator/src/lib.rs: the last export. A stressed heap takes its time. */
static void refuel(const struct run *run) {
  uint32_t fuel = draw(run->test) % 2 || run->test->sides[0]->is_stressed ? 200 : 2000;
  for (int i = 0; i < run->test->side_count; i++)
    run->test->sides[i]->kind->set_global(run->test->sides[i], run->module->export_count - 1, fuel);
}

static enum verdict compare_call(const struct run *run, uint32_t export_index) {
  static struct side_value results[MAX_SIDES][MAX_VALUES], args[MAX_VALUES];
  struct test *test = run->test;
  uint32_t func = run->module->exports[export_index].index;
  const struct module_func_type *type = side_func_type(test->sides[0], func);
  enum side_outcome outcomes[MAX_SIDES];
  char what[64];
  refuel(run);
  for (uint32_t i = 0; i < type->param_count; i++)
    if (!side_value(test->sides[0], type->params[i], draw(test), &args[i])) return test->calls_left_out++, PASSED;
  for (int i = 0; i < test->side_count; i++)
    outcomes[i] = test->sides[i]->kind->call(test->sides[i], export_index, args, results[i]);
  snprintf(what, sizeof what, "function %u", func);
  enum verdict verdict = compare_outcomes(run, outcomes, what);
  if (verdict != PASSED) return verdict;
  test->outcomes[outcomes[0]]++;
  if (outcomes[0] != SIDE_DONE) return compare_state(run);
  snprintf(what, sizeof what, "function %u, result", func);
  for (int i = 0; i < REFERENCE(test); i++)
    for (uint32_t j = 0; j < type->result_count && verdict == PASSED; j++)
      verdict = compare_values(run, test->sides[i], results[i][j], results[REFERENCE(test)][j], what, j);
  return verdict;
}

/* cay's host functions and tags have types that stand alone and name no other. */
static bool is_host_type(const struct module *module, uint32_t index) {
  const struct module_def_type *def = &module->types[index];
  bool is_plain = def->group_count == 1 && def->is_final && def->super == MODULE_NO_TYPE;
  for (uint32_t i = 0; i < def->func.param_count && is_plain; i++)
    is_plain = !module_type_is_defined(def->func.params[i]);
  for (uint32_t i = 0; i < def->func.result_count && is_plain; i++)
    is_plain = !module_type_is_defined(def->func.results[i]);
  return is_plain;
}

static bool is_importable(const struct side *side, const struct module_import *import) {
  const struct module *module = side->module;
  struct side_value value;
  uint32_t index = import->index;
  switch (import->kind) {
  case MODULE_FUNC: return is_host_type(module, module->funcs[index].type);
  case MODULE_TAG: return is_host_type(module, module->tags[index].type);
  case MODULE_TABLE:
    return !module_type_is_defined(module->tables[index].type.elem) && side_import_element(side, index, &value);
  case MODULE_GLOBAL:
    return !module_type_is_defined(module->globals[index].type.type) && side_import_global(side, index, &value);
  default: return true;
  }
}

/* Whether the test can make all imports. */
static bool are_importable(const struct side *side) {
  for (uint32_t i = 0; i < side->module->import_count; i++)
    if (!is_importable(side, &side->module->imports[i])) return false;
  return true;
}

static enum verdict compare_run(const struct run *run) {
  struct test *test = run->test;
  enum side_outcome outcomes[MAX_SIDES];
  bool is_stressed = draw(test) % STRESSED_ONE_IN == 0;
  for (int i = 0; i < test->side_count; i++) {
    side_reset(test->sides[i]);
    test->sides[i]->is_stressed = is_stressed;
  }
  if (!are_importable(test->sides[0])) return test->not_importable++, SKIPPED;
  for (int i = 0; i < test->side_count; i++) {
    const struct bytes *bytes = i == REFERENCE(test) ? &run->reference_bytes : &run->bytes;
    outcomes[i] = test->sides[i]->kind->instantiate(test->sides[i], bytes->base, bytes->len_bytes);
  }
  enum verdict verdict = compare_outcomes(run, outcomes, "instantiation");
  if (verdict != PASSED || outcomes[0] != SIDE_DONE) return verdict;
  test->instances++;
  for (int i = 0; i < test->side_count; i++) test->sides[i]->has_exports = true;
  verdict = compare_state(run);
  fill_tables(run);
  for (int round = 0; round < ROUNDS; round++)
    for (uint32_t i = 0; i < run->module->export_count && verdict == PASSED; i++)
      if (run->module->exports[i].kind == MODULE_FUNC) verdict = compare_call(run, i);
  return verdict == PASSED ? compare_state(run) : verdict;
}

/* `reference_bytes`: what the reference runs in their place; not NULL. */
static enum verdict compare_running(struct test *test, const struct bytes *bytes, const struct bytes *reference_bytes) {
  struct module *module;
  struct cay_error error = {0};
  if (module_load(bytes->base, bytes->len_bytes, MODULE_BYTES_BORROW, SIDE_FEATURES | LEGACY, NULL, &module, &error) !=
      CAY_OK)
    return fail(test, bytes, "cay refuses the module in the legacy form: %s", error.text);
  for (int i = 0; i < test->side_count; i++) test->sides[i]->module = module;
  for (int i = 0; i < MODULE_FEATURE_COUNT && !test->is_again; i++) test->users[i] += module->features_used >> i & 1;
  enum verdict verdict = compare_run(&(struct run){test, *bytes, *reference_bytes, module});
  for (int i = 0; i < test->side_count; i++) test->sides[i]->kind->drop(test->sides[i]);
  module_release(module);
  return verdict;
}

/* ---- All of it ------------------------------------------------------------------------------------------------- */

static void note_seed(const struct test *test) {
  char text[32];
  int len = snprintf(text, sizeof text, "%-20" PRIu64 "\n", test->seed);
  if (pwrite(test->seed_file, text, (size_t)len, 0) != len) fputs("the seed cannot be noted\n", stderr);
}

static struct bytes module_new(struct test *test, uint32_t variant) {
  struct bytes bytes = {0};
  bytes.base = test->module_new(test->seed, test->proposals, variant, &bytes.len_bytes);
  return bytes;
}

static void module_free(const struct test *test, struct bytes bytes) {
  if (bytes.base) test->module_free(bytes.base, bytes.len_bytes);
}

/* The run that differed, again with what may differ done away with. What differs no more is no fault; it is counted. */
static enum verdict judge_again(struct test *test, const struct bytes *bytes, const struct bytes *reference_bytes) {
  uint64_t random = test->random;
  enum verdict verdict = FAILED;
  struct bytes variant = module_new(test, TWO_ROUNDINGS), own;
  test->is_silent = test->is_again = true;
  if (variant.base) verdict = compare_running(test, bytes, &variant);
  module_free(test, variant);
  if (verdict != FAILED) {
    test->explained[ROUNDING]++;
  } else {
    variant = module_new(test, TWO_ROUNDINGS | CANONICAL_NANS);
    own = module_new(test, TWO_ROUNDINGS | CANONICAL_NANS | LEGACY_FORM);
    test->random = random;
    if (variant.base && own.base) verdict = compare_running(test, &own, &variant);
    module_free(test, variant);
    module_free(test, own);
    if (verdict != FAILED) test->explained[NAN_BITS]++;
  }
  test->is_silent = false;
  test->random = random;
  if (verdict == FAILED) compare_running(test, bytes, reference_bytes);
  test->is_again = false;
  return verdict == FAILED ? FAILED : PASSED;
}

static enum verdict compare_module(struct test *test) {
  struct bytes bytes = module_new(test, 0), own = module_new(test, LEGACY_FORM);
  if (!bytes.base || !own.base) return module_free(test, bytes), module_free(test, own), SKIPPED;
  enum verdict verdict = compare_acceptance(test, &bytes, false);
  if (verdict == SKIPPED) verdict = fail(test, &bytes, "all refuse: %s", test->sides[0]->reason);
  if (verdict == PASSED) verdict = compare_mutants(test, &bytes);
  if (verdict == PASSED) {
    uint64_t random = test->random;
    test->is_silent = true;
    verdict = compare_running(test, &own, &bytes);
    test->is_silent = false;
    test->random = random;
    if (verdict == FAILED) verdict = judge_again(test, &own, &bytes);
  }
  module_free(test, bytes);
  module_free(test, own);
  return verdict;
}

static const char *explanation_text(int explanation) {
  static const char *const texts[] = {
#define X(NAME, text) text,
      EXPLANATIONS(X)
#undef X
  };
  return texts[explanation];
}

static void print_counts(const struct test *test) {
  printf("%" PRIu64 " instances, %" PRIu64 " modules without for want of a value; %" PRIu64 " changed modules, %" PRIu64
         " of them valid\ncalls:",
         test->instances, test->not_importable, test->mutants, test->mutants_accepted);
  for (int i = 0; i < SIDE_OUTCOME_COUNT; i++)
    if (test->outcomes[i]) printf(" %" PRIu64 " %s", test->outcomes[i], outcome_name(i));
  printf(", %" PRIu64 " left out for want of a value\nmodules that use", test->calls_left_out);
  for (int i = 0; i < MODULE_FEATURE_COUNT; i++)
    if (test->users[i]) printf(" %s: %" PRIu64, module_feature_name(i), test->users[i]);
  printf("\ndifferences that are explained:");
  for (int i = 0; i < EXPLANATION_COUNT; i++)
    printf("%s %" PRIu64 " %s", i ? "," : "", test->explained[i], explanation_text(i));
  putchar('\n');
}

static void *run_test(void *argument) {
  struct test *test = argument;
  for (uint64_t i = 0; i < test->count; i++) {
    test->random = test->seed = test->first_seed + i;
    note_seed(test);
    test->verdicts[compare_module(test)]++;
    if (test->count > 1000 && (i + 1) % 1000 == 0) printf("%" PRIu64 " modules\n", i + 1);
    fflush(stdout);
  }
  print_counts(test);
  printf("%" PRIu64 " passed, %" PRIu64 " failed, %" PRIu64 " skipped\n", test->verdicts[PASSED],
         test->verdicts[FAILED], test->verdicts[SKIPPED]);
  return NULL;
}

static bool load_generator(struct test *test, const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) return fprintf(stderr, "%s\n", dlerror()), false;
  *(void **)&test->proposal = dlsym(library, "diff_proposal");
  *(void **)&test->module_new = dlsym(library, "diff_module_new");
  *(void **)&test->module_free = dlsym(library, "diff_module_free");
  if (!test->proposal || !test->module_new || !test->module_free) return fputs("not a generator\n", stderr), false;
  for (int i = 0; i < MODULE_FEATURE_COUNT; i++)
    if ((SIDE_FEATURES | LEGACY) >> i & 1) test->proposals |= test->proposal(module_feature_name(i));
  return true;
}

static bool open_seed_file(struct test *test) {
  char path[4096];
  snprintf(path, sizeof path, "%s/diff-seed", test->folder);
  test->seed_file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (test->seed_file < 0) perror(path);
  return test->seed_file >= 0;
}

static bool add_side(struct test *test, struct side *side) {
  if (!side || test->side_count == MAX_SIDES) return false;
  test->sides[test->side_count++] = side;
  return true;
}

/* In the tier auto functions are optimized after a few calls and rounds of loops. CAY_HELPER_FOLDER: where cay-llvm is. */
enum { TICKS = 7 };

static bool make_sides(struct test *test, const char *reference) {
#if TIERS_HAS_OPTIMIZER
  tiers_optimized_look_in(getenv("CAY_HELPER_FOLDER"));
  tiers_auto_hasten(TICKS);
#endif
  for (const struct engine_tier *const *tier = tiers_all; *tier; tier++)
    if (!add_side(test, side_cay_new(*tier, false)) || !add_side(test, side_cay_new(*tier, true))) return false;
#if TIERS_HAS_OPTIMIZER
  if (!add_side(test, side_cay_mixed(&tiers_optimized))) return false;
#endif
  return add_side(test, side_reference_new(reference));
}

int main(int argc, char **argv) {
  if (argc < 5) return fputs("usage: diff GENERATOR REFERENCE FOLDER COUNT [SEED]\n", stderr), 2;
  struct test test = {.folder = argv[3],
                      .count = strtoull(argv[4], NULL, 10),
                      .first_seed = argc > 5 ? strtoull(argv[5], NULL, 10) : 1};
  if (!open_seed_file(&test) || !load_generator(&test, argv[1])) return 2;
  if (!make_sides(&test, argv[2])) return 2;
  pthread_t thread;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, TEST_STACK_BYTES);
  if (pthread_create(&thread, &attributes, run_test, &test) != 0) return 2;
  pthread_join(thread, NULL);
  for (int i = 0; i < test.side_count; i++) test.sides[i]->kind->free(test.sides[i]);
  return test.verdicts[FAILED] != 0;
}
