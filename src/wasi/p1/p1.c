/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* WASI 0.1: making the surface, defining its functions, and entering them.
 *
 * A guest's threads share the surface: arguments and preopened directories never change, the table of handles has a
 * lock, and a call holds the handles that it uses. Each thread has its own functions, which know where it waits.
 *
 * Every function is a row of P1_FUNCTIONS and an `int p1_NAME(struct p1_call *)` that returns 0 or -HOST_ERROR_x. One
 * engine function, `enter`, runs them all: it finds the guest's memory, traces, and turns results into 0.1's numbers.
 * wasi_unstable is the same table under another name; the few layouts that differ ask call->is_unstable.
 *
 * The host core does not know the guest, and nothing here keeps a pointer into guest memory across a wait: buffers are
 * resolved again by each attempt. */
#include "wasi/p1/p1.h"

#include <assert.h>

const struct p1_function p1_functions[] = {
#define X(name, params, results, arguments) {#name, params, results, arguments, p1_##name},
    P1_FUNCTIONS(X)
#undef X
};
const unsigned p1_function_count = BASE_ARRAY_LEN(p1_functions);

bool wasi_p1_function(unsigned index, const char **name, const char **params, const char **results) {
  if (index >= p1_function_count) return false;
  *name = p1_functions[index].name;
  *params = p1_functions[index].params;
  *results = p1_functions[index].results;
  return true;
}

/* ---- Calls ------------------------------------------------------------------------------------------------------------ */

static enum engine_trap no_memory(const struct engine_call *call, const struct p1_function *function) {
  base_error_set(&call->thread->host_error, CAY_ERROR_LINK, "%s was called by a host that has no memory to give it",
                 function->name);
  return ENGINE_TRAP_HOST;
}

void p1_telling(struct p1_call *call) {
  pthread_mutex_lock(&call->p1->told_lock);
  call->p1->teller = call->thread;
}

void p1_told(struct p1_call *call) {
  call->p1->teller = NULL;
  pthread_mutex_unlock(&call->p1->told_lock);
}

struct engine_thread *wasi_p1_teller(const struct wasi_p1 *p1) { return p1->teller; }

static enum engine_trap enter(struct engine_call *engine_call, uint64_t *slots) {
  const struct p1_binding *binding = engine_call->env;
  atomic_store_explicit(&binding->own->p1->is_used, true, memory_order_relaxed);
  if (!engine_call->caller) return no_memory(engine_call, binding->function);
  struct p1_call call = {.p1 = binding->own->p1,
                         .own = binding->own,
                         .memory = engine_call->caller->host_memory,
                         .thread = engine_call->thread,
                         .function = binding->function,
                         .is_unstable = binding->is_unstable,
                         .args = slots};
  bool traces = call.p1->hooks.trace != NULL;
  if (BASE_UNLIKELY(traces)) p1_trace_begin(&call);
  int result = binding->function->run(&call);
  if (BASE_UNLIKELY(host_is_exhausted(result))) {
    call.trap = engine_limit_reached(call.thread, host_exhausted(result));
    result = P1_TRAPPED;
  }
  if (BASE_UNLIKELY(traces)) p1_trace_end(&call, result);
  if (BASE_UNLIKELY(call.p1->record != NULL)) p1_record(&call, result);
  for (unsigned i = 0; i < call.held_count; i++) p1_handle_release(call.held[i]);
  for (unsigned i = 0; i < call.copy_count; i++) base_free(call.copies[i]);
  if (call.copied_bytes) base_budget_give(call.p1->budget, BASE_LIMIT_MEMORY, call.copied_bytes);
  if (result == P1_TRAPPED) {
    assert(call.trap != ENGINE_TRAP_NONE);
    return call.trap;
  }
  assert(result <= 0 && binding->function->results[0]);
  slots[0] = host_error_p1((enum host_error) - result);
  return ENGINE_TRAP_NONE;
}

/* ---- Defining ---------------------------------------------------------------------------------------------------------- */

enum { MAX_PARAMS = 9 };

