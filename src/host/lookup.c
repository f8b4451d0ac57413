/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Names of hosts: who may ask for which, and how the answer comes.
 *
 * The C library can only look a name up by waiting, for as long as a server somewhere likes, and may load libraries for
 * it; neither can be done where a guest runs, the latter not at all behind the wall. So somebody else does it, a thread or
 * the command's broker, and is given a pipe: one packet comes through it, or its end. That makes a lookup an object like
 * a socket. Nothing has to be matched with a question, whoever died or lost interest has closed its end, and an answer
 * that does not come in time counts as none, whatever the other end does.
 *
 * Both sides judge: the one that asks, because answers are not believed, and the one that answers, because questions are
 * not, where it serves a process that may have been taken over.
 *
 * localhost is what it says, and nobody is asked for it. */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <unistd.h>

#include "host/network.h"

/* ---- Names and addresses as texts --------------------------------------------------------------------------------------- */

/* Lower case, without a dot at the end; false: no name. */
static bool name_normalize(const char *name, char out[HOST_NAME_BYTES]) {
  size_t len = strlen(name);
  if (len && name[len - 1] == '.') len--;
  if (len == 0 || len >= HOST_NAME_BYTES) return false;
  for (size_t i = 0; i < len; i++) {
    char c = name[i];
    if (c >= 'A' && c <= 'Z') c = (char)(c - 'A' + 'a');
    bool is_good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    if (!is_good || (c == '.' && (i == 0 || name[i - 1] == '.'))) return false;
    out[i] = c;
  }
  out[len] = 0;
  return true;
}

/* An address in text form, as inet_pton reads it: not the shorter forms of old, which are looked up as names. */
static bool is_address(const char *text, struct host_net_address *out) {
  *out = (struct host_net_address){0};
  if (inet_pton(AF_INET, text, out->bytes) == 1) return true;
  out->is_v6 = inet_pton(AF_INET6, text, out->bytes) == 1;
  if (out->is_v6) host_net_normalize(out);
  return out->is_v6;
}

static bool is_localhost(const char *name) {
  return strcmp(name, "localhost") == 0 || host_name_matches("*.localhost", name);
}

/* ---- Answers --------------------------------------------------------------------------------------------------------------- */

enum { HEAD_BYTES = 8, ADDRESS_BYTES = 21 };

size_t host_answer_write(const struct host_answer *answer, char out[HOST_ANSWER_BYTES]) {
  assert(answer->count <= HOST_ANSWER_ADDRESSES);
  char *at = out + HEAD_BYTES;
  base_store_u32(out, answer->error);
  base_store_u32(out + 4, (uint32_t)answer->count);
  for (size_t i = 0; i < answer->count; i++, at += ADDRESS_BYTES) {
    at[0] = answer->addresses[i].is_v6 ? 6 : 4;
    memcpy(at + 1, answer->addresses[i].bytes, 16);
    base_store_u32(at + 17, answer->addresses[i].scope);
  }
  return (size_t)(at - out);
}

static enum cay_status malformed(struct cay_error *error, size_t offset, const char *what) {
  return base_error_set_at(error, CAY_ERROR_MALFORMED, offset, "the answer to a lookup %s", what);
}

static enum cay_status parse_address(const char *bytes, size_t offset, struct host_net_address *out,
                                     struct cay_error *error) {
  static const char zero[12];
  const char *at = bytes + offset;
  if (at[0] != 4 && at[0] != 6) return malformed(error, offset, "has an address of no family");
  *out = (struct host_net_address){.is_v6 = at[0] == 6, .scope = base_load_u32(at + 17)};
  memcpy(out->bytes, at + 1, 16);
  if (!out->is_v6 && memcmp(at + 5, zero, 12) != 0)
    return malformed(error, offset + 5, "has an IPv4 address that is too long");
  if (!out->is_v6 && out->scope) return malformed(error, offset + 17, "has an IPv4 address with an interface");
  return CAY_OK;
}

enum cay_status host_answer_parse(const char *bytes, size_t len_bytes, struct host_answer *out,
                                  struct cay_error *error) {
  *out = (struct host_answer){0};
  if (len_bytes < HEAD_BYTES) return malformed(error, len_bytes, "ends too early");
  uint32_t result = base_load_u32(bytes), count = base_load_u32(bytes + 4);
  if (result >= HOST_ERROR_COUNT) return malformed(error, 0, "has an error that there is not");
  if (count > HOST_ANSWER_ADDRESSES) return malformed(error, 4, "has too many addresses");
  if ((count == 0) != (result != HOST_OK)) return malformed(error, 4, "has an error and addresses, or neither");
  size_t wanted_bytes = HEAD_BYTES + (size_t)count * ADDRESS_BYTES;
  if (len_bytes < wanted_bytes) return malformed(error, len_bytes, "ends too early");
  if (len_bytes > wanted_bytes) return malformed(error, wanted_bytes, "goes on behind its end");
  enum cay_status status = CAY_OK;
  for (size_t i = 0; !status && i < count; i++)
    status = parse_address(bytes, HEAD_BYTES + i * ADDRESS_BYTES, &out->addresses[i], error);
  out->error = (enum host_error)result;
  out->count = status ? 0 : count;
  return status;
}

