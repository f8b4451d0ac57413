/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Network rules: who wins, which addresses are private in whichever form, names and their pins, and sockets by them. */
#include <arpa/inet.h>
#include <signal.h>

#include "host/network.h"
#include "scratch.h"

static struct host_network *network;
static int questions;

/* Answers at once, or, with a copy in `held`, when the test likes. */
static int held = -1;
static bool holds;

static int answer(void *env, const char *name, int fd) {
  (void)env;
  questions++;
  static const struct {
    const char *name, *address;
  } zone[] = {{"public.example.org", "93.184.216.34"}, {"rebind.example.org", "127.0.0.1"},
              {"mixed.example.org", "10.0.0.1"},       {"mixed.example.org", "93.184.216.35"},
              {"moves.example.org", "93.184.216.36"},  {"mapped.example.org", "::ffff:127.0.0.1"},
              {"other.test", "93.184.216.37"}};
  struct host_net_address found[BASE_ARRAY_LEN(zone)];
  size_t count = 0;
  if (strcmp(name, "moves.example.org") == 0 && questions > 1) return -HOST_ERROR_IO;
  if (holds) {
    held = dup(fd);
    return 0;
  }
  for (size_t i = 0; i < BASE_ARRAY_LEN(zone); i++) {
    if (strcmp(zone[i].name, name) != 0) continue;
    found[count] = (struct host_net_address){.is_v6 = strchr(zone[i].address, ':') != NULL};
    CHECK_INT(inet_pton(found[count].is_v6 ? AF_INET6 : AF_INET, zone[i].address, found[count].bytes), 1);
    count++;
  }
  host_network_answer_with(fd, 0, found, count);
  return 0;
}

static void begin(void) {
  CHECK_INT(host_network_new(&network, NULL), CAY_OK);
  host_network_set_resolver(network, answer, NULL);
  questions = 0;
  holds = false;
}
static void end(void) { host_network_release(network); }

static struct host_net_address address(const char *text, uint16_t port) {
  struct host_net_address out = {.is_v6 = strchr(text, ':') != NULL, .port = port};
  CHECK_INT(inet_pton(out.is_v6 ? AF_INET6 : AF_INET, text, out.bytes), 1);
  return out;
}

static struct host_net_rule rule(enum host_net_direction direction, enum host_net_what what) {
  return (struct host_net_rule){.directions = (uint8_t)direction,
                                .protocols = HOST_NET_TCP | HOST_NET_UDP,
                                .what = what,
                                .port_last = 65535,
                                .rule = "a rule"};
}
static void add(struct host_net_rule added) { CHECK_INT(host_network_add(network, &added, NULL), CAY_OK); }
static void add_range(enum host_net_direction direction, const char *text, unsigned bits, bool denies) {
  struct host_net_rule added = rule(direction, HOST_NET_RANGE);
  added.address = address(text, 0);
  added.prefix_bits = (uint8_t)bits;
  added.denies = denies;
  add(added);
}
static void add_name(const char *name, bool denies) {
  struct host_net_rule added = rule(HOST_NET_CONNECT, HOST_NET_NAME);
  added.name = name;
  added.denies = denies;
  add(added);
}

/* Whether the rules let it be connected to; nothing is sent, as UDP connects to nobody here. */
static bool may(const char *text, uint16_t port) {
  struct host_net_address to = address(text, port);
  struct host_object *socket = NULL;
  int result = host_network_connect(network, &to, &socket, NULL);
  host_object_release(socket);
  return result != -HOST_ERROR_NOTCAPABLE;
}

