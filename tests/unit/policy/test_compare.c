/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Settings compared, manifests inside modules, and approvals. */
#include "policy/policy.h"
#include "test.h"

#include <dirent.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct cay_error error;

struct told {
  unsigned count, widening;
};

static void tell(void *env, const struct policy_difference *difference) {
  struct told *told = env;
  told->count++;
  told->widening += difference->widens;
}

static struct told compare(const char *before, const char *after) {
  const char *const texts[2] = {before, after};
  struct policy_settings settings[2];
  struct told told = {0};
  for (int i = 0; i < 2; i++) {
    const struct policy_manifest manifest = {.name = "m", .bytes = texts[i], .len_bytes = strlen(texts[i])};
    policy_settings_init(&settings[i]);
    CHECK_INT(policy_manifest_read(&settings[i], &manifest, &error), CAY_OK);
  }
  policy_compare(&settings[0], &settings[1], tell, &told);
  for (int i = 0; i < 2; i++) policy_settings_deinit(&settings[i]);
  return told;
}

/* `after` lets the program do more than `before`. */
static void widens(const char *before, const char *after) {
  struct told told = compare(before, after);
  if (!told.widening) CHECK_TEXT(after, "wider");
  test_checks++;
}

static void does_not_widen(const char *before, const char *after) {
  struct told told = compare(before, after);
  if (told.widening) CHECK_TEXT(after, "not wider");
  test_checks++;
}

/* From `narrow` to `wide` rights widen, and not the other way. */
static void is_wider(const char *narrow, const char *wide) {
  widens(narrow, wide);
  does_not_widen(wide, narrow);
}

TEST(directories) {
  is_wider("", "dir=['/a']");
  is_wider("dir=['/a/b::/a/b::ro']", "dir=['/a']");
  is_wider("dir=['/a::/x::ro']", "dir=['/a::/x::rw']");
  is_wider("dir=['/a::/x::create-only']", "dir=['/a::/x::rw']");
  is_wider("dir=['/a::/x::overlay']", "dir=['/a::/x::rw']");
  is_wider("dir=['/a::/x::rw,quota=1M']", "dir=['/a::/x::rw']");
  is_wider("dir=['/a::/x::rw,quota=1M']", "dir=['/a::/x::rw,quota=2M']");
  is_wider("dir=['/a/b']", "dir=['/']");
  is_wider("dir=['data']", "dir=['.']");
  CHECK_INT(compare("dir=['/a','/a/b::/a/b::ro']", "dir=['/a']").count, 0);
  CHECK_INT(compare("dir=['/a/::/x']", "dir=['/a::/x']").count, 0);
  widens("dir=['/a::/a::ro']", "dir=['/ab::/ab::ro']");
  widens("dir=['/a']", "dir=['/a/../b']");
  widens("dir=['/a::/x']", "dir=['/a::/y']");
  widens("dir=['/a::/x']", "dir=['/a/b::/x/c']");
  widens("dir=['/a::/x::ro']", "dir=['/a::/x::create-only']");
  widens("dir=['/a::/x::create-only']", "dir=['/a::/x::ro']");
  widens("dir=['/a::/x::overlay']", "dir=['/a::/x::overlay=s']");
  does_not_widen("dir=['/a::/x::overlay']", "dir=['/a/b::/x/b::ro']");
}

TEST(other_rights) {
  is_wider("", "env=['A=1']");
  is_wider("env=['A=1']", "env=['A=1','B']");
  widens("env=['A=1']", "env=['A=2']");
  is_wider("env=['A']", "inherit-env=true");
  is_wider("inherit-env=false", "inherit-env=true");
  is_wider("", "listen=['127.0.0.1:80']");
  is_wider("clock='fixed'", "");
  is_wider("clock='fixed'", "clock='coarse'");
  is_wider("clock='coarse=1s'", "clock='real'");
  widens("clock='coarse=1s'", "clock='coarse=1ms'");
  is_wider("random='seed=1'", "random='real'");
  is_wider("deterministic=true", "deterministic=false");
  is_wider("stdin='null'", "stdin='inherit'");
  CHECK_INT(compare("clock='real'", "clock='real'").count, 0);
  does_not_widen("", "clock='real'");
}

TEST(limits) {
  is_wider("max-memory='1M'", "max-memory='2M'");
  is_wider("max-memory='1M'", "");
  is_wider("max-memory='1M'", "max-memory=0");
  is_wider("timeout='1s'", "");
  is_wider("max-threads=0", "max-threads=1");
  is_wider("", "max-threads=65");
  is_wider("max-threads=3", "");
  is_wider("max-table-elements=3", "");
  is_wider("timeout='1s'", "timeout='0s'");
  is_wider("stack='1M'", "");
  is_wider("", "stack='17M'");
  CHECK_INT(compare("max-memory='1M'", "max-memory=1048576").count, 0);
  does_not_widen("tier='interp'", "tier='baseline'\narg0='x'");
  CHECK_INT(compare("tier='interp'", "tier='baseline'\narg0='x'").count, 2);
}

