/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* One line for each call, as strace prints them, from the names and kinds in the table of functions:
 *
 *   path_open(fd=3, dirflags=symlink_follow, path="a/b", oflags=creat|trunc, ..., fdflags=0) = 0 {fd=5}
 *   fd_read(fd=9, iovs=[4096]) = EBADF (bad file descriptor)
 *
 * Arguments are formatted before the call, because it may end the guest, and results after it. */
#include <assert.h>
#include <stdio.h>

#include "wasi/p1/p1.h"

static const char *const clock_names[] = {"realtime", "monotonic", "process_cputime", "thread_cputime"};
static const char *const whence_names[] = {"set", "cur", "end"}, *const old_whence_names[] = {"cur", "end", "set"};
static const char *const oflag_names[] = {"creat", "directory", "excl", "trunc", NULL};
static const char *const lookup_names[] = {"symlink_follow", NULL};
static const char *const fdflag_names[] = {"append", "dsync", "nonblock", "rsync", "sync", NULL};
static const char *const fstflag_names[] = {"atim", "atim_now", "mtim", "mtim_now", NULL};

/* A parameter's name and kind, cut from "name:kind". */
struct argument {
  const char *name;
  int name_bytes;
  bool is_result;
  char kind;
};

static const char *next_argument(const char *text, struct argument *out) {
  while (*text == ' ') text++;
  if (!*text) return NULL;
  const char *colon = strchr(text, ':');
  assert(colon);
  *out = (struct argument){.name = text, .name_bytes = (int)(colon - text), .is_result = colon[1] == '='};
  out->kind = colon[out->is_result ? 2 : 1];
  return colon + (out->is_result ? 3 : 2);
}

static unsigned width(char kind) { return kind == 'p' || kind == 'v' ? 2 : 1; }

static void add_flags(struct base_text *text, uint64_t value, const char *const *names) {
  bool first = true;
  for (unsigned bit = 0; names[bit]; bit++) {
    if (!(value >> bit & 1)) continue;
    base_text_format(text, "%s%s", first ? "" : "|", names[bit]);
    value &= ~(UINT64_C(1) << bit);
    first = false;
  }
  if (value || first)
    base_text_format(text, "%s%s%llx", first ? "" : "|", value ? "0x" : "", (unsigned long long)value);
}

static void add_choice(struct base_text *text, uint32_t value, const char *const *names, uint32_t count) {
  if (value < count)
    base_text_addz(text, names[value]);
  else
    base_text_format(text, "%u", value);
}

static void add_path(struct base_text *text, struct p1_call *call, unsigned argument) {
  struct host_path path;
  char printable[512];
  if (p1_path(call, argument, &path)) {
    base_text_format(text, "(bad pointer 0x%x, %u bytes)", p1_u32(call, argument), p1_u32(call, argument + 1));
    return;
  }
  base_text_format(text, "\"%s\"", base_printable(printable, sizeof printable, path.bytes, path.len_bytes));
}

static void add_buffers(struct base_text *text, const struct p1_call *call, unsigned argument) {
  uint32_t count = p1_u32(call, argument + 1), shown = count < 8 ? count : 8;
  const uint8_t *at = p1_range(call, p1_u32(call, argument), (uint64_t)shown * 8);
  if (!at) {
    base_text_format(text, "(bad pointer 0x%x)", p1_u32(call, argument));
    return;
  }
  for (uint32_t i = 0; i < shown; i++)
    base_text_format(text, "%s%u", i ? ", " : "[", base_racy_load_u32(at + 8 * i + 4));
  base_text_addz(text, count > shown ? ", ...]" : count ? "]" : "[]");
}

static void add_value(struct base_text *text, struct p1_call *call, unsigned at, char kind) {
  assert(at < strlen(call->function->params));
  uint64_t value = call->args[at];
  switch (kind) {
  case 'f': base_text_format(text, "%d", (int)(uint32_t)value); break;
  case 'u': base_text_format(text, "%u", (uint32_t)value); break;
  case 'U': base_text_format(text, "%llu", (unsigned long long)value); break;
  case 'I': base_text_format(text, "%lld", (long long)value); break;
  case 'x': base_text_format(text, "0x%x", (uint32_t)value); break;
  case 'R': base_text_format(text, "0x%llx", (unsigned long long)value); break;
  case 'c': add_choice(text, (uint32_t)value, clock_names, 4); break;
  case 'w': add_choice(text, (uint32_t)value, call->is_unstable ? old_whence_names : whence_names, 3); break;
  case 'o': add_flags(text, (uint32_t)value, oflag_names); break;
  case 'l': add_flags(text, (uint32_t)value, lookup_names); break;
  case 'd': add_flags(text, (uint32_t)value, fdflag_names); break;
  case 't': add_flags(text, (uint32_t)value, fstflag_names); break;
  case 'p': add_path(text, call, at); break;
  case 'v': add_buffers(text, call, at); break;
  default: assert(!"a kind that the table does not describe");
  }
}

void p1_trace_begin(struct p1_call *call) {
  struct base_text *text = &call->own->trace;
  text->len_bytes = 0;
  text->failed = false;
  base_text_format(text, "%s(", call->function->name);
  struct argument argument;
  unsigned at = 0;
  bool first = true;
  for (const char *rest = call->function->arguments; (rest = next_argument(rest, &argument));) {
    if (!argument.is_result) {
      base_text_format(text, "%s%.*s=", first ? "" : ", ", argument.name_bytes, argument.name);
      add_value(text, call, at, argument.kind);
      first = false;
    }
    at += width(argument.kind);
  }
  base_text_addz(text, ")");
}

static void add_result(struct base_text *text, const struct p1_call *call, unsigned at, char kind) {
  const uint8_t *from = p1_range(call, p1_u32(call, at), kind == 'U' ? 8 : 4);
  if (!from) return;
  if (kind == 'U')
    base_text_format(text, "%llu", (unsigned long long)base_racy_load_u64(from));
  else
    base_text_format(text, "%u", base_racy_load_u32(from));
}

static void add_results(struct base_text *text, const struct p1_call *call) {
  struct argument argument;
  unsigned at = 0;
  bool any = false;
  for (const char *rest = call->function->arguments; (rest = next_argument(rest, &argument));) {
    if (argument.is_result) {
      base_text_format(text, "%s%.*s=", any ? ", " : " {", argument.name_bytes, argument.name);
      add_result(text, call, at, argument.kind);
      any = true;
    }
    at += width(argument.kind);
  }
  if (any) base_text_addz(text, "}");
}

void p1_trace_end(struct p1_call *call, int result) {
  struct base_text *text = &call->own->trace;
  const struct wasi_hooks *hooks = &call->p1->hooks;
  if (result == P1_TRAPPED) {
    base_text_format(text, " = ? (%s)",
                     call->trap == ENGINE_TRAP_EXIT    ? "the program ends"
                     : call->trap == ENGINE_TRAP_LIMIT ? "a limit is used up"
                                                       : "interrupted");
  } else if (result < 0) {
    enum host_error error = (enum host_error) - result;
    base_text_format(text, " = %s (%s)", host_error_name(error), host_error_text(error));
  } else {
    base_text_addz(text, " = 0");
    add_results(text, call);
  }
  p1_telling(call);
  hooks->trace(hooks->trace_env, text->bytes ? text->bytes : "");
  p1_told(call);
}
