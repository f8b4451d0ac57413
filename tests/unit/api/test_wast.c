/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The script runner on scripts of our own: what passes, what fails and how it is reported, and what is no script. Its
 * argument is a folder that it may write to. */
#include <sys/stat.h>
#include <unistd.h>

#include "api/api.h"
#include "modules.h"
#include "test.h"

static const char *folder;
static struct base_text lines;
static struct cay_error error;

static void keep_line(void *env, const char *line) {
  (void)env;
  const char *behind_path = strstr(line, "script.json:");
  base_text_addz(&lines, behind_path ? behind_path + strlen("script.json:") : line);
  base_text_addz(&lines, "\n");
}

static void write_file(const char *name, const void *bytes, size_t len_bytes) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "wb");
  CHECK(file && fwrite(bytes, 1, len_bytes, file) == len_bytes);
  if (file) fclose(file);
}

/* Runs a script made of `commands`; its failures are then in `lines`. */
static enum cay_status run(const char *commands, struct api_wast_counts *counts) {
  struct base_text script = {0};
  base_text_format(&script, "{\"source_filename\":\"s.wast\",\"commands\":[%s]}", commands);
  write_file("script.json", script.bytes, script.len_bytes);
  base_text_deinit(&script);
  base_text_deinit(&lines);
  char path[4096];
  snprintf(path, sizeof path, "%s/script.json", folder);
  *counts = (struct api_wast_counts){0};
  struct api_wast_options options = {.proposals = API_PROPOSALS_DEFAULT, .stack_bytes = 1 << 20, .failed = keep_line};
  return api_wast_run(path, &options, counts, &error);
}

#define MODULE(line, file) \
  "{\"type\":\"module\",\"line\":" #line ",\"filename\":\"" file "\",\"module_type\":\"binary\"}"
#define INVOKE(field, args) "\"action\":{\"type\":\"invoke\",\"field\":\"" field "\",\"args\":[" args "]}"
#define VALUE(type, value) "{\"type\":\"" type "\",\"value\":\"" value "\"}"
#define RETURN(line, field, args, expected) \
  ",{\"type\":\"assert_return\",\"line\":" #line "," INVOKE(field, args) ",\"expected\":[" expected "]}"
#define TRAP(line, field, text) \
  ",{\"type\":\"assert_trap\",\"line\":" #line "," INVOKE(field, "") ",\"text\":\"" text "\"}"
#define REFUSED(type, line, file, module_type)                                                          \
  ",{\"type\":\"" type "\",\"line\":" #line ",\"filename\":\"" file "\",\"module_type\":\"" module_type \
  "\",\"text\":\"why\"}"

TEST(results_are_compared) {
  struct api_wast_counts counts;
  CHECK_INT(
      run(MODULE(1, "kinds.wasm") RETURN(2, "add", VALUE("i32", "4294967295") "," VALUE("i32", "-1"),
                                         VALUE("i32", "-2"))
              RETURN(3, "add", VALUE("i32", "1") "," VALUE("i32", "1"), VALUE("i32", "3")) RETURN(
                  4, "pass", VALUE("i64", "-1") "," VALUE("f32", "2143289344") "," VALUE("f64", "9218868437227405313"),
                  VALUE("f64", "9218868437227405313") "," VALUE("f32", "nan:canonical") "," VALUE(
                      "i64", "18446744073709551615"))
                  RETURN(5, "pass",
                         VALUE("i64", "0") "," VALUE("f32", "2143289345") "," VALUE("f64", "9218868437227405313"),
                         VALUE("f64", "nan:arithmetic") "," VALUE("f32", "nan:arithmetic") "," VALUE("i64", "0"))
                      RETURN(6, "add", VALUE("i32", "1"), VALUE("i32", "1"))
                          RETURN(7, "add", VALUE("i64", "1") "," VALUE("i32", "1"), VALUE("i32", "2"))
                              RETURN(8, "sub", "", "") RETURN(9, "memory", "", ""),
          &counts),
      CAY_OK);
  CHECK_INT(counts.passed, 2);
  CHECK_INT(counts.failed, 6);
  CHECK_TEXT(lines.bytes,
             "3: assert_return: got i32 2, expected i32 3\n"
             "5: assert_return: got f64 nan:0x1, f32 nan:0x400001, i64 0, expected f64 nan:arithmetic, f32 "
             "nan:arithmetic, i64 0\n"
             "6: assert_return: 1 arguments for a function of 2\n"
             "7: assert_return: argument 0 is not understood\n"
             "8: assert_return: there is no export \"sub\"\n"
             "9: assert_return: the export \"memory\" is a memory\n");
}

