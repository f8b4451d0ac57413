/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* WASI 0.1: what is told of uses of rights, and what a `permit` hook takes away. */
#include <arpa/inet.h>

#include "guest.h"

static char told[65536], forbidden[64];
static unsigned asked, waited;

static void add_rights(char *out, size_t capacity, uint32_t rights) {
  static const char letters[] = "rwcdlsLaCAEtRS";
  size_t used = 0;
  for (unsigned bit = 0; letters[bit] && used + 1 < capacity; bit++)
    if (rights >> bit & 1) out[used++] = letters[bit];
  out[used] = 0;
}

static void on_access(void *env, const struct wasi_access *access, int result) {
  (void)env;
  char rights[16];
  size_t used = strlen(told);
  add_rights(rights, sizeof rights, access->rights);
  snprintf(told + used, sizeof told - used, "%s %s%s %s [%s|%s] %s%s; ", access->call, rights,
           access->is_exclusive ? "!" : "", access->object, access->host_path ? access->host_path : "-",
           access->rule ? access->rule : "-", access->denial ? "denied " : "",
           result < 0 ? host_error_name((enum host_error) - result) : "OK");
  CHECK(wasi_p1_teller(p1) != NULL);
}

static bool on_permit(void *env, const struct wasi_access *access) {
  (void)env;
  asked++;
  return strcmp(access->object, forbidden) != 0;
}

static void on_wait(void *env) {
  (void)env;
  waited++;
}

static void start(uint32_t rights, bool asks) {
  struct wasi_config *config = config_new();
  struct wasi_hooks hooks = {.accessed = on_access, .waits = on_wait, .permit = asks ? on_permit : NULL};
  told[0] = 0;
  forbidden[0] = 0;
  asked = waited = 0;
  next_hooks = hooks;
  wasi_config_set_env(config, "A", "1", NULL);
  wasi_config_set_env(config, "B", "22", NULL);
  grant_path(config, "root", "/work", rights);
  grant_path(config, "root/file", "/single/one", HOST_RIGHT_READ);
  guest_start(config);
}

#define CHECK_TOLD(text)    \
  do {                      \
    CHECK_TEXT(told, text); \
    told[0] = 0;            \
  } while (0)

TEST(paths) {
  start(HOST_RIGHTS_ALL, false);
  CHECK_INT(open_path("file", 0, RIGHT_READ, 0), 5);
  CHECK_TOLD("path_open r /work/file [root/file|--dir root::/work::rw] OK; ");
  CHECK_INT(open_path("new", 1 | 4, RIGHT_WRITE, 0), 6);
  CHECK_TOLD("path_open wc! /work/new [root/new|--dir root::/work::rw] OK; ");
  CHECK_INT(open_path("none", 8, 0, 0), -E_NOENT);
  CHECK_TOLD("path_open w /work/none [root/none|--dir root::/work::rw] ENOENT; ");
  CHECK_INT(CALL(path_rename, 3, PATH("new"), 3, PATH2("dir/moved")), 0);
  CHECK_TOLD("path_rename d /work/new [root/new|--dir root::/work::rw] OK; "
             "path_rename c /work/dir/moved [root/dir/moved|--dir root::/work::rw] OK; ");
  int dir = open_path("dir", 2, ALL_RIGHTS & ~(RIGHT_READ | RIGHT_WRITE), 0);
  CHECK_TOLD("path_open s /work/dir [root/dir|--dir root::/work::rw] OK; ");
  CHECK_INT(CALL(path_unlink_file, dir, PATH("moved")), 0);
  CHECK_TOLD("path_unlink_file d /work/dir/moved [root/dir/moved|--dir root::/work::rw] OK; ");
  CHECK_INT(CALL(path_open, dir, 0, PATH("../file"), 0, RIGHT_READ, 0, 0, OUT), E_NOTCAPABLE);
  CHECK_TOLD("path_open r /work/dir/../file [root/dir/../file|--dir root::/work::rw] denied ENOTCAPABLE; ");
  CHECK_INT(CALL(path_symlink, PATH("file"), 3, PATH2("link")), 0);
  CHECK_INT(CALL(path_readlink, 3, PATH("link"), BYTES, 100, OUT), 0);
  CHECK_INT(CALL(path_link, 3, 0, PATH("file"), 3, PATH2("hard")), 0);
  CHECK_INT(CALL(path_filestat_set_times, 3, 1, PATH("hard"), 0, 0, 0), 0);
  CHECK_TOLD("path_symlink c /work/link [root/link|--dir root::/work::rw] OK; "
             "path_readlink r /work/link [root/link|--dir root::/work::rw] OK; "
             "path_link L /work/file [root/file|--dir root::/work::rw] OK; "
             "path_link c /work/hard [root/hard|--dir root::/work::rw] OK; "
             "path_filestat_set_times w /work/hard [root/hard|--dir root::/work::rw] OK; ");
  CHECK_INT(CALL(path_unlink_file, 3, PATH("link")), 0);
  CHECK_INT(CALL(path_unlink_file, 3, PATH("hard")), 0);
  CHECK_INT(CALL(path_create_directory, 3, PATH("d")), 0);
  CHECK_INT(CALL(path_remove_directory, 3, PATH("d")), 0);
  told[0] = 0;
  CHECK_INT(CALL(fd_readdir, 3, BYTES, 4096, 0, OUT), 0);
  CHECK_INT(CALL(fd_readdir, 3, BYTES, 4096, 2, OUT), 0);
  CHECK_TOLD("fd_readdir l /work [root|--dir root::/work::rw] OK; ");
  guest_end();
}