static void types_of(const char *letters, module_type *types, uint32_t *count) {
  for (*count = 0; letters[*count]; (*count)++) {
    assert(*count < MAX_PARAMS);
    types[*count] = letters[*count] == 'i' ? MODULE_I32 : MODULE_I64;
  }
}

static enum cay_status define(struct engine_linker *linker, struct engine_store *store, const char *module_name,
                              struct p1_binding *binding, struct cay_error *error) {
  const struct p1_function *function = binding->function;
  module_type params[MAX_PARAMS], results[MAX_PARAMS];
  struct module_func_type type = {.params = params, .results = results};
  types_of(function->params, params, &type.param_count);
  types_of(function->results, results, &type.result_count);
  type.param_slots = type.param_count;
  type.result_slots = type.result_count;
  struct engine_extern value = {.kind = MODULE_FUNC};
  enum cay_status status =
      engine_function_new(store, &type, enter, binding, module_name, function->name, &value.func, error);
  if (status) return status;
  return engine_linker_define(linker, module_name, strlen(module_name), function->name, strlen(function->name), value,
                              error);
}

static const char *const surfaces[] = {"wasi_snapshot_preview1", "wasi_unstable"};

static enum cay_status define_all(struct engine_linker *linker, struct engine_store *store,
                                  struct wasi_p1_thread *thread, struct cay_error *error) {
  enum cay_status status = CAY_OK;
  for (unsigned i = 0; status == CAY_OK && i < BASE_ARRAY_LEN(surfaces) * p1_function_count; i++)
    status = define(linker, store, surfaces[i / p1_function_count], &thread->bindings[i], error);
  return status;
}

static bool is_named(struct module_name name, const char *text) {
  return name.len_bytes == strlen(text) && memcmp(name.bytes, text, name.len_bytes) == 0;
}

/* NULL: it is none of WASI's. */
static struct p1_binding *binding_for(const struct wasi_p1_thread *thread, const struct module_import *import,
                                      const char **surface) {
  for (unsigned i = 0; i < BASE_ARRAY_LEN(surfaces); i++) {
    if (!is_named(import->module, surfaces[i])) continue;
    *surface = surfaces[i];
    for (unsigned k = 0; k < p1_function_count; k++)
      if (is_named(import->name, p1_functions[k].name)) return &thread->bindings[i * p1_function_count + k];
  }
  return NULL;
}

enum cay_status wasi_p1_thread_define(struct engine_linker *linker, struct engine_store *store,
                                      struct wasi_p1_thread *thread, const struct module *module,
                                      struct cay_error *error) {
  if (!module) return define_all(linker, store, thread, error);
  enum cay_status status = CAY_OK;
  for (uint32_t i = 0; status == CAY_OK && i < module->import_count; i++) {
    const struct module_import *import = &module->imports[i];
    const char *surface;
    struct engine_extern found;
    struct p1_binding *binding = binding_for(thread, import, &surface);
    if (binding && !engine_linker_find(linker, import->module, import->name, &found))
      status = define(linker, store, surface, binding, error);
  }
  return status;
}

enum cay_status wasi_p1_define(struct engine_linker *linker, struct engine_store *store, struct wasi_p1 *p1,
                               const struct module *module, struct cay_error *error) {
  return wasi_p1_thread_define(linker, store, &p1->main, module, error);
}

/* ---- Making a surface ----------------------------------------------------------------------------------------------------- */

/* Fills in what is zeroed; thread_deinit afterwards, also when it fails. */
static enum cay_status thread_init(struct wasi_p1_thread *thread, struct wasi_p1 *p1, struct cay_error *error) {
  thread->p1 = p1;
  thread->bindings = base_alloc_zero(2 * (size_t)p1_function_count, sizeof *thread->bindings);
  if (!thread->bindings) return base_error_memory(error);
  for (unsigned i = 0; i < 2 * p1_function_count; i++)
    thread->bindings[i] = (struct p1_binding){
        .own = thread, .function = &p1_functions[i % p1_function_count], .is_unstable = i >= p1_function_count};
  enum cay_status status = host_loop_new(&thread->loop, error);
  if (status == CAY_OK) host_loop_set_budget(thread->loop, p1->budget);
  return status;
}

