/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The option table's invariants, the parser, and what option texts mean. */
#include "policy/policy.h"
#include "test.h"

#include <unistd.h>

static struct policy_settings settings;
static struct cay_error error;
static size_t used;

/* Parses a command line given as one text, words separated by blanks. */
static enum cay_status parse(enum policy_command command, const char *line) {
  static char buffer[1024];
  static char *words[32];
  size_t count = 0;
  policy_settings_deinit(&settings);
  policy_settings_init(&settings);
  snprintf(buffer, sizeof buffer, "%s", line);
  for (char *word = strtok(buffer, " "); word; word = strtok(NULL, " ")) words[count++] = word;
  return policy_parse(&settings, command, words, count, &used, &error);
}
static enum cay_status run(const char *line) { return parse(POLICY_COMMAND_RUN, line); }

TEST(table) {
  for (size_t i = 0; i < POLICY_OPTION_COUNT; i++) {
    const struct policy_option_row *row = &policy_options[i];
    bool bare = row->kind == POLICY_FLAG || row->kind == POLICY_ACTION;
    CHECK((row->argument == NULL) == bare);
    CHECK(row->help[strlen(row->help) - 1] == '.');
    CHECK(row->field < sizeof(struct policy_settings));
    for (size_t j = 0; j < i; j++) {
      CHECK(strcmp(policy_options[j].name, row->name) != 0);
      bool meet = policy_options[j].commands & row->commands; /* in one command line */
      CHECK(!row->letter || policy_options[j].letter != row->letter || !meet);
      CHECK(!row->manifest || !policy_options[j].manifest || strcmp(policy_options[j].manifest, row->manifest) != 0);
      CHECK(policy_options[j].field != row->field);
    }
  }
  for (size_t i = 1; i < policy_exit_count; i++) CHECK(policy_exits[i].number > policy_exits[i - 1].number);
}

TEST(values) {
  static const struct {
    const char *text;
    uint64_t value;
  } sizes[] = {{"0", 0},           {"65536", 65536}, {"64M", 64 << 20}, {"64MiB", 64 << 20}, {"16k", 16384},
               {"2G", 2147483648}, {"1_000", 1000},  {"0x10", 16},      {"3kB", 3072}},
    times[] = {{"2", 2000000000},
               {"2s", 2000000000},
               {"500ms", 500000000},
               {"1.5s", 1500000000},
               {"7ns", 7},
               {"20us", 20000},
               {"5m", 300000000000},
               {"1h", 3600000000000},
               {"0.001ms", 1000},
               {"1m30s", 90000000000},
               {"1min 30sec", 90000000000},
               {"1day", 86400000000000},
               {"1s500ms", 1500000000}};
  uint64_t value;
  for (size_t i = 0; i < BASE_ARRAY_LEN(sizes); i++) {
    CHECK_INT(policy_size_parse(sizes[i].text, &value, &error), CAY_OK);
    CHECK_INT(value, sizes[i].value);
  }
  for (size_t i = 0; i < BASE_ARRAY_LEN(times); i++) {
    CHECK_INT(policy_duration_parse(times[i].text, &value, &error), CAY_OK);
    CHECK_INT(value, times[i].value);
  }
  static const char *const not_sizes[] = {
      "", "M", "-1", "64X", "64MM", "0x", "99999999999999999999", "17179869184G", "18446744073709551615", "1.5G"};
  static const char *const not_times[] = {"",    "s",    "2x",   "-1s",   "1.s2", "99999999999999999h",
                                          "1 s", "1m30", "1m s", "1secm", "1 "};
  for (size_t i = 0; i < BASE_ARRAY_LEN(not_sizes); i++)
    CHECK_INT(policy_size_parse(not_sizes[i], &value, &error), CAY_ERROR_ARGUMENT);
  for (size_t i = 0; i < BASE_ARRAY_LEN(not_times); i++)
    CHECK_INT(policy_duration_parse(not_times[i], &value, &error), CAY_ERROR_ARGUMENT);
}

