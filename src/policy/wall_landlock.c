/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The kernel's own rules for names of files: Landlock, by its system calls.
 *
 * Everything that Landlock knows is forbidden, and then each granted directory and file gets back what its rights mean.
 * Rules are for what a descriptor names, not for a path as text: what is renamed meanwhile stays what was granted. So a
 * single file's rule is for the file that was there at the start. Another one that is put in its place later is not
 * reached, although cay's own check would let it through; a rule for its folder would, and open the rest of the folder
 * with it. That is the worse of the two: who needs the former grants the folder, or gives --isolate=none.
 *
 * Landlock grew: what a kernel's version does not know is left out of the rules. Its first version forbids moving between
 * directories, whatever is granted; there it is left out where the guest may move, rather than break the guest.
 *
 * Of the network it knows TCP ports, one a rule. What may be connected to or listened on is held to them where they are
 * few; a grant of many ports is one of any here, and addresses are cay's own matter.
 *
 * What it does not know in any version: asking for attributes (stat) and for where a link leads, changing times, and what was
 * open before. The filter of system calls leaves the questions out where no path was granted, and times where none was
 * granted to write, but cannot see which file a name means. Rejected: times through descriptors only, which links cannot
 * have. */
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/host.h"
#include "policy/wall_parts.h"

/* The kernel's interface, with what older headers lack. */
enum {
  FS_EXECUTE = 1 << 0,
  FS_WRITE_FILE = 1 << 1,
  FS_READ_FILE = 1 << 2,
  FS_READ_DIR = 1 << 3,
  FS_REMOVE_DIR = 1 << 4,
  FS_REMOVE_FILE = 1 << 5,
  FS_MAKE_DIR = 1 << 7,
  FS_MAKE_REG = 1 << 8,
  FS_MAKE_SYM = 1 << 12,
  FS_VERSION_1 = (1 << 13) - 1,
  FS_REFER = 1 << 13,
  FS_TRUNCATE = 1 << 14,
  FS_IOCTL_DEV = 1 << 15,
};
enum { NET_BIND_TCP = 1 << 0, NET_CONNECT_TCP = 1 << 1 };
enum { SCOPE_ABSTRACT_UNIX = 1 << 0, SCOPE_SIGNAL = 1 << 1 };
enum { CREATE_RULESET_VERSION = 1, RULE_PATH_BENEATH = 1, RULE_NET_PORT };
enum { PORTS_MAX = 1024 };

struct ruleset {
  uint64_t handled_fs, handled_net, scoped;
};
struct path_rule {
  uint64_t allowed;
  int32_t parent_fd;
} __attribute__((packed));
struct port_rule {
  uint64_t allowed, port;
};

/* What Landlock shall know of TCP: all of it where there are no sockets, else what has few ports. */
static uint64_t known_of_tcp(const struct policy_wall *wall) {
  uint32_t connects = 0, listens = 0;
  if (!wall->sockets) return NET_BIND_TCP | NET_CONNECT_TCP;
  for (size_t i = 0; i < wall->port_count && connects <= PORTS_MAX && listens <= PORTS_MAX; i++) {
    uint32_t count = (uint32_t)wall->ports[i].last - wall->ports[i].first + 1;
    if (wall->ports[i].connects) connects += count;
    if (wall->ports[i].listens) listens += count;
  }
  return (connects <= PORTS_MAX ? NET_CONNECT_TCP : 0) | (listens <= PORTS_MAX ? NET_BIND_TCP : 0);
}

static struct ruleset what_is_known(int version, const struct policy_wall *wall) {
  struct ruleset ruleset = {.handled_fs = FS_VERSION_1};
  if (version >= 2) ruleset.handled_fs |= FS_REFER;
  if (version >= 3) ruleset.handled_fs |= FS_TRUNCATE;
  if (version >= 4) ruleset.handled_net = known_of_tcp(wall);
  if (version >= 5) ruleset.handled_fs |= FS_IOCTL_DEV;
  if (version >= 6) ruleset.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
  return ruleset;
}

