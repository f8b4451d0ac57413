/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Answers of the optimizer's helper, good and broken in each way that answer.c looks for. */
#include "test.h"
#include "tiers/optimizer/optimizer.h"

struct answer {
  struct wire_batch head;
  uint8_t code[8];
  struct wire_function functions[2];
  struct wire_line lines[2];
  struct wire_inlined inlined[WIRE_MOST_INLINED + 1];
  struct wire_refusal refusals[1];
  struct wire_target targets[1];
};

static struct answer good(void) {
  return (struct answer){
      .head = {WIRE_MAGIC, 8, 2, 2, WIRE_MOST_INLINED + 1, 1, 1, WIRE_LAST},
      .functions = {{1, WIRE_NATIVE, 0, 4, WIRE_NO_LABEL, -16}, {1, WIRE_ADAPTER, 4, 2, WIRE_NO_LABEL}},
      .lines = {{0, 100}, {3, WIRE_INLINED}},
      .inlined = {{0, 50, 101},
                  {1, 51, WIRE_INLINED},
                  {1, 52, WIRE_INLINED | 1},
                  {1, 53, WIRE_INLINED | 2},
                  {1, 54, WIRE_INLINED | 3},
                  {1, 55, WIRE_INLINED | 4},
                  {1, 56, WIRE_INLINED | 5},
                  {1, 57, 102}},
      .refusals = {{0, WIRE_REASON_TOO_LARGE}},
      .targets = {{51, 1}}};
}

struct source {
  const uint8_t *at;
  size_t left;
};
static bool take(void *env, void *to, size_t count) {
  struct source *source = env;
  if (count > source->left) return false;
  if (count) memcpy(to, source->at, count);
  source->at += count;
  source->left -= count;
  return true;
}

static enum cay_status read_bytes(const void *bytes, size_t count, struct cay_error *error) {
  struct source source = {bytes, count};
  struct optimizer_batch batch;
  enum cay_status status = optimizer_batch_read(take, &source, 2, &batch, error);
  optimizer_batch_free(&batch);
  return status;
}
static enum cay_status read_answer(const struct answer *answer) {
  struct cay_error error = {0};
  enum cay_status status = read_bytes(answer, sizeof *answer, &error);
  CHECK((status == CAY_OK) == (error.text[0] == 0));
  return status;
}

TEST(a_good_answer_is_read) {
  struct answer answer = good();
  struct source source = {(const uint8_t *)&answer, sizeof answer};
  struct optimizer_batch batch;
  CHECK_INT(optimizer_batch_read(take, &source, 2, &batch, NULL), CAY_OK);
  CHECK(batch.last == WIRE_LAST && batch.function_count == 2 && batch.functions[1].kind == WIRE_ADAPTER);
  CHECK_INT(batch.lines[1].offset, WIRE_INLINED);
  CHECK_INT(batch.inlined[0].caller, 101);
  CHECK_INT(batch.refusals[0].reason, WIRE_REASON_TOO_LARGE);
  CHECK(batch.target_count == 1 && batch.targets[0].offset == 51 && batch.targets[0].entry == 1);
  optimizer_batch_free(&batch);
}

TEST(a_loop_stands_behind_the_pairs) {
  struct {
    struct wire_batch head;
    uint8_t code[8];
    struct wire_function functions[3];
  } answer = {{WIRE_MAGIC, 8, 3, 0, 0, 0, 0, WIRE_LAST},
              {0},
              {{1, WIRE_NATIVE, 0, 4, WIRE_NO_LABEL}, {1, WIRE_ADAPTER, 4, 2, WIRE_NO_LABEL}, {1, WIRE_LOOP, 6, 2, 5}}};
  struct cay_error error = {0};
  CHECK_INT(read_bytes(&answer, sizeof answer, &error), CAY_OK);
  answer.functions[1].kind = WIRE_LOOP;
  answer.functions[2].kind = WIRE_ADAPTER;
  CHECK_INT(read_bytes(&answer, sizeof answer, &error), CAY_ERROR_MALFORMED);
}

TEST(a_batch_tells_its_length) {
  struct answer answer = good();
  struct cay_error error;
  size_t bytes = 0;
  CHECK_INT(optimizer_batch_bytes(&answer.head, 2, &bytes, &error), CAY_OK);
  CHECK_INT(bytes, sizeof answer);
  CHECK_INT(optimizer_batch_bytes(&answer.head, 0, &bytes, &error), CAY_ERROR_MALFORMED);
}

TEST(an_answer_that_ends_early_is_told) {
  struct answer answer = good();
  struct cay_error error;
  for (size_t count = 0; count < sizeof answer; count++)
    CHECK_INT(read_bytes(&answer, count, &error), CAY_ERROR_SYSTEM);
  CHECK(strstr(error.text, "has ended") != NULL);
}

#define BROKEN(change)                                    \
  do {                                                    \
    struct answer answer = good();                        \
    answer.change;                                        \
    CHECK_INT(read_answer(&answer), CAY_ERROR_MALFORMED); \
  } while (0)
TEST(broken_answers_are_refused) {
  BROKEN(head.magic = 1);
  BROKEN(head.code_bytes = WIRE_MOST_CODE_BYTES + 1);
  BROKEN(head.function_count = 7);
  BROKEN(head.refusal_count = 3);
  BROKEN(head.line_count = 9);
  BROKEN(head.target_count = WIRE_MOST_TARGETS + 1);
  BROKEN(functions[0].entry = 2);
  BROKEN(functions[0].bytes = 0);
  BROKEN(functions[0].bytes = 5);
  BROKEN(functions[1].start = 7);
  BROKEN(functions[1].start = UINT32_MAX);
  BROKEN(functions[1].bytes = UINT32_MAX);
  BROKEN(functions[1].entry = 0);
  BROKEN(functions[1].kind = WIRE_NATIVE);
  BROKEN(functions[0].kind = WIRE_ADAPTER);
  BROKEN(functions[0].slots_at = 8);
  BROKEN(functions[1].slots_at = -8);
  BROKEN(functions[0].slots_at = -12);
  BROKEN(functions[0].slots_at = -WIRE_MOST_NATIVE_BYTES - 8);
  BROKEN(lines[1].position = 0);
  BROKEN(lines[1].position = 8);
  BROKEN(lines[1].offset = WIRE_INLINED | (WIRE_MOST_INLINED + 1));
  BROKEN(head.inlined_count = 9);
  BROKEN(inlined[0].entry = 2);
  BROKEN(inlined[0].offset = WIRE_INLINED);
  BROKEN(inlined[0].caller = WIRE_INLINED);
  BROKEN(inlined[1].caller = WIRE_INLINED | 2);
  BROKEN(inlined[WIRE_MOST_INLINED].caller = WIRE_INLINED | (WIRE_MOST_INLINED - 1)); /* too deep */
  BROKEN(refusals[0].entry = 2);
  BROKEN(refusals[0].reason = WIRE_REASON_COUNT);
}

TEST_MAIN(RUN(a_good_answer_is_read) RUN(a_loop_stands_behind_the_pairs) RUN(a_batch_tells_its_length)
              RUN(an_answer_that_ends_early_is_told) RUN(broken_answers_are_refused))