TEST(words) {
  CHECK_INT(run("--dir a --dir=b::c --trace --timeout 2s app.wasm --dir d"), CAY_OK);
  CHECK_INT(used, 5 + 1);
  CHECK_INT(settings.dir.count, 2);
  CHECK_TEXT(settings.dir.items[1], "b::c");
  CHECK(settings.trace && settings.timeout == 2000000000 && settings.stack == POLICY_NOT_GIVEN);
  CHECK_INT(run("-- --dir"), CAY_OK);
  CHECK_INT(used, 1);
  CHECK_INT(run("-"), CAY_OK);
  CHECK_INT(used, 0);
  CHECK_INT(run("--argv0 x --stdin null"), CAY_OK);
  CHECK_TEXT(settings.arg0, "x");
  CHECK_TEXT(settings.stdin_from, "null");
  CHECK_INT(parse(POLICY_COMMAND_INSPECT, "--format json f"), CAY_OK);
  CHECK_TEXT(settings.format, "json");
}

TEST(wrong_words) {
  CHECK_INT(run("--dri ."), CAY_ERROR_ARGUMENT);
  CHECK_TEXT(error.text, "there is no option --dri; did you mean --dir? (cay help run)");
  CHECK_INT(run("--zzzzzz"), CAY_ERROR_ARGUMENT);
  CHECK_TEXT(error.text, "there is no option --zzzzzz; \"cay help run\" lists the options");
  CHECK_INT(run("-x"), CAY_ERROR_ARGUMENT);
  CHECK_INT(run("--dir"), CAY_ERROR_ARGUMENT);
  CHECK_TEXT(error.text, "--dir needs a value: HOST[::GUEST[::RIGHTS]]");
  CHECK_INT(run("--trace=1"), CAY_ERROR_ARGUMENT);
  CHECK_INT(run("--stdin tty"), CAY_ERROR_ARGUMENT);
  CHECK_TEXT(error.text, "--stdin: \"tty\" is none of inherit|null");
  CHECK_INT(parse(POLICY_COMMAND_VALIDATE, "--dir ."), CAY_ERROR_ARGUMENT);
  CHECK_TEXT(error.text, "--dir is an option of run, learn, inspect, bundle, not of validate");
  CHECK_INT(run("--timeout soon"), CAY_ERROR_ARGUMENT);
  CHECK(strncmp(error.text, "--timeout: ", 11) == 0);
  CHECK_INT(run("--\x1b[2Jdir"), CAY_ERROR_ARGUMENT);
  CHECK(!strchr(error.text, 0x1b));
}

TEST(wasmtime_keys) {
  CHECK_INT(run("-W max-memory-size=64M,timeout=2s -Wmax-wasm-stack=0x100000 -S cli,inherit-env=y -O opt-level=2"),
            CAY_OK);
  CHECK_INT(settings.max_memory, 64 << 20);
  CHECK_INT(settings.timeout, 2000000000);
  CHECK_INT(settings.stack, 1 << 20);
  CHECK(settings.inherit_env);
  CHECK_INT(run("-S inherit-env=n --wasi inherit-stdin=n --allow-precompiled -C cache=n,cranelift-x=y"), CAY_OK);
  CHECK(!settings.inherit_env);
  CHECK_TEXT(settings.stdin_from, "null");
  CHECK_INT(run("-W simd=n,exceptions,all-proposals=n,unknown-imports-trap"), CAY_OK);
  CHECK_INT(settings.proposals.count, 2);
  CHECK_TEXT(settings.proposals.items[0], "-simd");
  CHECK_TEXT(settings.proposals.items[1], "+exception-handling");
  CHECK_TEXT(settings.unknown_imports, "trap");
  CHECK_INT(run("--wasm 2.0,threads -W gc=n --wasm=latest"), CAY_OK);
  CHECK_INT(settings.proposals.count, 4);
  CHECK_TEXT(settings.proposals.items[0], "2.0");
  CHECK_TEXT(settings.proposals.items[1], "+threads");
  CHECK_TEXT(settings.proposals.items[2], "-gc");
  CHECK_TEXT(settings.proposals.items[3], "latest");
  CHECK_INT(parse(POLICY_COMMAND_VALIDATE, "-W 1.0,sign-extension,gc-support"), CAY_OK);
  CHECK_INT(settings.proposals.count, 2);
  CHECK_INT(parse(POLICY_COMMAND_VALIDATE, "-W max-memory-size=1M"), CAY_ERROR_ARGUMENT);
  CHECK_TEXT(error.text, "-W: max-memory-size means nothing to \"cay validate\"");
  CHECK_INT(run("-W stack-switching"), CAY_ERROR_ARGUMENT);
  CHECK_TEXT(error.text, "-W: stack-switching: this build does not have the proposal stack-switching");
  CHECK_INT(run("-S nn=n,tcplisten=127.0.0.1:0,tcplisten=[::1]:80"), CAY_OK);
  CHECK_INT(settings.listen.count, 2);
  CHECK_INT(run("-S nn"), CAY_ERROR_ARGUMENT);
  CHECK_TEXT(error.text, "-S: nn: this build has no wasi-nn");
  CHECK_INT(run("-S cli=n"), CAY_ERROR_ARGUMENT);
  CHECK_INT(run("-W fuel=100"), CAY_OK);
  CHECK_INT(settings.fuel, 100);
  CHECK_INT(run("-W sind"), CAY_ERROR_ARGUMENT);
  CHECK_TEXT(error.text, "-W: there is no key \"sind\"; did you mean \"simd\"; \"cay run -W help\" lists the keys");
  CHECK_INT(run("-W timeout"), CAY_ERROR_ARGUMENT);
  CHECK_TEXT(error.text, "-W: timeout needs a value: timeout=TIME");
  CHECK_INT(run("-W bulk-memory=maybe"), CAY_ERROR_ARGUMENT);
  CHECK_INT(run("-W help"), CAY_OK);
  CHECK_INT(settings.keys_help, POLICY_OPTION_WASM);
}