TEST(flags) {
  struct policy_settings settings;
  struct base_text out = {0};
  policy_settings_init(&settings);
  CHECK_INT(policy_set(&settings, POLICY_OPTION_ENV, "A='b c'", &error), CAY_OK);
  CHECK_INT(policy_set(&settings, POLICY_OPTION_TIMEOUT, "90s", &error), CAY_OK);
  CHECK_INT(policy_set(&settings, POLICY_OPTION_MAX_MEMORY, "1048576", &error), CAY_OK);
  CHECK_INT(policy_set(&settings, POLICY_OPTION_INHERIT_ENV, NULL, &error), CAY_OK);
  policy_flag_write(&settings, POLICY_OPTION_ENV, 0, &out);
  policy_flag_write(&settings, POLICY_OPTION_TIMEOUT, 0, &out);
  policy_flag_write(&settings, POLICY_OPTION_MAX_MEMORY, 0, &out);
  policy_flag_write(&settings, POLICY_OPTION_INHERIT_ENV, 0, &out);
  CHECK_TEXT(out.bytes, "--env 'A='\\''b c'\\'''--timeout 90s--max-memory 1M--inherit-env");
  base_text_deinit(&out);
  policy_settings_deinit(&settings);
}

static void is_word(const char *word, const char *written) {
  struct base_text out = {0};
  policy_shell_word(word, &out);
  CHECK_TEXT(out.bytes, written);
  base_text_deinit(&out);
}

TEST(shell_words) {
  is_word("a/b::c::rw", "a/b::c::rw");
  is_word("", "''");
  is_word("a b'c", "'a b'\\''c'");
  is_word("\xc3\xa9", "'\xc3\xa9'");
  is_word("a\n'\\\033", "$'a\\x0a\\x27\\x5c\\x1b'");
  is_word("\xe2\x80\xae\xff", "$'\\xe2\\x80\\xae\\xff'");
}

static const char module[] = "\0asm\1\0\0\0"
                             "\1\4\1\x60\0\0"
                             "\0\3\1xy";

TEST(inside_modules) {
  struct base_text one = {0}, two = {0};
  const void *bytes;
  size_t len, module_len = sizeof module - 1;
  CHECK(!policy_embedded_find(module, module_len, &bytes, &len));
  CHECK_INT(policy_embedded_put(module, module_len, "first", 5, &one, &error), CAY_OK);
  CHECK(policy_embedded_find(one.bytes, one.len_bytes, &bytes, &len) && len == 5 && memcmp(bytes, "first", 5) == 0);
  CHECK_INT(policy_embedded_put(one.bytes, one.len_bytes, "", 0, &two, &error), CAY_OK);
  CHECK(policy_embedded_find(two.bytes, two.len_bytes, &bytes, &len) && len == 0);
  CHECK_INT(one.len_bytes - two.len_bytes, 5);
  CHECK(memcmp(two.bytes, module, module_len) == 0);
  /* Every prefix and every changed byte is taken for what it is, without reading past the end. */
  for (size_t cut = 0; cut <= one.len_bytes; cut++) {
    char *copy = base_string_copy(one.bytes, cut);
    struct base_text out = {0};
    policy_embedded_find(copy, cut, &bytes, &len);
    CHECK((policy_embedded_put(copy, cut, "x", 1, &out, &error) == CAY_OK) ==
          (cut == 8 || cut == 14 || cut == 19 || cut == one.len_bytes));
    base_text_deinit(&out);
    base_free(copy);
  }
  CHECK_INT(policy_embedded_put("text", 4, "x", 1, &one, &error), CAY_ERROR_MALFORMED);
  base_text_deinit(&one);
  base_text_deinit(&two);
}

static struct policy_asked asked(const char *code, const char *request, const char *folder) {
  return (struct policy_asked){.module = code,
                               .request = request,
                               .module_bytes = strlen(code),
                               .request_bytes = strlen(request),
                               .folder = folder};
}

static const char *name_of(struct policy_asked what) {
  static char names[8][BASE_SHA256_HEX_BYTES];
  static unsigned next;
  char *name = names[next++ % 8];
  policy_approval_name(&what, name);
  return name;
}

