/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* fd_readdir: entries, cookies, buffers of every size, directories that change. */
#include "check.h"

enum { HEADER = 24, FILES = 300 };
static unsigned char buffer[65536];
static uint32_t used;

struct entry {
  uint64_t next, inode;
  uint32_t name_length;
  uint8_t type;
  char name[300];
};

/* The entry at `at` of the buffer, if all of it is there. */
static bool entry_at(uint32_t at, struct entry *out) {
  if (at + HEADER > used) return false;
  const unsigned char *from = buffer + at;
  *out = (struct entry){raw_load(from, 8), raw_load(from + 8, 8), (uint32_t)raw_load(from + 16, 4), from[20], ""};
  if (at + HEADER + out->name_length > used || out->name_length >= sizeof out->name) return false;
  memcpy(out->name, from + HEADER, out->name_length);
  return true;
}

static bool is_dot(const char *name) { return strcmp(name, ".") == 0 || strcmp(name, "..") == 0; }

/* Reads all of a directory with a buffer of the given size; counts entries other than the dots. */
static unsigned count_entries(uint32_t fd, uint32_t size, unsigned *dots) {
  unsigned count = 0;
  uint64_t cookie = 0;
  *dots = 0;
  for (;;) {
    struct entry entry = {0};
    memset(buffer, 0x5A, size + 1);
    if (!OK(raw_fd_readdir(fd, buffer, size, cookie, &used)) || !TRUE(used <= size)) return count;
    EQUAL(buffer[size], 0x5A);
    uint32_t at = 0;
    for (; entry_at(at, &entry); at += HEADER + entry.name_length) {
      if (is_dot(entry.name))
        ++*dots;
      else
        count++;
      cookie = entry.next;
    }
    if (used < size) return count;
    if (at == 0) return count; /* not even one fits */
  }
}

static void many(void) {
  char name[300];
  unsigned dots;
  OK(raw_path_create_directory(ROOT, P("many")));
  for (int i = 0; i < FILES; i++) {
    snprintf(
        name, sizeof name, "many/%04d-%.*s", i, i % 240,
        "ddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
        "ddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
        "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd");
    make_file(name, "");
  }
  uint32_t fd = must_open("many", DIRECTORY, DIRECTORY_RIGHTS);
  static const uint32_t sizes[] = {280, 281, 333, 512, 1000, 4096, 5000, 65535};
  for (int i = 0; i < 8; i++) {
    IN_CASE(EQUAL(count_entries(fd, sizes[i], &dots), FILES), "size %u", (unsigned)sizes[i]);
    IN_CASE(EQUAL(dots, 2), "size %u", (unsigned)sizes[i]);
  }
  OK(raw_fd_close(fd));
}

/* Every cookie leads to the entry after its own, in any order. */
static void cookies(void) {
  static uint64_t next[FILES + 2];
  static char names[FILES + 2][300];
  unsigned count = 0;
  struct entry entry = {0};
  uint32_t fd = must_open("many", DIRECTORY, DIRECTORY_RIGHTS);
  for (uint64_t cookie = 0; count < FILES + 2; count++, cookie = entry.next) {
    OK(raw_fd_readdir(fd, buffer, 400, cookie, &used));
    if (!TRUE(entry_at(0, &entry))) return;
    next[count] = entry.next;
    strcpy(names[count], entry.name);
  }
  for (unsigned i = 0; i < count - 1; i++) {
    unsigned at = (i * 7919) % (count - 1);
    OK(raw_fd_readdir(fd, buffer, 400, next[at], &used));
    if (TRUE(entry_at(0, &entry))) TRUE(strcmp(entry.name, names[at + 1]) == 0);
  }
  OK(raw_fd_readdir(fd, buffer, 400, next[count - 1], &used));
  EQUAL(used, 0);
  OK(raw_fd_readdir(fd, buffer, 400, 0, &used));
  TRUE(entry_at(0, &entry) && strcmp(entry.name, names[0]) == 0);
  OK(raw_fd_close(fd));
}

