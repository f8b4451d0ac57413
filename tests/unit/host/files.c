/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Open objects: reading and writing, sizes and times, names in directories, single granted files, special files. */
#include <errno.h>
#include <pthread.h>
#include <sys/inotify.h>
#include <sys/resource.h>

#include "scratch.h"

TEST(errors) {
  CHECK_INT(host_error_of_errno(ENOENT), HOST_ERROR_NOENT);
  CHECK_INT(host_error_of_errno(EWOULDBLOCK), HOST_ERROR_AGAIN);
  CHECK_INT(host_error_of_errno(ENOTSUP), HOST_ERROR_NOTSUP);
  CHECK_INT(host_error_of_errno(123456), HOST_ERROR_IO);
  CHECK_INT(host_error_of_errno(0), HOST_ERROR_IO);
  CHECK_TEXT(host_error_name(HOST_ERROR_NOTCAPABLE), "ENOTCAPABLE");
  CHECK_TEXT(host_error_text(HOST_ERROR_NOENT), "no such file or directory");
  CHECK_INT(host_error_p1(HOST_OK), 0);
  CHECK_INT(host_error_p1(HOST_ERROR_BADF), 8);
  CHECK_INT(host_error_p1(HOST_ERROR_NOTCAPABLE), 76);
}

TEST(reads_and_writes) {
  struct host_object *root = grant(".", HOST_RIGHTS_ALL, HOST_RESOLVER_AUTO), *file;
  CHECK_INT(open_with(root, "data", HOST_OPEN_CREATE, HOST_RIGHT_READ | HOST_RIGHT_WRITE, &file), 0);
  char one[] = "hello ", two[] = "world";
  struct host_buffer out[] = {plain(one, 6), plain(two, 0), plain(two, 5)};
  size_t done = 0;
  CHECK_INT(host_write(file, out, 3, &done), 0);
  CHECK_INT(done, 11);
  CHECK_INT(host_write_at(file, out + 2, 1, 0, &done), 0);
  char a[4] = "", b[32] = "";
  struct host_buffer in[] = {plain(a, 3), plain(b, 31)};
  CHECK_INT(host_read_at(file, in, 2, 0, &done), 0);
  CHECK_INT(done, 11);
  CHECK_TEXT(a, "wor");
  CHECK_TEXT(b, "ld world");
  uint64_t position = 0;
  CHECK_INT(host_seek(file, 0, HOST_SEEK_CURRENT, &position), 0);
  CHECK_INT(position, 11);
  CHECK_INT(host_read(file, in, 2, &done), 0);
  CHECK_INT(done, 0);
  CHECK_INT(host_seek(file, -100, HOST_SEEK_CURRENT, &position), -HOST_ERROR_INVAL);
  CHECK_INT(host_read_at(file, in, 2, UINT64_MAX, &done), -HOST_ERROR_INVAL);
  CHECK_INT(host_write_at(file, out, 1, UINT64_C(1) << 63, &done), -HOST_ERROR_INVAL);
  CHECK_INT(host_set_size(file, UINT64_MAX), -HOST_ERROR_INVAL);
  CHECK_INT(host_set_size(file, 5), 0);
  int allocated = host_allocate(file, 3, 7);
  struct host_stat status;
  CHECK_INT(host_stat(file, &status), 0);
  CHECK(allocated == -HOST_ERROR_NOTSUP || (allocated == 0 && status.size_bytes == 10));
  CHECK_INT(host_allocate(file, INT64_MAX, INT64_MAX), -HOST_ERROR_FBIG);
  CHECK_INT(host_allocate(file, 0, 0), -HOST_ERROR_INVAL);
  CHECK_INT(host_advise(file, 0, 10, HOST_ADVICE_SEQUENTIAL), 0);
  CHECK_INT(host_sync(file, true), 0);
  CHECK_INT(host_sync(file, false), 0);
  host_object_release(file);
  host_object_release(root);
}

