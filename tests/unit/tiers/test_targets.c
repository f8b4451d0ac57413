/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What calls go to that find their functions at run time: that code that counts notes it, and that code which expects it is right
 * whatever is found: the function that was expected, another one, one of another instance, none. */
#include "builder.h"
#include "tiers/baseline/code.h"
#include "tiers/optimizer/optimizer.h"

enum { INT_TO_INT, TWO_TO_INT };
/* Functions by their numbers; of INT_TO_INT all but ADD. */
enum { TWICE, NEXT, ADD, CHOOSE, BIAS, APPLY, REFER, RUN_MANY, CAUGHT, FUNCTIONS };
enum { PLACE, BIAS_GLOBAL };
/* What the table has. NOTHING is null, and there are no more than PLACES. */
enum { AT_TWICE, AT_NEXT, AT_ADD, NOTHING, PLACES };
enum { TRAPS = 50 }; /* what TWICE traps for */

static void build(struct builder *b) {
  TYPE(b, FUNC_TYPE, 1, T_I32, 1, T_I32);
  TYPE(b, FUNC_TYPE, 2, T_I32, T_I32, 1, T_I32);
  TABLE(b, "table", T_FUNC, 0, PLACES);
  GLOBAL(b, NULL, T_I32, 1, I32(0), END);
  GLOBAL(b, NULL, T_I32, 1, I32(0), END);
  FUNC(b, "twice", INT_TO_INT, NO_LOCALS, GET(0), I32(TRAPS), I32_EQ, IF(T_VOID), UNREACHABLE, END, GET(0), GET(0),
       I32_ADD, GLOBAL_GET(BIAS_GLOBAL), I32_ADD);
  FUNC(b, "next", INT_TO_INT, NO_LOCALS, GET(0), I32(1), I32_ADD);
  FUNC(b, NULL, TWO_TO_INT, NO_LOCALS, GET(0), GET(1), I32_ADD);
  FUNC(b, "choose", INT_TO_INT, NO_LOCALS, GET(0), GLOBAL_SET(PLACE), GET(0));
  FUNC(b, "bias", INT_TO_INT, NO_LOCALS, GET(0), GLOBAL_SET(BIAS_GLOBAL), GET(0));
  FUNC(b, "apply", INT_TO_INT, NO_LOCALS, GET(0), GLOBAL_GET(PLACE), CALL_INDIRECT(INT_TO_INT, 0), I32(1), I32_ADD);
  FUNC(b, "refer", INT_TO_INT, NO_LOCALS, GET(0), REF_FUNC(TWICE), CALL_REF(INT_TO_INT), I32(1), I32_ADD);
  /* Applies it to its argument and all numbers below, down to 1; at 20 another function takes the place of the first. */
  FUNC(b, "run", INT_TO_INT, LOCALS(1, T_I32), LOOP(T_VOID), GET(0), I32(20), I32_EQ, IF(T_VOID), I32(AT_TWICE),
       REF_FUNC(NEXT), TABLE_SET(0), END, GET(0), GLOBAL_GET(PLACE), CALL_INDIRECT(INT_TO_INT, 0), GET(1), I32_ADD,
       SET(1), GET(0), I32(1), I32_SUB, TEE(0), BR_IF(0), END, GET(1));
  ELEM(b, 0, I32(0), END, 3, TWICE, NEXT, ADD);
}

struct setting {
  struct world world;
  struct engine_instance *instance, *other; /* of one module */
};

static struct setting begin_in(const struct engine_tier *tier) {
  static struct builder b;
  b = (struct builder){0};
  build(&b);
  struct setting setting = {.world = world_new(&(struct engine_options){.tier = tier}, NULL)};
  struct bytes bytes = built(&b);
  struct module *module = module_of(&bytes);
  CHECK_INT(engine_instantiate(setting.world.store, module, NULL, "one", &setting.instance, NULL), CAY_OK);
  CHECK_INT(engine_instantiate(setting.world.store, module, NULL, "other", &setting.other, NULL), CAY_OK);
  module_release(module);
  return setting;
}

/* Nothing becomes busy by itself. */
static struct setting begin(void) {
  tiers_find_helper();
  tiers_auto_hasten(0);
  return begin_in(&tiers_auto);
}

static struct baseline_code *code_of(const struct setting *setting) { return setting->instance->code; }

/* ---- What is told --------------------------------------------------------------------------------------------------------- */

