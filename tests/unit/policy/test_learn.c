/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* From uses to grants, and patterns. */
#include <time.h>

#include "policy/policy.h"
#include "test.h"

static struct policy_learn *learn;

/* "r path" of what was there, "r! path" of what was not, "r/ path" of a folder; letters rwcnmls. */
static void used(const char *use) {
  static const char letters[] = "rwcnmls";
  uint32_t bits = 0;
  bool was_there = true, is_directory = false;
  for (; *use != ' '; use++) {
    const char *letter = strchr(letters, *use);
    if (letter) bits |= UINT32_C(1) << (letter - letters);
    was_there &= *use != '!';
    is_directory |= *use == '/';
  }
  CHECK(policy_learn_add(learn, use + 1, bits, is_directory, was_there));
}

static const char *grants(void) {
  static char text[1024];
  const char *path;
  enum policy_rights rights;
  text[0] = 0;
  CHECK(policy_learn_conclude(learn));
  for (size_t i = 0; policy_learn_grant(learn, i, &path, &rights); i++)
    snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s %s", i ? ", " : "", path,
             policy_rights_name(rights));
  policy_learn_free(learn);
  learn = policy_learn_new();
  return text;
}

TEST(files) {
  used("r in.json"), used("r ./in.json"), used("s /etc//hosts"), used("rw db"), used("wc log");
  CHECK_TEXT(grants(), "/etc/hosts ro, db rw, in.json ro, log rw");
  used("r d/1"), used("r d/2"), used("r d/3");
  CHECK_TEXT(grants(), "d/1 ro, d/2 ro, d/3 ro");
  used("r d/1"), used("r d/2"), used("r d/3"), used("w d/4");
  CHECK_TEXT(grants(), "d rw");
  used("r d/1"), used("r d/2"), used("r d/3"), used("r d/4"), used("w e/4");
  CHECK_TEXT(grants(), "d ro, e/4 rw");
}

TEST(making) {
  used("wn! out/new");
  CHECK_TEXT(grants(), "out create-only");
  used("wn! out/new"), used("wc! out/other");
  CHECK_TEXT(grants(), "out rw");
  used("wn! out/new"), used("r! out/new");
  CHECK_TEXT(grants(), "out rw");
  used("n/! out/made"), used("wn! out/made/f");
  CHECK_TEXT(grants(), "out create-only");
  used("wc! new"), used("r in");
  CHECK_TEXT(grants(), ". rw");
  used("m d/gone"), used("r /x/y");
  CHECK_TEXT(grants(), "/x/y ro, d rw");
}

TEST(folders) {
  used("l/ tree"), used("l/ tree/a"), used("r tree/a/f");
  CHECK_TEXT(grants(), "tree ro");
  used("l/ ."), used("w sub/db"), used("r sub/x");
  CHECK_TEXT(grants(), ". ro, sub rw");
  used("l/ ."), used("w db");
  CHECK_TEXT(grants(), ". rw");
  used("l/ in"), used("wn! out/f");
  CHECK_TEXT(grants(), "in ro, out create-only");
  used("l/ ."), used("wn! out/f");
  CHECK_TEXT(grants(), ". ro, out create-only");
  /* Looked at: what is granted anyway suffices, the root is never granted for it. */
  used("s/ d"), used("r d/f"), used("s/ /");
  CHECK_TEXT(grants(), "d/f ro");
  used("s/ d"), used("r d/e/f");
  CHECK_TEXT(grants(), "d ro");
  /* The nearest granted folder is the one that a library uses. */
  used("s/ b"), used("wn! b/a/f"), used("wn! x");
  CHECK_TEXT(grants(), ". create-only, b ro, b/a create-only");
  used("l/ ."), used("wn! out/f"), used("s/ out/d");
  CHECK_TEXT(grants(), ". ro, out create-only, out/d ro");
}

TEST(merging) {
  CHECK(policy_learn_seed(learn, "in", POLICY_RIGHTS_READ, false));
  CHECK(policy_learn_seed(learn, "out", POLICY_RIGHTS_CREATE_ONLY, true));
  CHECK(policy_learn_seed(learn, "data", POLICY_RIGHTS_READ, true));
  used("r data/f"), used("w more");
  CHECK_TEXT(grants(), "data ro, in ro, more rw, out create-only");
  CHECK(policy_learn_seed(learn, "out", POLICY_RIGHTS_CREATE_ONLY, true));
  used("m out/f");
  CHECK_TEXT(grants(), "out rw");
  CHECK(policy_learn_seed(learn, "data", POLICY_RIGHTS_WRITE, true));
  used("wn! data/f");
  CHECK_TEXT(grants(), "data rw");
}

/* Uses and grants are found without looking at all others: seconds stand for hours. */
TEST(many_paths) {
  enum { PATHS = 100000 };
  char name[48];
  const char *path;
  enum policy_rights rights;
  size_t count = 0;
  clock_t start = clock();
  for (unsigned round = 0; round < 2; round++)
    for (unsigned i = 0; i < PATHS; i++) {
      snprintf(name, sizeof name, "d/%u", i);
      CHECK(policy_learn_add(learn, name, POLICY_USED_READ, false, true));
      snprintf(name, sizeof name, "e/%u/f", i);
      CHECK(policy_learn_add(learn, name, POLICY_USED_READ, false, true));
      snprintf(name, sizeof name, "f/%u", i);
      CHECK(policy_learn_add(learn, name, POLICY_USED_STAT, true, true));
      snprintf(name, sizeof name, "g/%u/new", i % 1000);
      CHECK(policy_learn_add(learn, name, POLICY_USED_CREATE_NEW, false, false));
    }
  CHECK(policy_learn_conclude(learn));
  while (policy_learn_grant(learn, count, &path, &rights)) count++;
  CHECK_INT(count, 1 + PATHS + PATHS + 1000);
  CHECK((clock() - start) / CLOCKS_PER_SEC < 10);
  policy_learn_free(learn);
  learn = policy_learn_new();
}

static const char *path(const char *text) {
  static char shown[64];
  char *made = policy_learn_path(text);
  snprintf(shown, sizeof shown, "%s", made);
  base_free(made);
  return shown;
}

TEST(texts) {
  CHECK_TEXT(path("./a//b/./c/"), "a/b/c");
  CHECK_TEXT(path("/a/../b"), "/a/../b");
  CHECK_TEXT(path("/"), "/");
  CHECK_TEXT(path("."), ".");
  CHECK_TEXT(path(""), ".");
  CHECK_TEXT(path("//"), "/");
  CHECK(policy_glob("*", "") && policy_glob("*", "x") && policy_glob("read:*", "read:/a/b"));
  CHECK(policy_glob("read:/etc/?osts", "read:/etc/hosts") && policy_glob("*a*b", "xaayb"));
  CHECK(!policy_glob("read:*", "write:/a") && !policy_glob("a", "ab") && !policy_glob("ab", "a") &&
        !policy_glob("", "a"));
  CHECK(policy_glob("a*b*c", "abbbbc") && !policy_glob("a*b*c", "abbbb"));
}

TEST_MAIN({
  learn = policy_learn_new();
  RUN(files)
  RUN(making)
  RUN(folders)
  RUN(merging)
  RUN(many_paths)
  RUN(texts)
  policy_learn_free(learn);
})
