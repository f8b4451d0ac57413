/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The rules of the network, and what names led to.
 *
 * Every use is judged here by its address, at the moment it is made: the rules that deny first, then those that allow. A
 * rule with a name allows the addresses that the name led to when the program first asked for it (lookup.c); the answer is
 * kept (a pin), so that a name cannot lead somewhere else later. Rejected: resolving names when the rules are read, which
 * asks for names that nobody uses and cannot know those of "*.example.org"; and resolving again for each connection,
 * which is how an answer comes to be private after it was judged.
 *
 * Private addresses never come by a name unless a rule allows the address itself.
 *
 * Invariants: (1) addresses are normalized before they are judged; (2) rules do not change once the network is used;
 * (3) pins are only added, under the lock. */
#include "host/network.h"

#include <assert.h>

enum { PINS_MAX = 4096 };

struct host_pin {
  char *name;
  struct host_net_address *addresses;
  size_t count;
  bool is_localhost;
};

struct host_network {
  atomic_uint references;
  BASE_VEC(struct host_net_rule) rules;
  bool limits_peers; /* there is a rule that allows to accept */
  host_net_resolver *resolve;
  void *resolve_env;
  pthread_mutex_t lock;
  BASE_VEC(struct host_pin) pins;
};

enum cay_status host_network_new(struct host_network **out, struct cay_error *error) {
  struct host_network *network = base_alloc_zero(1, sizeof *network);
  if (!network) return base_error_memory(error);
  atomic_init(&network->references, 1);
  pthread_mutex_init(&network->lock, NULL);
  host_network_set_resolver(network, NULL, NULL);
  *out = network;
  return CAY_OK;
}

struct host_network *host_network_retain(struct host_network *network) {
  atomic_fetch_add_explicit(&network->references, 1, memory_order_relaxed);
  return network;
}

void host_network_release(struct host_network *network) {
  if (!network || atomic_fetch_sub_explicit(&network->references, 1, memory_order_acq_rel) != 1) return;
  for (size_t i = 0; i < network->rules.count; i++) {
    base_free((char *)network->rules.items[i].name);
    base_free((char *)network->rules.items[i].rule);
  }
  for (size_t i = 0; i < network->pins.count; i++) {
    base_free(network->pins.items[i].name);
    base_free(network->pins.items[i].addresses);
  }
  BASE_VEC_DEINIT(&network->rules);
  BASE_VEC_DEINIT(&network->pins);
  pthread_mutex_destroy(&network->lock);
  base_free(network);
}

enum cay_status host_network_add(struct host_network *network, const struct host_net_rule *rule,
                                 struct cay_error *error) {
  struct host_net_rule added = *rule;
  unsigned bits = rule->address.is_v6 ? 128 : 32;
  host_net_normalize(&added.address);
  if (rule->what == HOST_NET_RANGE && rule->address.is_v6 && !added.address.is_v6) {
    if (rule->prefix_bits < 96)
      return base_error_set(error, CAY_ERROR_ARGUMENT, "a range of mapped IPv4 addresses has at least 96 bits");
    added.prefix_bits = (uint8_t)(rule->prefix_bits - 96);
    bits = 32;
  }
  if (added.prefix_bits > bits) return base_error_set(error, CAY_ERROR_ARGUMENT, "an address has only %u bits", bits);
  added.name = rule->name ? base_string_copy(rule->name, strlen(rule->name)) : NULL;
  added.rule = rule->rule ? base_string_copy(rule->rule, strlen(rule->rule)) : NULL;
  struct host_net_rule *slot =
      (!rule->name || added.name) && (!rule->rule || added.rule) ? BASE_VEC_PUSH(&network->rules) : NULL;
  if (!slot) {
    base_free((char *)added.name);
    base_free((char *)added.rule);
    return base_error_memory(error);
  }
  *slot = added;
  network->limits_peers |= !rule->denies && (rule->directions & HOST_NET_ACCEPT);
  return CAY_OK;
}

void host_network_set_resolver(struct host_network *network, host_net_resolver *resolve, void *env) {
  network->resolve = resolve ? resolve : host_lookup_in_thread;
  network->resolve_env = resolve ? env : network;
}

int host_network_ask(struct host_network *network, const char *name, int fd) {
  return network->resolve(network->resolve_env, name, fd);
}

void host_network_each_rule(const struct host_network *network,
                            void (*tell)(void *env, const struct host_net_rule *rule), void *env) {
  for (size_t i = 0; i < network->rules.count; i++) tell(env, &network->rules.items[i]);
}

