/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The broker: a child of the command, started before the wall, that knows what the guest's process must not look at.
 *
 * Who asks may be an attacker that has taken over the guest's process. So a question has one meaning, limits and no way to
 * name anything but what it asks for, and the answers tell about the host's files nothing but whether paths exist
 * and what links lead to, so many times as a message after a failed run may need it. It opens no file for anybody.
 *
 * Debug information is read by a child of the broker's in turn: the module's author wrote it, and the library that reads it
 * is large. That child opens the library, then has no rights but to answer, and then takes the module from who asks. It is
 * started by the first question and stays; when it dies or takes too long there are no positions any more.
 *
 * Names are looked up by children, too, one for each: the C library loads code for that, reads what strangers send and
 * waits for them. Such a child changes no file, as far as the system can see to that. It asks for nothing that the network
 * rules do not name (host_network_answer), writes its answer to the descriptor that came with the question, which the broker
 * itself never touches, and is ended when it takes too long.
 *
 * The tier may want a process that compiles (engine_tier.delegate). It is another program, which confines itself, and gets the
 * descriptor that came with the request, to talk to the guest's process; the broker only starts and ends it. Where what it
 * makes is kept, a child stands between the two that outlives the broker (keeper.c), and alone writes to the cache's folder.
 *
 * Invariants: 1. The broker reads no byte that the module's author chose but a packet's, whose size is checked. 2. It has no
 * descriptor but its socket, the cache's folder, the reader's and, when the tier's process was started, one that tells of the end of
 * the process that it serves; what comes with a question is closed before the next one. 3. It ends when the
 * other end of its socket is closed, as the kernel does when the process that it serves ends, however that came; behind the
 * wall a signal at the end of that process would not leave it (Landlock 6). Its children end with it, by such a signal. */
#include <errno.h>
#include <fcntl.h>
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
#include "api/cache.h"

enum { FILE_QUESTIONS_MAX = 4096, NAME_QUESTIONS_MAX = 4096, LOOKUPS_MAX = 16, READER_MEMORY_BYTES = 1 << 30 };

struct server {
  const struct engine_tier *tier;     /* NULL: it has no process */
  const struct host_network *network; /* NULL: no names */
  const struct api_cache *cache;      /* NULL: nothing is kept */
  int socket, lookup_ms;
  int reader_socket; /* -1: not started, or lost */
  pid_t reader;
  bool reader_lost;
  struct {
    pid_t process;
    uint64_t deadline_ns;
  } lookups[LOOKUPS_MAX];
  unsigned lookup_count;
  pid_t command;   /* the process that is served */
  bool has_helper; /* the tier's has been started */
  int life;        /* base_os_process_fd of the command, since then; -1: its end is the socket's */
  pid_t helper;    /* 0: it is not the broker's to end */
  unsigned file_questions, name_questions;
  /* Here and not on the stack, so that their pages are not touched before the first question: */
  char question[sizeof(struct broker_request)];
  char reply[BROKER_REPLY_BYTES];
};

/* Signals are for the process that is served: the terminal sends them to all. By one call of the system and not the C
 * library's functions, because each page of it that is new to the process takes a microsecond of the guest's start where there
 * is one processor. */
static void be_quiet(void) {
  const uint64_t all = UINT64_MAX;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof all);
}

/* Leaves the process nothing but `kept`: with a copy of the other end it would never see that it is closed. */
static void be_alone(int kept) {
  be_quiet();
  base_os_close_from(0, kept);
}

/* Who made the socket. The parent may have ended by now, and then somebody else is it. */
pid_t broker_served(int socket) {
  struct ucred maker = {0};
  socklen_t len_bytes = sizeof maker;
  return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &maker, &len_bytes) == 0 ? maker.pid : 0;
}

/* The same with two, which get the numbers that a waiter's have (base_os_start_waiter). */
static void be_alone_with(int *socket, int *folder) {
  be_quiet();
  int lifted = *folder == BROKER_FOLDER_FD ? *folder : fcntl(*folder, F_DUPFD_CLOEXEC, BROKER_FOLDER_FD + 1);
  *socket = dup2(*socket, BROKER_SOCKET_FD);
  *folder = dup2(lifted, BROKER_FOLDER_FD);
  close(BROKER_SOCKET_FD + 1);
  base_os_close_from(BROKER_FOLDER_FD + 1, -1);
}

