/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The relay between a process that asks and the helper (optimizer/relay.c), asked for what it should and by one that lies: what
 * it shows to who keeps code, and under which key. It runs in a child, which tells what happens in letters. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "builder.h"
#include "tiers/optimizer/optimizer.h"
#include "tiers/tiers.h"

enum { FUNCS = 5 };
static struct bytes module, other_module;
static int asker, told, life_end = -1; /* life_end: the child is not to have it */
static pid_t child;

static void build(void) {
  static struct builder b;
  TYPE(&b, FUNC_TYPE, 1, T_I32, 1, T_I32);
  for (int i = 0; i < FUNCS; i++) FUNC(&b, NULL, 0, NO_LOCALS, GET(0), I32(1), I32_ADD);
  module = built(&b);
  FUNC(&b, NULL, 0, NO_LOCALS, GET(0));
  other_module = built(&b);
}

/* ---- Who keeps ----------------------------------------------------------------------------------------------------------------- */

struct keeping {
  int tells;
};

static void tell(const struct keeping *keeping, const void *bytes, size_t count) {
  if (write(keeping->tells, bytes, count) != (ssize_t)count) _exit(1);
}

static const struct tiers_kept *begin(void *env, unsigned number, const struct tiers_kept_key *key) {
  const char letter = (char)('a' + number);
  tell(env, "B", 1);
  tell(env, key, sizeof *key);
  tell(env, &letter, 1);
  return NULL;
}

/* How many functions, whether the profile says something of them, and whether it is the last answer. */
static void take(void *env, unsigned number, const struct tiers_answer *answer) {
  (void)number;
  struct wire_batch head;
  memcpy(&head, answer->bytes, sizeof head);
  char letters[] = {(char)('0' + answer->optimized), answer->is_last ? '.' : ','};
  tell(env, letters, 1);
  for (uint32_t i = 0; i < head.target_count; i++) tell(env, "t", 1);
  tell(env, letters + 1, 1);
}

static void left(void *env) { tell(env, "l", 1); }

_Noreturn static void relay(int socket, int life, int tells) {
  struct keeping keeping = {tells};
  const struct tiers_relay how = {socket, life, 10, &keeping, left, begin, take};
  tiers_auto_relay(&how);
  tell(&keeping, "|", 1);
  for (unsigned i = 0; i < 2; i++) tell(&keeping, tiers_auto_relay_afresh(&how, i) ? "+" : "-", 1);
  tiers_auto_relay_end();
  _exit(0);
}

/* ---- Who asks ------------------------------------------------------------------------------------------------------------------ */

/* `life`: a descriptor that tells when who asks has ended; -1: none does. */
static void start_with(int life) {
  int ends[2], tells[2];
  tiers_find_helper();
  CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  CHECK_INT(pipe(tells), 0);
  fflush(NULL);
  child = fork();
  if (child == 0) {
    close(ends[0]);
    close(tells[0]);
    if (life_end >= 0) close(life_end);
    relay(ends[1], life, tells[1]);
  }
  close(ends[1]);
  close(tells[1]);
  asker = ends[0];
  told = tells[0];
}

static void start(void) { start_with(-1); }

/* Who was lied to may have hung up by then: that is what is checked of him, not how much he heard. */
static void say(const void *bytes, size_t count) {
  ssize_t said = send(asker, bytes, count, MSG_NOSIGNAL);
  CHECK(said == (ssize_t)count || (said < 0 && errno == EPIPE) || count == 0);
}

static const struct bytes *asked_about = &module;

static struct wire_request request(bool with_module, uint32_t count) {
  return (struct wire_request){.magic = WIRE_MAGIC,
                               .layout = optimizer_layout(),
                               .features = MODULE_FEATURES_DEFAULT,
                               .module_bytes = with_module ? (uint32_t)asked_about->count : 0,
                               .item_count = count,
                               .mix = 12345,
                               .level = 1,
                               .cpu = TIERS_CPU_X86_64,
                               .entry_count = FUNCS + (asked_about == &other_module)};
}