TEST(denials) {
  start(HOST_RIGHTS_READ_ONLY, false);
  CHECK_INT(open_path("file", 0, RIGHT_WRITE, 0), -E_ROFS);
  CHECK_TOLD("path_open w /work/file [root/file|--dir root::/work::ro] denied EROFS; ");
  int fd = open_path("file", 0, RIGHT_READ, 0);
  told[0] = 0;
  CHECK_INT(CALL(fd_write, fd, iovec(BYTES, 1), 1, OUT), E_NOTCAPABLE);
  CHECK_TOLD("fd_write w /work/file [root/file|--dir root::/work::ro] denied ENOTCAPABLE; ");
  CHECK_INT(open_path("/etc/passwd", 0, RIGHT_READ, 0), -E_NOTCAPABLE);
  CHECK_TOLD("path_open r /etc/passwd [-|--dir root::/work::ro] denied ENOTCAPABLE; ");
  CHECK_INT(CALL(path_open, 4, 1, PATH("one"), 0, RIGHT_READ, 0, 0, OUT), 0);
  CHECK_TOLD("path_open r /single/one [root/file|--dir root/file::/single/one] OK; ");
  CHECK_INT(CALL(path_open, 4, 1, PATH("two"), 0, RIGHT_READ, 0, 0, OUT), E_NOENT);
  CHECK_TOLD("path_open r /single/two [-|-] denied ENOENT; ");
  CHECK_INT(CALL(path_open, 4, 1, PATH("two"), 1, RIGHT_WRITE, 0, 0, OUT), E_ROFS);
  CHECK_TOLD("path_open wc /single/two [-|-] denied EROFS; ");
  CHECK_INT(CALL(fd_write, 0, iovec(BYTES, 1), 1, OUT), E_NOTCAPABLE);
  CHECK_TOLD("fd_write w stdin [-|-] denied ENOTCAPABLE; ");
  guest_end();
}

TEST(told_once) {
  start(HOST_RIGHTS_ALL, true);
  strcpy(forbidden, "A");
  for (unsigned i = 0; i < 2; i++) {
    CHECK_INT(CALL(environ_sizes_get, OUT, OUT + 4), 0);
    CHECK_INT(get32(OUT), 1);
    CHECK_INT(get32(OUT + 4), 5);
    CHECK_INT(CALL(environ_get, OUT, BYTES), 0);
    CHECK_TEXT((char *)memory(BYTES), "B=22");
    CHECK_INT(CALL(args_sizes_get, OUT, OUT + 4), 0);
    CHECK_INT(CALL(random_get, BYTES, 8), 0);
    CHECK_INT(CALL(clock_time_get, 1, 0, OUT), 0);
    CHECK_INT(CALL(fd_read, 0, iovec(BYTES, 1), 1, OUT), 0);
    CHECK_INT(CALL(fd_write, 2, iovec(BYTES, 1), 1, OUT), 0);
  }
  CHECK_TOLD("environ_sizes_get E A [-|default] denied ENOTCAPABLE; environ_sizes_get E B [-|default] OK; "
             "args_sizes_get A arguments [-|default] OK; random_get R random [-|default] OK; "
             "clock_time_get t monotonic [-|default] OK; fd_read S stdin [-|default] OK; "
             "fd_write S stderr [-|default] OK; ");
  CHECK_INT(asked, 7);
  CHECK_INT(waited, 0);
  guest_end();
}

