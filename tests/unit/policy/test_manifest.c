/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Manifests: values, paths, places of errors, and that what is written reads back. */
#include "policy/policy.h"
#include "test.h"

static struct policy_settings settings;
static struct cay_error error;

static enum cay_status read_as(const char *text, const char *folder, bool is_request) {
  const struct policy_manifest manifest = {
      .name = "m", .folder = folder, .is_request = is_request, .bytes = text, .len_bytes = strlen(text)};
  policy_settings_deinit(&settings);
  policy_settings_init(&settings);
  return policy_manifest_read(&settings, &manifest, &error);
}

static void refused(const char *text, const char *message) {
  CHECK_INT(read_as(text, NULL, false), CAY_ERROR_ARGUMENT);
  if (strncmp(error.text, message, strlen(message)) != 0) CHECK_TEXT(error.text, message);
}

TEST(values) {
  CHECK_INT(
      read_as("# all kinds\ndir = ['a::/a::ro', \"/b\"]\nenv = ['A=1', 'B']\ninherit-env = true\n"
              "max-memory = \"64M\"\nstack = 65536\ntimeout = '1.5s'\nmax-threads = 3\ntier = 'interp'\narg0 = 'x'",
              "conf", false),
      CAY_OK);
  CHECK_INT(settings.dir.count, 2);
  CHECK_TEXT(settings.dir.items[0], "conf/a::/a::ro");
  CHECK_TEXT(settings.dir.items[1], "/b::/b::rw");
  CHECK_TEXT(policy_origin(&settings, POLICY_OPTION_DIR, 0), "m:2:8");
  CHECK_TEXT(policy_origin(&settings, POLICY_OPTION_DIR, 1), "m:2:21");
  CHECK_TEXT(settings.env.items[1], "B");
  CHECK(settings.inherit_env && settings.max_memory == 64 << 20 && settings.stack == 65536);
  CHECK(settings.timeout == 1500000000 && settings.max_threads == 3);
  CHECK_TEXT(settings.tier, "interp");
  CHECK_TEXT(settings.arg0, "x");
  CHECK_TEXT(policy_origin(&settings, POLICY_OPTION_TIMEOUT, 0), "m:7:1");
  CHECK_INT(read_as("inherit-env = false", NULL, false), CAY_OK);
  CHECK(!settings.inherit_env && policy_is_given(&settings, POLICY_OPTION_INHERIT_ENV));
}

TEST(grants_as_tables) {
  CHECK_INT(read_as("[[dir]]\nhost = \"data\"\nrights = \"ro\"\n\n[[dir]]\nguest = '/t'\nhost = '/tmp'\nquota = '1M'\n"
                    "overlay = 'scratch'\n[[dir]]\nhost='.'\nguest='/m'\noverlay = true",
                    "/etc/app", false),
            CAY_OK);
  CHECK_INT(settings.dir.count, 3);
  CHECK_TEXT(settings.dir.items[0], "/etc/app/data::data::ro");
  CHECK_TEXT(settings.dir.items[1], "/tmp::/t::rw,quota=1M,overlay=/etc/app/scratch");
  CHECK_TEXT(settings.dir.items[2], "/etc/app::/m::rw,overlay");
  CHECK_TEXT(policy_origin(&settings, POLICY_OPTION_DIR, 1), "m:5:1");
}