TEST(environment_options) {
  char *const host[] = {"CAY_DIR=a\nb::c\n", "CAY_TRACE=yes", "CAY_TIMEOUT=", "CAY_MAX_MEMORY=1M", NULL};
  run("");
  CHECK_INT(policy_parse_environment(&settings, POLICY_COMMAND_RUN, host, &error), CAY_OK);
  CHECK_INT(settings.dir.count, 2);
  CHECK_TEXT(settings.dir.items[1], "b::c");
  CHECK(settings.trace && settings.timeout == POLICY_NOT_GIVEN && settings.max_memory == 1 << 20);
  char *const wrong[] = {"CAY_TRACE=perhaps", NULL};
  CHECK_INT(policy_parse_environment(&settings, POLICY_COMMAND_RUN, wrong, &error), CAY_ERROR_ARGUMENT);
  CHECK_TEXT(error.text, "CAY_TRACE: \"perhaps\" is neither yes nor no");
  CHECK_INT(policy_parse_environment(&settings, POLICY_COMMAND_VALIDATE, wrong, &error), CAY_OK);
}

TEST(dirs) {
  struct policy_dir dir;
  run("");
  CHECK_INT(policy_dir_parse(&settings, ".", &dir, &error), CAY_OK);
  CHECK(strcmp(dir.host, ".") == 0 && strcmp(dir.guest, ".") == 0 && dir.rights == POLICY_RIGHTS_WRITE);
  CHECK_INT(policy_dir_parse(&settings, "/a b::ro", &dir, &error), CAY_OK);
  CHECK(strcmp(dir.host, "/a b") == 0 && strcmp(dir.guest, "ro") == 0 && dir.rights == POLICY_RIGHTS_WRITE);
  CHECK_INT(policy_dir_parse(&settings, "a::/b::ro", &dir, &error), CAY_OK);
  CHECK(strcmp(dir.guest, "/b") == 0 && dir.rights == POLICY_RIGHTS_READ);
  CHECK_INT(policy_dir_parse(&settings, "a::/b::rw", &dir, &error), CAY_OK);
  CHECK(dir.rights == POLICY_RIGHTS_WRITE);
  CHECK_INT(policy_dir_parse(&settings, "a::/b::create-only,quota=64M", &dir, &error), CAY_OK);
  CHECK(dir.rights == POLICY_RIGHTS_CREATE_ONLY && dir.quota_bytes == 64 << 20 && !dir.overlay);
  CHECK_INT(policy_dir_parse(&settings, "a::/b::overlay", &dir, &error), CAY_OK);
  CHECK(dir.rights == POLICY_RIGHTS_WRITE && dir.overlay == POLICY_OVERLAY_MEMORY && !dir.scratch);
  CHECK_INT(policy_dir_parse(&settings, "a::/b::quota=1k,rw,overlay=/s,t::u", &dir, &error), CAY_OK);
  CHECK(dir.overlay == POLICY_OVERLAY_FOLDER && dir.quota_bytes == 1024);
  CHECK_TEXT(dir.scratch, "/s,t::u");
  struct base_text text = {0};
  CHECK(policy_dir_text(&dir, &text));
  CHECK_TEXT(text.bytes, "a::/b::rw,quota=1k,overlay=/s,t::u");
  base_text_deinit(&text);
  static const char *const wrong[] = {"",
                                      "::b",
                                      "a::",
                                      "a::::ro",
                                      "a::b::",
                                      "a::b::rx",
                                      "a::b::ro::c",
                                      "a::b::ro,",
                                      "a::b::ro,rw",
                                      "a::b::ro,ro",
                                      "a::b::ro,overlay",
                                      "a::b::create-only,overlay=x",
                                      "a::b::overlay=",
                                      "a::b::overlay,overlay=x",
                                      "a::b::quota",
                                      "a::b::quota=",
                                      "a::b::quota=1,quota=1",
                                      "a::b::,ro"};
  for (size_t i = 0; i < BASE_ARRAY_LEN(wrong); i++)
    CHECK_INT(policy_dir_parse(&settings, wrong[i], &dir, &error), CAY_ERROR_ARGUMENT);
}