TEST(traps_are_compared_by_kind) {
  struct api_wast_counts counts;
  CHECK_INT(run(MODULE(1, "kinds.wasm") TRAP(2, "boom", "unreachable") TRAP(3, "boom", "integer overflow") TRAP(
                    4, "boom", "some trap of a later proposal") RETURN(5, "boom", "", "") TRAP(6, "add", "unreachable"),
                &counts),
            CAY_OK);
  CHECK_INT(counts.passed, 1);
  CHECK_INT(counts.failed, 4);
  CHECK_TEXT(lines.bytes,
             "3: assert_trap: got the trap \"unreachable instruction executed\", expected \"integer overflow\"\n"
             "4: assert_trap: got the trap \"unreachable instruction executed\", expected \"some trap of a later "
             "proposal\"\n"
             "5: assert_return: trap: unreachable instruction executed\n"
             "6: assert_trap: 0 arguments for a function of 2\n");
}

TEST(refusals_are_compared_by_kind) {
  struct api_wast_counts counts;
  CHECK_INT(run(MODULE(1, "kinds.wasm") REFUSED("assert_malformed", 2, "broken.wasm", "binary") REFUSED(
                    "assert_invalid", 3, "broken.wasm", "binary") REFUSED("assert_malformed", 4, "some.wat", "text")
                    REFUSED("assert_invalid", 5, "kinds.wasm", "binary")
                        REFUSED("assert_unlinkable", 6, "importer.wasm", "binary")
                            REFUSED("assert_uninstantiable", 7, "importer.wasm", "binary")
                                REFUSED("assert_malformed_custom", 8, "kinds.wasm", "binary")
                                    REFUSED("assert_unlinkable", 9, "../kinds.wasm", "binary"),
                &counts),
            CAY_OK);
  CHECK_INT(counts.passed, 2);
  CHECK_INT(counts.failed, 5);
  CHECK_INT(counts.text, 1);
  CHECK(strstr(lines.bytes, "3: assert_invalid: malformed: "));
  CHECK(strstr(lines.bytes, "5: assert_invalid: the module was accepted, expected \"why\"\n"));
  CHECK(strstr(lines.bytes, "7: assert_uninstantiable: link: "));
  CHECK(strstr(lines.bytes, "8: assert_malformed_custom: the custom sections were accepted, expected \"why\"\n"));
  CHECK(strstr(lines.bytes, "9: assert_unlinkable: argument: the command names no file beside the script"));
}

/* Functions that return references: s a structure, a an array, i an i31, n null, f a function; in converts its externref
 * to anyref, and throws throws. */
static const unsigned char references_wasm[] = {
    0,    0x61, 0x73, 0x6D, 1,    0,    0,    0,    1,    0x16, 6,    0x5F, 0,    0x5E, 0x78, 0,    0x60, 0,    1,
    0x6E, 0x60, 1,    0x6F, 1,    0x6E, 0x60, 0,    1,    0x70, 0x60, 0,    0,    3,    8,    7,    2,    2,    2,
    2,    3,    4,    5,    0x0D, 3,    1,    0,    5,    7,    0x22, 7,    1,    0x73, 0,    0,    1,    0x61, 0,
    1,    1,    0x69, 0,    2,    1,    0x6E, 0,    3,    2,    0x69, 0x6E, 0,    4,    1,    0x66, 0,    5,    5,
    0x74, 0x68, 0x72, 0x6F, 0x77, 0,    6,    0x0A, 0x2C, 7,    5,    0,    0xFB, 0,    0,    0x0B, 7,    0,    0x41,
    3,    0xFB, 7,    1,    0x0B, 6,    0,    0x41, 5,    0xFB, 0x1C, 0x0B, 4,    0,    0xD0, 0x71, 0x0B, 6,    0,
    0x20, 0,    0xFB, 0x1A, 0x0B, 4,    0,    0xD2, 0,    0x0B, 4,    0,    8,    0,    0x0B};