/* ---- Judging ---------------------------------------------------------------------------------------------------------- */

bool host_name_matches(const char *pattern, const char *name) {
  if (strncmp(pattern, "*.", 2) != 0) return strcmp(pattern, name) == 0;
  size_t suffix = strlen(pattern + 1), len = strlen(name);
  return len > suffix && strcmp(name + len - suffix, pattern + 1) == 0;
}

static bool same_address(const struct host_net_address *a, const struct host_net_address *b) {
  return a->is_v6 == b->is_v6 && memcmp(a->bytes, b->bytes, a->is_v6 ? 16 : 4) == 0;
}

/* Whether a name that the rule matches led to the address. */
static bool is_pinned(const struct host_network *network, const char *pattern, const struct host_net_address *address,
                      bool only_localhost) {
  for (size_t i = 0; i < network->pins.count; i++) {
    const struct host_pin *pin = &network->pins.items[i];
    if (!host_name_matches(pattern, pin->name) || (only_localhost && !pin->is_localhost)) continue;
    for (size_t k = 0; k < pin->count; k++)
      if (same_address(&pin->addresses[k], address)) return true;
  }
  return false;
}

static bool in_rule_range(const struct host_net_rule *rule, const struct host_net_address *address) {
  return host_net_in_range(address, &rule->address, rule->prefix_bits);
}

/* A rule that denies an address also denies what carries it. */
static bool denies(const struct host_network *network, const struct host_net_rule *rule,
                   const struct host_net_address *address) {
  struct host_net_address carried[2];
  switch (rule->what) {
  case HOST_NET_ANY: return true;
  case HOST_NET_PRIVATE: return host_net_is_private(address);
  case HOST_NET_NAME: return is_pinned(network, rule->name, address, false);
  case HOST_NET_RANGE: break;
  }
  if (in_rule_range(rule, address)) return true;
  for (unsigned i = 0, count = host_net_embedded(address, carried); i < count; i++)
    if (in_rule_range(rule, &carried[i])) return true;
  return false;
}

/* Whether the rule names private addresses, and not just many, some of which are private. */
static bool names_private(const struct host_net_rule *rule) {
  return rule->prefix_bits == (rule->address.is_v6 ? 128 : 32) ||
         host_net_range_is_private(&rule->address, rule->prefix_bits);
}

static bool allows(const struct host_network *network, const struct host_net_rule *rule,
                   enum host_net_direction direction, const struct host_net_address *address) {
  bool has_to_be_named = direction == HOST_NET_CONNECT && host_net_is_private(address);
  switch (rule->what) {
  case HOST_NET_ANY: return !has_to_be_named;
  case HOST_NET_PRIVATE: return host_net_is_private(address);
  case HOST_NET_NAME: return is_pinned(network, rule->name, address, has_to_be_named);
  case HOST_NET_RANGE: break;
  }
  return in_rule_range(rule, address) && (!has_to_be_named || names_private(rule));
}

static bool is_about(const struct host_net_rule *rule, enum host_net_direction direction,
                     enum host_net_protocol protocol, uint16_t port) {
  return (rule->directions & direction) && (rule->protocols & protocol) && port >= rule->port_first &&
         port <= rule->port_last;
}

enum verdict { ALLOWED, DENIED, NOT_MENTIONED };

static enum verdict judge(const struct host_network *network, enum host_net_direction direction,
                          enum host_net_protocol protocol, const struct host_net_address *address, uint16_t port,
                          const char **rule_text) {
  for (size_t i = 0; i < network->rules.count; i++) {
    const struct host_net_rule *rule = &network->rules.items[i];
    if (!rule->denies || !is_about(rule, direction, protocol, port) || !denies(network, rule, address)) continue;
    *rule_text = rule->rule;
    return DENIED;
  }
  for (size_t i = 0; i < network->rules.count; i++) {
    const struct host_net_rule *rule = &network->rules.items[i];
    if (rule->denies || !is_about(rule, direction, protocol, port) || !allows(network, rule, direction, address))
      continue;
    *rule_text = rule->rule;
    return ALLOWED;
  }
  return direction == HOST_NET_ACCEPT && !network->limits_peers ? ALLOWED : NOT_MENTIONED;
}

static enum verdict judge_now(struct host_network *network, enum host_net_direction direction,
                              enum host_net_protocol protocol, const struct host_net_address *address, uint16_t port,
                              const char **rule_text) {
  struct host_net_address normal = *address;
  host_net_normalize(&normal);
  pthread_mutex_lock(&network->lock);
  enum verdict verdict = judge(network, direction, protocol, &normal, port, rule_text);
  pthread_mutex_unlock(&network->lock);
  return verdict;
}

