/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The TOML parser: what tests/toml checks with a corpus, and what that does not say: places of errors, limits, and memory
 * that runs out. */
#include "policy/toml.h"
#include "test.h"

static struct policy_toml toml;
static struct cay_error error;

static enum cay_status parse(const char *text) {
  policy_toml_deinit(&toml);
  return policy_toml_parse(&toml, "t", text, strlen(text), &error);
}

static const struct policy_toml_value *find(const char *key) {
  return policy_toml_find(&toml, toml.root, key, strlen(key));
}

/* The text has to be refused, with a message that starts so. */
static void refused(const char *text, const char *message) {
  CHECK_INT(parse(text), CAY_ERROR_ARGUMENT);
  if (strncmp(error.text, message, strlen(message)) != 0) CHECK_TEXT(error.text, message);
}

TEST(values) {
  CHECK_INT(parse("a = \"x\\u00e9\\n\"\nb = -0x\n"), CAY_ERROR_ARGUMENT);
  CHECK_INT(parse("a = \"x\\u00e9\\n\"\nb = -12_3\nc = [1, 'two', [3,]]\nd = {e = true}\nf=07:32:00"), CAY_OK);
  CHECK_TEXT(find("a")->of.text.bytes, "x\xC3\xA9\n");
  CHECK_INT(find("b")->of.integer, -123);
  CHECK_INT(find("c")->of.items.count, 3);
  CHECK_TEXT(find("c")->of.items.first->next->of.text.bytes, "two");
  CHECK(policy_toml_find(&toml, find("d"), "e", 1)->of.boolean);
  CHECK_INT(find("f")->type, POLICY_TOML_LOCAL_TIME);
  CHECK(find("g") == NULL && policy_toml_find(&toml, find("d"), "a", 1) == NULL);
  CHECK_INT(parse("i = 9223372036854775807\nj = -9223372036854775808"), CAY_OK);
  CHECK(find("i")->of.integer == INT64_MAX && find("j")->of.integer == INT64_MIN);
  CHECK_INT(parse(""), CAY_OK);
  CHECK_INT(toml.root->of.items.count, 0);
}

TEST(strings) {
  CHECK_INT(parse("a = \"\"\"\r\none\\  \r\n  \t two\"\"\"\"\"\nb = '''''''\nc='''\n\\'''\nd = \"\""), CAY_OK);
  CHECK_TEXT(find("a")->of.text.bytes, "onetwo\"\"");
  CHECK_TEXT(find("b")->of.text.bytes, "'");
  CHECK_TEXT(find("c")->of.text.bytes, "\\");
  CHECK_INT(find("d")->of.text.len_bytes, 0);
  CHECK_INT(parse("a = \"\\u0000x\""), CAY_OK);
  CHECK_INT(find("a")->of.text.len_bytes, 2);
}

TEST(places) {
  refused("a = 1\nb = ", "t:2:5: a value has to stand before the end of the text");
  refused("a = 1\n\xC3\xA9 = 1", "t:2:1: a key has to stand before \"\xC3\xA9\"");
  refused("'\xC3\xA9' = 1 x", "t:1:9: the line has to end before \"x\"");
  refused("a = 1\r\na = 2", "t:2:1: \"a\" is defined already, in line 1 as an integer");
  refused("[a]\n[b]\n[a]", "t:3:2: \"a\" is defined already, in line 1 as a table");
  refused("[a.b]\nx=1\n[a]\nb.c = 1", "t:4:1: \"b\" is defined already, in line 1 as a table");
  refused("a = \"x", "t:1:5: the string is never closed");
  refused("a = \"x\nb = 1", "t:1:5: the string is not closed in its line");
  refused("a = \"x\x01\"", "t:1:7: a control character stands in the string; write \\u0001");
  refused("# \x7F", "t:1:3: a control character");
  refused("a = \"\\q\"", "t:1:6: there is no escape \\q");
  refused("a = \"\\uD800\"", "t:1:6: there is no character U+D800");
  refused("a = \"\\u12\"", "t:1:6: \\u needs 4 hexadecimal digits");
  refused("a = [1 2]", "t:1:8: \",\" or \"]\" has to stand before \"2\"");
  refused("a = {b = 1,}", "t:1:12: a key has to stand before \"}\"");
  refused("a = {b = 1\n}", "t:1:11: \",\" or \"}\" has to stand before the end of the line");
  refused("[a", "t:1:3: \"]\" has to stand before the end of the text");
  refused("[[a]", "t:1:4: \"]]\" has to stand before \"]\"");
  refused("a b = 1", "t:1:3: \"=\" has to stand before \"b\"");
  refused("a = yes", "t:1:5: \"yes\" is no value; strings stand in quotes");
  refused("a = 2021-02-29", "t:1:5: \"2021-02-29\" is no date or time");
  refused("a = 99999999999999999999", "t:1:5: the integer has more than 64 bits");
  refused("a = \"ok\"\n  b = \"\xFF\"", "t:2:8: this is not UTF-8: byte 0xff");
  refused("\xEF\xBB\xBF"
          "a = 1",
          "t:1:1: a key has to stand before");
  refused("a = '\x1b[2J'", "t:1:6: a control character");
  refused("a = \x1b[2J", "t:1:5: a value has to stand before \"\\x1b\"");
}

