/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Reports and disassembly of small modules. */
#include "inspect/inspect.h"
#include "modules.h"
#include "test.h"

static struct module *load(const uint8_t *bytes, size_t len_bytes) {
  struct cay_error error;
  struct module *module = NULL;
  if (module_load(bytes, len_bytes, MODULE_BYTES_COPY, MODULE_FEATURES_DEFAULT, NULL, &module, &error) != CAY_OK)
    fprintf(stderr, "%s\n", error.text);
  CHECK(module != NULL);
  return module;
}
#define LOAD(BYTES) load((const uint8_t[]){BYTES}, sizeof((const uint8_t[]){BYTES}))

TEST(functions_are_disassembled) {
  struct module *module = LOAD(KINDS_WASM);
  struct base_text text = {0};
  struct cay_error error;
  CHECK_INT(inspect_disassemble(module, 0, &text, &error), CAY_OK);
  CHECK_TEXT(text.bytes, "function 0 <add> (i32, i32) -> (i32), 7 bytes\n"
                         "  0000063:  local.get 0\n"
                         "  0000065:  local.get 1\n"
                         "  0000067:  i32.add\n"
                         "  0000068:  end\n");
  base_text_deinit(&text);
  CHECK_INT(inspect_disassemble(module, 4, &text, &error), CAY_OK);
  CHECK_TEXT(text.bytes, "function 4 <spin> () -> (), 7 bytes\n"
                         "  000007d:  loop\n"
                         "  000007f:    br 0\n"
                         "  0000081:  end\n"
                         "  0000082:  end\n");
  base_text_deinit(&text);
  module_release(module);
}

/* (func (param i32) (local i64 i64 f32) (if (local.get 0) (then) (else (nop)))) */
TEST(locals_and_nesting_are_shown) {
  struct module *module =
      load((const uint8_t[]){0, 'a', 's', 'm', 1,  0, 0, 0,    1, 5,    1,    0x60, 1, 0x7f, 0, 3, 2,    1,
                             0, 10,  15,  1,   13, 2, 2, 0x7e, 1, 0x7d, 0x20, 0,    4, 0x40, 5, 1, 0x0b, 0x0b},
           36);
  struct base_text text = {0};
  struct cay_error error;
  CHECK_INT(inspect_disassemble(module, 0, &text, &error), CAY_OK);
  CHECK_TEXT(text.bytes, "function 0 (i32) -> (), 13 bytes\n"
                         "  locals 1..2: i64\n"
                         "  local 3: f32\n"
                         "  000001c:  local.get 0\n"
                         "  000001e:  if\n"
                         "  0000020:  else\n"
                         "  0000021:    nop\n"
                         "  0000022:  end\n"
                         "  0000023:  end\n");
  base_text_deinit(&text);
  module_release(module);
}

TEST(reports_say_what_a_module_wants) {
  struct module *module = LOAD(HELLO_WASM);
  struct base_text text = {0};
  inspect_report_text(module, "hello.wasm", &text);
  CHECK(strstr(text.bytes, "hello.wasm: command, 125 bytes, 1 function with 15 bytes of code\n"));
  CHECK(strstr(text.bytes, "can ask for: output\n"));
  CHECK(strstr(text.bytes, "  function wasi_snapshot_preview1 fd_write (i32, i32, i32, i32) -> (i32)\n"));
  CHECK(strstr(text.bytes, "  memory   memory 1 page of 65536 bytes\n"));
  base_text_deinit(&text);
  inspect_report_json(module, "he\"llo.wasm", &text);
  CHECK(strstr(text.bytes, "{\"file\":\"he\\\"llo.wasm\",\"kind\":\"command\",\"bytes\":125,") == text.bytes);
  CHECK(strstr(text.bytes, "\"capabilities\":[\"output\"]"));
  CHECK(strstr(text.bytes,
               "{\"module\":\"wasi_snapshot_preview1\",\"name\":\"fd_write\",\"kind\":\"function\",\"type\":"
               "\"(i32, i32, i32, i32) -> (i32)\"}"));
  CHECK(strstr(text.bytes, "\"memories\":[{\"min\":1,\"address_bits\":32,\"page_bytes\":65536,\"shared\":false}]"));
  CHECK(strstr(text.bytes, "{\"section\":\"data\",\"offset\":108,\"bytes\":17}]}\n"));
  base_text_deinit(&text);
  module_release(module);
}

TEST(reports_name_kinds_and_custom_sections) {
  struct module *module = LOAD(KINDS_WASM);
  struct base_text text = {0};
  inspect_report_text(module, "k", &text);
  CHECK(strstr(text.bytes, "k: library, "));
  CHECK(strstr(text.bytes, "can ask for: nothing\n"));
  CHECK(strstr(text.bytes, "proposals used: multi-value\n"));
  CHECK(strstr(text.bytes, " bytes  name\n"));
  base_text_deinit(&text);
  module_release(module);
  module = LOAD(IMPORTER_WASM);
  inspect_report_text(module, "i", &text);
  CHECK(strstr(text.bytes, "imports that are not WASI have to be provided by the embedder or --preload\n"));
  base_text_deinit(&text);
  module_release(module);
  module = LOAD(REACTOR_WASM);
  inspect_report_text(module, "r", &text);
  CHECK(strstr(text.bytes, "r: reactor, "));
  base_text_deinit(&text);
  module_release(module);
}

TEST_MAIN(RUN(functions_are_disassembled) RUN(locals_and_nesting_are_shown) RUN(reports_say_what_a_module_wants)
              RUN(reports_name_kinds_and_custom_sections))