TEST(origins) {
  char *const host[] = {"CAY_DIR=a\nb", "CAY_TIMEOUT=1s", NULL};
  run("");
  CHECK_INT(policy_parse_environment(&settings, POLICY_COMMAND_RUN, host, &error), CAY_OK);
  char *words[] = {"--dir", "c::d", "--timeout=2s", "--inherit-env", "-W", "max-memory-size=64M"};
  CHECK_INT(policy_parse(&settings, POLICY_COMMAND_RUN, words, BASE_ARRAY_LEN(words), &used, &error), CAY_OK);
  CHECK_TEXT(policy_origin(&settings, POLICY_OPTION_DIR, 0), "CAY_DIR");
  CHECK_TEXT(policy_origin(&settings, POLICY_OPTION_DIR, 1), "CAY_DIR");
  CHECK_TEXT(policy_origin(&settings, POLICY_OPTION_DIR, 2), "--dir c::d");
  CHECK(policy_origin(&settings, POLICY_OPTION_DIR, 3) == NULL);
  CHECK_TEXT(policy_origin(&settings, POLICY_OPTION_TIMEOUT, 0), "--timeout 2s");
  CHECK(policy_origin(&settings, POLICY_OPTION_TIMEOUT, 1) == NULL);
  CHECK_TEXT(policy_origin(&settings, POLICY_OPTION_INHERIT_ENV, 0), "--inherit-env");
  CHECK_TEXT(policy_origin(&settings, POLICY_OPTION_MAX_MEMORY, 0), "--max-memory 64M");
  CHECK(policy_is_given(&settings, POLICY_OPTION_MAX_MEMORY) && !policy_is_given(&settings, POLICY_OPTION_STACK));
}

TEST(joining) {
  struct policy_settings lower;
  policy_settings_init(&lower);
  lower.source = "cay.toml:1:1";
  CHECK_INT(policy_set(&lower, POLICY_OPTION_DIR, "x::/data", &error), CAY_OK);
  CHECK_INT(policy_set(&lower, POLICY_OPTION_DIR, "y::/more::ro", &error), CAY_OK);
  CHECK_INT(policy_set(&lower, POLICY_OPTION_ENV, "A=1", &error), CAY_OK);
  CHECK_INT(policy_set(&lower, POLICY_OPTION_ENV, "B=1", &error), CAY_OK); /* which both have */
  CHECK_INT(policy_set(&lower, POLICY_OPTION_TIMEOUT, "1s", &error), CAY_OK);
  CHECK_INT(policy_set(&lower, POLICY_OPTION_STACK, "1M", &error), CAY_OK);
  CHECK_INT(run("--dir z::/data/::ro --env A=2 --env B=1 --timeout 2s"), CAY_OK);
  CHECK_INT(policy_settings_join(&settings, &lower, &error), CAY_OK);
  CHECK_INT(settings.dir.count, 2);
  CHECK_TEXT(settings.dir.items[0], "y::/more::ro");
  CHECK_TEXT(settings.dir.items[1], "z::/data/::ro");
  CHECK_TEXT(policy_origin(&settings, POLICY_OPTION_DIR, 0), "cay.toml:1:1");
  CHECK_TEXT(policy_origin(&settings, POLICY_OPTION_DIR, 1), "--dir z::/data/::ro");
  CHECK_TEXT(settings.env.items[0], "A=1");
  CHECK_TEXT(settings.env.items[1], "A=2");
  CHECK_INT(settings.env.count, 3);
  CHECK(settings.timeout == 2000000000 && settings.stack == 1 << 20);
  CHECK_TEXT(policy_origin(&settings, POLICY_OPTION_STACK, 0), "cay.toml:1:1");
  policy_settings_deinit(&lower);
}

