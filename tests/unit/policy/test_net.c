/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Texts of --net, --clock and --random. */
#include "policy/policy.h"
#include "test.h"

static struct policy_net net;

static bool reads(const char *text) { return policy_net_parse(text, &net, NULL) == CAY_OK; }

TEST(rules) {
  CHECK(reads("connect:tcp:*.Example.org:443"));
  CHECK(!net.rule.denies && net.rule.directions == HOST_NET_CONNECT && net.rule.protocols == HOST_NET_TCP);
  CHECK_INT(net.rule.what, HOST_NET_NAME);
  CHECK_TEXT(net.rule.name, "*.example.org");
  CHECK(net.rule.port_first == 443 && net.rule.port_last == 443);
  CHECK(reads("deny:connect:*:10.0.0.0/8"));
  CHECK(net.rule.denies && net.rule.what == HOST_NET_RANGE && net.rule.prefix_bits == 8);
  CHECK(net.rule.port_first == 0 && net.rule.port_last == 65535);
  CHECK_INT(net.rule.protocols, HOST_NET_TCP | HOST_NET_UDP);
  CHECK(reads("allow:accept:udp:private:1024-65535"));
  CHECK(net.rule.what == HOST_NET_PRIVATE && net.rule.port_first == 1024 && net.rule.directions == HOST_NET_ACCEPT);
  CHECK(reads("connect:tcp:*:*"));
  CHECK_INT(net.rule.what, HOST_NET_ANY);
  CHECK(reads("connect:tcp:[fc00::]/7:80"));
  CHECK(net.rule.prefix_bits == 7 && net.rule.address.is_v6 && net.rule.port_first == 80);
  CHECK(reads("connect:tcp:[fc00::/7]"));
  CHECK(net.rule.prefix_bits == 7 && net.rule.port_last == 65535);
  CHECK(reads("connect:tcp:localhost:80"));
  CHECK(net.rule.what == HOST_NET_NAME);
}

TEST(sockets) {
  char address[64];
  CHECK(reads("listen:tcp:127.0.0.1:8080"));
  CHECK(policy_net_listens(&net));
  policy_net_address(&net, address, sizeof address);
  CHECK_TEXT(address, "127.0.0.1:8080");
  CHECK(reads("listen:tcp:[::1]:0"));
  policy_net_address(&net, address, sizeof address);
  CHECK_TEXT(address, "[::1]:0");
  CHECK(reads("listen:tcp:localhost:80") && policy_net_listens(&net));
  static const char *const others[] = {"listen:tcp:127.0.0.1",     "listen:tcp:127.0.0.0/8:80",
                                       "listen:udp:127.0.0.1:80",  "deny:listen:tcp:127.0.0.1:80",
                                       "connect:tcp:127.0.0.1:80", "listen:tcp:*:80"};
  for (size_t i = 0; i < BASE_ARRAY_LEN(others); i++) CHECK(reads(others[i]) && !policy_net_listens(&net));
}

TEST(addresses_to_listen_on) {
  struct cay_error error;
  struct host_net_address address;
  CHECK_INT(policy_listen_parse("127.0.0.1:8080", &address, &error), CAY_OK);
  CHECK(!address.is_v6 && address.bytes[0] == 127 && address.port == 8080);
  CHECK_INT(policy_listen_parse("localhost:0", &address, &error), CAY_OK);
  CHECK(!address.is_v6 && address.bytes[0] == 127 && address.port == 0);
  CHECK_INT(policy_listen_parse("[::]:65535", &address, &error), CAY_OK);
  CHECK(address.is_v6 && address.port == 65535);
  static const char *const bad[] = {"",
                                    "127.0.0.1",
                                    "127.0.0.1:",
                                    "127.0.0.1:65536",
                                    "127.0.0.1:1-2",
                                    "[::1]",
                                    "::1:80",
                                    "*:80",
                                    "example.org:80",
                                    "private:80",
                                    "10.0.0.0/8:80",
                                    "localhost",
                                    "localhost:*",
                                    "127.1:80",
                                    "127.0.0.1:80 "};
  for (size_t i = 0; i < BASE_ARRAY_LEN(bad); i++)
    CHECK_INT(policy_listen_parse(bad[i], &address, &error), CAY_ERROR_ARGUMENT);
  char longer[1000];
  memset(longer, '1', sizeof longer - 1);
  longer[sizeof longer - 1] = 0;
  CHECK_INT(policy_listen_parse(longer, &address, &error), CAY_ERROR_ARGUMENT);
}