TEST(permit) {
  start(HOST_RIGHTS_ALL, true);
  strcpy(forbidden, "/work/file");
  CHECK_INT(open_path("file", 0, RIGHT_READ, 0), -E_NOTCAPABLE);
  CHECK_TOLD("path_open r /work/file [root/file|--dir root::/work::rw] denied ENOTCAPABLE; ");
  CHECK_INT(CALL(path_unlink_file, 3, PATH("file")), E_NOTCAPABLE);
  CHECK_INT(access("root/file", F_OK), 0);
  CHECK_INT(CALL(path_rename, 3, PATH("dir"), 3, PATH2("file")), E_NOTCAPABLE);
  CHECK_INT(access("root/dir", F_OK), 0);
  strcpy(forbidden, "realtime");
  CHECK_INT(CALL(clock_time_get, 0, 0, OUT), E_NOTCAPABLE);
  CHECK_INT(CALL(clock_time_get, 0, 0, OUT), E_NOTCAPABLE);
  CHECK_INT(CALL(clock_res_get, 0, OUT), E_NOTCAPABLE);
  strcpy(forbidden, "stdin");
  CHECK_INT(CALL(fd_read, 0, iovec(BYTES, 1), 1, OUT), E_NOTCAPABLE);
  guest_end();
}

/* Names that no host accepts, and ever longer ones of directories, are cut. */
TEST(long_names) {
  start(HOST_RIGHTS_ALL, false);
  memset(memory(BYTES), 'x', 8000);
  CHECK_INT(CALL(path_open, 3, 0, BYTES, 8000, 0, RIGHT_READ, 0, 0, OUT), 37 /* NAMETOOLONG */);
  CHECK(strlen(told) < sizeof told - 1 && strstr(told, "path_open r /work/xxx") == told);
  int fd = 3;
  for (size_t i = 0; i < 2000; i++) memcpy(memory(BYTES + 2 * i), "./", 2);
  for (unsigned depth = 0; depth < 5; depth++) {
    told[0] = 0;
    CHECK_INT(CALL(path_open, fd, 0, BYTES, 3999, 2, ALL_RIGHTS & ~RIGHT_WRITE, ALL_RIGHTS, 0, OUT), 0);
    fd = (int)get32(OUT);
  }
  told[0] = 0;
  CHECK_INT(CALL(fd_readdir, fd, BYTES, 4096, 0, OUT), 0);
  CHECK(strstr(told, "fd_readdir l /work/./././") == told);
  guest_end();
}

/* What stands behind a zero byte is told, too, and is the name of nothing on the host. */
TEST(zero_bytes) {
  start(HOST_RIGHTS_ALL, false);
  memcpy(memory(BYTES), "a\0b\0", 4);
  CHECK_INT(CALL(path_open, 3, 0, BYTES, 3, 0, RIGHT_READ, 0, 0, OUT), E_INVAL);
  CHECK_TOLD("path_open r /work/a\\x00b [-|--dir root::/work::rw] EINVAL; ");
  CHECK_INT(CALL(path_unlink_file, 3, BYTES, 4), E_INVAL);
  CHECK_TOLD("path_unlink_file d /work/a\\x00b\\x00 [-|--dir root::/work::rw] EINVAL; ");
  CHECK_INT(CALL(path_open, 4, 0, BYTES + 1, 1, 0, RIGHT_READ, 0, 0, OUT), E_INVAL);
  CHECK_TOLD("path_open r /single/\\x00 [-|-] EINVAL; ");
  guest_end();
}