/* A nearer grant takes the place of a farther one, however the guest's path is spelled. */
TEST(joining_the_same_path) {
  static const struct {
    const char *near, *far;
    bool is_same;
  } rows[] = {{"a::/d", "b::/d/.", true},   {"a::/d", "b::/d//", true},  {"a::/./d/", "b::/d", true},
              {"a::d", "b::./d", true},     {"a::.", "b::./", true},     {"a::/", "b::/.", true},
              {"a::/d", "b::d", false},     {"a::/d", "b::/d/e", false}, {"a::/d/e", "b::/d", false},
              {"a::/d", "b::/d/..", false}, {"a::/d", "b::/dd", false},  {"a::/d::ro", "b::/d/.::rw", true},
              {"a::/.d", "b::/d", false},   {"a::/d.", "b::/d", false},  {"/d", "/d/.", true}};
  for (size_t i = 0; i < BASE_ARRAY_LEN(rows); i++) {
    struct policy_settings near, far;
    struct policy_dir dir, other;
    policy_settings_init(&near);
    policy_settings_init(&far);
    CHECK_INT(policy_set(&near, POLICY_OPTION_DIR, rows[i].near, &error), CAY_OK);
    CHECK_INT(policy_set(&far, POLICY_OPTION_DIR, rows[i].far, &error), CAY_OK);
    CHECK_INT(policy_dir_parse(&near, rows[i].near, &dir, &error), CAY_OK);
    CHECK_INT(policy_dir_parse(&far, rows[i].far, &other, &error), CAY_OK);
    CHECK_INT(strcmp(dir.guest, other.guest) == 0, rows[i].is_same);
    CHECK_INT(policy_settings_join(&near, &far, &error), CAY_OK);
    CHECK_INT(near.dir.count, rows[i].is_same ? 1 : 2);
    policy_settings_deinit(&near);
    policy_settings_deinit(&far);
  }
}

TEST(writing) {
  struct base_text out = {0};
  CHECK_INT(run("--dir /a::/b::ro --dir /c::/c::quota=100,overlay=s --env A=\"\\\x01 --timeout 90s --max-memory 65536 "
                "--max-threads 3 --inherit-env --trace --dir /d"),
            CAY_OK);
  CHECK_INT(policy_manifest_write(&settings, &out, &error), CAY_OK);
  CHECK_TEXT(out.bytes, "env = [\"A=\\\"\\\\\\u0001\"]\ninherit-env = true\nmax-memory = \"64k\"\ntimeout = \"90s\"\n"
                        "max-threads = 3\n"
                        "\n[[dir]]\nhost = \"/a\"\nguest = \"/b\"\nrights = \"ro\"\n"
                        "\n[[dir]]\nhost = \"/c\"\nrights = \"rw\"\nquota = \"100\"\noverlay = \"s\"\n"
                        "\n[[dir]]\nhost = \"/d\"\nrights = \"rw\"\n");
  base_text_deinit(&out);
}

static void write_file(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  CHECK(file != NULL);
  if (!file) return;
  fputs(text, file);
  fclose(file);
}