/* As small as it is, a pipe takes all of it at once, or nothing when the other end has gone. */
static void send_answer(int fd, const struct host_answer *answer) {
  char bytes[HOST_ANSWER_BYTES];
  size_t len_bytes = host_answer_write(answer, bytes);
  ssize_t sent;
  do sent = write(fd, bytes, len_bytes);
  while (sent < 0 && errno == EINTR);
}

void host_network_answer_with(int fd, int result, const struct host_net_address *addresses, size_t count) {
  struct host_answer answer = {.error = (enum host_error) - result};
  if (result == 0 && count == 0) answer.error = HOST_ERROR_NOENT;
  if (answer.error == HOST_OK) answer.count = count < HOST_ANSWER_ADDRESSES ? count : HOST_ANSWER_ADDRESSES;
  for (size_t i = 0; i < answer.count; i++) {
    answer.addresses[i] = addresses[i];
    host_net_normalize(&answer.addresses[i]);
  }
  send_answer(fd, &answer);
}

/* ---- Answering --------------------------------------------------------------------------------------------------------------- */

static int error_of_resolver(int failure) {
  switch (failure) {
  case EAI_NONAME: return -HOST_ERROR_NOENT;
  case EAI_AGAIN: return -HOST_ERROR_AGAIN;
  case EAI_MEMORY: return -HOST_ERROR_NOMEM;
  default: return -HOST_ERROR_IO;
  }
}

static int ask_system(const char *name, struct host_net_address *out, size_t capacity, size_t *count) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
  int failure = getaddrinfo(name, NULL, &hints, &list);
  if (failure) return error_of_resolver(failure);
  for (const struct addrinfo *info = list; info && *count < capacity; info = info->ai_next) {
    union host_sockaddr address;
    if (info->ai_addrlen > sizeof address) continue;
    memcpy(&address, info->ai_addr, info->ai_addrlen);
    if (host_net_of_sockaddr(&address, &out[*count])) ++*count;
  }
  freeaddrinfo(list);
  return 0;
}

/* What of an answer may be used. localhost that is named may be private. */
static int judge(const struct host_network *network, const char *name, struct host_net_address *addresses,
                 size_t *count) {
  const char *rule;
  bool is_named;
  if (!host_network_may_ask(network, name, &is_named, &rule)) return -HOST_ERROR_NOTCAPABLE;
  if (*count == 0) return -HOST_ERROR_NOENT;
  if (!is_named || !is_localhost(name)) *count = host_network_keep_allowed(network, addresses, *count);
  return *count ? 0 : -HOST_ERROR_NOTCAPABLE;
}

void host_network_answer(const struct host_network *network, const char *name, int fd) {
  struct host_net_address addresses[HOST_ANSWER_ADDRESSES];
  char normal[HOST_NAME_BYTES];
  const char *rule;
  bool is_named;
  size_t count = 0;
  int result = !name_normalize(name, normal)                              ? -HOST_ERROR_INVAL
               : !host_network_may_ask(network, normal, &is_named, &rule) ? -HOST_ERROR_NOTCAPABLE
                                                                          : 0;
  if (result == 0) result = ask_system(normal, addresses, HOST_ANSWER_ADDRESSES, &count);
  if (result == 0) result = judge(network, normal, addresses, &count);
  host_network_answer_with(fd, result, addresses, count);
}

struct question {
  struct host_network *network;
  int fd;
  char name[];
};

static void question_free(struct question *question) {
  host_network_release(question->network);
  close(question->fd);
  base_free(question);
}

static void *answer_question(void *argument) {
  struct question *question = argument;
  host_network_answer(question->network, question->name, question->fd);
  question_free(question);
  return NULL;
}

/* Nobody waits for the thread's end, which may be long after anybody wants its answer. It takes no signals. */
static int start_thread(void *(*run)(void *argument), void *argument) {
  pthread_t thread;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int failure = pthread_create(&thread, NULL, run, argument);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (failure) return -(int)host_error_of_errno(failure);
  pthread_detach(thread);
  return 0;
}

int host_lookup_in_thread(void *env, const char *name, int fd) {
  size_t name_bytes = strlen(name) + 1;
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return host_failed();
  struct question *question = base_alloc(sizeof *question + name_bytes);
  if (!question) {
    close(copy);
    return -HOST_ERROR_NOMEM;
  }
  question->network = host_network_retain(env);
  question->fd = copy;
  memcpy(question->name, name, name_bytes);
  int result = start_thread(answer_question, question);
  if (result) question_free(question);
  return result;
}