static const char *const private_addresses[] = {"127.0.0.1",
                                                "127.255.255.254",
                                                "0.0.0.0",
                                                "10.1.2.3",
                                                "100.64.0.1",
                                                "169.254.169.254",
                                                "172.16.0.1",
                                                "172.31.255.255",
                                                "192.168.0.1",
                                                "224.0.0.1",
                                                "255.255.255.255",
                                                "::",
                                                "::1",
                                                "::7f00:1",
                                                "::ffff:127.0.0.1",
                                                "::ffff:10.0.0.1",
                                                "::ffff:0.0.0.0",
                                                "fe80::1",
                                                "fec0::1",
                                                "fc00::1",
                                                "fd12:3456::1",
                                                "ff02::1",
                                                "64:ff9b::127.0.0.1",
                                                "64:ff9b::10.0.0.1",
                                                "64:ff9b:1::1",
                                                "::ffff:0:127.0.0.1",
                                                "::ffff:0:10.0.0.1",
                                                "2002:7f00:1::1",
                                                "2002:c0a8:1::",
                                                "2001:0:7f00:1::",
                                                "2001:0:808:808::80ff:fffe"};

TEST(private_is_denied) {
  begin();
  add(rule(HOST_NET_CONNECT, HOST_NET_ANY));
  add_range(HOST_NET_CONNECT, "0.0.0.0", 0, false);
  add_range(HOST_NET_CONNECT, "::", 0, false);
  for (size_t i = 0; i < BASE_ARRAY_LEN(private_addresses); i++) {
    if (may(private_addresses[i], 9)) fprintf(stderr, "%s was not refused\n", private_addresses[i]);
    CHECK(!may(private_addresses[i], 9));
  }
  end();
  begin();
  add(rule(HOST_NET_CONNECT, HOST_NET_PRIVATE));
  for (size_t i = 0; i < BASE_ARRAY_LEN(private_addresses); i++) CHECK(may(private_addresses[i], 9));
  CHECK(!may("192.0.2.1", 9));
  end();
}

TEST(named_private) {
  begin();
  add_range(HOST_NET_CONNECT, "127.0.0.1", 32, false);
  CHECK(may("127.0.0.1", 9));
  CHECK(may("::ffff:127.0.0.1", 9));
  CHECK(!may("127.0.0.2", 9));
  CHECK(!may("0.0.0.0", 9));
  CHECK(!may("::1", 9));
  CHECK(!may("64:ff9b::127.0.0.1", 9));
  add_range(HOST_NET_CONNECT, "127.0.0.0", 8, false);
  CHECK(may("127.0.0.2", 9));
  struct host_net_rule mapped = rule(HOST_NET_CONNECT, HOST_NET_RANGE);
  mapped.address = address("::ffff:0.0.0.0", 0);
  mapped.prefix_bits = 90;
  CHECK_INT(host_network_add(network, &mapped, NULL), CAY_ERROR_ARGUMENT);
  end();
}

TEST(denying_wins) {
  begin();
  const char *told = NULL;
  add_range(HOST_NET_CONNECT, "127.0.0.0", 8, false);
  struct host_net_rule port = rule(HOST_NET_CONNECT, HOST_NET_RANGE);
  port.address = address("127.0.0.1", 0);
  port.prefix_bits = 32;
  port.port_first = port.port_last = 9;
  port.denies = true;
  port.rule = "deny nine";
  add(port);
  add_range(HOST_NET_CONNECT, "127.0.0.1", 32, false);
  CHECK(!may("127.0.0.1", 9));
  CHECK(!may("::ffff:127.0.0.1", 9));
  CHECK(may("127.0.0.1", 10));
  CHECK(may("127.0.0.2", 9));
  struct host_net_address to = address("127.0.0.1", 9);
  struct host_object *socket;
  CHECK_INT(host_network_connect(network, &to, &socket, &told), -HOST_ERROR_NOTCAPABLE);
  CHECK_TEXT(told, "deny nine");
  add_range(HOST_NET_CONNECT, "10.0.0.1", 32, true);
  add(rule(HOST_NET_CONNECT, HOST_NET_PRIVATE));
  CHECK(!may("64:ff9b::10.0.0.1", 9));
  CHECK(!may("2002:a00:1::", 9));
  end();
}