TEST(names_of_approvals) {
  const char *name = name_of(asked("m", "r", "/f"));
  CHECK_TEXT(name, name_of(asked("m", "r", "/f")));
  CHECK(strcmp(name, name_of(asked("n", "r", "/f"))) != 0);
  CHECK(strcmp(name, name_of(asked("m", "s", "/f"))) != 0);
  CHECK(strcmp(name, name_of(asked("m", "r", "/g"))) != 0);
  CHECK(strcmp(name, name_of(asked("mr", "", "/f"))) != 0);
}

static bool count_one(void *env, const struct policy_approval *approval) {
  ++*(unsigned *)env;
  CHECK_TEXT(approval->module, "/x/app.wasm");
  CHECK_TEXT(approval->request, "cay.toml");
  return *(unsigned *)env == 2;
}

TEST(the_store) {
  char folder[] = "/tmp/cay-test-approvals-XXXXXX", home[64], path[256];
  CHECK(mkdtemp(folder) != NULL);
  snprintf(home, sizeof home, "HOME=%s", folder);
  char *const environment[] = {home, NULL}, *const none[] = {NULL}, *const relative[] = {"HOME=.", NULL};
  const struct policy_asked whats[2] = {asked("m", "r", "/x"), asked("m", "s", "/x")};
  const char *names[2] = {name_of(whats[0]), name_of(whats[1])};
  bool found;
  CHECK_INT(policy_approval_find(environment, &whats[0], &found, &error), CAY_OK);
  CHECK(!found);
  CHECK_INT(policy_approval_find(none, &whats[0], &found, &error), CAY_ERROR_SYSTEM);
  CHECK_INT(policy_approval_find(relative, &whats[0], &found, &error), CAY_ERROR_SYSTEM);
  for (int i = 0; i < 2; i++) {
    const struct policy_approval approval = {names[i], "/x/app.wasm", "cay.toml"};
    CHECK_INT(policy_approval_store(environment, &approval, &error), CAY_OK);
    CHECK_INT(policy_approval_store(environment, &approval, &error), CAY_OK);
    CHECK_INT(policy_approval_find(environment, &whats[i], &found, &error), CAY_OK);
    CHECK(found);
  }
  snprintf(path, sizeof path, "%s/.config/cay/approved/%s", folder, names[0]);
  chmod(path, 0600);
  CHECK_INT(policy_approval_find(environment, &whats[0], &found, &error), CAY_OK);
  CHECK(!found);
  chmod(path, 0400);
  unsigned count = 0;
  CHECK_INT(policy_approvals_each(environment, count_one, &count, &error), CAY_OK);
  CHECK_INT(count, 2);
  count = 0;
  CHECK_INT(policy_approvals_each(environment, count_one, &count, &error), CAY_OK);
  CHECK_INT(count, 1); /* the other one was revoked */
  for (int i = 0; i < 2; i++) {
    snprintf(path, sizeof path, "%s/.config/cay/approved/%s", folder, names[i]);
    unlink(path);
  }
  /* A folder that is a link counts as none that can be trusted. */
  snprintf(path, sizeof path, "%s/.config/cay/approved", folder);
  rmdir(path);
  CHECK_INT(symlink("/tmp", path), 0);
  CHECK_INT(policy_approval_find(environment, &whats[0], &found, &error), CAY_ERROR_SYSTEM);
  unlink(path);
  for (const char *const *part = (const char *const[]){"/.config/cay", "/.config", "", NULL}; *part; part++) {
    snprintf(path, sizeof path, "%s%s", folder, *part);
    CHECK_INT(rmdir(path), 0);
  }
}

/* ---- The hash of a module that was approved ------------------------------------------------------------------------------ */

static char store[64], *const store_environment[] = {(char[80]){0}, NULL};

static void store_open(void) {
  snprintf(store, sizeof store, "/tmp/cay-test-hashes-XXXXXX");
  CHECK(mkdtemp(store) != NULL);
  snprintf(store_environment[0], 80, "XDG_CONFIG_HOME=%s", store);
  const struct policy_approval approval = {name_of(asked("good", "r", "/x")), "/x/app.wasm", "cay.toml"};
  CHECK_INT(policy_approval_store(store_environment, &approval, &error), CAY_OK);
}

static void store_close(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -r %s", store);
  CHECK_INT(system(command), 0);
}

/* A module that nobody touched for long, on the store's file system. */
static struct base_file_identity identity_of_module(void) {
  struct stat status;
  CHECK_INT(stat(store, &status), 0);
  return (struct base_file_identity){
      .device = status.st_dev, .inode = 77, .len_bytes = 4, .modify_ns = 1000, .change_ns = 2000, .is_known = 1};
}

/* `code` is what the file has now. */
static bool is_approved(const char *code, const struct base_file_identity *identity) {
  struct policy_asked what = asked(code, "r", "/x");
  what.identity = identity;
  bool found;
  CHECK_INT(policy_approval_find(store_environment, &what, &found, &error), CAY_OK);
  return found;
}