/* The place of a function's only call of one that is found at run time. */
static uint32_t call_in(const struct setting *setting, uint32_t func, uint8_t op) {
  const struct module *module = setting->instance->module;
  const struct module_func *found = &module->funcs[func];
  for (uint32_t at = found->body_offset; at < found->body_offset + found->body_bytes; at++)
    if (module->bytes[at] == op && module->bytes[at + 1] == INT_TO_INT) return at;
  CHECK(!"there is such a call");
  return 0;
}
static uint32_t apply_call(const struct setting *setting) { return call_in(setting, APPLY, 0x11); }
static uint32_t refer_call(const struct setting *setting) { return call_in(setting, REFER, 0x14); }

/* What became of a request. */
struct answered {
  uint32_t functions, inlined, targets;
};

/* Has some functions optimized by what is said of their calls. */
static struct answered optimize(const struct setting *setting, const uint32_t *funcs, uint32_t count,
                                const struct wire_target *targets, uint32_t target_count) {
  struct baseline_code *code = code_of(setting);
  struct wire_item items[FUNCTIONS];
  struct answered answered = {0};
  struct optimizer_conversation *conversation;
  for (uint32_t i = 0; i < count; i++) items[i] = (struct wire_item){funcs[i], WIRE_NO_LABEL};
  const struct optimizer_order order = {.bytes = code->module->bytes,
                                        .len_bytes = code->module->len_bytes,
                                        .items = items,
                                        .item_count = count,
                                        .targets = targets,
                                        .target_count = target_count,
                                        .features = code->module->features,
                                        .entry_count = code_entry_count(code),
                                        .flags = optimizer_flags(code->module, &code->made_with, optimizer_own_cpu()),
                                        .level = TIERS_LEVEL_DEFAULT,
                                        .cpu = optimizer_own_cpu()};
  CHECK_INT(optimizer_ask(&order, &conversation, NULL), CAY_OK);
  bool goes_on = true;
  while (goes_on) {
    struct optimizer_batch batch;
    bool is_read = optimizer_batch_read(optimizer_hear, conversation, code_entry_count(code), &batch, NULL) == CAY_OK;
    CHECK(is_read);
    answered.functions += batch.pair_count;
    answered.inlined += batch.inlined_count;
    answered.targets += batch.target_count;
    goes_on = is_read && batch.last == WIRE_MORE;
    CHECK(is_read && optimizer_install(code, &batch));
    optimizer_batch_free(&batch);
    optimizer_turn(conversation);
  }
  optimizer_end(conversation, true);
  return answered;
}

/* APPLY, which brings along what it is said to call. */
static struct answered expect(const struct setting *setting, uint32_t offset, uint32_t entry) {
  const struct wire_target target = {offset, entry};
  return optimize(setting, (const uint32_t[]){APPLY}, 1, &target, 1);
}

#define CHECK_ANSWER(actual, of_functions, is_inlined, of_targets) \
  do {                                                             \
    struct answered answer = actual;                               \
    CHECK_INT(answer.functions, of_functions);                     \
    CHECK_INT(answer.inlined > 0, is_inlined);                     \
    CHECK_INT(answer.targets, of_targets);                         \
  } while (0)

TEST(what_is_expected_is_inlined) {
  struct setting setting = begin();
  CHECK_ANSWER(expect(&setting, apply_call(&setting), TWICE), 2, 1, 1);
  world_free(&setting.world);
  setting = begin();
  const struct wire_target target = {refer_call(&setting), TWICE};
  CHECK_ANSWER(optimize(&setting, (const uint32_t[]){REFER}, 1, &target, 1), 2, 1, 1);
  world_free(&setting.world);
}

TEST(what_cannot_be_is_passed_over) {
  struct setting setting = begin();
  CHECK_ANSWER(optimize(&setting, (const uint32_t[]){APPLY}, 1, NULL, 0), 1, 0, 0);
  CHECK_ANSWER(expect(&setting, apply_call(&setting), ADD), 1, 0, 1); /* of another type */
  CHECK_ANSWER(expect(&setting, apply_call(&setting), FUNCTIONS), 1, 0, 1);
  CHECK_ANSWER(expect(&setting, apply_call(&setting), UINT32_MAX), 1, 0, 1);
  CHECK_ANSWER(expect(&setting, apply_call(&setting) + 1, TWICE), 1, 0, 1); /* no call there */
  CHECK_ANSWER(expect(&setting, UINT32_MAX, TWICE), 1, 0, 0);
  const struct wire_target disorder[] = {{UINT32_MAX, 0}, {5, TWICE}, {apply_call(&setting), TWICE}, {0, 1}, {7, 7}};
  struct answered answer = optimize(&setting, (const uint32_t[]){APPLY}, 1, disorder, BASE_ARRAY_LEN(disorder));
  CHECK(answer.functions >= 1);
  CHECK_CALL(&setting.world, setting.instance, "apply", 9, 19);
  world_free(&setting.world);
}