TEST(bad_rules) {
  static const char *const bad[] = {"",
                                    "connect",
                                    "connect:tcp",
                                    "connect:tcp:",
                                    "connect:icmp:*:1",
                                    "talk:tcp:*:1",
                                    "permit:connect:tcp:*:1",
                                    "deny:allow:connect:tcp:*",
                                    "connect:tcp:::1:80",
                                    "connect:tcp:fe80::1",
                                    "connect:tcp:[fe80::1%eth0]:80",
                                    "connect:tcp:[::1",
                                    "connect:tcp:[127.0.0.1]:80",
                                    "connect:tcp:[example.org]:80",
                                    "connect:tcp:[::1]x:80",
                                    "connect:tcp:127.1:80",
                                    "connect:tcp:0x7f.1",
                                    "connect:tcp:0x7f000001",
                                    "connect:tcp:2130706433:80",
                                    "connect:tcp:0177.0.0.1",
                                    "connect:tcp:1.2.3.4.5",
                                    "connect:tcp:10.1.2.3/8",
                                    "connect:tcp:10.0.0.0/33",
                                    "connect:tcp:10.0.0.0/",
                                    "connect:tcp:10.0.0.0/08",
                                    "connect:tcp:[fc00::1]/7",
                                    "connect:tcp:*.",
                                    "connect:tcp:a.*.org",
                                    "connect:tcp:*example.org",
                                    "connect:tcp:.example.org",
                                    "connect:tcp:a..b",
                                    "connect:tcp:example.org.",
                                    "connect:tcp:exa mple.org",
                                    "connect:tcp:example.org:",
                                    "connect:tcp:example.org:0x1",
                                    "connect:tcp:example.org:65536",
                                    "connect:tcp:example.org:9-8",
                                    "connect:tcp:example.org:8-",
                                    "connect:tcp:example.org:080",
                                    "connect:tcp:example.org:80:90",
                                    "listen:tcp:example.org:80",
                                    "accept:tcp:*.example.org"};
  for (size_t i = 0; i < BASE_ARRAY_LEN(bad); i++) {
    if (reads(bad[i])) fprintf(stderr, "\"%s\" was read\n", bad[i]);
    CHECK(!reads(bad[i]));
  }
  char longer[600] = "connect:tcp:";
  memset(longer + 12, 'a', sizeof longer - 13);
  CHECK(!reads(longer));
}

TEST(clocks) {
  static const struct {
    const char *text;
    enum policy_clock clock;
    uint64_t seconds;
  } good[] = {{"real", POLICY_CLOCK_REAL, 0},
              {"fixed", POLICY_CLOCK_FIXED, 946684800},
              {"fixed=0", POLICY_CLOCK_FIXED, 0},
              {"fixed=1970-01-01", POLICY_CLOCK_FIXED, 0},
              {"fixed=2000-02-29", POLICY_CLOCK_FIXED, 951782400},
              {"fixed=2024-12-31T23:59:59Z", POLICY_CLOCK_FIXED, 1735689599},
              {"coarse=2s", POLICY_CLOCK_COARSE, 2}};
  static const char *const bad[] = {"",
                                    "fixed=",
                                    "fixed=2023-02-29",
                                    "fixed=1969-12-31",
                                    "fixed=2024-13-01",
                                    "fixed=2024-01-01T24:00:00Z",
                                    "fixed=2024-01-01T00:00:00",
                                    "fixed=2024-1-1",
                                    "fixed=18446744074",
                                    "fixed=-1",
                                    "coarse=0",
                                    "coarse=x",
                                    "Fixed"};
  enum policy_clock clock;
  uint64_t ns;
  for (size_t i = 0; i < BASE_ARRAY_LEN(good); i++) {
    CHECK_INT(policy_clock_parse(good[i].text, &clock, &ns, NULL), CAY_OK);
    CHECK_INT(clock, good[i].clock);
    CHECK_INT(ns, good[i].seconds * 1000000000);
  }
  for (size_t i = 0; i < BASE_ARRAY_LEN(bad); i++)
    CHECK_INT(policy_clock_parse(bad[i], &clock, &ns, NULL), CAY_ERROR_ARGUMENT);
}

TEST(random_sources) {
  bool is_seeded;
  uint64_t seed;
  CHECK_INT(policy_random_parse("real", &is_seeded, &seed, NULL), CAY_OK);
  CHECK(!is_seeded);
  CHECK_INT(policy_random_parse("seed=18446744073709551615", &is_seeded, &seed, NULL), CAY_OK);
  CHECK(is_seeded && seed == UINT64_MAX);
  static const char *const bad[] = {"", "seed", "seed=", "seed=x", "seed=-1", "seed=18446744073709551616", "fake"};
  for (size_t i = 0; i < BASE_ARRAY_LEN(bad); i++)
    CHECK_INT(policy_random_parse(bad[i], &is_seeded, &seed, NULL), CAY_ERROR_ARGUMENT);
}

TEST_MAIN({RUN(rules) RUN(sockets) RUN(addresses_to_listen_on) RUN(bad_rules) RUN(clocks) RUN(random_sources)})