static void *resolve_nothing(void *owner, uint64_t offset, uint64_t len_bytes) {
  (void)owner, (void)offset, (void)len_bytes;
  return NULL;
}

TEST(bad_buffers_and_rights) {
  struct host_object *root = grant(".", HOST_RIGHTS_ALL, HOST_RESOLVER_AUTO), *file;
  write_file("plain", "text");
  CHECK_INT(open_with(root, "plain", 0, HOST_RIGHT_READ, &file), 0);
  char bytes[8];
  struct host_buffer bad[] = {plain(bytes, 2), {NULL, resolve_nothing, 5, 5}}, good = plain(bytes, 2);
  size_t done = 0;
  CHECK_INT(host_read(file, bad, 2, &done), -HOST_ERROR_FAULT);
  CHECK_INT(host_write(file, &good, 1, &done), -HOST_ERROR_NOTCAPABLE);
  CHECK_INT(host_write_at(file, &good, 1, 0, &done), -HOST_ERROR_NOTCAPABLE);
  CHECK_INT(host_read(root, &good, 1, &done), -HOST_ERROR_ISDIR);
  struct host_buffer many[HOST_BUFFERS_MAX + 5];
  for (size_t i = 0; i < HOST_BUFFERS_MAX + 5; i++) many[i] = plain(bytes, i < 2 ? 1 : 0);
  CHECK_INT(host_read(file, many, HOST_BUFFERS_MAX + 5, &done), 0);
  CHECK_INT(done, 2);
  host_object_release(file);
  host_object_release(root);
}

TEST(append) {
  struct host_object *root = grant(".", HOST_RIGHTS_ALL, HOST_RESOLVER_AUTO), *file = NULL;
  struct host_open how = {.open_flags = HOST_OPEN_CREATE, .access = HOST_RIGHT_WRITE, .object_flags = HOST_FLAG_APPEND};
  write_file("log", "one");
  CHECK_INT(host_open_at(root, path_of("log"), &how, &file), 0);
  struct host_buffer two = plain("two", 3);
  size_t done;
  CHECK_INT(host_write(file, &two, 1, &done), 0);
  CHECK_TEXT(read_file("log"), "onetwo");
  CHECK_INT(host_set_flags(file, 0), 0);
  uint64_t position;
  CHECK_INT(host_seek(file, 0, HOST_SEEK_SET, &position), 0);
  CHECK_INT(host_write(file, &two, 1, &done), 0);
  CHECK_TEXT(read_file("log"), "twotwo");
  CHECK_INT(host_set_flags(file, HOST_FLAG_SYNC), -HOST_ERROR_NOTSUP);
  host_object_release(file);
  host_object_release(root);
}

TEST(times) {
  struct host_object *root = grant(".", HOST_RIGHTS_ALL, HOST_RESOLVER_AUTO);
  write_file("timed", "x");
  struct host_time keep = {.action = HOST_TIME_KEEP},
                   set = {.action = HOST_TIME_SET, .ns = UINT64_C(1234567890123456789)};
  struct host_stat before, after;
  CHECK_INT(host_stat_at(root, path_of("timed"), true, &before), 0);
  CHECK_INT(host_set_times_at(root, path_of("timed"), true, keep, set), 0);
  CHECK_INT(host_stat_at(root, path_of("timed"), true, &after), 0);
  CHECK_INT(after.modify_ns, 1234567890123456789);
  CHECK_INT(after.access_ns, before.access_ns);
  CHECK_INT(host_set_times_at(root, path_of("."), true, keep, set), 0);
  CHECK_INT(host_stat(root, &after), 0);
  CHECK_INT(after.modify_ns, 1234567890123456789);
  host_object_release(root);
}

/* ---- Names --------------------------------------------------------------------------------------------------------- */