/* ---- What runs -------------------------------------------------------------------------------------------------------------- */

/* The frames of a trap. */
struct outcome {
  enum engine_trap trap;
  uint32_t value, count, funcs[4], offsets[4];
};

static struct outcome call(struct setting *setting, const char *name, uint32_t argument) {
  struct engine_thread *thread = engine_store_thread(setting->world.store);
  struct outcome outcome = {0};
  uint64_t slots[4] = {argument};
  outcome.trap = call_with(&setting->world, setting->instance, name, slots);
  if (outcome.trap == ENGINE_TRAP_NONE) {
    outcome.value = (uint32_t)slots[0];
    return outcome;
  }
  outcome.count = thread->backtrace_count;
  for (uint32_t i = 0; i < outcome.count && i < BASE_ARRAY_LEN(outcome.funcs); i++) {
    struct engine_frame frame = {0};
    CHECK(engine_backtrace_frame(thread, i, &frame));
    outcome.funcs[i] = frame.func;
    outcome.offsets[i] = frame.offset;
  }
  return outcome;
}

static void put_into(struct setting *setting, uint32_t at, struct engine_instance *of, const char *name) {
  struct engine_table *table = export_of(setting->instance, "table").table;
  table->elems[at] = (uint64_t)(uintptr_t)export_of(of, name).func;
}

enum { OUTCOMES = 11 };
static void do_all(struct setting *setting, struct outcome out[OUTCOMES]) {
  uint32_t n = 0;
  out[n++] = call(setting, "apply", 7);
  out[n++] = call(setting, "apply", TRAPS);
  out[n++] = call(setting, "refer", 8);
  out[n++] = call(setting, "refer", TRAPS);
  for (uint32_t place = AT_NEXT; place <= PLACES; place++) { /* another one, of another type, null, out of bounds */
    call(setting, "choose", place);
    out[n++] = call(setting, "apply", 7);
  }
  call(setting, "choose", AT_TWICE);
  CHECK_CALL(&setting->world, setting->other, "bias", 5, 5);
  put_into(setting, AT_TWICE, setting->other, "twice");
  out[n++] = call(setting, "apply", 7);
  out[n++] = call(setting, "apply", TRAPS);
  put_into(setting, AT_TWICE, setting->instance, "twice");
  out[n++] = call(setting, "run", 40);
  CHECK_INT(n, OUTCOMES);
}

static void check_same(const struct outcome *actual, const struct outcome *expected) {
  for (uint32_t i = 0; i < OUTCOMES; i++) {
    if (memcmp(&actual[i], &expected[i], sizeof *actual) != 0) fprintf(stderr, "outcome %u\n", i);
    CHECK(memcmp(&actual[i], &expected[i], sizeof *actual) == 0);
  }
}

/* As the baseline does it: with TWICE in its caller, elsewhere in the batch, in another batch, and not optimized. */
TEST(whatever_is_expected_the_code_is_right) {
  struct outcome expected[OUTCOMES], actual[OUTCOMES];
  struct setting setting = begin_in(&tiers_baseline);
  do_all(&setting, expected);
  CHECK_INT(expected[1].trap, ENGINE_TRAP_UNREACHABLE);
  CHECK(expected[1].count == 2 && expected[1].funcs[0] == TWICE && expected[1].funcs[1] == APPLY);
  CHECK_INT(expected[9].count, 2);
  CHECK_INT(expected[OUTCOMES - 4].trap, ENGINE_TRAP_UNDEFINED_ELEMENT);
  world_free(&setting.world);
  for (uint32_t entry = 0; entry < FUNCTIONS; entry++) {
    setting = begin();
    const struct wire_target targets[] = {
        {apply_call(&setting), entry}, {refer_call(&setting), entry}, {call_in(&setting, RUN_MANY, 0x11), entry}};
    static const uint32_t funcs[] = {APPLY, REFER, RUN_MANY};
    optimize(&setting, funcs, 3, targets, 3);
    do_all(&setting, actual);
    check_same(actual, expected);
    world_free(&setting.world);
    setting = begin();
    tiers_optimized_mix(entry + 1); /* which leaves out some, another one each time */
    optimize(&setting, funcs, 3, targets, 3);
    tiers_optimized_mix(0);
    do_all(&setting, actual);
    check_same(actual, expected);
    world_free(&setting.world);
  }
}

/* ---- What is seen ----------------------------------------------------------------------------------------------------------- */

static uint32_t seen(const struct setting *setting, uint32_t least, struct wire_target *first) {
  struct optimizer_targets targets = {0};
  CHECK(optimizer_targets_seen(code_of(setting), least, &targets));
  uint32_t count = (uint32_t)targets.list.count;
  *first = count ? targets.list.items[0] : (struct wire_target){0};
  BASE_VEC_DEINIT(&targets.list);
  return count;
}