TEST(variables) {
  char path[] = "/tmp/cay-test-env-XXXXXX";
  int fd = mkstemp(path);
  CHECK(fd >= 0);
  close(fd);
  char *const host[] = {"HOME=/root", "LANG=C", "EMPTY=", NULL};
  const char *const *list;
  char line[128];
  write_file(path, "# comment\n\n A=1\r\nLANG\nNONE\nB=x=y #z");
  snprintf(line, sizeof line, "--env-file %s --env A=2 --env EMPTY --env GONE", path);
  CHECK_INT(run(line), CAY_OK);
  CHECK_INT(policy_environment(&settings, host, &list, &error), CAY_OK);
  CHECK_TEXT(list[0], "A=2");
  CHECK_TEXT(list[1], "LANG=C");
  CHECK_TEXT(list[2], "B=x=y #z");
  CHECK_TEXT(list[3], "EMPTY=");
  CHECK(list[4] == NULL);
  write_file(path, "A=1\n=2\n");
  CHECK_INT(run(line), CAY_OK);
  CHECK_INT(policy_environment(&settings, host, &list, &error), CAY_ERROR_ARGUMENT);
  CHECK(strstr(error.text, ":2: \"=2\" has no name") != NULL);
  CHECK_INT(run("--inherit-env --env HOME=/"), CAY_OK);
  CHECK_INT(policy_environment(&settings, host, &list, &error), CAY_OK);
  CHECK_TEXT(list[0], "HOME=/");
  CHECK_TEXT(list[2], "EMPTY=");
  CHECK_INT(run(""), CAY_OK);
  CHECK_INT(policy_environment(&settings, host, &list, &error), CAY_OK);
  CHECK(list[0] == NULL);
  unlink(path);
  CHECK_INT(run(line), CAY_OK);
  CHECK_INT(policy_environment(&settings, host, &list, &error), CAY_ERROR_SYSTEM);
}

static int allocations_left;

static void *failing_resize(void *owner, void *old, size_t new_bytes) {
  if (new_bytes && --allocations_left < 0) return NULL;
  if (new_bytes) return realloc(old, new_bytes);
  free(old);
  return NULL;
}

/* Every allocation of a command line fails once: an error each time, and nothing leaks. */
TEST(out_of_memory) {
  char *const words[] = {"--dir", "a::b::ro", "-W",    "simd=n,unknown-imports-trap,timeout=2s",
                         "--env", "A=1",      "--env", "B=2"};
  char *const host[] = {"CAY_DIR=x\ny", "B=1", NULL};
  enum cay_status status = CAY_ERROR_MEMORY;
  policy_settings_deinit(&settings);
  base_allocator_set(&(struct base_allocator){failing_resize, NULL});
  for (int n = 0; status && n < 100; n++) {
    const char *const *list;
    struct policy_dir dir;
    allocations_left = n;
    policy_settings_init(&settings);
    status = policy_parse_environment(&settings, POLICY_COMMAND_RUN, host, &error);
    if (!status) status = policy_parse(&settings, POLICY_COMMAND_RUN, words, BASE_ARRAY_LEN(words), &used, &error);
    if (!status) status = policy_environment(&settings, host, &list, &error);
    if (!status) status = policy_dir_parse(&settings, settings.dir.items[2], &dir, &error);
    CHECK(status == CAY_OK || status == CAY_ERROR_MEMORY);
    policy_settings_deinit(&settings);
  }
  CHECK_INT(status, CAY_OK);
  base_allocator_set(NULL);
  policy_settings_init(&settings);
}

TEST(help) {
  struct base_text out = {0};
  for (enum policy_command i = 0; i < POLICY_COMMAND_COUNT; i++) policy_help_command(&out, i);
  policy_help_overview(&out);
  policy_help_exit_codes(&out);
  policy_help_environment(&out);
  for (enum policy_option i = 0; i < POLICY_OPTION_COUNT; i++)
    if (policy_options[i].kind == POLICY_KEYS) policy_help_keys(&out, i);
  CHECK(!out.failed);
  for (char *line = strtok(out.bytes, "\n"); line; line = strtok(NULL, "\n"))
    if (strlen(line) > 130) CHECK_TEXT(line, "at most 130 columns");
  base_text_deinit(&out);
  CHECK_TEXT(policy_command_suggest("validat"), "validate");
  CHECK(policy_command_suggest("app.wasm") == NULL);
}

TEST_MAIN(RUN(table) RUN(values) RUN(words) RUN(wrong_words) RUN(wasmtime_keys) RUN(environment_options) RUN(dirs)
              RUN(origins) RUN(joining) RUN(joining_the_same_path) RUN(writing) RUN(variables) RUN(out_of_memory)
                  RUN(help) policy_settings_deinit(&settings))
