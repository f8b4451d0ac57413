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
  RUN(not_sockets)
})