TEST(code_that_counts_sees_where_calls_go) {
  struct setting setting = begin();
  struct wire_target first;
  CHECK_INT(seen(&setting, 1, &first), 0);
  for (uint32_t i = 0; i < 20; i++) CHECK_CALL(&setting.world, setting.instance, "apply", i, 2 * i + 1);
  CHECK_INT(seen(&setting, 21, &first), 0);
  CHECK_INT(seen(&setting, 20, &first), 1);
  CHECK_INT(first.offset, apply_call(&setting));
  CHECK_INT(first.entry, TWICE);
  CHECK_CALL(&setting.world, setting.instance, "choose", AT_NEXT, AT_NEXT);
  for (uint32_t i = 0; i < 5; i++) CHECK_CALL(&setting.world, setting.instance, "apply", i, i + 2);
  CHECK_INT(seen(&setting, 11, &first), 0);
  CHECK_INT(seen(&setting, 10, &first), 1);
  for (uint32_t i = 0; i < 9; i++) CHECK_CALL(&setting.world, setting.instance, "apply", i, i + 2);
  CHECK_INT(seen(&setting, 4, &first), 1);
  CHECK_INT(first.entry, NEXT);
  world_free(&setting.world);
}

TEST(some_calls_vote) {
  struct setting setting = begin();
  struct wire_target first;
  for (uint32_t times = 1; times <= 2; times++) {
    for (uint32_t i = 0; i < BASELINE_VOTERS + 10; i++) CHECK_CALL(&setting.world, setting.instance, "apply", 1, 3);
    CHECK_INT(seen(&setting, times * BASELINE_VOTERS + 1, &first), 0);
    CHECK_INT(seen(&setting, times * BASELINE_VOTERS, &first), 1);
    for (uint32_t entry = 0; entry < FUNCTIONS; entry++) baseline_poll_calls(code_of(&setting), entry);
  }
  world_free(&setting.world);
}

TEST(calls_that_leave_the_instance_are_seen_as_none) {
  struct setting setting = begin();
  struct wire_target first;
  put_into(&setting, AT_TWICE, setting.other, "twice");
  for (uint32_t i = 0; i < 20; i++) CHECK_CALL(&setting.world, setting.instance, "apply", i, 2 * i + 1);
  CHECK_INT(seen(&setting, 1, &first), 0);
  world_free(&setting.world);
}

/* ---- Lists ------------------------------------------------------------------------------------------------------------------ */

TEST(lists_are_merged) {
  struct optimizer_targets all = {0};
  struct wire_target first[] = {{30, 1}, {10, 2}, {20, 3}}, more[] = {{20, 4}, {5, 5}, {40, 6}, {5, 5}},
                     again[] = {{10, 7}};
  CHECK(optimizer_targets_add(&all, NULL, 0, false));
  CHECK(optimizer_targets_add(&all, first, 3, false));
  CHECK(optimizer_targets_add(&all, more, 4, false));
  CHECK(optimizer_targets_add(&all, again, 1, true));
  static const struct wire_target expected[] = {{5, 5}, {10, 2}, {20, 4}, {30, 1}, {40, 6}};
  CHECK_INT(all.list.count, BASE_ARRAY_LEN(expected));
  CHECK(memcmp(all.list.items, expected, sizeof expected) == 0);
  BASE_VEC_DEINIT(&all.list);
}

TEST(lists_have_an_end) {
  struct optimizer_targets all = {0};
  static struct wire_target many[WIRE_MOST_TARGETS];
  for (uint32_t times = 0; times < 2; times++) {
    for (uint32_t i = 0; i < WIRE_MOST_TARGETS; i++) many[i] = (struct wire_target){2 * i + times, times};
    CHECK(optimizer_targets_add(&all, many, WIRE_MOST_TARGETS, false));
    CHECK_INT(all.list.count, WIRE_MOST_TARGETS);
  }
  for (uint32_t i = 0; i < WIRE_MOST_TARGETS; i++)
    CHECK(all.list.items[i].offset == i && all.list.items[i].entry == i % 2);
  BASE_VEC_DEINIT(&all.list);
}

TEST_MAIN(RUN(what_is_expected_is_inlined) RUN(what_cannot_be_is_passed_over)
              RUN(whatever_is_expected_the_code_is_right) RUN(code_that_counts_sees_where_calls_go) RUN(some_calls_vote)
                  RUN(calls_that_leave_the_instance_are_seen_as_none) RUN(lists_are_merged) RUN(lists_have_an_end))