TEST(directions_protocols_ports) {
  begin();
  struct host_net_address to = address("127.0.0.1", 0);
  struct host_object *socket = NULL;
  add_range(HOST_NET_CONNECT, "127.0.0.1", 32, false);
  CHECK_INT(host_network_listen(network, &to, &socket, NULL), -HOST_ERROR_NOTCAPABLE);
  CHECK_INT(host_network_datagram(network, &to, false, &socket, NULL), -HOST_ERROR_NOTCAPABLE);
  end();
  begin();
  struct host_net_rule udp = rule(HOST_NET_LISTEN, HOST_NET_RANGE);
  udp.address = to;
  udp.prefix_bits = 32;
  udp.protocols = HOST_NET_UDP;
  add(udp);
  CHECK_INT(host_network_listen(network, &to, &socket, NULL), -HOST_ERROR_NOTCAPABLE);
  CHECK_INT(host_network_datagram(network, &to, false, &socket, NULL), 0);
  host_object_release(socket);
  CHECK(!may("127.0.0.1", 9));
  end();
}

/* ---- Names ----------------------------------------------------------------------------------------------------------- */

static void wait_for(struct host_object *object, enum host_interest interest) {
  struct host_loop *loop;
  struct host_wait wait = {.object = object, .interest = (uint8_t)interest};
  if (host_loop_new(&loop, NULL)) abort();
  CHECK_INT(host_loop_wait(loop, &wait, 1, base_os_monotonic_ns() + UINT64_C(3000000000)), 1);
  host_loop_free(loop);
}

static int resolve(const char *name, size_t *count) {
  struct host_net_address out[8];
  struct host_object *lookup;
  int result = host_network_lookup(network, name, &lookup, NULL);
  if (result) return result;
  result = host_lookup_finish(lookup, out, 8, count);
  host_object_release(lookup);
  return result;
}

TEST(names) {
  begin();
  size_t count = 0;
  add_name("*.example.org", false);
  CHECK(!may("93.184.216.34", 9));
  CHECK_INT(resolve("other.test", &count), -HOST_ERROR_NOTCAPABLE);
  CHECK_INT(resolve("example.org", &count), -HOST_ERROR_NOTCAPABLE);
  CHECK_INT(resolve("evilexample.org", &count), -HOST_ERROR_NOTCAPABLE);
  CHECK_INT(questions, 0);
  CHECK_INT(resolve("PUBLIC.example.org.", &count), 0);
  CHECK_INT(count, 1);
  CHECK(may("93.184.216.34", 9));
  CHECK(!may("93.184.216.37", 9));
  CHECK_INT(resolve("rebind.example.org", &count), -HOST_ERROR_NOTCAPABLE);
  CHECK_INT(resolve("mapped.example.org", &count), -HOST_ERROR_NOTCAPABLE);
  CHECK(!may("127.0.0.1", 9));
  CHECK_INT(resolve("mixed.example.org", &count), 0);
  CHECK_INT(count, 1);
  CHECK(!may("10.0.0.1", 9));
  CHECK_INT(resolve("missing.example.org", &count), -HOST_ERROR_NOENT);
  static const char *const bad[] = {
      "", ".", "..", "a..example.org", ".example.org", "a b.example.org", "a/b", "x\n.example.org"};
  for (size_t i = 0; i < BASE_ARRAY_LEN(bad); i++) CHECK_INT(resolve(bad[i], &count), -HOST_ERROR_INVAL);
  char longer[400];
  memset(longer, 'a', sizeof longer);
  longer[399] = 0;
  CHECK_INT(resolve(longer, &count), -HOST_ERROR_INVAL);
  end();
}

TEST(names_are_asked_once) {
  begin();
  size_t count = 0;
  add_name("moves.example.org", false);
  CHECK_INT(resolve("moves.example.org", &count), 0);
  CHECK_INT(resolve("moves.example.org", &count), 0);
  CHECK_INT(questions, 1);
  CHECK(may("93.184.216.36", 9));
  end();
}