#define KIND(type) "{\"type\":\"" type "\"}"

TEST(references_are_compared_by_kind) {
  struct api_wast_counts counts;
  CHECK_INT(run(MODULE(1, "references.wasm") RETURN(2, "s", "", KIND("structref")) RETURN(3, "s", "", KIND("eqref"))
                    RETURN(4, "s", "", KIND("anyref")) RETURN(5, "a", "", KIND("arrayref"))
                        RETURN(6, "i", "", KIND("i31ref")) RETURN(7, "i", "", KIND("eqref"))
                            RETURN(8, "n", "", KIND("nullref")) RETURN(9, "n", "", KIND("refnull"))
                                RETURN(10, "n", "", VALUE("anyref", "null")) RETURN(11, "f", "", KIND("funcref"))
                                    RETURN(12, "in", VALUE("externref", "7"), VALUE("anyref", "7"))
                                        RETURN(13, "in", VALUE("externref", "null"), VALUE("anyref", "null"))
                                            RETURN(14, "in", VALUE("externref", "0"), KIND("anyref")),
                &counts),
            CAY_OK);
  CHECK_INT(counts.passed, 13);
  CHECK_INT(counts.failed, 0);
  CHECK_INT(run(MODULE(1, "references.wasm") RETURN(2, "s", "", KIND("arrayref")) RETURN(3, "s", "", KIND("i31ref"))
                    RETURN(4, "s", "", VALUE("anyref", "null")) RETURN(5, "s", "", KIND("funcref"))
                        RETURN(6, "i", "", KIND("structref")) RETURN(7, "n", "", KIND("structref"))
                            RETURN(8, "n", "", KIND("anyref")) RETURN(9, "f", "", KIND("anyref"))
                                RETURN(10, "f", "", KIND("nullfuncref"))
                                    RETURN(11, "in", VALUE("externref", "7"), VALUE("anyref", "8"))
                                        RETURN(12, "in", VALUE("externref", "7"), KIND("eqref"))
                                            RETURN(13, "in", VALUE("structref", "7"), KIND("eqref")),
                &counts),
            CAY_OK);
  CHECK_INT(counts.passed, 0);
  CHECK_TEXT(lines.bytes, "2: assert_return: got anyref a structure, expected arrayref\n"
                          "3: assert_return: got anyref a structure, expected i31ref\n"
                          "4: assert_return: got anyref a structure, expected anyref null\n"
                          "5: assert_return: got anyref a structure, expected funcref\n"
                          "6: assert_return: got anyref i31 5, expected structref\n"
                          "7: assert_return: got anyref null, expected structref\n"
                          "8: assert_return: got anyref null, expected anyref\n"
                          "9: assert_return: got funcref a function, expected anyref\n"
                          "10: assert_return: got funcref a function, expected nullfuncref\n"
                          "11: assert_return: got anyref 7, expected anyref 8\n"
                          "12: assert_return: got anyref 7, expected eqref\n"
                          "13: assert_return: argument 0 is not understood\n");
}

#define EXCEPTION(line, field) ",{\"type\":\"assert_exception\",\"line\":" #line "," INVOKE(field, "") "}"

TEST(exceptions_are_expected) {
  struct api_wast_counts counts;
  CHECK_INT(run(MODULE(1, "references.wasm") EXCEPTION(2, "throw") EXCEPTION(3, "s") EXCEPTION(4, "none"), &counts),
            CAY_OK);
  CHECK_INT(counts.passed, 1);
  CHECK_TEXT(lines.bytes, "3: assert_exception: got results, expected an exception\n"
                          "4: assert_exception: there is no export \"none\"\n");
}