/* `count` times `piece` between two texts; the caller frees it. */
static char *repeated(const char *before, const char *piece, size_t count, const char *after) {
  struct base_text text = {0};
  base_text_addz(&text, before);
  for (size_t i = 0; i < count; i++) base_text_addz(&text, piece);
  base_text_addz(&text, after);
  return text.bytes;
}

TEST(limits) {
  char *text = repeated("a = ", "[", POLICY_TOML_MAX_DEPTH + 1, "");
  refused(text, "t:1:69: arrays and tables are nested more than 64 deep");
  base_free(text);
  text = repeated("a = ", "{b = ", POLICY_TOML_MAX_DEPTH + 1, "");
  refused(text, "t:1:325: arrays and tables are nested more than 64 deep");
  base_free(text);
  text = repeated("a", ".a", POLICY_TOML_MAX_DEPTH, " = 1");
  refused(text, "t:1:129: the key has more than 64 parts");
  base_free(text);
  text = repeated("", "a = 1 # the same line again and again\n", 100000, "");
  refused(text, "t:27595:");
  CHECK(strstr(error.text, "1 MiB") != NULL);
  base_free(text);
  text = repeated("a = [", "{b=1},\n", (1 << 20) / 7 - 10, "]");
  CHECK_INT(parse(text), CAY_OK);
  CHECK_INT(find("a")->of.items.count, (1 << 20) / 7 - 10);
  base_free(text);
}

/* Keys and positions of a text at the limit are found in a moment, not in quadratic time. */
TEST(many_keys) {
  struct base_text text = {0};
  unsigned count = 80000;
  for (unsigned i = 0; i < count; i++) base_text_format(&text, "k%u = 1\n", i);
  uint64_t start_ns = base_os_monotonic_ns();
  CHECK_INT(parse(text.bytes), CAY_OK);
  CHECK_INT(toml.root->of.items.count, count);
  for (const struct policy_toml_value *item = toml.root->of.items.first; item; item = item->next) {
    uint32_t line, column;
    policy_toml_position(&toml, item->key_offset, &line, &column);
    CHECK(column == 1);
  }
  CHECK(base_os_monotonic_ns() - start_ns < UINT64_C(20000000000));
  base_text_deinit(&text);
}

static int allocations_left;

static void *failing_resize(void *owner, void *old, size_t new_bytes) {
  if (new_bytes && --allocations_left < 0) return NULL;
  if (new_bytes) return realloc(old, new_bytes);
  free(old);
  return NULL;
}

TEST(out_of_memory) {
  struct base_text text = {0};
  for (unsigned i = 0; i < 200; i++)
    base_text_format(&text, "k%u.a = [\"x\", {y = 'a long string'}, 1979-05-27]\n[t%u]\n", i, i);
  enum cay_status status = CAY_ERROR_MEMORY;
  char *copy = strdup(text.bytes);
  base_text_deinit(&text);
  policy_toml_deinit(&toml);
  base_allocator_set(&(struct base_allocator){failing_resize, NULL});
  int n = 0;
  for (; status && n < 1000; n++) {
    allocations_left = n;
    status = parse(copy);
    CHECK(status == CAY_OK || status == CAY_ERROR_MEMORY);
  }
  CHECK_INT(status, CAY_OK);
  CHECK(n > 5);
  policy_toml_deinit(&toml);
  base_allocator_set(NULL);
  free(copy);
}

TEST_MAIN(RUN(values) RUN(strings) RUN(places) RUN(limits) RUN(many_keys) RUN(out_of_memory) policy_toml_deinit(&toml))
