/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Network rules over arbitrary texts: what is accepted is a rule that makes sense, and a name in it is no number. */
#include <arpa/inet.h>
#include <assert.h>

#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes) {
  struct policy_net net;
  struct cay_error error;
  struct in_addr number;
  char *text = base_string_copy((const char *)bytes, len_bytes);
  if (policy_net_parse(text, &net, &error) == CAY_OK) {
    assert(net.rule.directions && net.rule.protocols && net.rule.port_first <= net.rule.port_last);
    assert(net.rule.prefix_bits <= (net.rule.address.is_v6 ? 128 : 32));
    if (net.rule.what == HOST_NET_NAME) assert(net.rule.name[0] && !inet_aton(net.rule.name, &number));
    if (policy_net_listens(&net)) {
      char address[64];
      policy_net_address(&net, address, sizeof address);
      assert(strchr(address, ':'));
    }
  }
  base_free(text);
  return 0;
}