static void ask(const struct wire_request *what, uint32_t first) {
  say(what, sizeof *what);
  if (what->module_bytes) say(asked_about->items, what->module_bytes);
  for (uint32_t i = 0; i < what->item_count && what->item_count <= FUNCS; i++)
    say(&(struct wire_item){first + i, WIRE_NO_LABEL}, sizeof(struct wire_item));
}

/* Until the last answer to a request has come; or the end. */
static bool answered(void) {
  bool is_last = false;
  while (!is_last) {
    struct optimizer_batch batch;
    struct optimizer_hearing hearing = {.socket = asker};
    bool done = optimizer_batch_read(optimizer_hear_socket, &hearing, FUNCS, &batch, NULL) == CAY_OK;
    is_last = batch.last != WIRE_MORE;
    optimizer_batch_free(&batch);
    if (!done) return false;
  }
  return true;
}

/* Ends, and checks what was told; `key` (NULL: nobody's) is that of the first module. */
static void end(const char *expected, struct tiers_kept_key *key) {
  char letters[4096] = "", text[64] = "";
  size_t count = 0, length = 0;
  ssize_t got;
  int status;
  close(asker);
  while ((got = read(told, letters + count, sizeof letters - count)) > 0) count += (size_t)got;
  for (size_t i = 0; i < count && length + 1 < sizeof text; i++) {
    text[length++] = letters[i];
    if (letters[i] != 'B') continue;
    if (key) memcpy(key, letters + i + 1, sizeof *key);
    key = NULL;
    i += sizeof *key;
  }
  CHECK_TEXT(text, expected);
  close(told);
  CHECK(waitpid(child, &status, 0) == child && status == 0);
}

TEST(answers_are_shown_and_made_afresh) {
  struct tiers_kept_key key = {0};
  uint8_t digest[BASE_SHA256_BYTES];
  start();
  ask(&(struct wire_request){0}, 0);
  end("l|--", NULL);
  start();
  struct wire_request first = request(true, 1), second = request(false, 2);
  ask(&first, 0);
  CHECK(answered());
  ask(&second, 1);
  CHECK(answered());
  end("Ba1.2.l|3.+-", &key);
  base_sha256_of(module.items, module.count, digest);
  CHECK(memcmp(digest, key.module, sizeof digest) == 0);
  CHECK(key.entry_count == FUNCS && key.cpu == TIERS_CPU_NATIVE && key.level == TIERS_LEVEL_DEFAULT);
}

TEST(what_is_wanted_later_is_not_answered) {
  start();
  struct wire_request first = request(true, 1), later = request(false, 3);
  ask(&first, 0);
  CHECK(answered());
  later.when = WIRE_LATER;
  ask(&later, 2);
  ask(&later, 1);
  end("Ba1.l|5.+-", NULL);
}

/* What is told of calls, in whatever order, the helper gets, and the answers have what lies in their functions: here in the body of
 * the last one. It is remembered for what is made afresh. */
TEST(the_profile_is_passed_on) {
  start();
  const uint32_t within = (uint32_t)module.count - 2;
  const struct wire_target targets[] = {{within, UINT32_MAX}, {UINT32_MAX, 0}, {0, 0}, {within - 1, 3}, {within, 1}};
  struct wire_request first = request(true, 1), second = request(false, 1);
  const struct wire_item item = {FUNCS - 1, WIRE_NO_LABEL};
  first.target_count = BASE_ARRAY_LEN(targets);
  say(&first, sizeof first);
  say(module.items, module.count);
  say(targets, sizeof targets);
  say(&item, sizeof item);
  CHECK(answered());
  ask(&second, 0);
  CHECK(answered());
  end("Ba1tt.1.l|2tt.+-", NULL);
}

