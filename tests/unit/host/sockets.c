/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Granted listeners and the sockets they accept. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "scratch.h"

static int connect_to(const char *address) {
  const char *colon = strrchr(address, ':');
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1))};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) abort();
  return fd;
}

/* Waits until the object is readable, a second at most. */
static void settle(struct host_object *object) {
  struct host_loop *loop;
  struct cay_error error;
  if (host_loop_new(&loop, &error)) abort();
  struct host_wait wait = {.object = object, .interest = HOST_READABLE};
  CHECK_INT(host_loop_wait(loop, &wait, 1, base_os_monotonic_ns() + 1000000000), 1);
  host_loop_free(loop);
}

TEST(addresses) {
  struct host_object *listener;
  struct cay_error error;
  static const char *const bad[] = {"",
                                    "80",
                                    "localhost:80",
                                    "127.0.0.1",
                                    "127.0.0.1:",
                                    "127.0.0.1:x",
                                    "127.0.0.1:99999",
                                    "127.0.0.1:-1",
                                    "127.0.0.1: 80",
                                    "[::1]",
                                    "[::1:80",
                                    "::1:80",
                                    "256.0.0.1:80",
                                    "1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17.18.19.20:80",
                                    "127.0.0.1:80x"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    CHECK_INT(host_grant_listener(bad[i], &listener, &error), CAY_ERROR_ARGUMENT);
  CHECK_INT(host_grant_listener("203.0.113.77:1", &listener, &error), CAY_ERROR_SYSTEM);
  char text[64];
  CHECK_INT(host_grant_listener("127.0.0.1:0", &listener, &error), CAY_OK);
  CHECK(host_object_address(listener, text, sizeof text));
  CHECK(strncmp(text, "127.0.0.1:", 10) == 0 && atoi(text + 10) > 0);
  host_object_release(listener);
  if (host_grant_listener("[::1]:0", &listener, &error) == CAY_OK) {
    CHECK(host_object_address(listener, text, sizeof text));
    CHECK(strncmp(text, "[::1]:", 6) == 0);
    host_object_release(listener);
  }
}

TEST(conversation) {
  struct host_object *listener, *peer;
  struct cay_error error;
  char address[64], bytes[16] = "";
  CHECK_INT(host_grant_listener("127.0.0.1:0", &listener, &error), CAY_OK);
  CHECK(host_object_address(listener, address, sizeof address));
  CHECK_INT(host_accept(listener, &peer, NULL), HOST_PENDING);
  int client = connect_to(address);
  settle(listener);
  CHECK_INT(host_accept(listener, &peer, NULL), 0);
  CHECK_INT(host_object_kind(peer), HOST_KIND_STREAM_SOCKET);
  struct host_buffer in[] = {plain(bytes, 2), plain(bytes + 2, 10)}, out = plain("answer", 6);
  struct host_receive how = {.peek = true};
  size_t done = 0;
  CHECK_INT(host_receive(peer, in, 2, &how, &done), HOST_PENDING);
  if (write(client, "question", 8) != 8) abort();
  settle(peer);
  CHECK_INT(host_receive(peer, in, 2, &how, &done), 0);
  CHECK_INT(done, 8);
  how.peek = false;
  CHECK_INT(host_receive(peer, in, 2, &how, &done), 0);
  CHECK_TEXT(bytes, "question");
  CHECK_INT(host_send(peer, &out, 1, &done), 0);
  CHECK_INT(read(client, bytes, sizeof bytes), 6);
  CHECK_INT(host_write(peer, &out, 1, &done), 0);
  CHECK_INT(host_shutdown(peer, false, true), 0);
  CHECK_INT(read(client, bytes, sizeof bytes), 6);
  CHECK_INT(read(client, bytes, sizeof bytes), 0);
  CHECK_INT(host_send(peer, &out, 1, &done), -HOST_ERROR_PIPE); /* and no signal */
  close(client);
  settle(peer);
  CHECK_INT(host_read(peer, in, 2, &done), 0);
  CHECK_INT(done, 0);
  CHECK_INT(host_accept(peer, &peer, NULL), -HOST_ERROR_INVAL);
  host_object_release(peer);
  host_object_release(listener);
}

static bool accepts(const char *address) {
  int client = connect_to(address);
  close(client);
  return client >= 0;
}

/* Who was lent a listener cannot end it. */
TEST(listeners_stay) {
  struct host_object *listener;
  char address[64];
  CHECK_INT(host_grant_listener("127.0.0.1:0", &listener, NULL), CAY_OK);
  CHECK(host_object_address(listener, address, sizeof address));
  CHECK_INT(host_shutdown(listener, true, true), -HOST_ERROR_NOTCONN);
  CHECK_INT(host_shutdown(listener, true, false), -HOST_ERROR_NOTCONN);
  CHECK(accepts(address));
  host_object_release(listener);
}

/* "[::]:P" is no way in for IPv4. */
/* The port that the system gives for one family may be somebody's for the other, but not time after time. */
TEST(one_family_each) {
  enum { TRIES = 20 };
  struct host_object *six[TRIES], *four = NULL;
  char address[64], same[64];
  int tried = 0;
  while (!four && tried < TRIES) {
    if (host_grant_listener("[::]:0", &six[tried], NULL)) return; /* no IPv6 here */
    CHECK(host_object_address(six[tried++], address, sizeof address));
    snprintf(same, sizeof same, "0.0.0.0%s", strrchr(address, ':'));
    if (host_grant_listener(same, &four, NULL)) four = NULL;
  }
  CHECK(four != NULL);
  if (four) host_object_release(four);
  while (tried > 0) host_object_release(six[--tried]);
}

/* Looking is reading. */
TEST(peeks_count) {
  int pair[2];
  char bytes[16];
  CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  struct base_budget *budget = base_budget_new(NULL);
  base_budget_set_limit(budget, BASE_LIMIT_READ, 5);
  struct host_object *socket, *counted;
  CHECK_INT(host_grant_fd(pair[0], HOST_RIGHT_READ, &socket, NULL), CAY_OK);
  counted = host_object_counted(socket, budget, false);
  CHECK_INT(write(pair[1], "0123456789", 10), 10);
  struct host_buffer buffer = plain(bytes, sizeof bytes), few = plain(bytes, 3);
  struct host_receive how = {.peek = true};
  size_t done = 0;
  CHECK_INT(host_receive(counted, &few, 1, &how, &done), 0);
  CHECK_INT(base_budget_used(budget, BASE_LIMIT_READ), 3);
  CHECK_INT(host_receive(counted, &buffer, 1, &how, &done), HOST_EXHAUSTED + BASE_LIMIT_READ);
  CHECK_INT(done, 2);
  host_object_release(counted);
  host_object_release(socket);
  base_budget_release(budget);
  close(pair[0]);
  close(pair[1]);
}

TEST(not_sockets) {
  struct host_object *root = grant(".", HOST_RIGHTS_ALL, HOST_RESOLVER_AUTO), *out;
  size_t done;
  struct host_receive how = {0};
  CHECK_INT(host_accept(root, &out, NULL), -HOST_ERROR_NOTSOCK);
  CHECK_INT(host_send(root, NULL, 0, &done), -HOST_ERROR_NOTSOCK);
  CHECK_INT(host_receive(root, NULL, 0, &how, &done), -HOST_ERROR_NOTSOCK);
  CHECK_INT(host_shutdown(root, true, true), -HOST_ERROR_NOTSOCK);
  host_object_release(root);
}

TEST_MAIN({
  scratch_enter();
  RUN(addresses)
  RUN(conversation)
  RUN(listeners_stay)
  RUN(one_family_each)
  RUN(peeks_count)
  RUN(not_sockets)
})
