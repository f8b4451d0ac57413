/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Texts of --net: [allow:|deny:]DIRECTION:PROTOCOL:HOST[:PORT].
 *
 * A text that could mean two things is an error and not a guess: an IPv6 address stands in brackets, a range has no bits
 * behind its prefix, and what looks like a number is an address in its usual form or nothing (127.1 and 0x7f000001 are
 * names for some resolvers, and loopback). */
#include "policy/policy.h"

#include <arpa/inet.h>
#include <stdio.h>

struct reader {
  const char *at;
  const char *text;
};

/* Takes "WORD:" off the front. */
static bool take_word(struct reader *reader, const char *word) {
  size_t len = strlen(word);
  if (strncmp(reader->at, word, len) != 0 || reader->at[len] != ':') return false;
  reader->at += len + 1;
  return true;
}

static bool number(const char **at, unsigned most, unsigned *out) {
  const char *start = *at;
  for (*out = 0; **at >= '0' && **at <= '9'; ++*at)
    if ((*out = *out * 10 + (unsigned)(**at - '0')) > most) return false;
  return *at > start && (*start != '0' || *at == start + 1);
}

static bool read_ports(const char *at, struct host_net_rule *rule) {
  unsigned first, last;
  if (strcmp(at, "*") == 0) return true;
  if (!number(&at, 65535, &first)) return false;
  last = first;
  if (*at == '-') {
    at++;
    if (!number(&at, 65535, &last)) return false;
  }
  rule->port_first = (uint16_t)first;
  rule->port_last = (uint16_t)last;
  return !*at && first <= last;
}

/* Bits behind the prefix mean that something else was meant. */
static bool is_aligned(const struct host_net_address *address, unsigned bits) {
  for (unsigned i = bits; i < (address->is_v6 ? 128U : 32U); i++)
    if (address->bytes[i / 8] & (0x80 >> i % 8)) return false;
  return true;
}

static bool read_range(const char *host, struct host_net_rule *rule) {
  char text[INET6_ADDRSTRLEN];
  size_t len = strcspn(host, "/");
  unsigned bits;
  if (len >= sizeof text) return false;
  memcpy(text, host, len);
  text[len] = 0;
  rule->what = HOST_NET_RANGE;
  rule->address = (struct host_net_address){.is_v6 = strchr(text, ':') != NULL};
  if (inet_pton(rule->address.is_v6 ? AF_INET6 : AF_INET, text, rule->address.bytes) != 1) return false;
  bits = rule->address.is_v6 ? 128 : 32;
  const char *at = host + len;
  if (*at == '/') {
    at++;
    if (!number(&at, bits, &bits)) return false;
  }
  rule->prefix_bits = (uint8_t)bits;
  return !*at && is_aligned(&rule->address, bits);
}

/* "example.org", "*.example.org". The last label of a name is no number, and no hexadecimal one. */
static bool read_name(const char *host, struct policy_net *out) {
  size_t len = strlen(host), label = 0;
  bool has_letter = false;
  if (len == 0 || len >= sizeof out->name) return false;
  for (size_t i = 0; i < len; i++) {
    char c = host[i];
    if (c >= 'A' && c <= 'Z') c = (char)(c - 'A' + 'a');
    bool is_letter = (c >= 'a' && c <= 'z') || c == '-' || c == '_';
    bool is_star = c == '*' && i == 0 && host[1] == '.';
    if (!is_letter && !is_star && c != '.' && (c < '0' || c > '9')) return false;
    if (c == '.' && label == 0) return false;
    label = c == '.' ? 0 : label + 1;
    if (label > 63) return false;
    has_letter = c == '.' ? false : has_letter || is_letter;
    if (label == 2 && c == 'x' && host[i - 1] == '0') return false;
    out->name[i] = c;
  }
  out->name[len] = 0;
  out->rule.what = HOST_NET_NAME;
  out->rule.name = out->name;
  return label > 0 && has_letter;
}

static bool read_localhost(enum host_net_direction direction, struct policy_net *out) {
  if (direction == HOST_NET_CONNECT) return read_name("localhost", out);
  return read_range(direction == HOST_NET_LISTEN ? "127.0.0.1" : "127.0.0.0/8", &out->rule);
}

static enum cay_status read_host(const char *host, bool is_bracketed, struct policy_net *out, struct cay_error *error) {
  enum host_net_direction direction = out->rule.directions;
  bool is_good = true;
  if (is_bracketed)
    is_good = strchr(host, ':') && read_range(host, &out->rule);
  else if (strcmp(host, "*") == 0)
    out->rule.what = HOST_NET_ANY;
  else if (strcmp(host, "private") == 0)
    out->rule.what = HOST_NET_PRIVATE;
  else if (strcmp(host, "localhost") == 0)
    is_good = read_localhost(direction, out);
  else if (!read_range(host, &out->rule)) {
    is_good = read_name(host, out);
    if (is_good && direction != HOST_NET_CONNECT)
      return base_error_set(error, CAY_ERROR_ARGUMENT, "%.200s is a name; an address is needed here, or *", host);
  }
  if (is_good) return CAY_OK;
  return base_error_set(error, CAY_ERROR_ARGUMENT,
                        "\"%.200s\" is no host: write a name, *.NAME, *, private, an address, or ADDRESS/BITS, IPv6 in "
                        "brackets and nothing behind the bits",
                        host);
}