TEST(denied_names) {
  begin();
  size_t count = 0;
  add_name("*.example.org", false);
  add_name("public.example.org", true);
  CHECK_INT(resolve("public.example.org", &count), -HOST_ERROR_NOTCAPABLE);
  CHECK_INT(resolve("moves.example.org", &count), 0);
  end();
}

TEST(localhost) {
  begin();
  size_t count = 0;
  add(rule(HOST_NET_CONNECT, HOST_NET_ANY));
  CHECK_INT(resolve("localhost", &count), -HOST_ERROR_NOTCAPABLE);
  CHECK_INT(resolve("a.localhost", &count), -HOST_ERROR_NOTCAPABLE);
  add_name("localhost", false);
  CHECK_INT(resolve("localhost", &count), 0);
  CHECK_INT(count, 2);
  CHECK_INT(questions, 0);
  CHECK(may("127.0.0.1", 9));
  CHECK(may("::1", 9));
  CHECK(!may("127.0.0.2", 9));
  CHECK_INT(resolve("127.0.0.9", &count), 0);
  CHECK(!may("127.0.0.9", 9));
  end();
}

/* ---- Answers that come later, or are lies --------------------------------------------------------------------------- */

static struct host_object *ask(const char *name) {
  struct host_object *lookup = NULL;
  holds = true;
  CHECK_INT(host_network_lookup(network, name, &lookup, NULL), 0);
  return lookup;
}

static int finish(struct host_object *lookup, size_t *count) {
  struct host_net_address out[8];
  return host_lookup_finish(lookup, out, 8, count);
}

TEST(answers_come_later) {
  begin();
  add_name("*.example.org", false);
  size_t count = 9;
  struct host_object *first = ask("public.example.org");
  int first_end = held;
  struct host_object *second = ask("PUBLIC.example.org");
  CHECK_INT(questions, 2); /* nothing is known yet */
  CHECK_INT(finish(first, &count), HOST_PENDING);
  CHECK_INT(count, 0);
  struct host_net_address one = address("93.184.216.34", 0), other = address("93.184.216.99", 0);
  host_network_answer_with(first_end, 0, &one, 1);
  wait_for(first, HOST_READABLE);
  CHECK_INT(finish(first, &count), 0);
  CHECK_INT(finish(first, &count), 0);
  CHECK_INT(count, 1);
  /* The name is what it was found to be first. */
  host_network_answer_with(held, 0, &other, 1);
  CHECK_INT(finish(second, &count), 0);
  CHECK(may("93.184.216.34", 9));
  CHECK(!may("93.184.216.99", 9));
  struct host_object *third = ask("public.example.org");
  CHECK_INT(questions, 2);
  wait_for(third, HOST_READABLE);
  CHECK_INT(finish(third, &count), 0);
  host_object_release(first), host_object_release(second), host_object_release(third);
  close(first_end), close(held);
  end();
}

TEST(nobody_answers) {
  begin();
  add_name("*.example.org", false);
  size_t count;
  struct host_object *lookup = ask("gone.example.org");
  close(held);
  wait_for(lookup, HOST_READABLE);
  CHECK_INT(finish(lookup, &count), -HOST_ERROR_AGAIN);
  host_object_release(lookup);
  /* One that never says anything and does not go away either. */
  lookup = ask("silent.example.org");
  lookup->lookup->deadline_ns = base_os_monotonic_ns() + 20 * 1000000;
  CHECK_INT(finish(lookup, &count), HOST_PENDING);
  wait_for(lookup, HOST_READABLE);
  CHECK_INT(finish(lookup, &count), -HOST_ERROR_TIMEDOUT);
  host_object_release(lookup);
  close(held);
  /* Whoever asked may have lost interest. */
  signal(SIGPIPE, SIG_IGN);
  lookup = ask("late.example.org");
  host_object_release(lookup);
  host_network_answer_with(held, 0, &(struct host_net_address){.bytes = {8, 8, 8, 8}}, 1);
  close(held);
  end();
}

