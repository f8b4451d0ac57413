/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Door of the room `inspect`: modules and their runs as people read them. Texts are added to a `struct base_text` of the
 * caller's; running out of memory shows in its `failed`. Names from modules are made printable. Nothing is kept, except
 * that the library that reads debug information stays loaded. Threads: any, with different arguments. */
#ifndef INSPECT_INSPECT_H
#define INSPECT_INSPECT_H

#include "base/base.h"
#include "engine/engine.h"
#include "module/module.h"

struct inspect_source;

/* ---- Backtraces --------------------------------------------------------------------------------------------------- */

/* Adds the calls at the thread's last trap, innermost first, one a line:
 *
 *   0: fac at src/fac.c:12:5 (inlined)
 *
 * with two spaces in front of the number, names from the name section or else "function 7", and file, line and inlined
 * functions from the module's DWARF sections when it has them; otherwise "at offset 0x1f3". Where libdw cannot be loaded,
 * inlined functions are not told. At most `max_frames` frames (0: all that were kept); what is left out is counted in a line. `source`: NULL, the debug
 * information is read here. */
void inspect_backtrace(struct engine_thread *thread, size_t max_frames, const struct inspect_source *source,
                       struct base_text *out);

/* A place in the source, as debug information tells it. */
struct inspect_position { /* texts live as long as what they come from */
  const char *function;   /* NULL: not known */
  const char *file;       /* NULL: not known; relative to the folder of compilation when it lies beneath it */
  int line, column;       /* 0: not known */
  bool inlined;           /* `function` was inlined into the next position's */
};
enum { INSPECT_POSITIONS_MAX = 16 };

/* Who reads debug information for a backtrace: the module chose what stands in it, and it is read by a large library, so
 * the command has another process do it. `find` fills `out` with the positions of byte `offset` of the module, innermost
 * first, which live until the next call, and returns their number; 0: nothing is known. */
struct inspect_source {
  size_t (*find)(void *env, const struct module *module, uint32_t offset, struct inspect_position *out, size_t capacity);
  void *env;
};

/* Reads it here. */
struct inspect_reader;
struct inspect_reader *inspect_reader_new(void); /* NULL: no memory */
void inspect_reader_free(struct inspect_reader *reader); /* NULL allowed */
/* Loads what is there to read debug information, which find does when it has not been done: for a process that is about to
 * give up the right to. */
void inspect_reader_load(struct inspect_reader *reader);
void inspect_reader_forget(struct inspect_reader *reader); /* its modules, which may go */
/* As inspect_source.find, with a reader as env. The module stays as long as the reader. */
size_t inspect_reader_find(void *reader, const struct module *module, uint32_t offset, struct inspect_position *out,
                           size_t capacity);
/* Whether a module has debug information that could be read. */
bool inspect_has_positions(const struct module *module);

/* ---- Modules ------------------------------------------------------------------------------------------------------- */

/* Imports, exports, memories, tables, proposals used, sizes, sections, and the capabilities that the module can ask
 * for, judged by its imports. `file_name` stands in the report. */
void inspect_report_text(const struct module *module, const char *file_name, struct base_text *out);
void inspect_report_json(const struct module *module, const char *file_name, struct base_text *out);

/* Disassembles function `func` (not imported): a line with its name and type, its locals, and one line for each
 * instruction, `  00001f3:   i32.add`, indented by nesting. */
enum cay_status inspect_disassemble(const struct module *module, uint32_t func, struct base_text *out,
                                    struct cay_error *error);

/* The same beside the machine code that a tier makes, which has engine_tier.list, and the lines of the source. */
struct inspect_listing;
enum cay_status inspect_listing_new(struct module *module, const struct engine_tier *tier,
                                    struct inspect_listing **out, struct cay_error *error);
void inspect_listing_free(struct inspect_listing *listing); /* NULL allowed */
enum cay_status inspect_listing_add(struct inspect_listing *listing, uint32_t func, struct base_text *out,
                                    struct cay_error *error);

#endif
