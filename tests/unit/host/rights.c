/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What rights do: creating only, reading only through every way to a file, and rights that never come back. */
#include "scratch.h"

static enum host_resolver resolver;

static int write_text(struct host_object *file, char *text) {
  struct host_buffer buffer = plain(text, strlen(text));
  size_t done = 0;
  int result = host_write(file, &buffer, 1, &done);
  return result ? result : (int)done;
}

static void check_existing_is_safe(struct host_object *root) {
  struct host_object *object;
  struct host_stat status;
  struct host_listing *listing;
  struct host_time now = {.action = HOST_TIME_NOW};
  char target[16];
  size_t len_bytes;
  static const uint32_t flags[] = {0,
                                   HOST_OPEN_CREATE,
                                   HOST_OPEN_TRUNCATE,
                                   HOST_OPEN_CREATE | HOST_OPEN_TRUNCATE,
                                   HOST_OPEN_CREATE | HOST_OPEN_FOLLOW,
                                   HOST_OPEN_FOLLOW};
  static const char *const names[] = {"old", "dir/old", "link", "dir/../old"};
  for (size_t i = 0; i < BASE_ARRAY_LEN(names); i++) {
    for (size_t f = 0; f < BASE_ARRAY_LEN(flags); f++)
      for (uint32_t access = 1; access <= 3; access++)
        CHECK_INT(open_with(root, names[i], flags[f], access, &object), -HOST_ERROR_NOTCAPABLE);
    CHECK_INT(open_with(root, names[i], HOST_OPEN_CREATE | HOST_OPEN_EXCLUSIVE, HOST_RIGHT_WRITE, &object),
              -HOST_ERROR_EXIST);
    CHECK_INT(host_stat_at(root, path_of(names[i]), true, &status), -HOST_ERROR_NOTCAPABLE);
    CHECK_INT(host_set_times_at(root, path_of(names[i]), true, now, now), -HOST_ERROR_NOTCAPABLE);
    CHECK_INT(host_unlink_at(root, path_of(names[i])), -HOST_ERROR_NOTCAPABLE);
    CHECK_INT(host_rename_at(root, path_of(names[i]), root, path_of("x")), -HOST_ERROR_NOTCAPABLE);
    CHECK_INT(host_link_at(root, path_of(names[i]), false, root, path_of("x")), -HOST_ERROR_NOTCAPABLE);
  }
  CHECK_INT(host_remove_directory_at(root, path_of("dir")), -HOST_ERROR_NOTCAPABLE);
  CHECK_INT(host_symlink_at(path_of("old"), root, path_of("x")), -HOST_ERROR_NOTCAPABLE);
  CHECK_INT(host_read_link_at(root, path_of("link"), target, sizeof target, &len_bytes), -HOST_ERROR_NOTCAPABLE);
  CHECK_INT(host_listing_open(root, NULL, &listing), -HOST_ERROR_NOTCAPABLE);
  CHECK_TEXT(read_file("create/old"), "old");
  CHECK_TEXT(read_file("create/dir/old"), "old");
}

TEST(create_only) {
  mkdir("create", 0755), mkdir("create/dir", 0755), write_file("create/old", "old"),
      write_file("create/dir/old", "old");
  if (symlink("old", "create/link") != 0) abort();
  struct host_object *root = grant("create", HOST_RIGHTS_CREATE_ONLY, resolver), *file, *dir;
  check_existing_is_safe(root);
  CHECK_INT(open_with(root, "new", HOST_OPEN_CREATE, HOST_RIGHT_READ | HOST_RIGHT_WRITE, &file), 0);
  CHECK_INT(write_text(file, "fresh"), 5);
  char bytes[8];
  struct host_buffer buffer = plain(bytes, sizeof bytes);
  size_t done;
  CHECK_INT(host_read_at(file, &buffer, 1, 0, &done), -HOST_ERROR_NOTCAPABLE);
  CHECK_INT(host_set_size(file, 3), 0);
  struct host_time now = {.action = HOST_TIME_NOW};
  CHECK_INT(host_set_times(file, now, now), 0);
  CHECK_TEXT(read_file("create/new"), "fre");
  CHECK_INT(open_with(root, "new", HOST_OPEN_CREATE, HOST_RIGHT_WRITE, &dir), -HOST_ERROR_NOTCAPABLE);
  host_object_release(file);
  CHECK_INT(host_make_directory_at(root, path_of("made")), 0);
  CHECK_INT(open_with(root, "made", HOST_OPEN_DIRECTORY, HOST_RIGHT_READ, &dir), 0);
  CHECK_INT(host_object_rights(dir), HOST_RIGHT_CREATE);
  CHECK_INT(host_set_times(dir, now, now), -HOST_ERROR_NOTCAPABLE);
  CHECK_INT(open_with(dir, "inner", HOST_OPEN_CREATE | HOST_OPEN_EXCLUSIVE, HOST_RIGHT_WRITE, &file), 0);
  CHECK_INT(write_text(file, "in"), 2);
  host_object_release(file);
  CHECK_TEXT(read_file("create/made/inner"), "in");
  CHECK_INT(open_with(dir, "../old", HOST_OPEN_CREATE, HOST_RIGHT_WRITE, &file), -HOST_ERROR_NOTCAPABLE);
  host_object_release(dir);
  host_object_release(root);
}