/* Once for each handle: a program that goes on trying would fill the log. */
TEST(quota) {
  enum { CREAT = 1, DQUOT = 19 };
  const uint64_t rights = RIGHT_WRITE | RIGHT_SEEK | 1 << 8 /* allocate */ | 1 << 22 /* set_size */;
  struct wasi_config *config = config_new();
  struct wasi_hooks hooks = {.accessed = on_access};
  struct wasi_grant folder = {"root", "/work", HOST_RIGHTS_ALL, 8, .rule = "--dir q"}, single = folder;
  single.host_path = "root/file", single.guest_path = "/single/one", single.rule = "--dir f";
  single.rights = HOST_RIGHT_READ | HOST_RIGHT_WRITE;
  next_hooks = hooks;
  if (wasi_config_grant(config, &folder, NULL) || wasi_config_grant(config, &single, NULL)) abort();
  guest_start(config);
  int first = open_path("dir/grows", CREAT, rights, 0), second = open_path("dir/grows", 0, rights, 0);
  int third = open_path("dir/grows", 0, rights, 0), fourth = open_path("dir/grows", 0, rights, 0);
  told[0] = 0;
  CHECK_INT(CALL(fd_write, first, iovec(BYTES, 9), 1, OUT), 0);
  CHECK_INT(get32(OUT), 8);
  CHECK_TOLD("");
  for (unsigned i = 0; i < 2; i++) CHECK_INT(CALL(fd_write, first, iovec(BYTES, 1), 1, OUT), DQUOT);
  CHECK_INT(CALL(fd_filestat_set_size, first, 9), DQUOT);
  CHECK_TOLD("fd_write w /work/dir/grows [root/dir/grows|--dir q] denied EDQUOT; ");
  CHECK_INT(CALL(fd_pwrite, second, iovec(BYTES, 1), 1, 8, OUT), DQUOT);
  CHECK_TOLD("fd_pwrite w /work/dir/grows [root/dir/grows|--dir q] denied EDQUOT; ");
  CHECK_INT(CALL(fd_allocate, third, 0, 9), DQUOT);
  CHECK_TOLD("fd_allocate w /work/dir/grows [root/dir/grows|--dir q] denied EDQUOT; ");
  CHECK_INT(CALL(fd_filestat_set_size, fourth, 9), DQUOT);
  CHECK_TOLD("fd_filestat_set_size w /work/dir/grows [root/dir/grows|--dir q] denied EDQUOT; ");
  CHECK_INT(CALL(path_open, 4, 1, PATH("one"), 0, rights, 0, 0, OUT), 0);
  told[0] = 0;
  CHECK_INT(CALL(fd_filestat_set_size, get32(OUT), 100), DQUOT);
  CHECK_TOLD("fd_filestat_set_size w /single/one [root/file|--dir f] denied EDQUOT; ");
  CHECK_INT(CALL(path_unlink_file, 3, PATH("dir/grows")), 0);
  guest_end();
}

/* ---- Peers --------------------------------------------------------------------------------------------------------- */

static char peer_denials[1024], listening_on[64];
static unsigned peer_count;

static void on_denied(void *env, const struct wasi_denial *denial) {
  (void)env;
  size_t used = strlen(peer_denials);
  peer_count++;
  CHECK_INT(denial->reason, WASI_DENIAL_NETWORK);
  CHECK_TEXT(denial->listener, listening_on);
  snprintf(peer_denials + used, sizeof peer_denials - used, "%s %s %s; ", denial->call, denial->guest_path,
           denial->rule ? denial->rule : "-");
}

static void on_peer(void *env, const struct wasi_access *access, int result) {
  on_access(env, access, result);
  if (access->listener) CHECK_TEXT(access->listener, listening_on);
  snprintf(told + strlen(told), sizeof told - strlen(told), "%s", access->listener ? "at the listener; " : "");
}

/* A listener with rules: `rules` are ranges of IPv4 addresses, '!' in front of those that are refused. */
static struct host_object *listen_by(const char *const *rules, size_t count) {
  struct host_network *network;
  struct host_object *listener = NULL;
  struct host_net_address any = {.bytes = {127, 0, 0, 1}};
  struct host_net_rule listens = {.directions = HOST_NET_LISTEN,
                                  .protocols = HOST_NET_TCP,
                                  .what = HOST_NET_RANGE,
                                  .address = any,
                                  .prefix_bits = 32,
                                  .port_last = 65535};
  if (host_network_new(&network, NULL) || host_network_add(network, &listens, NULL)) abort();
  for (size_t i = 0; i < count; i++) {
    struct host_net_rule rule = listens;
    rule.denies = rules[i][0] == '!';
    rule.directions = HOST_NET_ACCEPT, rule.rule = rules[i];
    if (inet_pton(AF_INET, rules[i] + rule.denies, rule.address.bytes) != 1 || host_network_add(network, &rule, NULL))
      abort();
  }
  if (host_network_listen(network, &any, &listener, NULL)) abort();
  host_network_release(network);
  if (!host_object_address(listener, listening_on, sizeof listening_on)) abort();
  return listener;
}

