/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Between network.c, lookup.c, address.c and socket.c: addresses, names, and the judgement of a use of the network. */
#ifndef HOST_NETWORK_H
#define HOST_NETWORK_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "host/object.h"

union host_sockaddr {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
};

/* address.c. Addresses that the system gives or a guest names become host_net_address in one form only: IPv4 ones that are
 * mapped into IPv6 are IPv4 ones. */
void host_net_normalize(struct host_net_address *address);
bool host_net_of_sockaddr(const union host_sockaddr *from, struct host_net_address *out);
socklen_t host_net_to_sockaddr(const struct host_net_address *from, union host_sockaddr *out);
/* Whether the first `prefix_bits` bits of both are the same. */
bool host_net_in_range(const struct host_net_address *address, const struct host_net_address *range,
                       unsigned prefix_bits);
bool host_net_is_private(const struct host_net_address *address);
/* The IPv4 addresses that an IPv6 one carries (NAT64, SIIT, 6to4, Teredo, compatible): how many, at most 2. */
unsigned host_net_embedded(const struct host_net_address *address, struct host_net_address out[2]);
/* Whether all of the range is private and within one private range. */
bool host_net_range_is_private(const struct host_net_address *range, unsigned prefix_bits);

/* network.c. 0 or -NOTCAPABLE; *rule (NULL allowed): what decided. A network of NULL allows everything. */
int host_network_judge(struct host_network *network, enum host_net_direction direction,
                       enum host_net_protocol protocol, const struct host_net_address *address, uint16_t port,
                       const char **rule);
/* Whether a rule denies it, which nothing else can allow then. */
bool host_network_denies(struct host_network *network, enum host_net_direction direction,
                         enum host_net_protocol protocol, const struct host_net_address *address, uint16_t port);

/* "example.org" or "*.example.org" against a name in lower case. */
bool host_name_matches(const char *pattern, const char *name);
/* Whether the rules let a name in lower case be looked up, and whether one of them names it. */
bool host_network_may_ask(const struct host_network *network, const char *name, bool *is_named, const char **rule);
/* Leaves out private addresses that no rule names; returns how many are left. */
size_t host_network_keep_allowed(const struct host_network *network, struct host_net_address *addresses, size_t count);
/* Keeps what a name led to, at least one address; what was kept first stays. */
int host_network_pin(struct host_network *network, const char *name, const struct host_net_address *addresses,
                     size_t count, bool is_localhost);
/* What was kept, the first `capacity` of it; false: the name was not looked up yet. */
bool host_network_pinned(struct host_network *network, const char *name, struct host_net_address *out, size_t capacity,
                         size_t *count);
/* Hands the name to the network's resolver. */
int host_network_ask(struct host_network *network, const char *name, int fd);

/* lookup.c. */
enum { HOST_NAME_BYTES = 254 };
struct host_lookup {
  uint64_t deadline_ns; /* of the monotonic clock: afterwards no answer is waited for */
  bool is_address, is_localhost;
  char name[HOST_NAME_BYTES];
};
/* The resolver when no other is set; `env` is the network. */
int host_lookup_in_thread(void *env, const char *name, int fd);

/* An answer as it is sent: a number of four bytes for what came of it (enum host_error), one for how many addresses there
 * are, then each of them: 4 or 6, the bytes (of IPv4 the last 12 are zero), the scope. */
enum { HOST_ANSWER_ADDRESSES = 32, HOST_ANSWER_BYTES = 8 + HOST_ANSWER_ADDRESSES * 21 };
struct host_answer {
  enum host_error error;
  size_t count;
  struct host_net_address addresses[HOST_ANSWER_ADDRESSES];
};
size_t host_answer_write(const struct host_answer *answer, char out[HOST_ANSWER_BYTES]);
/* MALFORMED with the offset of what is wrong; an answer is read whole or not at all. `error` may be NULL. */
enum cay_status host_answer_parse(const char *bytes, size_t len_bytes, struct host_answer *out, struct cay_error *error);

/* The last ones that a bound UDP socket received from. */
struct host_peers;
struct host_peers *host_peers_new(void); /* NULL: no memory */
void host_peers_free(struct host_peers *peers); /* NULL allowed */
void host_peers_add(struct host_peers *peers, const struct host_net_address *peer);
bool host_peers_have(struct host_peers *peers, const struct host_net_address *peer);

#endif
