/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Counts words. For merged.c, which has another memory: words come and go byte by byte, as numbers. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT(name) __attribute__((export_name(name)))

struct word {
  struct word *next;
  uint32_t times;
  char *text;
};

static struct word *words;
static char given[64];
static uint32_t given_len_bytes;

EXPORT("store_byte") void store_byte(uint32_t byte) {
  if (given_len_bytes + 1 < sizeof given) given[given_len_bytes++] = (char)byte;
}

/* Ends a word: how often it was given, this time included. */
EXPORT("store_end") uint32_t store_end(void) {
  given[given_len_bytes] = 0;
  given_len_bytes = 0;
  struct word **link = &words;
  while (*link && strcmp((*link)->text, given) < 0) link = &(*link)->next;
  if (!*link || strcmp((*link)->text, given) != 0) {
    struct word *word = malloc(sizeof *word);
    if (!word) abort();
    *word = (struct word){.next = *link, .text = strdup(given)};
    *link = word;
  }
  return ++(*link)->times;
}

static struct word *at(uint32_t index) {
  struct word *word = words;
  while (word && index--) word = word->next;
  return word;
}

EXPORT("store_times") uint32_t store_times(uint32_t index) {
  struct word *word = at(index);
  return word ? word->times : 0;
}

EXPORT("store_text") uint32_t store_text(uint32_t index, uint32_t position) {
  struct word *word = at(index);
  return word && position < strlen(word->text) ? (uint8_t)word->text[position] : 0;
}

/* Takes 40 blocks of a megabyte each, fills them, and says how many megabytes still hold what was written. */
EXPORT("store_grow") uint32_t store_grow(void) {
  enum { BLOCKS = 40, BYTES = 1 << 20 };
  char *blocks[BLOCKS];
  uint32_t right = 0;
  for (int n = 0; n < BLOCKS; n++)
    if ((blocks[n] = malloc(BYTES))) memset(blocks[n], n + 1, BYTES);
  for (int n = 0; n < BLOCKS; n++) right += blocks[n] && blocks[n][0] == n + 1 && blocks[n][BYTES - 1] == n + 1;
  return right;
}