/* What came of an answer of these bytes. */
static int finish_with(const void *bytes, size_t len_bytes) {
  size_t count;
  struct host_object *lookup = ask("lies.example.org");
  CHECK(write(held, bytes, len_bytes) == (ssize_t)len_bytes);
  close(held);
  int result = finish(lookup, &count);
  CHECK(result != 0 || count > 0);
  host_object_release(lookup);
  return result;
}

TEST(answers_are_distrusted) {
  struct host_answer answer = {.count = 2}, read;
  struct cay_error error;
  char bytes[HOST_ANSWER_BYTES + 1] = {0}, lie[HOST_ANSWER_BYTES];
  answer.addresses[0] = address("93.184.216.34", 0);
  answer.addresses[1] = address("2606:2800:220::1", 0);
  answer.addresses[1].scope = 7;
  size_t len_bytes = host_answer_write(&answer, bytes);
  CHECK_INT(len_bytes, 8 + 2 * 21);
  CHECK_INT(host_answer_parse(bytes, len_bytes, &read, &error), CAY_OK);
  CHECK(read.count == 2 && read.error == HOST_OK &&
        memcmp(read.addresses, answer.addresses, sizeof answer.addresses) == 0);
  static const struct {
    uint8_t at, value;
    uint64_t offset;
  } lies[] = {{0, HOST_ERROR_COUNT, 0},
              {3, 1, 0},
              {0, HOST_ERROR_NOENT, 4},
              {4, 33, 4},
              {7, 1, 4},
              {4, 0, 4},
              {4, 1, 29},
              {4, 3, 50},
              {8, 0, 8},
              {8, 5, 8},
              {29, 7, 29},
              {13, 1, 13},
              {24, 1, 13},
              {25, 1, 25}};
  begin();
  add_name("*.example.org", false);
  for (size_t i = 0; i < BASE_ARRAY_LEN(lies); i++) {
    memcpy(lie, bytes, len_bytes);
    lie[lies[i].at] = (char)lies[i].value;
    CHECK_INT(host_answer_parse(lie, len_bytes, &read, &error), CAY_ERROR_MALFORMED);
    CHECK_INT(error.offset, lies[i].offset);
    CHECK_INT(read.count, 0);
    CHECK_INT(finish_with(lie, len_bytes), -HOST_ERROR_PROTO);
  }
  for (size_t cut = 1; cut < len_bytes; cut++) {
    CHECK_INT(host_answer_parse(bytes, cut, &read, &error), CAY_ERROR_MALFORMED);
    CHECK_INT(error.offset, cut);
    CHECK_INT(finish_with(bytes, cut), -HOST_ERROR_PROTO);
  }
  CHECK_INT(finish_with(bytes, len_bytes + 1), -HOST_ERROR_PROTO);
  /* True in form, but of addresses that no name leads to. */
  answer = (struct host_answer){.count = 2};
  answer.addresses[0] = address("127.0.0.1", 0);
  answer.addresses[1] = address("64:ff9b::10.0.0.1", 0);
  len_bytes = host_answer_write(&answer, bytes);
  CHECK_INT(finish_with(bytes, len_bytes), -HOST_ERROR_NOTCAPABLE);
  CHECK(!may("127.0.0.1", 9));
  end();
}

/* ---- What a resolver does: judging again, for who asks may lie, and asking the system ---------------------------------- */

static int answered(const char *name, struct host_answer *out) {
  char bytes[HOST_ANSWER_BYTES + 1];
  int ends[2];
  CHECK_INT(pipe(ends), 0);
  host_network_answer(network, name, ends[1]);
  close(ends[1]);
  ssize_t got = read(ends[0], bytes, sizeof bytes);
  close(ends[0]);
  CHECK_INT(host_answer_parse(bytes, (size_t)got, out, NULL), CAY_OK);
  return -(int)out->error;
}