static const char *hash_path(const struct base_file_identity *identity) {
  static char path[160];
  snprintf(path, sizeof path, "%s/cay/approved/at-%llx-%llx", store, (unsigned long long)identity->device,
           (unsigned long long)identity->inode);
  return path;
}

TEST(hash_is_kept) {
  store_open();
  struct base_file_identity file = identity_of_module(), other = file;
  CHECK(!is_approved("evil", &file));
  CHECK(access(hash_path(&file), F_OK) != 0); /* only of what is approved */
  CHECK(is_approved("good", &file));
  CHECK_INT(access(hash_path(&file), F_OK), 0);
  CHECK(is_approved("evil", &file)); /* it was not hashed: the kernel says that nothing has changed */
  /* What has changed is hashed, one by one, above all when the time that anybody can set is the same. */
  other.change_ns++;
  CHECK(!is_approved("evil", &other));
  other = file, other.modify_ns++;
  CHECK(!is_approved("evil", &other));
  other = file, other.len_bytes++;
  CHECK(!is_approved("evil", &other));
  other = file, other.inode++;
  CHECK(!is_approved("evil", &other));
  other = file, other.device++;
  CHECK(!is_approved("evil", &other));
  other = file, other.is_known = 0;
  CHECK(!is_approved("evil", &other) && !is_approved("evil", NULL));
  /* What the hash says stands for the module alone. */
  struct policy_asked what = asked("good", "more", "/x");
  bool found = true;
  what.identity = &file;
  CHECK_INT(policy_approval_find(store_environment, &what, &found, &error), CAY_OK);
  CHECK(!found);
  store_close();
}

TEST(hash_is_not_kept) {
  store_open();
  struct base_file_identity file = identity_of_module();
  file.device++; /* somebody's image may have any inode and times */
  CHECK(is_approved("good", &file) && access(hash_path(&file), F_OK) != 0);
  file = identity_of_module();
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  file.change_ns = (int64_t)now.tv_sec * 1000000000; /* a change in this moment may not show */
  CHECK(is_approved("good", &file) && access(hash_path(&file), F_OK) != 0);
  store_close();
}

static void write_hash(const struct base_file_identity *file, const char *text, size_t len_bytes) {
  unlink(hash_path(file));
  FILE *out = fopen(hash_path(file), "w");
  CHECK(out && fwrite(text, 1, len_bytes, out) == len_bytes && fclose(out) == 0);
  CHECK_INT(chmod(hash_path(file), 0400), 0);
}

/* Each of these is no hash that cay kept; what it says must not count. */
TEST(hash_is_forged) {
  store_open();
  struct base_file_identity file = identity_of_module(), other = file;
  struct base_file kept;
  char path[160];
  CHECK(is_approved("good", &file) && is_approved("evil", &file));
  CHECK_INT(base_file_read(hash_path(&file), &kept, &error), CAY_OK);
  for (size_t len = 0; len < kept.len_bytes; len++) {
    write_hash(&file, (const char *)kept.bytes, len);
    CHECK(!is_approved("evil", &file));
  }
  write_hash(&file, (const char *)kept.bytes, kept.len_bytes);
  CHECK(is_approved("evil", &file));
  CHECK_INT(chmod(hash_path(&file), 0600), 0); /* as a program could have made it */
  CHECK(!is_approved("evil", &file));
  CHECK_INT(chmod(hash_path(&file), 0400), 0);
  if (geteuid() == 0) {
    CHECK_INT(chown(hash_path(&file), 12345, (gid_t)-1), 0);
    CHECK(!is_approved("evil", &file));
    CHECK_INT(chown(hash_path(&file), 0, (gid_t)-1), 0);
  }
  /* Another file's, by another name, by a second one, or by a link. */
  other.inode++;
  snprintf(path, sizeof path, "%s", hash_path(&file));
  CHECK_INT(link(path, hash_path(&other)), 0);
  CHECK(!is_approved("evil", &other));
  unlink(hash_path(&other));
  CHECK_INT(rename(path, hash_path(&other)), 0);
  CHECK(!is_approved("evil", &other) && !is_approved("evil", &file));
  CHECK_INT(symlink(hash_path(&other), path), 0);
  CHECK(!is_approved("evil", &file));
  base_file_deinit(&kept);
  store_close();
}

TEST_MAIN(RUN(directories) RUN(other_rights) RUN(limits) RUN(flags) RUN(shell_words) RUN(inside_modules)
              RUN(names_of_approvals) RUN(the_store) RUN(hash_is_kept) RUN(hash_is_not_kept) RUN(hash_is_forged))