TEST(refusals) {
  refused("dir = ['a'", "m:1:11: ");
  refused("max-memroy = 1", "m:1:1: there is no key \"max-memroy\"; did you mean \"max-memory\"; ");
  refused("\n  zzzzzzz.a = 1", "m:2:3: there is no key \"zzzzzzz\"; \"cay manifest schema\" lists the keys");
  refused("invoke = 'x'", "m:1:1: there is no key \"invoke\"");
  refused("dir = 'a'", "m:1:7: dir is an array of strings or tables, not a string");
  refused("env = [1]", "m:1:8: env is an array of strings, not an integer");
  refused("env = ['A=1', ['B']]", "m:1:15: env is an array of strings, not an array");
  refused("inherit-env = 'yes'", "m:1:15: inherit-env is true or false, not a string");
  refused("max-memory = 1.5", "m:1:14: max-memory is a size, such as \"64M\" or 65536, not a number with a fraction");
  refused("max-memory = '1X'", "m:1:14: max-memory: \"1X\" is not a size");
  refused("max-memory = -1", "m:1:14: max-memory: the number is negative");
  refused("timeout = 5", "m:1:11: timeout is a time in quotes, such as \"500ms\", not an integer");
  refused("max-threads = '3'", "m:1:15: max-threads is a number, not a string");
  refused("tier = 'fast'", "m:1:8: tier: \"fast\" is none of ");
  refused("tier = 1979-05-27", "m:1:8: tier is a string, not a date");
  refused("arg0 = \"a\\u0000b\"", "m:1:8: arg0: the string holds a zero byte");
  refused("dir = ['a::b::rx']", "m:1:8: dir: \"rx\" is not a right");
  refused("dir = [{host = 'a', right = 'ro'}]", "m:1:21: a grant has no key \"right\"; did you mean rights");
  refused("[[dir]]\nguest = 'a'", "m:1:1: the grant has no host");
  refused("[[dir]]\nhost = ''", "m:2:8: host is empty");
  refused("[[dir]]\nhost = 'a'\nrights = 'all'", "m:3:10: rights: \"all\" is none of ro, rw, create-only");
  refused("[[dir]]\nhost = 'a'\nrights = 'ro'\noverlay = true", "m:1:1: overlay and ro contradict each other");
  refused("[[dir]]\nhost = 'a::b'", "m:1:1: dir: a path that holds \"::\" or ends in \":\" cannot be granted");
  refused("[[dir]]\nhost = '/a:'\nguest = '/b'", "m:1:1: dir: a path that holds \"::\" or ends in \":\"");
  refused("[[dir]]\nhost = '/a'\nguest = '/b:'", "m:1:1: dir: a path that holds \"::\" or ends in \":\"");
  refused("[[dir]]\nhost = '/a'\nquota = 0", "m:3:9: a quota of 0 is refused");
  refused("dir = ['/a::/a::rw,quota=0k']", "m:1:8: dir: a quota of 0 is refused");
  refused("dir = ['/a::/x::ro', '/a::/x::rw']",
          "m:1:22: dir: this contradicts m:1:8, which grants the same guest path");
  refused("[[dir]]\nhost='/a'\nguest='/x/'\n[[dir]]\nhost='/b'\nguest='/x'", "m:4:1: dir: this contradicts m:1:1");
  refused("dir = ['a::/d::ro', 'b::/d/.']", "m:1:21: dir: this contradicts m:1:8, which grants the same guest path");
  refused("dir = ['a::d', 'b::./d//']", "m:1:16: dir: this contradicts m:1:8");
  refused("dir = ['a::.', 'b::./']", "m:1:16: dir: this contradicts m:1:8");
  refused("dir = ['a::/', 'b::/./']", "m:1:16: dir: this contradicts m:1:8");
  refused("listen = ['127.0.0.1:80', '127.0.0.1:99999']",
          "m:1:27: listen: 127.0.0.1:99999 is not an address to listen");
  refused("listen = ['example.org:80']", "m:1:11: listen: example.org:80 is not an address to listen on");
  refused("net = ['connect:tcp:a.org:99999']", "m:1:8: net: \"99999\" is no port");
  refused("env = ['A=1', 'B', 'A=2']", "m:1:20: env: this contradicts m:1:8, which gives the same variable");
  refused("net = ['connect:tcp:x:443', 'conect:tcp:x:443']", "m:1:29: net: ");
  refused("net = ['connect:tcp:x:443', 'deny:connect:tcp:x:443']",
          "m:1:29: net: this contradicts m:1:8, which says the");
  refused("env = ['A=1']\nenv = []", "m:2:1: \"env\" is defined already");
  refused("arg0 = \"\xFF\"", "m:1:9: this is not UTF-8: byte 0xff");
  CHECK_INT(read_as("dir = ['/a::/x::ro', '/a::/x::ro']", NULL, false), CAY_OK);
  CHECK_INT(read_as("arg0 = 'x'\ntier = 'interp'", NULL, true), CAY_ERROR_ARGUMENT);
  CHECK_TEXT(error.text, "m:1:1: a request may ask for grants and limits, not for arg0");
  CHECK_INT(read_as("dir = ['x']\ntimeout = '1s'", NULL, true), CAY_OK);
}

/* What a manifest holds makes no line of a message. */
TEST(words_in_errors) {
  static const char *const texts[] = {
      "dir = [\"a::b::rx\\n  env ok\"]", "env = [\"=\\n  env ok\"]",   "net = [\"x\\n  env ok\"]",
      "tier = \"x\\n  env ok\"",         "timeout = \"x\\n  env ok\"", "clock = \"x\\n  env ok\"",
      "random = \"x\\n  env ok\"",       "stack = \"x\\n  env ok\"",   "[[dir]]\nhost='a'\nrights=\"x\\n  env ok\"",
  };
  for (size_t i = 0; i < BASE_ARRAY_LEN(texts); i++) {
    CHECK_INT(read_as(texts[i], NULL, false), CAY_ERROR_ARGUMENT);
    CHECK(!strchr(error.text, '\n') && strstr(error.text, "\\x0a  env ok"));
  }
}

TEST(long_lists) {
  struct base_text text = {0};
  base_text_addz(&text, "env = [");
  for (unsigned i = 0; i <= POLICY_MANIFEST_MAX_ITEMS; i++) base_text_format(&text, "'A%u=1',", i);
  base_text_addz(&text, "]");
  refused(text.bytes, "m:1:7: env has more than 4096 items");
  base_text_deinit(&text);
  base_text_addz(&text, "dir = [");
  for (unsigned i = 0; i < POLICY_MANIFEST_MAX_ITEMS; i++) base_text_format(&text, "'/d::/d%u',", i);
  base_text_addz(&text, "]");
  CHECK_INT(read_as(text.bytes, NULL, false), CAY_OK);
  CHECK_INT(settings.dir.count, POLICY_MANIFEST_MAX_ITEMS);
  base_text_deinit(&text);
}