static bool is_loopback(const struct host_net_address *address) {
  static const struct host_net_address v6 = {.bytes = {[15] = 1}};
  return address->is_v6 ? memcmp(address->bytes, v6.bytes, 16) == 0 : address->bytes[0] == 127;
}

TEST(resolver) {
  struct host_answer answer;
  begin();
  add_name("*.example.org", false);
  CHECK_INT(answered("localhost", &answer), -HOST_ERROR_NOTCAPABLE);
  CHECK_INT(answered("other.test", &answer), -HOST_ERROR_NOTCAPABLE);
  CHECK_INT(answered("a b.example.org", &answer), -HOST_ERROR_INVAL);
  add(rule(HOST_NET_CONNECT, HOST_NET_ANY));
  CHECK_INT(answered("localhost", &answer), -HOST_ERROR_NOTCAPABLE); /* is private and not named */
  CHECK_INT(answered("127.1", &answer), -HOST_ERROR_NOTCAPABLE);     /* to the C library an address */
  add_name("localhost", false);
  CHECK_INT(answered("LOCALHOST.", &answer), 0);
  for (size_t i = 0; i < answer.count; i++) CHECK(is_loopback(&answer.addresses[i]));
  end();
}

TEST(resolver_in_a_thread) {
  struct host_object *lookup;
  size_t count = 0;
  CHECK_INT(host_network_new(&network, NULL), CAY_OK);
  add(rule(HOST_NET_CONNECT, HOST_NET_ANY));
  add_range(HOST_NET_CONNECT, "127.0.0.1", 32, false);
  CHECK_INT(host_network_lookup(network, "127.1", &lookup, NULL), 0); /* answered by the C library without a server */
  wait_for(lookup, HOST_READABLE);
  CHECK_INT(finish(lookup, &count), 0);
  CHECK_INT(count, 1);
  host_object_release(lookup);
  end();
}

/* ---- Sockets ----------------------------------------------------------------------------------------------------------- */

static uint16_t port_of(const struct host_object *socket) {
  char text[128];
  CHECK(host_object_address(socket, text, sizeof text));
  return (uint16_t)atoi(strrchr(text, ':') + 1);
}

TEST(tcp) {
  begin();
  add_range(HOST_NET_LISTEN, "127.0.0.1", 32, false);
  add_range(HOST_NET_CONNECT, "127.0.0.1", 32, false);
  struct host_net_address at = address("127.0.0.1", 0);
  struct host_object *listener, *client, *server;
  const char *told = NULL;
  CHECK_INT(host_network_listen(network, &at, &listener, &told), 0);
  CHECK_TEXT(told, "a rule");
  at.port = port_of(listener);
  CHECK_INT(host_network_connect(network, &at, &client, NULL), 0);
  wait_for(client, HOST_WRITABLE);
  CHECK_INT(host_connect_finish(client), 0);
  wait_for(listener, HOST_READABLE);
  struct host_peer who;
  CHECK_INT(host_accept(listener, &server, &who), 0);
  CHECK(strncmp(who.address, "127.0.0.1:", 10) == 0 && !who.is_refused);
  CHECK(who.rule == NULL); /* everybody is accepted */
  char bytes[4] = "abc";
  struct host_buffer buffer = plain(bytes, 3);
  size_t done = 0;
  CHECK_INT(host_send(client, &buffer, 1, &done), 0);
  wait_for(server, HOST_READABLE);
  CHECK_INT(host_read(server, &buffer, 1, &done), 0);
  CHECK_INT(done, 3);
  host_object_release(server);
  host_object_release(client);
  host_object_release(listener);
  CHECK_INT(host_network_connect(network, &at, &client, NULL), 0);
  wait_for(client, HOST_WRITABLE);
  CHECK_INT(host_connect_finish(client), -HOST_ERROR_CONNREFUSED);
  host_object_release(client);
  end();
}

