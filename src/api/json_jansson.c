/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* libcay-json.so: the functions of json.h by jansson. */
#include <jansson.h>
#include <stdio.h>

#include "api/json.h"

static struct api_json *parse(const char *bytes, size_t len_bytes, void *(*allocate)(size_t bytes),
                              void (*release)(void *memory), char *error_text, size_t error_capacity) {
  json_set_alloc_funcs(allocate, release);
  json_error_t error;
  json_t *document = json_loadb(bytes, len_bytes, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
  if (!document) snprintf(error_text, error_capacity, "line %d: %s", error.line, error.text);
  return (struct api_json *)document;
}

static void document_free(struct api_json *document) { json_decref((json_t *)document); }

static const struct api_json *member(const struct api_json *object, const char *key) {
  return (const struct api_json *)json_object_get((const json_t *)object, key);
}

static const struct api_json *item(const struct api_json *array, size_t index) {
  return (const struct api_json *)json_array_get((const json_t *)array, index);
}

static size_t count(const struct api_json *array) { return json_array_size((const json_t *)array); }

static const char *text(const struct api_json *value, size_t *len_bytes) {
  *len_bytes = json_string_length((const json_t *)value);
  return json_string_value((const json_t *)value);
}

static int64_t number(const struct api_json *value) { return json_integer_value((const json_t *)value); }

extern const struct api_json_table api_json_table;
__attribute__((visibility("default"))) const struct api_json_table api_json_table = {
    parse, document_free, member, item, count, text, number,
};
