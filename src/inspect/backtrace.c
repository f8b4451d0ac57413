/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Backtraces as text. Debug information is opened once for each module that occurs, and only then. */
#include <assert.h>
#include <inttypes.h>

#include "inspect/parts.h"

enum { POSITIONS_MAX = 16 };

struct opened {
  const struct module *module;
  struct inspect_debug debug;
};

struct backtrace {
  struct base_text *out;
  BASE_VEC(struct opened) opened;
};

void inspect_name(struct base_text *out, struct module_name name) {
  char printable[256];
  base_text_addz(out, base_printable(printable, sizeof printable, name.bytes, name.len_bytes));
}

/* NULL when memory is out: then the line goes without a position. */
static struct inspect_debug *debug_of(struct backtrace *self, const struct module *module) {
  for (size_t i = 0; i < self->opened.count; i++)
    if (self->opened.items[i].module == module) return &self->opened.items[i].debug;
  struct opened *opened = BASE_VEC_PUSH(&self->opened);
  if (!opened) return NULL;
  opened->module = module;
  inspect_debug_open(&opened->debug, module);
  return &opened->debug;
}

static void add_function_name(struct base_text *out, const struct module *module, uint32_t func) {
  struct module_name name = module_func_name(module, func);
  if (name.len_bytes)
    inspect_name(out, name);
  else
    base_text_format(out, "function %" PRIu32, func);
}

static void add_offset(struct base_text *out, uint32_t offset) {
  if (offset != UINT32_MAX) base_text_format(out, " at offset 0x%" PRIx32, offset);
}

static void add_position(struct base_text *out, const struct inspect_position *position, uint32_t offset) {
  char printable[512];
  if (position->file) {
    base_text_format(out, " at %s",
                     base_printable(printable, sizeof printable, position->file, strlen(position->file)));
    if (position->line > 0) base_text_format(out, ":%d", position->line);
    if (position->line > 0 && position->column > 0) base_text_format(out, ":%d", position->column);
  }
  if (!position->file && !position->inlined) add_offset(out, offset);
  base_text_addz(out, position->inlined ? " (inlined)\n" : "\n");
}

static void add_host_frame(struct base_text *out, const struct engine_function *host) {
  const char *names[2] = {host->host_module, host->host_name};
  for (int i = 0; i < 2; i++) {
    if (!names[i]) continue;
    inspect_name(out, (struct module_name){names[i], (uint32_t)strlen(names[i])});
    base_text_addz(out, i == 0 ? "." : " ");
  }
  base_text_addz(out, "(host function)\n");
}

/* One line, or several when functions were inlined; all carry the frame's number. */
static void add_frame(struct backtrace *self, uint64_t number, const struct engine_frame *frame) {
  if (!frame->instance || frame->func == UINT32_MAX) {
    base_text_format(self->out, "  %" PRIu64 ": ", number);
    if (frame->host)
      add_host_frame(self->out, frame->host);
    else
      base_text_addz(self->out, "(not known)\n");
    return;
  }
  const struct module *module = frame->instance->module;
  assert(frame->func < module->func_count);
  struct inspect_debug *debug = debug_of(self, module);
  struct inspect_position positions[POSITIONS_MAX];
  size_t count = debug ? inspect_debug_find(debug, module, frame->offset, positions, POSITIONS_MAX) : 0;
  for (size_t i = 0; i < count; i++) {
    base_text_format(self->out, "  %" PRIu64 ": ", number);
    const char *name = positions[i].inlined ? positions[i].function : NULL;
    if (name)
      inspect_name(self->out, (struct module_name){name, (uint32_t)strlen(name)});
    else
      add_function_name(self->out, module, frame->func);
    add_position(self->out, &positions[i], frame->offset);
  }
  if (count > 0) return;
  base_text_format(self->out, "  %" PRIu64 ": ", number);
  add_function_name(self->out, module, frame->func);
  add_offset(self->out, frame->offset);
  base_text_addz(self->out, "\n");
}

void inspect_backtrace(struct engine_thread *thread, size_t max_frames, struct base_text *out) {
  struct backtrace self = {.out = out};
  uint64_t total = thread->backtrace_total, kept = thread->backtrace_count;
  uint64_t shown = max_frames > 0 && max_frames < kept ? max_frames : kept;
  assert(kept <= ENGINE_BACKTRACE_FRAMES && kept <= total);
  /* The frames that were not kept lie between the innermost and the outermost ones. */
  uint64_t outermost = total > kept ? ENGINE_BACKTRACE_FRAMES / 4 : 0, gap_at = kept - outermost;
  for (uint64_t i = 0; i < shown; i++) {
    struct engine_frame frame;
    if (i == gap_at && total > kept) base_text_format(out, "  ... %" PRIu64 " more ...\n", total - kept);
    if (!engine_backtrace_frame(thread, (uint32_t)i, &frame)) break;
    add_frame(&self, i < gap_at ? i : total - kept + i, &frame);
  }
  if (shown < kept) base_text_format(out, "  ... %" PRIu64 " more\n", total - shown);
  for (size_t i = 0; i < self.opened.count; i++) inspect_debug_close(&self.opened.items[i].debug);
  BASE_VEC_DEINIT(&self.opened);
}