static uint64_t allowed(const struct policy_wall_path *path) {
  static const struct {
    uint32_t right;
    uint64_t file, directory;
  } meanings[] = {
      {HOST_RIGHT_READ, FS_READ_FILE, 0},
      {HOST_RIGHT_LIST, 0, FS_READ_DIR},
      {HOST_RIGHT_WRITE, FS_WRITE_FILE | FS_TRUNCATE, 0},
      {HOST_RIGHT_MUTATE, 0, FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG | FS_MAKE_SYM | FS_REFER},
      /* What was made can be written and cut by the descriptor that made it, which the kernel calls opening for writing. */
      {HOST_RIGHT_CREATE, 0, FS_MAKE_DIR | FS_MAKE_REG | FS_WRITE_FILE | FS_TRUNCATE},
      {HOST_RIGHT_DEVICE, FS_IOCTL_DEV, 0},
  };
  uint64_t fs = 0;
  for (size_t i = 0; i < BASE_ARRAY_LEN(meanings); i++)
    if (path->rights & meanings[i].right) fs |= meanings[i].file | (path->is_directory ? meanings[i].directory : 0);
  return fs;
}

static bool add_paths(int ruleset_fd, const struct ruleset *ruleset, const struct policy_wall *wall) {
  for (size_t i = 0; i < wall->path_count; i++) {
    struct path_rule rule = {allowed(&wall->paths[i]) & ruleset->handled_fs, wall->paths[i].fd};
    if (rule.allowed && syscall(SYS_landlock_add_rule, ruleset_fd, RULE_PATH_BENEATH, &rule, 0) != 0) return false;
  }
  return true;
}

static bool add_ports(int ruleset_fd, const struct ruleset *ruleset, const struct policy_wall_ports *ports) {
  uint64_t meant = (ports->connects ? NET_CONNECT_TCP : 0) | (ports->listens ? NET_BIND_TCP : 0);
  struct port_rule rule = {.allowed = meant & ruleset->handled_net};
  for (rule.port = ports->first; rule.allowed && rule.port <= ports->last; rule.port++)
    if (syscall(SYS_landlock_add_rule, ruleset_fd, RULE_NET_PORT, &rule, 0) != 0) return false;
  return true;
}

static bool add_all_ports(int ruleset_fd, const struct ruleset *ruleset, const struct policy_wall *wall) {
  for (size_t i = 0; i < wall->port_count; i++)
    if (!add_ports(ruleset_fd, ruleset, &wall->ports[i])) return false;
  return true;
}

static bool any_moves(const struct policy_wall *wall) {
  for (size_t i = 0; i < wall->path_count; i++)
    if (wall->paths[i].rights & HOST_RIGHT_MUTATE) return true;
  return false;
}

static int version_of_kernel(void) {
  long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
  return version > 0 ? (int)version : 0;
}

bool wall_landlock_enter(const struct policy_wall *wall, struct wall_landlock *out) {
  *out = (struct wall_landlock){.version = version_of_kernel()};
  out->failure = out->version ? 0 : errno;
  if (!out->version || (out->version == 1 && any_moves(wall))) return false;
  struct ruleset ruleset = what_is_known(out->version, wall);
  out->limits_tcp = ruleset.handled_net == (NET_BIND_TCP | NET_CONNECT_TCP);
  int fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, sizeof ruleset, 0);
  bool holds = fd >= 0 && add_paths(fd, &ruleset, wall) && add_all_ports(fd, &ruleset, wall) &&
               syscall(SYS_landlock_restrict_self, fd, 0) == 0;
  if (!holds) out->failure = errno;
  if (fd >= 0) close(fd);
  return holds;
}

bool wall_landlock_only_read(void) {
  static const struct policy_wall no_paths;
  int version = version_of_kernel();
  if (!version) return false;
  struct ruleset ruleset = what_is_known(version, &no_paths);
  ruleset.handled_fs &= ~(uint64_t)(FS_READ_FILE | FS_READ_DIR | FS_IOCTL_DEV);
  ruleset.handled_net &= ~(uint64_t)NET_CONNECT_TCP; /* to name servers */
  int fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, sizeof ruleset, 0);
  bool holds = fd >= 0 && syscall(SYS_landlock_restrict_self, fd, 0) == 0;
  if (fd >= 0) close(fd);
  return holds;
}
