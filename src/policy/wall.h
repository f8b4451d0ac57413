/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Part of the door of `policy` (policy.h includes it): the second wall, which confines the whole process, for good, to
 * what one guest was granted. Behind it a bug in cay gives an attacker what the guest was granted, and little more: where
 * paths were granted, attributes of other files and where links lead; where some may be written, too, the times of the user's
 * other files, because Landlock knows of none of them.
 *
 * It is for the command only: a library never confines its host. It is entered once, by the only thread of the process,
 * when everything is open and loaded. What is open stays usable; nothing new comes but what `struct policy_wall` names.
 * Children and later threads are behind the same wall. */
#ifndef POLICY_WALL_H
#define POLICY_WALL_H

#include "base/base.h"

/* A directory or a file of the host, and what may be done with it and with everything beneath it. */
struct policy_wall_path {
  int fd;          /* any descriptor of it, also one that only names it */
  uint32_t rights; /* enum host_right */
  bool is_directory;
};

/* TCP ports. */
struct policy_wall_ports {
  uint16_t first, last;
  bool connects, listens;
};

struct policy_wall {
  const struct policy_wall_path *paths; /* none: nothing is opened by a name any more */
  size_t path_count;
  bool threads;   /* more threads will be started */
  bool listeners; /* connections will be accepted */
  bool sockets;   /* TCP and UDP sockets will be made, bound and connected: */
  const struct policy_wall_ports *ports; /* TCP ones to nothing else, as far as the system can tell */
  size_t port_count;
  int child;      /* a process whose end will be waited for; 0: none */
  /* Machine code: the only addresses that can be made executable, and how code comes there. */
  uintptr_t code;
  size_t code_bytes;
  enum base_code_change code_change;
};

/* The parts, each of which may be missing on a system. */
#define POLICY_WALL_PARTS(X)           \
  X(PRIVILEGES, "no new privileges")   \
  X(CAPABILITIES, "no capabilities")   \
  X(FILES, "Landlock")                 \
  X(CALLS, "seccomp")
enum policy_wall_part {
#define X(NAME, name) POLICY_WALL_##NAME,
  POLICY_WALL_PARTS(X)
#undef X
  POLICY_WALL_PART_COUNT
};
/* A report is made at every start and read at few, so its texts are made by who reads them. */
struct policy_wall_report {
  struct {
    bool holds;
    int failure; /* errno, when it does not hold; of Landlock 0: its version forbids what was granted */
  } parts[POLICY_WALL_PART_COUNT];
  bool had_capabilities, limits_tcp; /* to granted ports */
  int landlock_version;
};
const char *policy_wall_part_name(enum policy_wall_part part);
/* "version 7: files, truncating, ..." or why it does not hold; printable. */
enum { POLICY_WALL_TEXT_BYTES = 112 };
void policy_wall_part_text(const struct policy_wall_report *report, enum policy_wall_part part,
                           char out[POLICY_WALL_TEXT_BYTES]);

/* Whether the command of this build enters it when not told otherwise: not with a sanitizer, which makes system calls of
 * its own, and not on systems without any part of it. */
bool policy_wall_is_default(void);

/* Confines the process. A part that the system lacks, or does not let this process have, is left out, and the report says
 * so. */
void policy_wall_enter(const struct policy_wall *wall, struct policy_wall_report *report);

/* For a process that reads what a stranger wrote, and answers: from now on it reads and writes descriptors that are open
 * and takes memory, and nothing else. */
bool policy_wall_enter_reader(void);

/* For a process that has the C library talk to strangers, which may read any file and load code: from now on it gets no new
 * privileges, changes no file, runs no program and signals nobody outside, where the system has Landlock. */
void policy_wall_enter_lookup(void);

#endif