/* A peer that no rule accepts is not seen by the program. */
TEST(peers) {
  begin();
  add_range(HOST_NET_LISTEN, "127.0.0.1", 32, false);
  add_range(HOST_NET_CONNECT, "127.0.0.1", 32, false);
  add_range(HOST_NET_ACCEPT, "10.0.0.0", 8, false);
  struct host_net_address at = address("127.0.0.1", 0);
  struct host_object *listener, *client, *server = NULL;
  CHECK_INT(host_network_listen(network, &at, &listener, NULL), 0);
  at.port = port_of(listener);
  CHECK_INT(host_network_connect(network, &at, &client, NULL), 0);
  wait_for(listener, HOST_READABLE);
  struct host_peer who;
  CHECK_INT(host_accept(listener, &server, &who), HOST_PENDING);
  CHECK(strncmp(who.address, "127.0.0.1:", 10) == 0 && who.is_refused);
  CHECK(who.rule == NULL); /* none allows it */
  CHECK_INT(host_accept(listener, &server, &who), HOST_PENDING);
  CHECK(!who.address[0] && !who.is_refused);
  wait_for(client, HOST_READABLE);
  char byte;
  struct host_buffer buffer = plain(&byte, 1);
  size_t done = 9;
  int result = host_read(client, &buffer, 1, &done);
  CHECK(result == -HOST_ERROR_CONNRESET || (result == 0 && done == 0));
  host_object_release(client);
  host_object_release(listener);
  end();
}

TEST(udp) {
  begin();
  add_range(HOST_NET_LISTEN, "127.0.0.1", 32, false);
  struct host_net_address at = address("127.0.0.1", 0), from, to;
  struct host_object *server, *client;
  CHECK_INT(host_network_datagram(network, &at, false, &server, NULL), 0);
  to = address("127.0.0.1", port_of(server));
  CHECK_INT(host_network_datagram(network, NULL, false, &client, NULL), 0);
  char bytes[8] = "hello";
  struct host_buffer buffer = plain(bytes, 5);
  struct host_receive how = {0};
  size_t done = 0;
  CHECK_INT(host_send_to(client, &buffer, 1, &to, &done, NULL), -HOST_ERROR_NOTCAPABLE);
  struct host_network *other;
  CHECK_INT(host_network_new(&other, NULL), CAY_OK);
  struct host_net_rule out = rule(HOST_NET_CONNECT, HOST_NET_RANGE);
  out.address = to;
  out.prefix_bits = 32;
  out.port_first = out.port_last = to.port;
  CHECK_INT(host_network_add(other, &out, NULL), CAY_OK);
  host_object_release(client);
  CHECK_INT(host_network_datagram(other, NULL, false, &client, NULL), 0);
  CHECK_INT(host_send_to(client, &buffer, 1, &to, &done, NULL), 0);
  CHECK_INT(done, 5);
  wait_for(server, HOST_READABLE);
  CHECK_INT(host_receive_from(server, &buffer, 1, &how, &from, &done), 0);
  CHECK_INT(done, 5);
  /* A server answers those that it heard from, and nobody else. */
  CHECK_INT(host_send_to(server, &buffer, 1, &from, &done, NULL), 0);
  struct host_net_address stranger = from;
  stranger.port ^= 1;
  CHECK_INT(host_send_to(server, &buffer, 1, &stranger, &done, NULL), -HOST_ERROR_NOTCAPABLE);
  wait_for(client, HOST_READABLE);
  CHECK_INT(host_receive_from(client, &buffer, 1, &how, &from, &done), 0);
  CHECK_INT(from.port, to.port);
  CHECK_INT(host_receive_from(client, &buffer, 1, &how, &from, &done), HOST_PENDING);
  host_object_release(client);
  host_object_release(server);
  host_network_release(other);
  end();
}