static void thread_deinit(struct wasi_p1_thread *thread) {
  base_free(thread->bindings);
  base_text_deinit(&thread->trace);
  host_loop_free(thread->loop);
}

enum cay_status wasi_p1_thread_new(struct wasi_p1 *p1, struct wasi_p1_thread **out, struct cay_error *error) {
  struct wasi_p1_thread *thread = base_alloc_zero(1, sizeof *thread);
  if (!thread) return base_error_memory(error);
  enum cay_status status = thread_init(thread, p1, error);
  if (status == CAY_OK)
    *out = thread;
  else
    wasi_p1_thread_free(thread);
  return status;
}

void wasi_p1_thread_free(struct wasi_p1_thread *thread) {
  if (!thread) return;
  thread_deinit(thread);
  base_free(thread);
}

static enum cay_status join(char *const *strings, size_t count, const char *what, struct base_text *out,
                            struct cay_error *error) {
  for (size_t i = 0; i < count; i++) base_text_add(out, strings[i], strlen(strings[i]) + 1);
  if (out->failed) return base_error_memory(error);
  if (out->len_bytes > INT32_MAX) return base_error_set(error, CAY_ERROR_LIMIT, "the %s take more than 2 GiB", what);
  return CAY_OK;
}

/* Adds a granted object; `opened` says what is to be kept of where it comes from. */
static enum cay_status add_handle(struct wasi_p1 *p1, struct host_object *object, struct p1_opened opened,
                                  struct cay_error *error) {
  opened.object = host_object_retain(object);
  opened.is_preopen = opened.preopen >= 0;
  uint64_t usual = opened.is_plain ? (uint64_t)P1_RIGHTS_STREAM : opened.is_preopen ? UINT64_MAX : P1_RIGHTS_STANDARD;
  opened.rights = p1_rights_of(object) & usual;
  enum host_kind kind = host_object_kind(object);
  opened.inheriting = opened.is_preopen ? P1_RIGHTS_INHERITING : kind == HOST_KIND_LISTENER ? P1_RIGHTS_SOCKET : 0;
  uint32_t fd;
  return p1_handle_add(p1, &opened, &fd) ? base_error_memory(error) : CAY_OK;
}

static enum cay_status add_stream(struct wasi_p1 *p1, const struct wasi_stream *stream, unsigned index,
                                  struct cay_error *error) {
  struct p1_opened opened = {
      .preopen = -1, .socket = -1, .is_plain = p1->uniform != NULL, .once = (uint8_t)(P1_ONCE_STREAM + index)};
  if (stream->object) return add_handle(p1, stream->object, opened, error);
  struct host_object *object = NULL;
  enum cay_status status = index == 0 ? host_memory_reader("", 0, &object, error) : host_memory_sink(&object, error);
  if (status == CAY_OK) status = add_handle(p1, object, opened, error);
  host_object_release(object);
  return status;
}

static enum cay_status add_streams(struct wasi_p1 *p1, const struct wasi_config *config, struct cay_error *error) {
  enum cay_status status = CAY_OK;
  for (unsigned i = 0; i < 3 && status == CAY_OK; i++) status = add_stream(p1, &config->streams[i], i, error);
  return status;
}

/* A closed stream keeps its number until everything that was granted has one behind it. */
static void close_streams(struct wasi_p1 *p1, const struct wasi_config *config) {
  for (unsigned i = 0; i < 3; i++)
    if (config->streams[i].is_set && !config->streams[i].object) p1_handle_close(p1, i);
}

/* A copy of a text that may be NULL; false: no memory. */
static bool copy_text(const char *text, char **out) {
  *out = text ? base_string_copy(text, strlen(text)) : NULL;
  return *out || !text;
}

/* Only who is told of uses wants to know the rule. */
static enum cay_status add_rule(const struct wasi_p1 *p1, const struct wasi_preopen *from, struct wasi_preopen *to,
                                struct cay_error *error) {
  if (!p1->tells_uses || (!from->rule && !from->host_path)) return CAY_OK;
  struct base_text text = {0};
  const char *rights = host_object_rights(from->directory) & HOST_RIGHT_WRITE ? "rw" : "ro";
  if (from->rule)
    base_text_addz(&text, from->rule);
  else
    base_text_format(&text, "--dir %s::%s::%s", from->host_path, from->guest_path, rights);
  to->rule = text.bytes;
  return text.failed ? base_error_memory(error) : CAY_OK;
}

