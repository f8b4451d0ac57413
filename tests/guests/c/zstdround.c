/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* zstdround FILE LEVEL: compresses a file in memory with zstd, expands it again and compares. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

static void *allocated(size_t length) {
  void *memory = malloc(length ? length : 1);
  if (memory) return memory;
  fprintf(stderr, "zstdround: out of memory\n");
  exit(1);
}

static char *read_file(const char *path, size_t *length) {
  FILE *file = fopen(path, "rb");
  if (!file || fseek(file, 0, SEEK_END) != 0) {
    perror(path);
    exit(1);
  }
  *length = (size_t)ftell(file);
  rewind(file);
  char *bytes = allocated(*length);
  if (fread(bytes, 1, *length, file) != *length) exit(1);
  fclose(file);
  return bytes;
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: zstdround FILE LEVEL\n");
    return 2;
  }
  size_t length;
  char *original = read_file(argv[1], &length);
  size_t capacity = ZSTD_compressBound(length);
  char *packed = allocated(capacity), *unpacked = allocated(length);
  size_t packed_length = ZSTD_compress(packed, capacity, original, length, atoi(argv[2]));
  if (ZSTD_isError(packed_length)) {
    fprintf(stderr, "zstdround: %s\n", ZSTD_getErrorName(packed_length));
    return 1;
  }
  size_t unpacked_length = ZSTD_decompress(unpacked, length, packed, packed_length);
  int same = unpacked_length == length && memcmp(original, unpacked, length) == 0;
  printf("in=%zu out=%zu same=%d\n", length, packed_length, same);
  return same ? 0 : 1;
}