/* That a server answers those that it heard from is no reason to answer one that is denied. */
TEST(answers_to_the_denied) {
  begin();
  add_range(HOST_NET_LISTEN, "127.0.0.1", 32, false);
  add_range(HOST_NET_CONNECT, "127.0.0.1", 32, true);
  struct host_net_address at = address("127.0.0.1", 0), from;
  struct host_object *server;
  CHECK_INT(host_network_datagram(network, &at, false, &server, NULL), 0);
  int client = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in to = {
      .sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_port = htons(port_of(server))};
  CHECK_INT(sendto(client, "hello", 5, 0, (struct sockaddr *)&to, sizeof to), 5);
  wait_for(server, HOST_READABLE);
  char bytes[8];
  struct host_buffer buffer = plain(bytes, 5);
  struct host_receive how = {0};
  size_t done = 0;
  const char *told = NULL;
  CHECK_INT(host_receive_from(server, &buffer, 1, &how, &from, &done), 0);
  CHECK_INT(host_send_to(server, &buffer, 1, &from, &done, &told), -HOST_ERROR_NOTCAPABLE);
  CHECK_TEXT(told, "a rule");
  close(client);
  host_object_release(server);
  end();
}

/* Without asking for the sender a datagram is judged all the same; and it is sent whole or not at all. */
TEST(datagrams) {
  begin();
  add_range(HOST_NET_LISTEN, "127.0.0.1", 32, false);
  struct host_net_rule ten = rule(HOST_NET_ACCEPT, HOST_NET_RANGE);
  ten.address = address("10.0.0.0", 0);
  ten.prefix_bits = 8;
  add(ten);
  struct host_net_address at = address("127.0.0.1", 0);
  struct host_object *server;
  CHECK_INT(host_network_datagram(network, &at, false, &server, NULL), 0);
  int client = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in to = {
      .sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_port = htons(port_of(server))};
  char bytes[8];
  struct host_buffer buffer = plain(bytes, 8);
  struct host_receive how = {0};
  size_t done = 0;
  for (int i = 0; i < 2; i++) {
    CHECK_INT(sendto(client, "hello", 5, 0, (struct sockaddr *)&to, sizeof to), 5);
    wait_for(server, HOST_READABLE);
    CHECK_INT(i == 0 ? host_receive(server, &buffer, 1, &how, &done) : host_read(server, &buffer, 1, &done),
              HOST_PENDING);
  }
  close(client);
  host_object_release(server);
  end();
  int pair[2];
  CHECK_INT(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
  struct base_budget *budget = base_budget_new(NULL);
  base_budget_set_limit(budget, BASE_LIMIT_SENT, 5);
  struct host_object *plain_one, *counted;
  CHECK_INT(host_grant_fd(pair[0], HOST_RIGHT_WRITE, &plain_one, NULL), CAY_OK);
  counted = host_object_counted(plain_one, budget, false);
  CHECK_INT(host_send(counted, &buffer, 1, &done), HOST_EXHAUSTED + BASE_LIMIT_SENT);
  CHECK_INT(recv(pair[1], bytes, sizeof bytes, MSG_DONTWAIT), -1);
  CHECK_INT(base_budget_used(budget, BASE_LIMIT_SENT), 0);
  host_object_release(counted);
  host_object_release(plain_one);
  base_budget_release(budget);
  close(pair[0]);
  close(pair[1]);
}

TEST_MAIN({RUN(private_is_denied) RUN(named_private) RUN(denying_wins) RUN(directions_protocols_ports) RUN(names)
               RUN(names_are_asked_once) RUN(denied_names) RUN(localhost) RUN(answers_come_later) RUN(nobody_answers)
                   RUN(answers_are_distrusted) RUN(resolver) RUN(resolver_in_a_thread) RUN(tcp) RUN(peers) RUN(udp)
                       RUN(answers_to_the_denied) RUN(datagrams)})