static enum cay_status add_preopens(struct wasi_p1 *p1, const struct wasi_config *config, struct cay_error *error) {
  for (size_t i = 0; i < config->preopens.count; i++) {
    const struct wasi_preopen *from = &config->preopens.items[i];
    struct wasi_preopen *to = BASE_VEC_PUSH(&p1->preopens);
    if (!to) return base_error_memory(error);
    to->is_synthetic = from->is_synthetic;
    if (from->is_synthetic && p1->tells) to->directory = host_object_retain(from->directory);
    if (!copy_text(from->guest_path, &to->guest_path) || !copy_text(from->host_path, &to->host_path))
      return base_error_memory(error);
    enum cay_status status = add_rule(p1, from, to, error);
    if (status) return status;
  }
  return CAY_OK;
}

static enum cay_status add_sockets(struct wasi_p1 *p1, const struct wasi_config *config, struct cay_error *error) {
  for (size_t i = 0; i < config->sockets.count; i++) {
    struct wasi_socket *to = BASE_VEC_PUSH(&p1->sockets);
    if (!to || !copy_text(config->sockets.items[i].rule, &to->rule)) return base_error_memory(error);
  }
  return CAY_OK;
}

/* Streams, directories, sockets, in this order; of directories and sockets those that the surface was made with. */
static enum cay_status add_handles(struct wasi_p1 *p1, const struct wasi_config *config, struct cay_error *error) {
  enum cay_status status = add_streams(p1, config, error);
  for (size_t i = 0; status == CAY_OK && i < p1->preopens.count; i++)
    status = add_handle(p1, config->preopens.items[i].directory,
                        (struct p1_opened){.preopen = (int32_t)i, .socket = -1}, error);
  for (size_t i = 0; status == CAY_OK && i < p1->sockets.count; i++)
    status =
        add_handle(p1, config->sockets.items[i].object, (struct p1_opened){.preopen = -1, .socket = (int32_t)i}, error);
  if (status == CAY_OK) close_streams(p1, config);
  return status;
}

/* What a guest's calls change besides handles. */
static enum cay_status set_state(struct wasi_p1 *p1, const struct wasi_config *config, struct cay_error *error) {
  p1->clocks = config->clocks;
  p1->random = config->random;
  p1->env_count = (uint32_t)config->env.count;
  p1->once_told = p1->once_refused = 0;
  if (config->is_uniform && !(p1->uniform = host_uniform_new(config->clocks.realtime_ns)))
    return base_error_memory(error);
  return join(config->env.items, config->env.count, "environment variables", &p1->env, error);
}

enum cay_status wasi_p1_new(const struct wasi_config *config, const struct wasi_hooks *hooks, struct wasi_p1 **out,
                            struct cay_error *error) {
  struct wasi_p1 *p1 = base_alloc_zero(1, sizeof *p1);
  if (!p1) return base_error_memory(error);
  if (hooks) p1->hooks = *hooks;
  p1->tells_uses = p1->hooks.permit || p1->hooks.accessed;
  p1->tells = p1->tells_uses || p1->hooks.denied;
  p1->arg_count = (uint32_t)config->args.count;
  pthread_mutex_init(&p1->lock, NULL);
  pthread_mutex_init(&p1->told_lock, NULL);
  enum cay_status status = thread_init(&p1->main, p1, error);
  if (status == CAY_OK) status = join(config->args.items, config->args.count, "arguments", &p1->args, error);
  if (status == CAY_OK) status = set_state(p1, config, error);
  if (status == CAY_OK) status = add_preopens(p1, config, error);
  if (status == CAY_OK) status = add_sockets(p1, config, error);
  if (status == CAY_OK) status = add_handles(p1, config, error);
  if (status) {
    wasi_p1_free(p1);
    return status;
  }
  *out = p1;
  return CAY_OK;
}

