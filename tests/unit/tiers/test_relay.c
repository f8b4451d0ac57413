/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The relay between a process that asks and the helper (optimizer/relay.c), asked for what it should and by one that lies: what
 * it shows to who keeps code, and under which key. It runs in a child, which tells what happens in letters. */
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "builder.h"
#include "tiers/optimizer/optimizer.h"
#include "tiers/tiers.h"

enum { FUNCS = 5 };
static struct bytes module;
static int asker, told;
static pid_t child;

static void build(void) {
  static struct builder b;
  TYPE(&b, FUNC_TYPE, 1, T_I32, 1, T_I32);
  for (int i = 0; i < FUNCS; i++) FUNC(&b, NULL, 0, NO_LOCALS, GET(0), I32(1), I32_ADD);
  module = built(&b);
}

/* ---- Who keeps ----------------------------------------------------------------------------------------------------------------- */

struct keeping {
  int tells;
};

static void tell(const struct keeping *keeping, const void *bytes, size_t count) {
  if (write(keeping->tells, bytes, count) != (ssize_t)count) _exit(1);
}

static const struct tiers_kept *begin(void *env, const struct tiers_kept_key *key) {
  tell(env, "B", 1);
  tell(env, key, sizeof *key);
  return NULL;
}

/* How many functions, and whether it is the last answer. */
static void take(void *env, const struct tiers_answer *answer) {
  char letters[] = {(char)('0' + answer->optimized), answer->is_last ? '.' : ','};
  tell(env, letters, sizeof letters);
}

_Noreturn static void relay(int socket, int tells) {
  struct keeping keeping = {tells};
  const struct tiers_relay how = {socket, 10, &keeping, begin, take};
  tiers_auto_relay(&how);
  tell(&keeping, "|", 1);
  tell(&keeping, tiers_auto_relay_afresh(&how) ? "+" : "-", 1);
  tiers_auto_relay_end();
  _exit(0);
}

/* ---- Who asks ------------------------------------------------------------------------------------------------------------------ */

static void start(void) {
  int ends[2], tells[2];
  tiers_find_helper();
  CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  CHECK_INT(pipe(tells), 0);
  fflush(NULL);
  child = fork();
  if (child == 0) {
    close(ends[0]);
    close(tells[0]);
    relay(ends[1], tells[1]);
  }
  close(ends[1]);
  close(tells[1]);
  asker = ends[0];
  told = tells[0];
}

static void say(const void *bytes, size_t count) {
  CHECK(send(asker, bytes, count, MSG_NOSIGNAL) == (ssize_t)count || count == 0);
}

static struct wire_request request(bool with_module, uint32_t count) {
  return (struct wire_request){.magic = WIRE_MAGIC,
                               .layout = optimizer_layout(),
                               .features = MODULE_FEATURES_DEFAULT,
                               .module_bytes = with_module ? (uint32_t)module.count : 0,
                               .item_count = count,
                               .mix = 12345,
                               .level = 1,
                               .cpu = TIERS_CPU_X86_64,
                               .entry_count = FUNCS};
}

static void ask(const struct wire_request *what, uint32_t first) {
  say(what, sizeof *what);
  if (what->module_bytes) say(module.items, what->module_bytes);
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
  end("|-", NULL);
  start();
  struct wire_request first = request(true, 1), second = request(false, 2);
  ask(&first, 0);
  CHECK(answered());
  ask(&second, 1);
  CHECK(answered());
  end("B1.2.|3.+", &key);
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
  end("B1.|5.+", NULL);
}

/* Each module has a helper of its own, and its own key. */
TEST(another_module_begins_anew) {
  start();
  struct wire_request first = request(true, 2), other = request(true, 1);
  ask(&first, 0);
  CHECK(answered());
  ask(&other, 4);
  CHECK(answered());
  end("B2.B1.|1.+", NULL);
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
  check_lie(&lie, "|-");
  lie = request(true, 0);
  check_lie(&lie, "|-");
  lie = request(true, WIRE_MOST_ITEMS + 1);
  check_lie(&lie, "|-");
  lie = request(false, 1);
  check_lie(&lie, "|-");
  lie.when = WIRE_LATER;
  check_lie(&lie, "|-");
  lie = request(true, 1);
  lie.entry_count = UINT32_MAX;
  check_lie(&lie, "|-");
  lie.entry_count = FUNCS + 1; /* the helper finds it out */
  check_lie(&lie, "B|-");
  lie = request(true, 1);
  lie.layout++;
  check_lie(&lie, "B|-");
}

TEST(functions_that_are_none_end_it) {
  start();
  struct wire_request first = request(true, 1);
  ask(&first, FUNCS);
  CHECK(!answered());
  end("B|-", NULL);
  start();
  ask(&first, 0);
  CHECK(answered());
  struct wire_request later = request(false, 2);
  later.when = WIRE_LATER;
  ask(&later, FUNCS - 1);
  end("B1.|2.+", NULL);
}

TEST(what_is_cut_off_ends_it) {
  struct wire_request one = request(true, 1), many = request(false, 1000);
  start();
  ask(&one, 0);
  CHECK(answered());
  ask(&many, 0);
  end("B1.|-", NULL);
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
    end(has_module ? "B|-" : "|-", NULL);
  }
  base_free(bytes);
}

TEST_MAIN(signal(SIGPIPE, SIG_IGN); build(); RUN(answers_are_shown_and_made_afresh)
              RUN(what_is_wanted_later_is_not_answered) RUN(another_module_begins_anew) RUN(lies_end_it)
                  RUN(functions_that_are_none_end_it) RUN(what_is_cut_off_ends_it))