/* Reads all names with cookies, each entry twice as a guest with a cut buffer does, and counts them. */
static int count_names(struct host_object *directory, bool *found_dots) {
  struct host_listing *listing = NULL;
  struct host_entry entry, again;
  uint64_t cookie = 0;
  bool found = true;
  int count = 0, dots = 0;
  if (host_listing_open(directory, NULL, &listing)) return -1;
  for (;;) {
    CHECK_INT(host_listing_read(listing, cookie, &entry, &found), 0);
    if (!found) break;
    CHECK_INT(host_listing_read(listing, cookie, &again, &found), 0);
    CHECK(found && again.next_cookie == entry.next_cookie && again.inode == entry.inode);
    dots += strcmp(entry.name, ".") == 0 || strcmp(entry.name, "..") == 0;
    CHECK(strcmp(entry.name, "..") != 0 || entry.inode == 0);
    cookie = entry.next_cookie;
    count++;
  }
  *found_dots = dots == 2;
  host_listing_close(listing);
  return count;
}

TEST(listing) {
  mkdir("many", 0755);
  char name[300];
  for (int i = 0; i < 1500; i++) {
    snprintf(name, sizeof name, "many/a-file-with-a-rather-long-name-%d", i);
    write_file(name, "");
  }
  struct host_object *many = grant("many", HOST_RIGHTS_ALL, HOST_RESOLVER_AUTO);
  bool dots = false;
  CHECK_INT(count_names(many, &dots), 1502);
  CHECK(dots);
  struct host_listing *listing;
  struct host_entry entry;
  bool found;
  CHECK_INT(host_listing_open(many, NULL, &listing), 0);
  uint64_t cookies[10], cookie = 0;
  for (int i = 0; i < 10; i++) {
    CHECK_INT(host_listing_read(listing, cookie, &entry, &found), 0);
    cookies[i] = cookie;
    cookie = entry.next_cookie;
  }
  for (int i = 9; i >= 0; i--) {
    CHECK_INT(host_listing_read(listing, cookies[i], &entry, &found), 0);
    CHECK(found && entry.next_cookie == (i == 9 ? cookie : cookies[i + 1]));
  }
  CHECK_INT(host_listing_read(listing, UINT64_MAX, &entry, &found), -HOST_ERROR_INVAL);
  int any = host_listing_read(listing, 12345, &entry, &found);
  CHECK(any <= 0);
  host_listing_close(listing);
  host_object_shrink(many, HOST_RIGHT_READ);
  CHECK_INT(host_listing_open(many, NULL, &listing), -HOST_ERROR_NOTCAPABLE);
  host_object_release(many);
}

static enum cay_status grant_file(struct host_object *synthetic, const char *name, const char *path, uint32_t rights) {
  struct host_file_grant grant = {.host_path = path, .rights = rights, .rule = "--dir x"};
  return host_grant_file(synthetic, name, &grant, NULL);
}

