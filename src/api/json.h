/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the internal shared object libcay-json.so offers: reading JSON with jansson, which the library itself does not
 * link (base_os_plugin). Its one symbol is `api_json_table`. */
#ifndef API_JSON_H
#define API_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct api_json; /* a value in a document; lives as long as the document */

struct api_json_table {
  /* The document, an object or array, or NULL: then `error_text` says why and where. All memory comes from `allocate`
   * and goes back by `release`, which the first call sets. */
  struct api_json *(*parse)(const char *bytes, size_t len_bytes, void *(*allocate)(size_t bytes),
                            void (*release)(void *memory), char *error_text, size_t error_capacity);
  void (*free)(struct api_json *document); /* NULL allowed */
  /* The readers accept NULL and values of every kind, and return NULL or 0 when there is no such thing. */
  const struct api_json *(*member)(const struct api_json *object, const char *key);
  const struct api_json *(*item)(const struct api_json *array, size_t index);
  size_t (*count)(const struct api_json *array);
  const char *(*text)(const struct api_json *value, size_t *len_bytes); /* UTF-8, may hold NUL; also NUL-terminated */
  int64_t (*number)(const struct api_json *value);
};

#endif
