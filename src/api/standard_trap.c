/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Traps of wasm.h and their frames.
 *
 * A trap is copied out of the engine when the call that it ended comes back: message, and where the frames stood. One that
 * a function of the host returns gets the frames that called it, and travels as itself: the store holds it (thrown) until
 * the call ends. Lack of memory may not turn a trap into success, so there is one that needs none, shared by all. */
#include "api/standard.h"

static wasm_trap_t no_memory = {.ref = {.kind = STANDARD_TRAP, .is_static = true}, .has_frames = true};

void standard_trap_deinit(wasm_trap_t *trap) {
  for (uint32_t i = 0; i < trap->frame_count; i++) standard_release((wasm_ref_t *)trap->frames[i].instance);
  base_free(trap->frames);
  base_free(trap->message);
}

/* ---- Making ------------------------------------------------------------------------------------------------------------------- */

static wasm_trap_t *trap_new(wasm_store_t *store, const char *message, size_t len_bytes) {
  wasm_trap_t *trap = (wasm_trap_t *)standard_take(store, STANDARD_TRAP, 0);
  if (!trap) return &no_memory;
  trap->message = base_string_copy(message, len_bytes);
  if (trap->message) return trap;
  standard_release(&trap->ref);
  return &no_memory;
}

wasm_trap_t *standard_trap_new(wasm_store_t *store, const char *message) {
  return trap_new(store, message, strlen(message));
}

wasm_trap_t *wasm_trap_new(wasm_store_t *store, const wasm_message_t *message) {
  size_t len_bytes = message->size;
  if (len_bytes && !message->data[len_bytes - 1]) len_bytes--;
  return trap_new(store, len_bytes ? message->data : "", len_bytes);
}

static void frame_set(wasm_store_t *store, const struct engine_frame *frame, struct wasm_frame_t *out) {
  out->instance = (wasm_instance_t *)standard_take(store, STANDARD_INSTANCE, standard_key(frame->instance));
  out->func = frame->func;
  out->func_offset = out->module_offset = SIZE_MAX;
  if (frame->offset == UINT32_MAX) return;
  out->module_offset = frame->offset;
  out->func_offset = frame->offset - frame->instance->module->funcs[frame->func].body_offset;
}

/* Without memory the trap stays without frames. A call that was stopped before it stood anywhere is not told of. */
static void frames_copy(wasm_store_t *store, wasm_trap_t *trap) {
  struct engine_thread *thread = engine_store_thread(store->inner);
  struct engine_frame frame;
  if (trap->has_frames) return;
  trap->has_frames = true;
  trap->frames = thread->backtrace_count ? base_alloc_zero(thread->backtrace_count, sizeof *trap->frames) : NULL;
  for (uint32_t i = 0; trap->frames && engine_backtrace_frame(thread, i, &frame); i++)
    if (frame.instance && frame.func != UINT32_MAX) frame_set(store, &frame, &trap->frames[trap->frame_count++]);
}

void standard_trap_locate(wasm_store_t *store, wasm_trap_t *trap) {
  if (trap->has_frames) return;
  engine_backtrace_capture(engine_store_thread(store->inner));
  frames_copy(store, trap);
}

/* What the trap says; `text` is where it is made when it has to be. */
static const char *message_of(struct engine_thread *thread, enum engine_trap trap, struct base_text *text) {
  if (trap == ENGINE_TRAP_HOST) return thread->host_error.text;
  if (trap == ENGINE_TRAP_LIMIT)
    base_text_format(text, "the limit of %s is used up", base_limit_name(thread->limit));
  else if (trap == ENGINE_TRAP_EXCEPTION)
    api_exception_text(thread, text);
  return text->failed || !text->bytes ? engine_trap_text(trap) : text->bytes;
}

static wasm_trap_t *thrown_take(wasm_store_t *store) {
  wasm_trap_t *thrown = store->thrown;
  store->thrown = NULL;
  return thrown;
}

wasm_trap_t *standard_trap_of_call(wasm_store_t *store, enum engine_trap trap) {
  struct engine_thread *thread = engine_store_thread(store->inner);
  wasm_trap_t *thrown = thrown_take(store);
  if (thrown && trap == ENGINE_TRAP_HOST) return thrown;
  if (thrown) standard_release(&thrown->ref);
  struct base_text text = {0};
  wasm_trap_t *made = standard_trap_new(store, message_of(thread, trap, &text));
  base_text_deinit(&text);
  frames_copy(store, made);
  if (trap == ENGINE_TRAP_INTERRUPTED && !thread->top) engine_interrupt_clear(store->inner);
  return made;
}

wasm_trap_t *standard_trap_of_error(wasm_store_t *store, const struct cay_error *error) {
  return error->status == CAY_ERROR_MEMORY ? &no_memory : standard_trap_new(store, error->text);
}

/* ---- Reading ------------------------------------------------------------------------------------------------------------------ */

void wasm_trap_message(const wasm_trap_t *trap, wasm_message_t *out) {
  const char *message = trap->message ? trap->message : engine_trap_text(ENGINE_TRAP_OUT_OF_MEMORY);
  standard_name(out, message, strlen(message) + 1);
}

wasm_frame_t *wasm_frame_copy(const wasm_frame_t *frame) {
  wasm_frame_t *copy = base_alloc(sizeof *copy);
  if (!copy) return NULL;
  *copy = *frame;
  standard_retain((wasm_ref_t *)copy->instance);
  return copy;
}

void wasm_frame_delete(wasm_frame_t *frame) {
  if (!frame) return;
  standard_release((wasm_ref_t *)frame->instance);
  base_free(frame);
}

wasm_frame_t *wasm_trap_origin(const wasm_trap_t *trap) {
  return trap->frame_count ? wasm_frame_copy(&trap->frames[0]) : NULL;
}

void wasm_trap_trace(const wasm_trap_t *trap, wasm_frame_vec_t *out) {
  wasm_frame_vec_new_uninitialized(out, trap->frame_count);
  for (size_t i = 0; i < out->size; i++) {
    out->data[i] = wasm_frame_copy(&trap->frames[i]);
    if (out->data[i]) continue;
    wasm_frame_vec_delete(out);
    return;
  }
}

wasm_instance_t *wasm_frame_instance(const wasm_frame_t *frame) { return frame->instance; }
uint32_t wasm_frame_func_index(const wasm_frame_t *frame) { return frame->func; }
size_t wasm_frame_func_offset(const wasm_frame_t *frame) { return frame->func_offset; }
size_t wasm_frame_module_offset(const wasm_frame_t *frame) { return frame->module_offset; }