int host_network_judge(struct host_network *network, enum host_net_direction direction, enum host_net_protocol protocol,
                       const struct host_net_address *address, uint16_t port, const char **rule) {
  const char *unused;
  if (!rule) rule = &unused;
  *rule = NULL;
  if (!network) return 0;
  return judge_now(network, direction, protocol, address, port, rule) == ALLOWED ? 0 : -HOST_ERROR_NOTCAPABLE;
}

bool host_network_denies(struct host_network *network, enum host_net_direction direction,
                         enum host_net_protocol protocol, const struct host_net_address *address, uint16_t port) {
  const char *unused;
  return judge_now(network, direction, protocol, address, port, &unused) == DENIED;
}

/* ---- Names ------------------------------------------------------------------------------------------------------------- */

bool host_network_may_ask(const struct host_network *network, const char *name, bool *is_named,
                          const char **rule_text) {
  bool is_allowed = false;
  *is_named = false;
  for (size_t i = 0; i < network->rules.count; i++) {
    const struct host_net_rule *rule = &network->rules.items[i];
    bool is_named_here = rule->what == HOST_NET_NAME && host_name_matches(rule->name, name);
    if (!(rule->directions & HOST_NET_CONNECT) || (!is_named_here && rule->what != HOST_NET_ANY)) continue;
    bool is_whole =
        rule->protocols == (HOST_NET_TCP | HOST_NET_UDP) && rule->port_first == 0 && rule->port_last == 65535;
    if (rule->denies && !is_whole) continue; /* judged when it is connected to */
    *rule_text = rule->rule;
    if (rule->denies) return false;
    is_allowed = true;
    *is_named |= is_named_here;
  }
  return is_allowed;
}

/* Whether a rule allows the address as such, and not by a name that led to it. */
static bool allows_itself(const struct host_network *network, const struct host_net_address *address) {
  for (size_t i = 0; i < network->rules.count; i++) {
    const struct host_net_rule *rule = &network->rules.items[i];
    if (!rule->denies && rule->what != HOST_NET_NAME && (rule->directions & HOST_NET_CONNECT) &&
        allows(network, rule, HOST_NET_CONNECT, address))
      return true;
  }
  return false;
}

size_t host_network_keep_allowed(const struct host_network *network, struct host_net_address *addresses, size_t count) {
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) {
    host_net_normalize(&addresses[i]);
    if (!host_net_is_private(&addresses[i]) || allows_itself(network, &addresses[i])) addresses[kept++] = addresses[i];
  }
  return kept;
}

static const struct host_pin *find_pin(const struct host_network *network, const char *name) {
  for (size_t i = 0; i < network->pins.count; i++)
    if (strcmp(network->pins.items[i].name, name) == 0) return &network->pins.items[i];
  return NULL;
}

static int add_pin(struct host_network *network, const char *name, const struct host_net_address *addresses,
                   size_t count, bool is_localhost) {
  if (network->pins.count >= PINS_MAX) return -HOST_ERROR_NOBUFS;
  struct host_pin pin = {.name = base_string_copy(name, strlen(name)), .count = count, .is_localhost = is_localhost};
  pin.addresses = base_alloc_zero(count, sizeof *addresses);
  struct host_pin *slot = pin.name && pin.addresses ? BASE_VEC_PUSH(&network->pins) : NULL;
  if (!slot) {
    base_free(pin.name);
    base_free(pin.addresses);
    return -HOST_ERROR_NOMEM;
  }
  memcpy(pin.addresses, addresses, count * sizeof *addresses);
  *slot = pin;
  return 0;
}

int host_network_pin(struct host_network *network, const char *name, const struct host_net_address *addresses,
                     size_t count, bool is_localhost) {
  pthread_mutex_lock(&network->lock);
  int result = find_pin(network, name) ? 0 : add_pin(network, name, addresses, count, is_localhost);
  pthread_mutex_unlock(&network->lock);
  return result;
}

bool host_network_pinned(struct host_network *network, const char *name, struct host_net_address *out, size_t capacity,
                         size_t *count) {
  pthread_mutex_lock(&network->lock);
  const struct host_pin *pin = find_pin(network, name);
  *count = !pin ? 0 : pin->count < capacity ? pin->count : capacity;
  if (pin && *count) memcpy(out, pin->addresses, *count * sizeof *out);
  pthread_mutex_unlock(&network->lock);
  return pin != NULL;
}