/* A buffer too small for an entry is filled with as much of it as fits. */
static void small(void) {
  unsigned dots;
  static unsigned char whole[1000];
  uint32_t fd = must_open("many", DIRECTORY, DIRECTORY_RIGHTS);
  OK(raw_fd_readdir(fd, buffer, 1000, 0, &used));
  EQUAL(used, 1000);
  memcpy(whole, buffer, 1000);
  for (uint32_t size = 0; size < 100; size++) {
    memset(buffer, 0x5A, 128);
    OK(raw_fd_readdir(fd, buffer, size, 0, &used));
    EQUAL(used, size);
    IN_CASE(TRUE(memcmp(buffer, whole, size) == 0 && buffer[size] == 0x5A), "size %u", (unsigned)size);
  }
  OK(raw_fd_close(fd));
  OK(raw_path_create_directory(ROOT, P("empty")));
  fd = must_open("empty", DIRECTORY, DIRECTORY_RIGHTS);
  EQUAL(count_entries(fd, 1000, &dots), 0);
  EQUAL(dots, 2);
  /* What a removed directory lists is not said; it does not lead anywhere else. */
  OK(raw_path_remove_directory(ROOT, P("empty")));
  IS_OR(raw_fd_readdir(fd, buffer, 1000, 0, &used), SUCCESS, NOENT);
  OK(raw_fd_close(fd));
}

static bool lists(uint32_t fd, const char *name, struct entry *out) {
  if (!OK(raw_fd_readdir(fd, buffer, sizeof buffer, 0, &used))) return false;
  for (uint32_t at = 0; entry_at(at, out); at += HEADER + out->name_length)
    if (strcmp(out->name, name) == 0) return true;
  return false;
}

static void types(void) {
  struct entry entry;
  struct raw_stat stat = {0};
  OK(raw_path_create_directory(ROOT, P("types")));
  OK(raw_path_create_directory(ROOT, P("types/directory")));
  make_file("types/file", "");
  OK(raw_path_symlink(P("file"), ROOT, P("types/link")));
  uint32_t fd = must_open("types", DIRECTORY, DIRECTORY_RIGHTS);
  TRUE(lists(fd, "directory", &entry) && entry.type == __WASI_FILETYPE_DIRECTORY);
  TRUE(lists(fd, "link", &entry) && entry.type == __WASI_FILETYPE_SYMBOLIC_LINK);
  TRUE(lists(fd, "file", &entry) && entry.type == __WASI_FILETYPE_REGULAR_FILE);
  OK(stat_at("types/file", 0, &stat));
  EQUAL(entry.inode, stat.inode);
  TRUE(lists(fd, ".", &entry) && entry.type == __WASI_FILETYPE_DIRECTORY);
  TRUE(lists(fd, "..", &entry) && entry.type == __WASI_FILETYPE_DIRECTORY);
  /* From the start again, the directory is read again. */
  make_file("types/later", "");
  TRUE(lists(fd, "later", &entry));
  OK(raw_path_unlink_file(ROOT, P("types/later")));
  TRUE(!lists(fd, "later", &entry));
  OK(raw_fd_close(fd));
}

/* Cookies that no entry has: an error or some entries, and the directory can still be read. */
static void wild_cookies(void) {
  static const uint64_t wild[] = {
      1, 2, 3, 301, 302, 303, 1000000, UINT64_C(1) << 31, UINT64_C(1) << 32, UINT64_C(1) << 63, UINT64_MAX};
  uint32_t fd = must_open("many", DIRECTORY, DIRECTORY_RIGHTS);
  unsigned dots;
  for (unsigned i = 0; i < sizeof wild / sizeof *wild; i++) {
    used = 0;
    IS_OR(raw_fd_readdir(fd, buffer, 4096, wild[i], &used), SUCCESS, INVAL);
    TRUE(used <= 4096);
  }
  EQUAL(count_entries(fd, 4096, &dots), FILES);
  OK(raw_fd_close(fd));
}

/* Removing what was listed, as `rm -r` does, leaves nothing behind. */
static void removing(void) {
  char path[310];
  unsigned removed = 0;
  uint64_t cookie = 0;
  uint32_t fd = must_open("many", DIRECTORY, DIRECTORY_RIGHTS);
  do {
    struct entry entry = {0};
    if (!OK(raw_fd_readdir(fd, buffer, 2000, cookie, &used))) break;
    for (uint32_t at = 0; entry_at(at, &entry); at += HEADER + entry.name_length) {
      cookie = entry.next;
      if (is_dot(entry.name)) continue;
      snprintf(path, sizeof path, "many/%s", entry.name);
      removed += OK(raw_path_unlink_file(ROOT, P(path)));
    }
  } while (used == 2000);
  EQUAL(removed, FILES);
  OK(raw_fd_close(fd));
  OK(raw_path_remove_directory(ROOT, P("many")));
}

int main(void) {
  many();
  cookies();
  small();
  wild_cookies();
  types();
  removing();
  return check_end();
}
