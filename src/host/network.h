/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Between network.c, address.c and socket.c: addresses, and the judgement of a use of the network. */
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
/* The IPv4 addresses that an IPv6 one carries (NAT64, 6to4, Teredo, compatible): how many, at most 2. */
unsigned host_net_embedded(const struct host_net_address *address, struct host_net_address out[2]);
/* Whether all of the range is private and within one private range. */
bool host_net_range_is_private(const struct host_net_address *range, unsigned prefix_bits);

/* network.c. 0 or -NOTCAPABLE; *rule (NULL allowed): what decided. A network of NULL allows everything. */
int host_network_judge(struct host_network *network, enum host_net_direction direction,
                       enum host_net_protocol protocol, const struct host_net_address *address, uint16_t port,
                       const char **rule);

/* The last ones that a bound UDP socket received from. */
struct host_peers;
struct host_peers *host_peers_new(void); /* NULL: no memory */
void host_peers_free(struct host_peers *peers); /* NULL allowed */
void host_peers_add(struct host_peers *peers, const struct host_net_address *peer);
bool host_peers_have(struct host_peers *peers, const struct host_net_address *peer);

#endif