TEST(single_files) {
  struct host_object *synthetic, *object;
  struct cay_error error;
  struct host_stat status;
  write_file("granted", "granted text"), write_file("other", "other");
  CHECK_INT(host_grant_synthetic(&synthetic, &error), CAY_OK);
  CHECK_INT(grant_file(synthetic, "hosts", "granted", HOST_RIGHTS_READ_ONLY), CAY_OK);
  CHECK_INT(grant_file(synthetic, "rw", "other", HOST_RIGHTS_ALL), CAY_OK);
  CHECK_INT(grant_file(synthetic, "no", "missing", HOST_RIGHTS_ALL), CAY_ERROR_SYSTEM);
  CHECK_TEXT(contents(synthetic, "hosts"), "granted text");
  CHECK_TEXT(contents(synthetic, "./hosts"), "granted text");
  CHECK_TEXT(contents(synthetic, "granted"), "ENOENT");
  CHECK_TEXT(contents(synthetic, "hosts/"), "ENOTDIR");
  CHECK_TEXT(contents(synthetic, "hosts/x"), "ENOTDIR");
  CHECK_TEXT(contents(synthetic, "../other"), "ENOTCAPABLE");
  CHECK_TEXT(contents(synthetic, "/etc/passwd"), "ENOTCAPABLE");
  CHECK_TEXT(contents(synthetic, "."), "EISDIR");
  CHECK_INT(open_with(synthetic, "hosts", 0, HOST_RIGHT_WRITE, &object), -HOST_ERROR_ROFS);
  CHECK_INT(open_with(synthetic, "new", HOST_OPEN_CREATE, HOST_RIGHT_WRITE, &object), -HOST_ERROR_ROFS);
  uint32_t anew = HOST_OPEN_CREATE | HOST_OPEN_EXCLUSIVE | HOST_OPEN_TRUNCATE;
  CHECK_INT(open_with(synthetic, "rw", anew, HOST_RIGHT_WRITE, &object), -HOST_ERROR_EXIST);
  CHECK_INT(open_with(synthetic, "new", anew, HOST_RIGHT_WRITE, &object), -HOST_ERROR_ROFS);
  CHECK_TEXT(read_file("other"), "other");
  CHECK_INT(open_with(synthetic, "rw", HOST_OPEN_TRUNCATE, HOST_RIGHT_WRITE, &object), 0);
  host_object_release(object);
  CHECK_TEXT(read_file("other"), "");
  CHECK_INT(host_unlink_at(synthetic, path_of("rw")), -HOST_ERROR_ROFS);
  CHECK_INT(host_make_directory_at(synthetic, path_of("d")), -HOST_ERROR_ROFS);
  CHECK_INT(host_stat_at(synthetic, path_of("hosts"), true, &status), 0);
  CHECK_INT(status.size_bytes, 12);
  CHECK_INT(host_stat_at(synthetic, path_of("."), true, &status), 0);
  CHECK_INT(status.kind, HOST_KIND_DIRECTORY);
  CHECK_INT(open_with(synthetic, ".", HOST_OPEN_DIRECTORY, HOST_RIGHT_READ, &object), 0);
  CHECK_TEXT(contents(object, "hosts"), "granted text");
  host_object_release(object);
  bool dots = false;
  CHECK_INT(count_names(synthetic, &dots), 4);
  CHECK(dots);
  struct host_file_grant granted = {0};
  CHECK(host_granted_file(synthetic, path_of("hosts"), &granted));
  CHECK_TEXT(granted.host_path, "granted");
  CHECK_TEXT(granted.rule, "--dir x");
  CHECK(!host_granted_file(synthetic, path_of("host"), &granted));
  /* The grant is for a name: a link or directory that takes the name later is not what was granted. */
  rename("granted", "moved");
  if (symlink("other", "granted") != 0) abort();
  CHECK_TEXT(contents(synthetic, "hosts"), "ELOOP");
  CHECK_INT(host_stat_at(synthetic, path_of("hosts"), true, &status), -HOST_ERROR_LOOP);
  unlink("granted");
  mkdir("granted", 0755);
  CHECK_TEXT(contents(synthetic, "hosts"), "ENOTCAPABLE");
  host_object_release(synthetic);
}

/* ---- What is not a file ------------------------------------------------------------------------------------------------ */

TEST(fifos_do_not_block) {
  struct host_object *root = grant(".", HOST_RIGHTS_ALL, HOST_RESOLVER_AUTO), *reader, *writer;
  if (mkfifo("fifo", 0600) != 0) abort();
  CHECK_INT(open_with(root, "fifo", 0, HOST_RIGHT_WRITE, &writer), -HOST_ERROR_NXIO);
  CHECK_INT(open_with(root, "fifo", 0, HOST_RIGHT_READ, &reader), 0);
  CHECK_INT(host_object_kind(reader), HOST_KIND_PIPE);
  char bytes[8];
  struct host_buffer buffer = plain(bytes, sizeof bytes), text = plain("abc", 3);
  size_t done = 0;
  CHECK_INT(host_read(reader, &buffer, 1, &done), HOST_PENDING);
  CHECK_INT(open_with(root, "fifo", 0, HOST_RIGHT_WRITE, &writer), 0);
  CHECK_INT(host_write(writer, &text, 1, &done), 0);
  CHECK_INT(host_read(reader, &buffer, 1, &done), 0);
  CHECK_INT(done, 3);
  CHECK_INT(host_read(reader, &buffer, 1, &done), HOST_PENDING);
  static char large[1 << 20];
  struct host_buffer too_much = plain(large, sizeof large);
  CHECK_INT(host_write(writer, &too_much, 1, &done), 0);
  CHECK(done > 0 && done < sizeof large);
  CHECK_INT(host_write(writer, &too_much, 1, &done), HOST_PENDING);
  uint64_t position;
  CHECK_INT(host_seek(reader, 0, HOST_SEEK_CURRENT, &position), -HOST_ERROR_SPIPE);
  host_object_release(writer);
  host_object_release(reader);
  host_object_release(root);
}

