/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Backtraces as text. Debug information is opened once for each module that occurs, and only then. */
#include <assert.h>
#include <inttypes.h>

#include "inspect/parts.h"

struct opened {
  const struct module *module;
  struct inspect_debug debug;
};

struct inspect_reader {
  const struct inspect_dwarf_table *table; /* NULL: not loaded, or not there */
  bool is_loaded;                          /* it was tried */
  BASE_VEC(struct opened) opened;
};

struct backtrace {
  struct base_text *out;
  const struct inspect_source *source;
};

/* ---- Reading here ---------------------------------------------------------------------------------------------------- */

struct inspect_reader *inspect_reader_new(void) { return base_alloc_zero(1, sizeof(struct inspect_reader)); }

void inspect_reader_forget(struct inspect_reader *reader) {
  for (size_t i = 0; i < reader->opened.count; i++) inspect_debug_close(&reader->opened.items[i].debug);
  BASE_VEC_DEINIT(&reader->opened);
}

void inspect_reader_free(struct inspect_reader *reader) {
  if (reader) inspect_reader_forget(reader);
  base_free(reader);
}

void inspect_reader_load(struct inspect_reader *reader) {
  if (!reader->is_loaded) reader->table = inspect_debug_load();
  reader->is_loaded = true;
}

/* NULL when memory is out: then the line goes without a position. */
static struct inspect_debug *debug_of(struct inspect_reader *reader, const struct module *module) {
  for (size_t i = 0; i < reader->opened.count; i++)
    if (reader->opened.items[i].module == module) return &reader->opened.items[i].debug;
  struct opened *opened = BASE_VEC_PUSH(&reader->opened);
  if (!opened) return NULL;
  opened->module = module;
  inspect_reader_load(reader);
  inspect_debug_open(&opened->debug, reader->table, module);
  return &opened->debug;
}

size_t inspect_reader_find(void *reader, const struct module *module, uint32_t offset, struct inspect_position *out,
                           size_t capacity) {
  struct inspect_debug *debug = debug_of(reader, module);
  return debug ? inspect_debug_find(debug, module, offset, out, capacity) : 0;
}

bool inspect_has_positions(const struct module *module) { return module_custom_find(module, ".debug_line") != NULL; }

/* ---- Texts ------------------------------------------------------------------------------------------------------------- */

void inspect_name(struct base_text *out, struct module_name name) {
  char printable[256];
  base_text_addz(out, base_printable(printable, sizeof printable, name.bytes, name.len_bytes));
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
  struct inspect_position positions[INSPECT_POSITIONS_MAX];
  size_t count = self->source->find(self->source->env, module, frame->offset, positions, INSPECT_POSITIONS_MAX);
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

static void add_frames(struct backtrace *self, struct engine_thread *thread, size_t max_frames) {
  uint64_t total = thread->backtrace_total, kept = thread->backtrace_count;
  uint64_t shown = max_frames > 0 && max_frames < kept ? max_frames : kept;
  assert(kept <= ENGINE_BACKTRACE_FRAMES && kept <= total);
  /* The frames that were not kept lie between the innermost and the outermost ones. */
  uint64_t outermost = total > kept ? ENGINE_BACKTRACE_FRAMES / 4 : 0, gap_at = kept - outermost;
  for (uint64_t i = 0; i < shown; i++) {
    struct engine_frame frame;
    if (i == gap_at && total > kept) base_text_format(self->out, "  ... %" PRIu64 " more ...\n", total - kept);
    if (!engine_backtrace_frame(thread, (uint32_t)i, &frame)) break;
    add_frame(self, i < gap_at ? i : total - kept + i, &frame);
  }
  if (shown < kept) base_text_format(self->out, "  ... %" PRIu64 " more\n", total - shown);
}

void inspect_backtrace(struct engine_thread *thread, size_t max_frames, const struct inspect_source *source,
                       struct base_text *out) {
  struct inspect_reader reader = {0};
  const struct inspect_source here = {inspect_reader_find, &reader};
  struct backtrace self = {out, source ? source : &here};
  add_frames(&self, thread, max_frames);
  inspect_reader_forget(&reader);
}