/* The objects are those of the configuration, which other guests may have as well: this one gets counted twins. */
static enum cay_status count_handle(struct wasi_p1 *p1, size_t fd, struct cay_error *error) {
  struct p1_handle *handle = p1->handles[fd];
  bool is_output = fd == 1 || fd == 2;
  struct host_object *counted = host_object_counted(handle->object, p1->budget, is_output);
  if (!counted) return base_error_memory(error);
  host_object_release(handle->object);
  handle->object = counted;
  if (p1_handle_count(handle, p1->budget, true) == 0) return CAY_OK;
  return base_error_set(error, CAY_ERROR_LIMIT, "the program is granted more handles than its limits allow");
}

/* `budget` counts what is there. */
static enum cay_status count_all(struct wasi_p1 *p1, struct base_budget *budget, struct cay_error *error) {
  enum cay_status status = CAY_OK;
  p1->budget = budget;
  if (p1->uniform) host_uniform_set_budget(p1->uniform, budget);
  for (size_t fd = 0; fd < p1->handle_count && status == CAY_OK; fd++)
    if (p1->handles[fd]) status = count_handle(p1, fd, error);
  return status;
}

enum cay_status wasi_p1_set_budget(struct wasi_p1 *p1, struct base_budget *budget, struct cay_error *error) {
  assert(!p1->budget);
  host_loop_set_budget(p1->main.loop, budget);
  return count_all(p1, base_budget_retain(budget), error);
}

static void handles_free(struct wasi_p1 *p1) {
  for (size_t i = 0; i < p1->handle_count; i++) p1_handle_release(p1->handles[i]);
  p1->handle_count = p1->lowest_free = 0;
  host_uniform_free(p1->uniform); /* after the listings */
  p1->uniform = NULL;
}

enum cay_status wasi_p1_reset(struct wasi_p1 *p1, const struct wasi_config *config, struct cay_error *error) {
  struct base_budget *budget = p1->budget;
  wasi_p1_clear(p1);
  if (!atomic_load_explicit(&p1->is_used, memory_order_relaxed)) return CAY_OK;
  atomic_store_explicit(&p1->is_used, false, memory_order_relaxed);
  handles_free(p1);
  base_text_deinit(&p1->env);
  p1->budget = NULL; /* what is granted is counted as such */
  enum cay_status status = set_state(p1, config, error);
  if (status == CAY_OK) status = add_handles(p1, config, error);
  if (status == CAY_OK) return count_all(p1, budget, error);
  p1->budget = budget;
  return status;
}

void wasi_p1_free(struct wasi_p1 *p1) {
  if (!p1) return;
  handles_free(p1);
  for (size_t i = 0; i < p1->preopens.count; i++) {
    host_object_release(p1->preopens.items[i].directory);
    base_free(p1->preopens.items[i].guest_path);
    base_free(p1->preopens.items[i].host_path);
    base_free(p1->preopens.items[i].rule);
  }
  for (size_t i = 0; i < p1->sockets.count; i++) base_free(p1->sockets.items[i].rule);
  BASE_VEC_DEINIT(&p1->sockets);
  BASE_VEC_DEINIT(&p1->preopens);
  base_free(p1->handles);
  base_text_deinit(&p1->args);
  base_text_deinit(&p1->env);
  thread_deinit(&p1->main);
  pthread_mutex_destroy(&p1->lock);
  pthread_mutex_destroy(&p1->told_lock);
  base_budget_release(p1->budget);
  base_free(p1);
}

void wasi_p1_set_said(struct wasi_p1 *p1, void (*said)(void *env, const char *bytes, size_t len_bytes), void *env) {
  p1->said = said;
  p1->said_env = env;
}

void wasi_p1_set_record(struct wasi_p1 *p1, void (*record)(void *env, const void *bytes, size_t len_bytes), void *env) {
  p1->record = record;
  p1->record_env = env;
}

void wasi_p1_wake(void *p1) { wasi_p1_thread_wake(&((struct wasi_p1 *)p1)->main); }
void wasi_p1_thread_wake(void *thread) { host_loop_wake(((struct wasi_p1_thread *)thread)->loop); }
void wasi_p1_clear(struct wasi_p1 *p1) { host_loop_clear(p1->main.loop); }
