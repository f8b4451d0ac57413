/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* json_files FOLDER ROUNDS: reads a JSON file, changes its numbers, and writes the result to another one, again and again: of
 * each round the folder's in.json and out.json are one use of a right each. Prints a sum over what was written. */
#include <stdio.h>
#include <stdlib.h>

enum { MOST_BYTES = 1 << 20 };
static char in[MOST_BYTES], out[2 * MOST_BYTES];

static size_t transform(size_t len) {
  size_t used = 0;
  int in_text = 0;
  for (size_t i = 0; i < len; i++) {
    if (in[i] == '"' && (i == 0 || in[i - 1] != '\\')) in_text = !in_text;
    int is_number = !in_text && in[i] >= '1' && in[i] <= '8';
    out[used++] = (char)(in[i] + is_number);
  }
  return used;
}

int main(int argc, char **argv) {
  char from[512], to[512];
  unsigned sum = 0;
  if (argc != 3) return 2;
  snprintf(from, sizeof from, "%s/in.json", argv[1]);
  snprintf(to, sizeof to, "%s/out.json", argv[1]);
  for (int rounds = atoi(argv[2]); rounds > 0; rounds--) {
    FILE *file = fopen(from, "rb");
    if (!file) return 1;
    size_t len = fread(in, 1, sizeof in, file);
    fclose(file);
    len = transform(len);
    file = fopen(to, "wb");
    if (!file || fwrite(out, 1, len, file) != len || fclose(file)) return 1;
    for (size_t i = 0; i < len; i += 97) sum = sum * 31 + (unsigned char)out[i];
  }
  printf("%u\n", sum);
  return 0;
}