TEST(instances_have_names) {
  struct api_wast_counts counts;
  CHECK_INT(run("{\"type\":\"module_definition\",\"line\":1,\"name\":\"D\",\"filename\":\"reactor.wasm\",\"module_"
                "type\":\"binary\"}"
                ",{\"type\":\"module_instance\",\"line\":2,\"instance\":\"I\",\"module\":\"D\"}"
                ",{\"type\":\"action\",\"line\":3,\"action\":{\"type\":\"invoke\",\"module\":\"I\",\"field\":\"_"
                "initialize\",\"args\":[]}}"
                ",{\"type\":\"module_instance\",\"line\":4,\"instance\":\"J\",\"module\":\"D\"}"
                ",{\"type\":\"register\",\"line\":5,\"name\":\"I\",\"as\":\"lib\"}," MODULE(6, "importer.wasm")
                    RETURN(7, "twice", "", VALUE("i32", "84")) "," MODULE(8, "missing.wasm")
                        RETURN(9, "twice", "", "") ",{\"type\":\"assert_return\",\"line\":10,\"action\":{\"type\":"
                                                   "\"invoke\",\"module\":\"J\",\"field\":\"get\","
                                                   "\"args\":[]},\"expected\":[" VALUE("i32", "1") "]}",
                &counts),
            CAY_OK);
  CHECK_INT(counts.passed, 2);
  CHECK_INT(counts.failed, 2);
  CHECK(strstr(lines.bytes, "8: module: ") && strstr(lines.bytes, "9: assert_return: there is no such instance\n"));
}

TEST(what_is_no_script_is_refused) {
  struct api_wast_counts counts;
  CHECK_INT(run("{\"type\":\"dance\",\"line\":3}", &counts), CAY_ERROR_ARGUMENT);
  CHECK_TEXT(error.text, "line 3: a command of the unknown type \"dance\"");
  CHECK_INT(run("7", &counts), CAY_ERROR_ARGUMENT);
  CHECK_INT(run("{", &counts), CAY_ERROR_ARGUMENT);
  CHECK(strncmp(error.text, "it is not JSON: line 1: ", 24) == 0);
  struct api_wast_options options = {.proposals = API_PROPOSALS_DEFAULT};
  CHECK_INT(api_wast_run("/no/such/script.json", &options, &counts, &error), CAY_ERROR_SYSTEM);
  options.tier = "warp";
  char path[4096];
  snprintf(path, sizeof path, "%s/script.json", folder);
  write_file("script.json", "{}", 2);
  CHECK_INT(api_wast_run(path, &options, &counts, &error), CAY_ERROR_ARGUMENT);
  options.tier = NULL;
  CHECK_INT(api_wast_run(path, &options, &counts, &error), CAY_ERROR_ARGUMENT);
  CHECK_TEXT(error.text, "it is not a script: it has no \"commands\"");
}

int main(int argc, char **argv) {
  if (argc != 2) return 1;
  folder = argv[1];
  mkdir(folder, 0700);
  write_file("kinds.wasm", (const unsigned char[]){KINDS_WASM}, sizeof((const unsigned char[]){KINDS_WASM}));
  write_file("importer.wasm", (const unsigned char[]){IMPORTER_WASM}, sizeof((const unsigned char[]){IMPORTER_WASM}));
  write_file("reactor.wasm", (const unsigned char[]){REACTOR_WASM}, sizeof((const unsigned char[]){REACTOR_WASM}));
  write_file("references.wasm", references_wasm, sizeof references_wasm);
  write_file("broken.wasm", (const unsigned char[]){KINDS_WASM}, 40);
  RUN(results_are_compared)
  RUN(traps_are_compared_by_kind)
  RUN(refusals_are_compared_by_kind)
  RUN(references_are_compared_by_kind)
  RUN(exceptions_are_expected)
  RUN(instances_have_names)
  RUN(what_is_no_script_is_refused)
  base_text_deinit(&lines);
  printf("%d checks, %d failed\n", test_checks, test_failures);
  return test_failures != 0;
}