/* ---- Asking --------------------------------------------------------------------------------------------------------------- */

/* What is known without asking. */
static bool is_known(struct host_network *network, const struct host_lookup *lookup, struct host_answer *answer) {
  if (lookup->is_address) {
    is_address(lookup->name, &answer->addresses[0]);
    answer->count = 1;
    return true;
  }
  if (host_network_pinned(network, lookup->name, answer->addresses, HOST_ANSWER_ADDRESSES, &answer->count)) return true;
  if (!lookup->is_localhost) return false;
  answer->addresses[0] = (struct host_net_address){.bytes = {127, 0, 0, 1}};
  answer->addresses[1] = (struct host_net_address){.is_v6 = true, .bytes = {[15] = 1}};
  answer->count = 2;
  return true;
}

static int ask(struct host_network *network, const struct host_lookup *lookup, int fd) {
  struct host_answer answer = {0};
  if (!is_known(network, lookup, &answer)) return host_network_ask(network, lookup->name, fd);
  send_answer(fd, &answer);
  return 0;
}

static int lookup_init(struct host_lookup *lookup, const struct host_network *network, const char *name,
                       const char **rule) {
  struct host_net_address address;
  bool is_named;
  *lookup = (struct host_lookup){.is_address = is_address(name, &address)};
  lookup->deadline_ns = base_os_monotonic_ns() + (uint64_t)HOST_LOOKUP_MS * 1000000;
  if (lookup->is_address) {
    memcpy(lookup->name, name, strlen(name) + 1);
    return 0;
  }
  if (!name_normalize(name, lookup->name)) return -HOST_ERROR_INVAL;
  lookup->is_localhost = is_localhost(lookup->name);
  return host_network_may_ask(network, lookup->name, &is_named, rule) ? 0 : -HOST_ERROR_NOTCAPABLE;
}

static struct host_object *lookup_object(struct host_network *network, const struct host_lookup *lookup, int fd) {
  struct host_object *object = host_object_new(fd, true, HOST_KIND_PIPE, 0);
  if (!object) return NULL;
  object->is_nonblocking = true;
  object->network = host_network_retain(network);
  object->lookup = base_alloc(sizeof *lookup);
  if (!object->lookup) {
    host_object_release(object);
    return NULL;
  }
  *object->lookup = *lookup;
  return object;
}

int host_network_lookup(struct host_network *network, const char *name, struct host_object **out, const char **rule) {
  struct host_lookup lookup;
  const char *unused;
  int ends[2];
  if (!rule) rule = &unused;
  *rule = NULL;
  int result = lookup_init(&lookup, network, name, rule);
  if (result) return result;
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return host_failed();
  struct host_object *object = lookup_object(network, &lookup, ends[0]);
  result = object ? ask(network, &lookup, ends[1]) : -HOST_ERROR_NOMEM;
  close(ends[1]);
  if (result == 0)
    *out = object;
  else
    host_object_release(object);
  return result;
}

/* The answer as it came. */
static int receive(const struct host_object *object, struct host_answer *answer) {
  char bytes[HOST_ANSWER_BYTES + 1];
  ssize_t got = read(object->fd, bytes, sizeof bytes);
  if (got < 0 && errno != EAGAIN) return host_failed();
  if (got < 0) return base_os_monotonic_ns() < object->lookup->deadline_ns ? HOST_PENDING : -HOST_ERROR_TIMEDOUT;
  if (got == 0) return -HOST_ERROR_AGAIN;
  return host_answer_parse(bytes, (size_t)got, answer, NULL) ? -HOST_ERROR_PROTO : -(int)answer->error;
}

static int keep(struct host_object *object, struct host_answer *answer) {
  const struct host_lookup *lookup = object->lookup;
  int result = judge(object->network, lookup->name, answer->addresses, &answer->count);
  return result
             ? result
             : host_network_pin(object->network, lookup->name, answer->addresses, answer->count, lookup->is_localhost);
}

int host_lookup_finish(struct host_object *object, struct host_net_address *out, size_t capacity, size_t *count) {
  struct host_answer answer;
  *count = 0;
  if (!object->lookup) return -HOST_ERROR_INVAL;
  if (!object->lookup->is_address && host_network_pinned(object->network, object->lookup->name, out, capacity, count))
    return 0;
  int result = receive(object, &answer);
  if (result) return result;
  if (object->lookup->is_address) {
    *count = capacity ? 1 : 0;
    if (capacity) *out = answer.addresses[0];
    return 0;
  }
  result = keep(object, &answer);
  if (result) return result;
  host_network_pinned(object->network, object->lookup->name, out, capacity, count);
  return 0;
}