/* Each module has a helper of its own, and its own key; one that comes again is known. */
TEST(modules_take_turns) {
  start();
  for (int i = 0; i < 4; i++) {
    asked_about = i % 2 ? &other_module : &module;
    struct wire_request one = request(true, 1);
    ask(&one, (uint32_t)i);
    CHECK(answered());
  }
  asked_about = &module;
  end("Ba1.Bb1.1.1.l|2.+2.+", NULL);
}

/* Who has been taken over can keep both ends of the socket open: by sending one through the other. */
static void send_through(int socket, int fd) {
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof fd)];
  } control = {{0}};
  char byte = 0;
  struct iovec part = {&byte, 1};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  *header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd)};
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  CHECK_INT(sendmsg(socket, &message, MSG_NOSIGNAL), 1);
}

TEST(the_end_of_who_asks_is_that_of_his_process) {
  int life[2];
  CHECK_INT(pipe(life), 0);
  life_end = life[1];
  start_with(life[0]);
  struct wire_request first = request(true, 1);
  ask(&first, 0);
  CHECK(answered());
  send_through(asker, asker);
  close(life[0]);
  close(life_end);
  life_end = -1;
  end("Ba1.l|1.+-", NULL);
}

static void check_lie(const struct wire_request *lie, const char *expected) {
  start();
  ask(lie, 0);
  shutdown(asker, SHUT_WR);
  CHECK(!answered());
  end(expected, NULL);
}

TEST(lies_end_it) {
  struct wire_request lie = request(true, 1);
  lie.magic++;
  check_lie(&lie, "l|--");
  lie = request(true, 0);
  check_lie(&lie, "l|--");
  lie = request(true, WIRE_MOST_ITEMS + 1);
  check_lie(&lie, "l|--");
  lie = request(true, 1);
  lie.target_count = WIRE_MOST_TARGETS + 1;
  check_lie(&lie, "l|--");
  lie = request(false, 1);
  check_lie(&lie, "l|--");
  lie.when = WIRE_LATER;
  check_lie(&lie, "l|--");
  lie = request(true, 1);
  lie.entry_count = UINT32_MAX;
  check_lie(&lie, "l|--");
  lie.entry_count = FUNCS + 1; /* the helper finds it out */
  check_lie(&lie, "Bal|--");
  lie = request(true, 1);
  lie.layout++;
  check_lie(&lie, "l|--");
}

TEST(functions_that_are_none_end_it) {
  start();
  struct wire_request first = request(true, 1);
  ask(&first, FUNCS);
  CHECK(!answered());
  end("Bal|--", NULL);
  start();
  ask(&first, 0);
  CHECK(answered());
  struct wire_request later = request(false, 2);
  later.when = WIRE_LATER;
  ask(&later, FUNCS - 1);
  end("Ba1.l|2.+-", NULL);
}

TEST(what_is_cut_off_ends_it) {
  struct wire_request one = request(true, 1), many = request(false, 1000);
  start();
  ask(&one, 0);
  CHECK(answered());
  ask(&many, 0);
  end("Ba1.l|1.+-", NULL);
  struct wire_request first = request(true, 1);
  const struct wire_item item = {0, WIRE_NO_LABEL};
  size_t all = sizeof first + module.count + sizeof item;
  uint8_t *bytes = base_alloc(all);
  memcpy(bytes, &first, sizeof first);
  memcpy(bytes + sizeof first, module.items, module.count);
  memcpy(bytes + sizeof first + module.count, &item, sizeof item);
  for (size_t count = 0; count < all; count += 13) {
    start();
    say(bytes, count);
    bool has_module = count >= sizeof first + module.count;
    end(has_module ? "Bal|--" : "l|--", NULL);
  }
  base_free(bytes);
}

TEST_MAIN(signal(SIGPIPE, SIG_IGN); build();
          RUN(answers_are_shown_and_made_afresh) RUN(what_is_wanted_later_is_not_answered) RUN(the_profile_is_passed_on)
              RUN(modules_take_turns) RUN(the_end_of_who_asks_is_that_of_his_process) RUN(lies_end_it)
                  RUN(functions_that_are_none_end_it) RUN(what_is_cut_off_ends_it))