static void start_listening(const char *const *rules, size_t count) {
  struct wasi_config *config = config_new();
  struct wasi_hooks hooks = {.accessed = on_peer, .denied = on_denied};
  struct host_object *listener = listen_by(rules, count);
  told[0] = peer_denials[0] = 0;
  next_hooks = hooks;
  wasi_config_add_socket(config, listener, "--listen", NULL);
  host_object_release(listener);
  guest_start(config);
  CHECK_INT(CALL(fd_fdstat_set_flags, 3, 4 /* nonblock */), 0);
}

/* Connects; its own address as text. */
static int connect_peer(char own[32]) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(strrchr(listening_on, ':') + 1))};
  socklen_t len_bytes = sizeof to;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int peer = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(peer, (struct sockaddr *)&to, sizeof to) || getsockname(peer, (struct sockaddr *)&to, &len_bytes))
    abort();
  snprintf(own, 32, "127.0.0.1:%u", ntohs(to.sin_port));
  return peer;
}

static void check_peer(const char *const *rules, size_t count, int result, const char *rule, bool is_denied) {
  char own[32], expected[256];
  start_listening(rules, count);
  CHECK_INT(CALL(sock_accept, 3, 0, OUT), E_AGAIN);
  CHECK_TOLD("");
  int peer = connect_peer(own);
  CHECK_INT(CALL(sock_accept, 3, 0, OUT), result);
  snprintf(expected, sizeof expected, "sock_accept a %s [-|%s] %sat the listener; ", own, rule,
           is_denied ? "denied ENOTCAPABLE; " : "OK; ");
  CHECK_TOLD(expected);
  snprintf(expected, sizeof expected, "sock_accept %s %s; ", own, rule);
  CHECK_TEXT(peer_denials, is_denied ? expected : "");
  close(peer);
  wasi_p1_wake(p1);
  CHECK_INT(CALL(fd_fdstat_set_flags, 3, 0), 0);
  CHECK_INT(CALL(sock_accept, 3, 0, OUT), -1);
  CHECK_TOLD("");
  guest_end();
}

TEST(peers) {
  check_peer(NULL, 0, 0, "--listen", false);
  check_peer((const char *[]){"127.0.0.1"}, 1, 0, "127.0.0.1", false);
  check_peer((const char *[]){"10.0.0.1"}, 1, E_AGAIN, "-", true);
  check_peer((const char *[]){"127.0.0.1", "!127.0.0.1"}, 2, E_AGAIN, "!127.0.0.1", true);
}

/* Peers that are refused may never stop coming: a call that does not wait comes back all the same. */
TEST(many_refused_peers) {
  enum { PEERS = 200 };
  int peers[PEERS];
  char own[32];
  unsigned calls = 0;
  start_listening((const char *[]){"10.0.0.1"}, 1);
  peer_count = 0;
  for (int i = 0; i < PEERS; i++) peers[i] = connect_peer(own);
  CHECK_INT(CALL(sock_accept, 3, 0, OUT), E_AGAIN);
  CHECK(peer_count > 0 && peer_count < PEERS);
  for (; peer_count < PEERS && calls < PEERS; calls++) CHECK_INT(CALL(sock_accept, 3, 0, OUT), E_AGAIN);
  CHECK_INT(peer_count, PEERS);
  for (int i = 0; i < PEERS; i++) close(peers[i]);
  guest_end();
}

static void prepare(void) {
  scratch_enter();
  mkdir("root", 0755), mkdir("root/dir", 0755);
  write_file("root/file", "text");
}

TEST_MAIN({
  prepare();
  RUN(paths)
  RUN(denials)
  RUN(told_once)
  RUN(permit)
  RUN(long_names)
  RUN(zero_bytes)
  RUN(quota)
  RUN(peers)
  RUN(many_refused_peers)
})