/* A child of the broker (`parent`) is alone, too, and ends when the broker does. */
static void be_child(int kept, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  be_alone(kept);
}

/* ---- The reader of debug information --------------------------------------------------------------------------------------- */

struct book {
  struct inspect_reader *reader;
  struct module *module; /* NULL: none that could be read */
};

/* Reads all of a module; what was read before is forgotten. The bytes may be anything. */
static void take_module(struct book *book, int fd) {
  struct base_file bytes;
  inspect_reader_forget(book->reader);
  module_release(book->module);
  book->module = NULL;
  if (base_file_read_from(fd, &bytes, NULL) == CAY_OK &&
      module_load_file(&bytes, MODULE_FEATURES_RUNNABLE, NULL, &book->module, NULL) != CAY_OK)
    base_file_deinit(&bytes);
  close(fd);
}

_Noreturn static void read_for(int socket) {
  struct inspect_position positions[INSPECT_POSITIONS_MAX];
  struct rlimit memory = {READER_MEMORY_BYTES, READER_MEMORY_BYTES};
  struct broker_request request;
  struct book book = {.reader = inspect_reader_new()};
  char reply[BROKER_REPLY_BYTES], bytes[sizeof request];
  size_t len_bytes;
  int fd;
  if (!book.reader) _exit(1);
  inspect_reader_load(book.reader);
  setrlimit(RLIMIT_DATA, &memory);
  if (!policy_wall_enter_reader()) _exit(1); /* no positions are better than a reader that can do more than read */
  while (broker_receive_with(socket, bytes, sizeof bytes, &len_bytes, &fd) &&
         broker_request_parse(bytes, len_bytes, &request, NULL) == CAY_OK) {
    if (fd >= 0) take_module(&book, fd);
    size_t found = book.module
                       ? inspect_reader_find(book.reader, book.module, request.offset, positions, INSPECT_POSITIONS_MAX)
                       : 0;
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
  pid_t broker = getpid();
  server->reader = fork();
  if (server->reader == 0) {
    be_child(ends[1], broker);
    read_for(ends[1]);
  }
  close(ends[1]);
  server->reader_socket = ends[0];
  if (server->reader < 0) lose_reader(server);
  return server->reader_socket >= 0;
}

static size_t answer_positions(struct server *server, const struct broker_request *request, int fd) {
  size_t len_bytes = 0;
  if (!start_reader(server)) return 0;
  size_t request_bytes = broker_request_bytes(request);
  bool is_sent = fd < 0 ? broker_send(server->reader_socket, request, request_bytes)
                        : broker_send_with(server->reader_socket, request, request_bytes, fd);
  if (!is_sent ||
      !broker_receive(server->reader_socket, server->reply, BROKER_REPLY_BYTES, &len_bytes, BROKER_READER_MS)) {
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

/* ---- Names -------------------------------------------------------------------------------------------------------------------- */

_Noreturn static void look_up_for(int fd, const struct host_network *network, const char *name) {
  policy_wall_enter_lookup();
  host_network_answer(network, name, fd);
  _exit(0);
}

/* Without an answer the descriptor is closed, which is one, too. */
static void answer_name(struct server *server, const char *name, int fd) {
  if (!server->network || server->lookup_count == LOOKUPS_MAX || server->name_questions++ >= NAME_QUESTIONS_MAX) return;
  pid_t broker = getpid(), child = fork();
  if (child == 0) {
    be_child(fd, broker);
    look_up_for(fd, server->network, name);
  }
  if (child < 0) return;
  uint64_t deadline_ns = base_os_monotonic_ns() + (uint64_t)server->lookup_ms * 1000000;
  server->lookups[server->lookup_count].process = child;
  server->lookups[server->lookup_count++].deadline_ns = deadline_ns;
}

/* Ends the lookups whose time is over at `now_ns`, and forgets those that have ended. */
static void end_lookups(struct server *server, uint64_t now_ns) {
  unsigned left = 0;
  for (unsigned i = 0; i < server->lookup_count; i++) {
    pid_t child = server->lookups[i].process;
    bool is_overdue = now_ns >= server->lookups[i].deadline_ns;
    if (is_overdue) kill(child, SIGKILL);
    if (waitpid(child, NULL, is_overdue ? 0 : WNOHANG) == 0) server->lookups[left++] = server->lookups[i];
  }
  server->lookup_count = left;
}

/* ---- The tier's process -------------------------------------------------------------------------------------------------------- */

/* One for the run: it compiles what the guest's process says is a module, and answers to that. */
static void start_helper(struct server *server, int fd) {
  const struct engine_tier *tier = server->tier;
  if (server->has_helper || !tier || !tier->start_for) return;
  server->has_helper = true;
  server->life = base_os_process_fd(server->command);
  bool is_kept = server->cache && keeper_start_for(server->cache, fd, server->command, server->life);
  if (!is_kept && !tier->start_for(fd, &server->helper)) server->helper = 0;
}

/* Who yields to all others may take a while even to die, and is not waited for. */
static void end_helper(struct server *server) {
  if (server->helper) kill(server->helper, SIGKILL);
}

/* ---- The loop ------------------------------------------------------------------------------------------------------------------ */

static int time_left_ms(const struct server *server, uint64_t now_ns) {
  uint64_t first_ns = UINT64_MAX;
  for (unsigned i = 0; i < server->lookup_count; i++)
    if (server->lookups[i].deadline_ns < first_ns) first_ns = server->lookups[i].deadline_ns;
  return first_ns == UINT64_MAX ? BROKER_FOREVER : first_ns <= now_ns ? 0 : (int)((first_ns - now_ns) / 1000000) + 1;
}

/* Without lookups and a helper there is nothing to watch beside, and receiving waits, too. False: the command has ended. */
static bool wait_for_question(struct server *server) {
  if (!server->lookup_count && server->life < 0) return true;
  struct pollfd fds[] = {{.fd = server->socket, .events = POLLIN}, {.fd = server->life, .events = POLLIN}};
  int ready;
  do {
    uint64_t now_ns = base_os_monotonic_ns();
    end_lookups(server, now_ns);
    ready = poll(fds, BASE_ARRAY_LEN(fds), time_left_ms(server, now_ns));
  } while (ready == 0);
  return !fds[1].revents;
}

/* The bytes of the answer, at least one: none would be the end. */
static size_t answer(struct server *server, const struct broker_request *request, int fd) {
  size_t len_bytes = 0;
  if (request->kind == BROKER_POSITIONS)
    len_bytes = answer_positions(server, request, fd);
  else if (server->file_questions++ < FILE_QUESTIONS_MAX)
    len_bytes = request->kind == BROKER_REAL_PATH ? answer_real_path(server, request->path)
                                                  : answer_path_kind(server, request->path);
  if (len_bytes == 0) server->reply[0] = 0;
  return len_bytes ? len_bytes : 1;
}

static bool fits_descriptor(uint32_t kind, bool has_one) {
  return kind == BROKER_POSITIONS || has_one == (kind == BROKER_NAME || kind == BROKER_HELPER);
}

/* Receives and answers one question; false: there will be no more. */
static bool serve_one(struct server *server) {
  struct broker_request request;
  size_t len_bytes;
  int fd;
  if (!wait_for_question(server)) return false;
  if (!broker_receive_with(server->socket, server->question, sizeof server->question, &len_bytes, &fd)) return false;
  bool is_good = broker_request_parse(server->question, len_bytes, &request, NULL) == CAY_OK &&
                 fits_descriptor(request.kind, fd >= 0);
  if (is_good && request.kind == BROKER_NAME)
    answer_name(server, request.path, fd);
  else if (is_good && request.kind == BROKER_HELPER)
    start_helper(server, fd);
  else if (is_good)
    is_good = broker_send(server->socket, server->reply, answer(server, &request, fd));
  if (fd >= 0) close(fd);
  return is_good;
}

_Noreturn void broker_serve(int socket, const struct engine_tier *tier, const struct host_network *network,
                            int lookup_ms, const struct api_cache *cache) {
  static struct server server;
  static struct api_cache own;
  server.tier = tier;
  server.command = broker_served(socket);
  server.life = -1;
  server.reader_socket = -1;
  server.network = network;
  server.socket = socket;
  server.lookup_ms = lookup_ms;
  if (cache) {
    own = *cache;
    be_alone_with(&server.socket, &own.folder);
    server.cache = &own;
  } else {
    be_alone(socket);
  }
  while (serve_one(&server)) {
  }
  end_helper(&server);
  lose_reader(&server);
  end_lookups(&server, UINT64_MAX);
  _exit(0);
}