TEST(inherited_pipes_do_not_block) {
  int fds[2];
  if (pipe(fds) != 0) abort();
  struct host_object *reader, *writer;
  struct cay_error error;
  CHECK_INT(host_grant_fd(fds[0], HOST_RIGHT_READ, &reader, &error), CAY_OK);
  CHECK_INT(host_grant_fd(fds[1], HOST_RIGHT_WRITE, &writer, &error), CAY_OK);
  static char large[1 << 20];
  struct host_buffer buffer = plain(large, sizeof large);
  size_t done = 0;
  CHECK_INT(host_read(reader, &buffer, 1, &done), HOST_PENDING);
  CHECK_INT(host_write(writer, &buffer, 1, &done), 0);
  CHECK(done > 0 && done < sizeof large);
  while (host_write(writer, &buffer, 1, &done) == 0) {
  }
  CHECK_INT(host_write(writer, &buffer, 1, &done), HOST_PENDING);
  CHECK_INT(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
  close(fds[1]);
  do CHECK_INT(host_read(reader, &buffer, 1, &done), 0);
  while (done);
  CHECK_INT(host_read(writer, &buffer, 1, &done), -HOST_ERROR_NOTCAPABLE);
  host_object_release(writer);
  host_object_release(reader);
  close(fds[0]);
  CHECK_INT(host_grant_fd(fds[0], HOST_RIGHT_READ, &reader, &error), CAY_ERROR_SYSTEM);
}

/* A file of bytes beside one of the host's. */
TEST(bytes_are_a_file) {
  struct host_object *synthetic, *object;
  struct cay_error error;
  struct host_stat status;
  struct host_time now = {.action = HOST_TIME_NOW};
  struct host_file_grant granted;
  char target[8];
  size_t len_bytes;
  bool dots = false;
  CHECK_INT(host_grant_synthetic(&synthetic, &error), CAY_OK);
  CHECK_INT(host_grant_bytes(synthetic, "7", "some bytes", 10, "bytes", &error), CAY_OK);
  CHECK_INT(host_grant_bytes(synthetic, "none", "", 0, NULL, &error), CAY_OK);
  CHECK_INT(grant_file(synthetic, "other", "other", HOST_RIGHTS_ALL), CAY_OK);
  for (int i = 0; i < 2; i++) CHECK_TEXT(contents(synthetic, "7"), "some bytes"); /* each from its beginning */
  CHECK_TEXT(contents(synthetic, "./none"), "");
  CHECK_TEXT(contents(synthetic, "7/"), "ENOTDIR");
  CHECK_TEXT(contents(synthetic, "7/x"), "ENOTDIR");
  CHECK_INT(open_with(synthetic, "7", 0, HOST_RIGHT_WRITE, &object), -HOST_ERROR_ROFS);
  CHECK_INT(open_with(synthetic, "7", HOST_OPEN_TRUNCATE, HOST_RIGHT_READ, &object), -HOST_ERROR_ROFS);
  CHECK_INT(open_with(synthetic, "7", HOST_OPEN_DIRECTORY, HOST_RIGHT_READ, &object), -HOST_ERROR_NOTDIR);
  CHECK_INT(open_with(synthetic, "7", HOST_OPEN_CREATE, HOST_RIGHT_READ, &object), 0);
  CHECK_INT(host_object_kind(object), HOST_KIND_REGULAR);
  CHECK_INT(host_object_rights(object), HOST_RIGHT_READ);
  CHECK_INT(host_set_times(object, now, now), -HOST_ERROR_ROFS);
  CHECK_INT(host_set_size(object, 0), -HOST_ERROR_NOTCAPABLE);
  host_object_release(object);
  CHECK_INT(host_set_times_at(synthetic, path_of("7"), true, now, now), -HOST_ERROR_ROFS);
  CHECK_INT(host_stat_at(synthetic, path_of("7"), true, &status), 0);
  CHECK_INT(status.size_bytes, 10);
  CHECK_INT(host_read_link_at(synthetic, path_of("7"), target, sizeof target, &len_bytes), -HOST_ERROR_INVAL);
  CHECK_INT(host_unlink_at(synthetic, path_of("7")), -HOST_ERROR_ROFS);
  CHECK_INT(count_names(synthetic, &dots), 5);
  CHECK(host_granted_file(synthetic, path_of("7"), &granted) && !granted.host_path);
  CHECK_TEXT(granted.rule, "bytes");
  host_object_release(synthetic);
}

static ptrdiff_t three_at_a_time(void *env, void *bytes, size_t len_bytes) {
  char *text = env;
  size_t take = len_bytes < 3 ? len_bytes : 3;
  if (*text == '!') return -1;
  memcpy(text + strlen(text), bytes, take);
  return (ptrdiff_t)take;
}

static ptrdiff_t counts_down(void *env, void *bytes, size_t len_bytes) {
  int *left = env;
  if (*left < 0) return (ptrdiff_t)len_bytes + 1; /* more than there is room for */
  memset(bytes, 'x', len_bytes);
  return (*left)-- > 0 ? (ptrdiff_t)len_bytes : 0;
}

TEST(streams_are_somebodys) {
  struct host_object *writer, *reader;
  struct cay_error error;
  char text[32] = "", a[4] = "", b[4] = "";
  int left = 3;
  size_t done = 0;
  struct host_buffer out[] = {plain("ab", 2), plain("", 0), plain("cdefg", 5)}, in[] = {plain(a, 3), plain(b, 3)};
  CHECK_INT(host_stream(HOST_RIGHT_WRITE, three_at_a_time, text, &writer, &error), CAY_OK);
  CHECK_INT(host_stream(HOST_RIGHT_READ, counts_down, &left, &reader, &error), CAY_OK);
  CHECK_INT(host_write(writer, out, 3, &done), 0);
  CHECK_INT(done, 5); /* the caller comes again */
  CHECK_TEXT(text, "abcde");
  text[0] = '!';
  CHECK_INT(host_write(writer, out, 3, &done), -HOST_ERROR_IO);
  CHECK_INT(host_read(writer, in, 2, &done), -HOST_ERROR_NOTCAPABLE);
  CHECK_INT(host_read(reader, in, 2, &done), 0);
  CHECK_INT(done, 6);
  CHECK_TEXT(b, "xxx");
  CHECK_INT(host_read(reader, in, 2, &done), 0);
  CHECK_INT(done, 3);
  CHECK_INT(host_read(reader, in, 2, &done), -HOST_ERROR_IO);
  host_object_release(writer);
  host_object_release(reader);
}

TEST(memory_objects) {
  struct host_object *reader, *writer, *sink;
  struct cay_error error;
  CHECK_INT(host_memory_reader("some text", 9, &reader, &error), CAY_OK);
  CHECK_INT(host_memory_writer(6, &writer, &error), CAY_OK);
  CHECK_INT(host_memory_sink(&sink, &error), CAY_OK);
  char a[5] = "", b[20] = "";
  struct host_buffer in[] = {plain(a, 4), plain(b, 19)}, text = plain("abcd", 4);
  size_t done = 0, len_bytes = 0;
  CHECK_INT(host_read(reader, in, 2, &done), 0);
  CHECK_INT(done, 9);
  CHECK_TEXT(b, " text");
  CHECK_INT(host_read(reader, in, 2, &done), 0);
  CHECK_INT(done, 0);
  CHECK_INT(host_write(writer, &text, 1, &done), 0);
  CHECK_INT(host_write(writer, &text, 1, &done), 0);
  CHECK_INT(done, 2);
  CHECK_INT(host_write(writer, &text, 1, &done), -HOST_ERROR_NOSPC);
  CHECK(memcmp(host_memory_bytes(writer, &len_bytes), "abcdab", 6) == 0 && len_bytes == 6);
  CHECK_INT(host_write(sink, &text, 1, &done), 0);
  CHECK_INT(done, 4);
  host_object_release(reader);
  host_object_release(writer);
  host_object_release(sink);
}

TEST(devices) {
  struct host_object *dev, *null, *zero;
  CHECK_INT(host_grant_synthetic(&dev, NULL), CAY_OK);
  CHECK_INT(grant_file(dev, "null", "/dev/null", HOST_RIGHT_READ | HOST_RIGHT_WRITE | HOST_RIGHT_DEVICE), CAY_OK);
  CHECK_INT(grant_file(dev, "zero", "/dev/zero", HOST_RIGHT_READ | HOST_RIGHT_DEVICE), CAY_OK);
  CHECK_INT(grant_file(dev, "file", "/dev/null", HOST_RIGHT_READ | HOST_RIGHT_WRITE), CAY_OK);
  char bytes[4] = "abc";
  struct host_buffer buffer = plain(bytes, 4);
  size_t done = 1;
  CHECK_INT(open_with(dev, "null", 0, HOST_RIGHT_READ | HOST_RIGHT_WRITE, &null), 0);
  CHECK_INT(host_object_kind(null), HOST_KIND_CHARACTER_DEVICE);
  CHECK(!host_object_is_terminal(null));
  CHECK_INT(host_read(null, &buffer, 1, &done), 0);
  CHECK_INT(done, 0);
  CHECK_INT(host_write(null, &buffer, 1, &done), 0);
  CHECK_INT(done, 4);
  CHECK_INT(open_with(dev, "zero", 0, HOST_RIGHT_READ, &zero), 0);
  CHECK_INT(host_read(zero, &buffer, 1, &done), 0);
  CHECK_INT(bytes[0], 0);
  host_object_release(null);
  host_object_release(zero);
  CHECK_INT(open_with(dev, "zero", 0, HOST_RIGHT_WRITE, &zero), -HOST_ERROR_ROFS);
  CHECK_INT(open_with(dev, "file", 0, HOST_RIGHT_READ, &null), -HOST_ERROR_NOTCAPABLE);
  host_object_release(dev);
  /* A directory grant gives no devices, whichever way leads to them. */
  for (int resolver = HOST_RESOLVER_AUTO; resolver <= HOST_RESOLVER_WALKER; resolver++) {
    dev = grant("/dev", HOST_RIGHTS_ALL | HOST_RIGHT_DEVICE, (enum host_resolver)resolver);
    CHECK_INT(host_object_rights(dev) & HOST_RIGHT_DEVICE, 0);
    CHECK_INT(open_with(dev, "null", 0, HOST_RIGHT_READ, &null), -HOST_ERROR_NOTCAPABLE);
    CHECK_INT(open_with(dev, "./null", HOST_OPEN_TRUNCATE | HOST_OPEN_CREATE, HOST_RIGHT_WRITE, &null),
              -HOST_ERROR_NOTCAPABLE);
    host_object_release(dev);
  }
}

/* A device node that is not granted is not even opened for a moment: the kernel tells who opens it. */
TEST(devices_stay_closed) {
  struct host_object *object;
  char events[4096];
  int watch = inotify_init1(IN_NONBLOCK);
  if (inotify_add_watch(watch, "/dev/full", IN_OPEN) < 0) {
    close(watch);
    return;
  }
  for (int resolver = HOST_RESOLVER_AUTO; resolver <= HOST_RESOLVER_WALKER; resolver++) {
    struct host_object *dev = grant("/dev", HOST_RIGHTS_ALL, (enum host_resolver)resolver);
    struct host_object *root = grant("/", HOST_RIGHTS_ALL, (enum host_resolver)resolver);
    CHECK_INT(open_with(dev, "full", 0, HOST_RIGHT_READ, &object), -HOST_ERROR_NOTCAPABLE);
    CHECK_INT(open_with(dev, "full", HOST_OPEN_CREATE, HOST_RIGHT_WRITE, &object), -HOST_ERROR_NOTCAPABLE);
    /* A directory that was reached through a mount; but emulators have another root. */
    int result = open_with(root, "dev", HOST_OPEN_DIRECTORY, HOST_RIGHT_READ, &object);
    struct host_object *inner = object;
    if (result == 0) {
      CHECK_INT(open_with(root, "dev/full", HOST_OPEN_TRUNCATE, HOST_RIGHT_WRITE, &object), -HOST_ERROR_NOTCAPABLE);
      CHECK_INT(open_with(inner, "full", 0, HOST_RIGHT_READ, &object), -HOST_ERROR_NOTCAPABLE);
    } else {
      CHECK_INT(result, -HOST_ERROR_NOENT);
    }
    host_object_release(inner);
    host_object_release(root);
    host_object_release(dev);
  }
  struct host_object *files;
  CHECK_INT(host_grant_synthetic(&files, NULL), CAY_OK);
  CHECK_INT(grant_file(files, "file", "/dev/full", HOST_RIGHT_READ | HOST_RIGHT_WRITE), CAY_OK);
  CHECK_INT(open_with(files, "file", 0, HOST_RIGHT_READ, &object), -HOST_ERROR_NOTCAPABLE);
  host_object_release(files);
  CHECK_INT(read(watch, events, sizeof events), -1);
  close(open("/dev/full", O_RDONLY));
  CHECK(read(watch, events, sizeof events) > 0);
  close(watch);
}

/* Out of descriptors is an error, not a leak or a crash. */
TEST(no_descriptors) {
  struct host_object *root = grant(".", HOST_RIGHTS_ALL, HOST_RESOLVER_WALKER), *object;
  struct rlimit old, few;
  getrlimit(RLIMIT_NOFILE, &old);
  few = (struct rlimit){.rlim_cur = 12, .rlim_max = old.rlim_max};
  mkdir("a", 0755), mkdir("a/b", 0755), mkdir("a/b/c", 0755);
  setrlimit(RLIMIT_NOFILE, &few);
  struct host_object *open[16];
  int count = 0;
  while (count < 16 && open_with(root, "plain", 0, HOST_RIGHT_READ, &open[count]) == 0) count++;
  CHECK(count > 0 && count < 12);
  CHECK_INT(open_with(root, "a/b/c", 0, HOST_RIGHT_READ, &object), -HOST_ERROR_MFILE);
  struct host_stat status;
  CHECK_INT(host_stat_at(root, path_of("a/b/c"), true, &status), -HOST_ERROR_MFILE);
  while (count) host_object_release(open[--count]);
  CHECK_INT(host_stat_at(root, path_of("a/b/c"), true, &status), 0);
  setrlimit(RLIMIT_NOFILE, &old);
  host_object_release(root);
}

TEST_MAIN({
  scratch_enter();
  RUN(errors)
  RUN(reads_and_writes)
  RUN(bad_buffers_and_rights)
  RUN(append)
  RUN(times)
  RUN(listing)
  RUN(single_files)
  RUN(fifos_do_not_block)
  RUN(inherited_pipes_do_not_block)
  RUN(bytes_are_a_file)
  RUN(streams_are_somebodys)
  RUN(memory_objects)
  RUN(devices)
  RUN(devices_stay_closed)
  RUN(no_descriptors)
})