TEST(what_is_written_reads_back) {
  struct base_text once = {0}, again = {0};
  CHECK_INT(read_as("dir=['a::/a::ro', {host='b\"\\\\', guest='/b', quota=10, overlay=true}, '/c::/c::create-only']\n"
                    "env=['A=\"x\"', \"B=\\t\"]\ntimeout='90s'\nstack='1M'\nmax-table-elements=7\ninherit-env=false\n",
                    NULL, false),
            CAY_OK);
  CHECK_INT(policy_manifest_write(&settings, &once, &error), CAY_OK);
  CHECK_INT(read_as(once.bytes, NULL, false), CAY_OK);
  CHECK_INT(policy_manifest_write(&settings, &again, &error), CAY_OK);
  CHECK_TEXT(again.bytes, once.bytes);
  CHECK(strstr(once.bytes, "overlay = true") && strstr(once.bytes, "inherit-env = false"));
  base_text_deinit(&once);
  base_text_deinit(&again);
}

TEST(what_does_not_show_itself_is_escaped) {
  static const char odd[] = "A=\n\x7f\xc2\x9b\xe2\x80\xae\xc3\xa9\\";
  struct base_text out = {0};
  CHECK_INT(read_as("", NULL, false), CAY_OK);
  CHECK_INT(policy_set(&settings, POLICY_OPTION_ENV, odd, &error), CAY_OK);
  CHECK_INT(policy_manifest_write(&settings, &out, &error), CAY_OK);
  CHECK_TEXT(out.bytes, "env = [\"A=\\u000a\\u007f\\u009b\\u202e\xc3\xa9\\\\\"]\n");
  CHECK_INT(read_as(out.bytes, NULL, false), CAY_OK);
  CHECK_TEXT(settings.env.items[0], odd);
  base_text_deinit(&out);
}

TEST(what_no_manifest_can_hold) {
  static const enum policy_option options[] = {POLICY_OPTION_ENV, POLICY_OPTION_DIR, POLICY_OPTION_ARG0};
  for (size_t i = 0; i < BASE_ARRAY_LEN(options); i++) {
    struct base_text out = {0};
    CHECK_INT(read_as("", NULL, false), CAY_OK);
    CHECK_INT(policy_set(&settings, options[i], "a\xff", &error), CAY_OK);
    CHECK_INT(policy_manifest_write(&settings, &out, &error), CAY_ERROR_ARGUMENT);
    CHECK(strstr(error.text, ": \"a\\xff\" is not UTF-8") && !out.len_bytes);
    base_text_deinit(&out);
  }
}

TEST(folders) {
  static const char *const paths[][2] = {{"a/b", "a"}, {"/b", "/"}, {"b", "."}, {"/a/b/c", "/a/b"}};
  for (size_t i = 0; i < BASE_ARRAY_LEN(paths); i++) {
    char *folder = policy_folder_of(paths[i][0]);
    CHECK_TEXT(folder, paths[i][1]);
    base_free(folder);
  }
}

static int allocations_left;

static void *failing_resize(void *owner, void *old, size_t new_bytes) {
  if (new_bytes && --allocations_left < 0) return NULL;
  if (new_bytes) return realloc(old, new_bytes);
  free(old);
  return NULL;
}

TEST(out_of_memory) {
  static const char text[] = "dir=['a::/a', {host='b', overlay='s'}]\nenv=['A=1','B=2']\nmax-threads=1\ntimeout='1s'\n";
  const struct policy_manifest manifest = {"m", "conf", "approved ", false, text, sizeof text - 1};
  enum cay_status status = CAY_ERROR_MEMORY;
  policy_settings_deinit(&settings);
  base_allocator_set(&(struct base_allocator){failing_resize, NULL});
  for (int n = 0; status && n < 200; n++) {
    allocations_left = n;
    policy_settings_init(&settings);
    status = policy_manifest_read(&settings, &manifest, &error);
    CHECK(status == CAY_OK || status == CAY_ERROR_MEMORY);
    if (!status) CHECK_TEXT(policy_origin(&settings, POLICY_OPTION_ENV, 1), "approved m:2:12");
    policy_settings_deinit(&settings);
  }
  CHECK_INT(status, CAY_OK);
  base_allocator_set(NULL);
  policy_settings_init(&settings);
}

TEST_MAIN(policy_settings_init(&settings); RUN(values) RUN(grants_as_tables) RUN(refusals) RUN(words_in_errors)
              RUN(long_lists) RUN(what_is_written_reads_back) RUN(what_does_not_show_itself_is_escaped)
                  RUN(what_no_manifest_can_hold) RUN(folders) RUN(out_of_memory) policy_settings_deinit(&settings))