/* Creating beside reading: what exists can be read, not changed. */
TEST(create_and_read) {
  mkdir("both", 0755), write_file("both/old", "old");
  uint32_t rights = HOST_RIGHTS_READ_ONLY | HOST_RIGHT_CREATE;
  struct host_object *root = grant("both", rights, resolver), *file;
  CHECK_TEXT(contents(root, "old"), "old");
  CHECK_INT(open_with(root, "old", HOST_OPEN_CREATE, HOST_RIGHT_READ, &file), 0);
  host_object_release(file);
  CHECK_INT(open_with(root, "old", HOST_OPEN_CREATE | HOST_OPEN_TRUNCATE, HOST_RIGHT_WRITE, &file), -HOST_ERROR_ROFS);
  CHECK_INT(open_with(root, "new", HOST_OPEN_CREATE | HOST_OPEN_TRUNCATE, HOST_RIGHT_WRITE, &file), 0);
  CHECK_INT(write_text(file, "new"), 3);
  host_object_release(file);
  CHECK_TEXT(contents(root, "new"), "new");
  CHECK_INT(host_unlink_at(root, path_of("new")), -HOST_ERROR_ROFS);
  host_object_release(root);
}

TEST(read_only_through_links_and_handles) {
  mkdir("ro", 0755), mkdir("ro/dir", 0755), write_file("ro/file", "text");
  if (symlink("../file", "ro/dir/link") != 0) abort();
  struct host_object *root = grant("ro", HOST_RIGHTS_READ_ONLY, resolver), *dir, *inner, *file;
  CHECK_INT(open_with(root, "dir", HOST_OPEN_DIRECTORY, HOST_RIGHT_READ, &dir), 0);
  CHECK_INT(open_with(root, "dir/link", HOST_OPEN_FOLLOW, HOST_RIGHT_WRITE, &file), -HOST_ERROR_ROFS);
  CHECK_INT(open_with(root, "dir/link", HOST_OPEN_FOLLOW | HOST_OPEN_TRUNCATE, HOST_RIGHT_READ, &file),
            -HOST_ERROR_ROFS);
  CHECK_INT(open_with(dir, ".", HOST_OPEN_DIRECTORY, HOST_RIGHT_READ, &inner), 0);
  CHECK_INT(open_with(inner, "new", HOST_OPEN_CREATE, HOST_RIGHT_WRITE, &file), -HOST_ERROR_ROFS);
  CHECK_INT(open_with(root, "file", 0, HOST_RIGHT_READ, &file), 0);
  char text[] = "x";
  CHECK_INT(write_text(file, text), -HOST_ERROR_NOTCAPABLE);
  CHECK_INT(host_set_size(file, 0), -HOST_ERROR_NOTCAPABLE);
  CHECK_INT(host_allocate(file, 0, 10), -HOST_ERROR_NOTCAPABLE);
  host_object_release(file);
  host_object_release(inner);
  host_object_release(dir);
  CHECK_TEXT(read_file("ro/file"), "text");
  host_object_release(root);
}

TEST(rights_only_shrink) {
  mkdir("shrink", 0755), mkdir("shrink/dir", 0755), write_file("shrink/dir/file", "text");
  struct host_object *root = grant("shrink", HOST_RIGHTS_ALL, resolver), *dir, *again, *file;
  CHECK_INT(open_with(root, "dir", HOST_OPEN_DIRECTORY, HOST_RIGHT_READ, &dir), 0);
  CHECK_INT(host_object_rights(dir), HOST_RIGHTS_ALL);
  host_object_shrink(dir, HOST_RIGHT_READ);
  CHECK_INT(open_with(dir, ".", HOST_OPEN_DIRECTORY, HOST_RIGHT_READ, &again), 0);
  CHECK_INT(host_object_rights(again), HOST_RIGHT_READ);
  host_object_shrink(again, HOST_RIGHTS_ALL);
  CHECK_INT(host_object_rights(again), HOST_RIGHT_READ);
  CHECK_INT(open_with(again, "file", 0, HOST_RIGHT_WRITE, &file), -HOST_ERROR_ROFS);
  CHECK_INT(host_rename_at(root, path_of("dir/file"), again, path_of("file")), -HOST_ERROR_ROFS);
  /* Changing entries comes with making some, and goes with it. */
  host_object_shrink(root, HOST_RIGHT_READ | HOST_RIGHT_MUTATE);
  CHECK_INT(host_object_rights(root), HOST_RIGHT_READ | HOST_RIGHT_MUTATE | HOST_RIGHT_CREATE);
  host_object_shrink(root, HOST_RIGHT_READ | HOST_RIGHT_CREATE);
  CHECK_INT(host_object_rights(root), HOST_RIGHT_READ | HOST_RIGHT_CREATE);
  host_object_release(again);
  host_object_release(dir);
  host_object_release(root);
}

static void all_tests(enum host_resolver which) {
  scratch_enter();
  resolver = which;
  RUN(create_only)
  RUN(create_and_read)
  RUN(read_only_through_links_and_handles)
  RUN(rights_only_shrink)
  scratch_remove();
}

TEST_MAIN({
  all_tests(HOST_RESOLVER_KERNEL);
  all_tests(HOST_RESOLVER_WALKER);
})
