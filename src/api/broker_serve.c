/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The broker: a child of the command, forked before the wall, that knows what the guest's process must not look at.
 *
 * Who asks may be an attacker that has taken over the guest's process. So a question has one meaning, limits and no way to
 * name anything but what it asks for, and the answers tell about the host's files nothing but whether paths exist
 * and what links lead to, so many times as a message after a failed run may need it. It opens no file for anybody.
 *
 * Debug information is read by a child of the broker's in turn: the module's author wrote it, and the library that reads it
 * is large. That child opens the library and the modules' sections first, and then has no rights but to answer. It is
 * started by the first question and stays; when it dies or takes too long there are no positions any more.
 *
 * Invariants: 1. The broker reads no byte that the module's author chose but a packet's, whose size is checked. 2. It has no
 * descriptor but its socket and the child's. 3. It ends with the process that it serves. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/broker.h"

enum { FILE_QUESTIONS_MAX = 4096, READER_MEMORY_BYTES = 1 << 30 };

struct server {
  const cay_run *run;
  int socket;
  int reader_socket; /* -1: not started, or lost */
  pid_t reader;
  bool reader_lost;
  unsigned file_questions;
  char reply[BROKER_REPLY_BYTES];
};

/* Leaves the process nothing but `kept`. Signals are for the process that is served: the terminal sends them to all. */
static void be_alone(int kept) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (kept > 0) syscall(SYS_close_range, 0U, (unsigned)kept - 1, 0);
  syscall(SYS_close_range, (unsigned)kept + 1, ~0U, 0);
}

/* ---- The reader of debug information --------------------------------------------------------------------------------------- */

_Noreturn static void read_for(int socket, const cay_run *run) {
  struct inspect_position positions[INSPECT_POSITIONS_MAX];
  struct rlimit memory = {READER_MEMORY_BYTES, READER_MEMORY_BYTES};
  struct broker_request request;
  const struct module *module = NULL;
  char reply[BROKER_REPLY_BYTES], bytes[sizeof request];
  size_t len_bytes, count = api_run_modules(run, 0, &module);
  struct inspect_reader *reader = inspect_reader_new();
  be_alone(socket);
  for (size_t i = 0; reader && i < count; i++) {
    api_run_modules(run, i, &module);
    inspect_reader_open(reader, module);
  }
  setrlimit(RLIMIT_DATA, &memory);
  policy_wall_enter_reader();
  while (reader && broker_receive(socket, bytes, sizeof bytes, &len_bytes, BROKER_FOREVER) &&
         broker_request_parse(bytes, len_bytes, count, &request)) {
    api_run_modules(run, request.module, &module);
    size_t found = inspect_reader_find(reader, module, request.offset, positions, INSPECT_POSITIONS_MAX);
    /* An answer of no bytes would be the end. */
    size_t reply_bytes = broker_positions_write(positions, found, reply);
    if (!broker_send(socket, reply_bytes ? reply : "", reply_bytes ? reply_bytes : 1)) break;
  }
  _exit(0);
}

static void lose_reader(struct server *server) {
  if (server->reader > 0) {
    kill(server->reader, SIGKILL);
    waitpid(server->reader, NULL, 0);
  }
  if (server->reader_socket >= 0) close(server->reader_socket);
  server->reader = 0;
  server->reader_socket = -1;
  server->reader_lost = true;
}

static bool start_reader(struct server *server) {
  int ends[2];
  if (server->reader_socket >= 0) return true;
  if (server->reader_lost || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return false;
  server->reader = fork();
  if (server->reader == 0) read_for(ends[1], server->run);
  close(ends[1]);
  server->reader_socket = ends[0];
  if (server->reader < 0) lose_reader(server);
  return server->reader_socket >= 0;
}

static size_t answer_positions(struct server *server, const struct broker_request *request) {
  size_t len_bytes = 0;
  if (!start_reader(server)) return 0;
  if (!broker_send(server->reader_socket, request, broker_request_bytes(request)) ||
      !broker_receive(server->reader_socket, server->reply, sizeof server->reply, &len_bytes, BROKER_READER_MS)) {
    lose_reader(server);
    return 0;
  }
  return len_bytes;
}

/* ---- Questions about files --------------------------------------------------------------------------------------------------- */

static size_t answer_real_path(struct server *server, const char *path) {
  char real[PATH_MAX];
  if (!realpath(path, real)) return 0;
  size_t len_bytes = strlen(real);
  memcpy(server->reply, real, len_bytes);
  return len_bytes;
}

static size_t answer_path_kind(struct server *server, const char *path) {
  server->reply[0] = (char)api_path_kind_here(path);
  return 1;
}

/* ---- The loop ------------------------------------------------------------------------------------------------------------------ */

static size_t answer(struct server *server, const struct broker_request *request) {
  if (request->kind == BROKER_POSITIONS) return answer_positions(server, request);
  if (server->file_questions++ >= FILE_QUESTIONS_MAX) return 0;
  return request->kind == BROKER_REAL_PATH ? answer_real_path(server, request->path)
                                           : answer_path_kind(server, request->path);
}

_Noreturn void broker_serve(int socket, const cay_run *run) {
  struct server server = {.run = run, .socket = socket, .reader_socket = -1};
  struct broker_request request;
  const struct module *module;
  char bytes[sizeof request];
  size_t len_bytes;
  be_alone(socket);
  while (broker_receive(socket, bytes, sizeof bytes, &len_bytes, BROKER_FOREVER) &&
         broker_request_parse(bytes, len_bytes, api_run_modules(run, 0, &module), &request)) {
    size_t reply_bytes = answer(&server, &request);
    if (!broker_send(socket, reply_bytes ? server.reply : "", reply_bytes ? reply_bytes : 1)) break;
  }
  lose_reader(&server);
  _exit(0);
}