/* Splits HOST[:PORT]; brackets go. "[::]/0" is read as "[::/0]". */
static bool split(const char *text, char host[POLICY_NET_HOST], const char **port, bool *is_bracketed) {
  const char *close = *text == '[' ? strchr(text, ']') : NULL;
  *is_bracketed = close != NULL;
  if (*text == '[' && !close) return false;
  const char *rest = close ? close + 1 : text, *colon = strchr(rest, ':');
  size_t inner = close ? (size_t)(close - text) - 1 : 0, tail = colon ? (size_t)(colon - rest) : strlen(rest);
  if (inner + tail >= POLICY_NET_HOST || (close && tail && *rest != '/')) return false;
  memcpy(host, text + 1, inner);
  memcpy(host + inner, rest, tail);
  host[inner + tail] = 0;
  *port = colon ? colon + 1 : NULL;
  return true;
}

static bool read_protocol(struct reader *reader, uint8_t *out) {
  *out = take_word(reader, "tcp")   ? HOST_NET_TCP
         : take_word(reader, "udp") ? HOST_NET_UDP
         : take_word(reader, "*")   ? HOST_NET_TCP | HOST_NET_UDP
                                    : 0;
  return *out != 0;
}

static bool read_direction(struct reader *reader, uint8_t *out) {
  *out = take_word(reader, "connect")  ? HOST_NET_CONNECT
         : take_word(reader, "listen") ? HOST_NET_LISTEN
         : take_word(reader, "accept") ? HOST_NET_ACCEPT
                                       : 0;
  return *out != 0;
}

enum cay_status policy_net_parse(const char *text, struct policy_net *out, struct cay_error *error) {
  struct reader reader = {.at = text, .text = text};
  char host[POLICY_NET_HOST];
  const char *port = NULL;
  bool is_bracketed;
  *out = (struct policy_net){.rule = {.port_last = 65535, .rule = text}};
  out->rule.denies = take_word(&reader, "deny");
  if (!out->rule.denies) take_word(&reader, "allow");
  if (!read_direction(&reader, &out->rule.directions))
    return base_error_set(error, CAY_ERROR_ARGUMENT,
                          "\"%.200s\": write [allow:|deny:]connect|listen|accept:tcp|udp|*:HOST[:PORT]", text);
  if (!read_protocol(&reader, &out->rule.protocols))
    return base_error_set(error, CAY_ERROR_ARGUMENT, "\"%.200s\": the protocol is tcp, udp or *", text);
  if (!split(reader.at, host, &port, &is_bracketed) || (port && strchr(port, ':')))
    return base_error_set(error, CAY_ERROR_ARGUMENT, "\"%.200s\": HOST[:PORT] ends it, an IPv6 address in brackets",
                          text);
  enum cay_status status = read_host(host, is_bracketed, out, error);
  if (status == CAY_OK && port && !read_ports(port, &out->rule))
    return base_error_set(error, CAY_ERROR_ARGUMENT, "\"%.20s\" is no port: write N, FIRST-LAST or *", port);
  return status;
}

bool policy_net_listens(const struct policy_net *net) {
  const struct host_net_rule *rule = &net->rule;
  unsigned bits = rule->address.is_v6 ? 128 : 32;
  return !rule->denies && rule->directions == HOST_NET_LISTEN && (rule->protocols & HOST_NET_TCP) &&
         rule->what == HOST_NET_RANGE && rule->prefix_bits == bits && rule->port_first == rule->port_last;
}

void policy_net_address(const struct policy_net *net, char *out, size_t capacity) {
  const struct host_net_address *address = &net->rule.address;
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(address->is_v6 ? AF_INET6 : AF_INET, address->bytes, text, sizeof text);
  snprintf(out, capacity, address->is_v6 ? "[%s]:%u" : "%s:%u", text, net->rule.port_first);
}

enum cay_status policy_listen_parse(const char *text, struct host_net_address *out, struct cay_error *error) {
  char rule[POLICY_NET_HOST + 32];
  struct policy_net net;
  int len = snprintf(rule, sizeof rule, "listen:tcp:%s", text);
  if ((size_t)len < sizeof rule && policy_net_parse(rule, &net, NULL) == CAY_OK && policy_net_listens(&net)) {
    *out = net.rule.address;
    out->port = net.rule.port_first;
    return CAY_OK;
  }
  return base_error_set(error, CAY_ERROR_ARGUMENT,
                        "%.200s is not an address to listen on; it has to look like 127.0.0.1:8080 or [::1]:8080",
                        text);
}
