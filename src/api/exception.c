/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* An uncaught exception in words: which tag, and the values it carries.
 *
 * A tag has no name of its own; the one it is exported or imported by is the nearest thing, else its index in the module
 * that made it. C++ and Kotlin throw one tag for everything, with an address or an object. */
#include <inttypes.h>
#include <stdio.h>

#include "api/parts.h"
#include "engine/engine.h"

static bool name_of(const struct module *module, uint32_t tag, struct module_name *out) {
  for (uint32_t i = 0; i < module->export_count; i++) {
    if (module->exports[i].kind != MODULE_TAG || module->exports[i].index != tag) continue;
    *out = module->exports[i].name;
    return true;
  }
  for (uint32_t i = 0; i < module->import_count; i++) {
    if (module->imports[i].kind != MODULE_TAG || module->imports[i].index != tag) continue;
    *out = module->imports[i].name;
    return true;
  }
  return false;
}

/* The innermost frame's module says what the tag is called there; a frame of another may not know it. */
static void add_tag(struct engine_thread *thread, const struct engine_tag *tag, struct base_text *out) {
  struct engine_frame frame;
  for (uint32_t i = 0; engine_backtrace_frame(thread, i, &frame); i++) {
    const struct module *module = frame.instance ? frame.instance->module : NULL;
    for (uint32_t index = 0; module && index < module->tag_count; index++) {
      if (frame.instance->tags[index] != tag) continue;
      struct module_name name;
      char printable[64];
      if (name_of(module, index, &name))
        base_text_format(out, " of tag \"%s\"",
                         base_printable(printable, sizeof printable, name.bytes, name.len_bytes));
      else
        base_text_format(out, " of tag %" PRIu32, index);
      return;
    }
  }
}

/* Whether the collector follows the value at `slot`, which lies in the exception. */
static bool is_traced(const struct engine_exception *exception, const uint64_t *slot) {
  uint64_t offset = (uint64_t)((const uint8_t *)slot - (const uint8_t *)exception);
  for (uint32_t i = 0; i < exception->type->ref_count; i++)
    if (exception->type->ref_offsets[i] == offset) return true;
  return false;
}

void api_exception_text(struct engine_thread *thread, struct base_text *out) {
  const struct engine_exception *exception = (const void *)engine_ref_object(thread->exception);
  base_text_addz(out, engine_trap_text(ENGINE_TRAP_EXCEPTION));
  if (!exception) return;
  add_tag(thread, exception->tag, out);
  const struct module_func_type *type = exception->type->func;
  const uint64_t *slot = exception->values;
  char name[32];
  for (uint32_t i = 0; i < type->param_count; slot += module_type_slots(type->params[i++])) {
    base_text_format(out, "%s%s ", i ? ", " : " with ", module_type_name(type->params[i], name));
    api_value_text(type->params[i], is_traced(exception, slot), slot, out);
  }
}
