/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Internet addresses: one form for each, and which are private.
 *
 * There are many ways to write one IPv4 address as an IPv6 one, and each is a way around a rule for the first. Mapped
 * addresses are turned into what they mean; of those that some gateway would translate (NAT64, SIIT, 6to4, Teredo,
 * compatible) what they carry is judged, too. */
#include <arpa/inet.h>
#include <assert.h>

#include "host/network.h"

struct range {
  uint8_t bytes[16], bits;
};

/* RFC 1122, 1918, 6598, 3927, 6890, 2544, 5771, 1112. */
static const struct range private_v4[] = {
    {{0}, 8},       {{10}, 8},        {{100, 64}, 10}, {{127}, 8}, {{169, 254}, 16}, {{172, 16}, 12},
    {{192, 0}, 24}, {{192, 168}, 16}, {{198, 18}, 15}, {{224}, 4}, {{240}, 4},
};
/* Loopback, unspecified and compatible; NAT64 of a site; unique local; link-local; site-local; multicast. */
static const struct range private_v6[] = {
    {{0}, 96}, {{0, 0x64, 0xFF, 0x9B, 0, 1}, 48}, {{0xFC}, 7}, {{0xFE, 0x80}, 10}, {{0xFE, 0xC0}, 10}, {{0xFF}, 8},
};

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits) {
  unsigned bytes = bits / 8, rest = bits % 8;
  if (memcmp(a, b, bytes) != 0) return false;
  return rest == 0 || ((a[bytes] ^ b[bytes]) >> (8 - rest)) == 0;
}

void host_net_normalize(struct host_net_address *address) {
  static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF};
  if (!address->is_v6) {
    memset(address->bytes + 4, 0, 12);
    address->scope = 0;
  } else if (memcmp(address->bytes, mapped, sizeof mapped) == 0) {
    memmove(address->bytes, address->bytes + 12, 4);
    memset(address->bytes + 4, 0, 12);
    address->is_v6 = false;
    address->scope = 0;
  }
}

bool host_net_of_sockaddr(const union host_sockaddr *from, struct host_net_address *out) {
  *out = (struct host_net_address){.is_v6 = from->any.sa_family == AF_INET6};
  if (from->any.sa_family == AF_INET) {
    memcpy(out->bytes, &from->v4.sin_addr, 4);
    out->port = ntohs(from->v4.sin_port);
    return true;
  }
  if (!out->is_v6) return false;
  memcpy(out->bytes, &from->v6.sin6_addr, 16);
  out->port = ntohs(from->v6.sin6_port);
  out->scope = from->v6.sin6_scope_id;
  host_net_normalize(out);
  return true;
}

socklen_t host_net_to_sockaddr(const struct host_net_address *from, union host_sockaddr *out) {
  memset(out, 0, sizeof *out);
  if (!from->is_v6) {
    out->v4.sin_family = AF_INET;
    out->v4.sin_port = htons(from->port);
    memcpy(&out->v4.sin_addr, from->bytes, 4);
    return sizeof out->v4;
  }
  out->v6.sin6_family = AF_INET6;
  out->v6.sin6_port = htons(from->port);
  out->v6.sin6_scope_id = from->scope;
  memcpy(&out->v6.sin6_addr, from->bytes, 16);
  return sizeof out->v6;
}

bool host_net_in_range(const struct host_net_address *address, const struct host_net_address *range,
                       unsigned prefix_bits) {
  assert(prefix_bits <= (range->is_v6 ? 128U : 32U));
  return address->is_v6 == range->is_v6 && same_bits(address->bytes, range->bytes, prefix_bits);
}

static bool in_table(const uint8_t *bytes, unsigned bits, const struct range *table, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (bits >= table[i].bits && same_bits(bytes, table[i].bytes, table[i].bits)) return true;
  return false;
}

bool host_net_range_is_private(const struct host_net_address *range, unsigned prefix_bits) {
  return range->is_v6 ? in_table(range->bytes, prefix_bits, private_v6, BASE_ARRAY_LEN(private_v6))
                      : in_table(range->bytes, prefix_bits, private_v4, BASE_ARRAY_LEN(private_v4));
}

static void carry(const struct host_net_address *from, unsigned at, uint8_t mask, struct host_net_address *out) {
  *out = (struct host_net_address){.port = from->port};
  for (unsigned i = 0; i < 4; i++) out->bytes[i] = from->bytes[at + i] ^ mask;
}

unsigned host_net_embedded(const struct host_net_address *address, struct host_net_address out[2]) {
  static const uint8_t before[][12] = {{0, 0x64, 0xFF, 0x9B}, {[8] = 0xFF, [9] = 0xFF}, {0}};
  static const uint8_t six_to_four[2] = {0x20, 0x02}, teredo[4] = {0x20, 0x01};
  if (!address->is_v6) return 0;
  if (memcmp(address->bytes, six_to_four, 2) == 0) return carry(address, 2, 0, &out[0]), 1;
  if (memcmp(address->bytes, teredo, 4) == 0) {
    carry(address, 4, 0, &out[0]);
    carry(address, 12, 0xFF, &out[1]);
    return 2;
  }
  for (size_t i = 0; i < BASE_ARRAY_LEN(before); i++)
    if (memcmp(address->bytes, before[i], sizeof before[i]) == 0) return carry(address, 12, 0, &out[0]), 1;
  return 0;
}

bool host_net_is_private(const struct host_net_address *address) {
  struct host_net_address carried[2];
  if (host_net_range_is_private(address, address->is_v6 ? 128 : 32)) return true;
  for (unsigned i = 0, count = host_net_embedded(address, carried); i < count; i++)
    if (host_net_range_is_private(&carried[i], 32)) return true;
  return false;
}

/* ---- Peers ---------------------------------------------------------------------------------------------------------- */

enum { PEERS = 64 };
struct host_peers {
  pthread_mutex_t lock;
  struct host_net_address items[PEERS];
  size_t count, next;
};

struct host_peers *host_peers_new(void) {
  struct host_peers *peers = base_alloc_zero(1, sizeof *peers);
  if (peers) pthread_mutex_init(&peers->lock, NULL);
  return peers;
}

void host_peers_free(struct host_peers *peers) {
  if (peers) pthread_mutex_destroy(&peers->lock);
  base_free(peers);
}

static bool have(const struct host_peers *peers, const struct host_net_address *peer) {
  for (size_t i = 0; i < peers->count; i++) {
    const struct host_net_address *known = &peers->items[i];
    if (known->is_v6 == peer->is_v6 && known->port == peer->port && memcmp(known->bytes, peer->bytes, 16) == 0)
      return true;
  }
  return false;
}

void host_peers_add(struct host_peers *peers, const struct host_net_address *peer) {
  pthread_mutex_lock(&peers->lock);
  if (!have(peers, peer)) {
    peers->items[peers->next] = *peer;
    peers->next = (peers->next + 1) % PEERS;
    if (peers->count < PEERS) peers->count++;
  }
  pthread_mutex_unlock(&peers->lock);
}

bool host_peers_have(struct host_peers *peers, const struct host_net_address *peer) {
  pthread_mutex_lock(&peers->lock);
  bool found = have(peers, peer);
  pthread_mutex_unlock(&peers->lock);
  return found;
}
