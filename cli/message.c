/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What cay itself says: messages on standard error, results on standard output. Each message is one write, so that it
 * does not mix with the program's output. */
#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool wants_colour(void) {
  const char *no_color = getenv("NO_COLOR");
  return !(no_color && *no_color) && isatty(STDERR_FILENO);
}

/* Names of files come from anywhere: nothing in a message may drive the terminal. Newlines are the messages' own. */
static void disarm(char *text, size_t len) {
  for (size_t i = 0; i < len; i++) {
    unsigned char c = (unsigned char)text[i];
    bool c1 = c == 0xC2 && i + 1 < len && (unsigned char)text[i + 1] < 0xA0;
    if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7F || c1) text[i] = '?';
  }
}

/* All of it is written: what a person decides by may not be cut. */
static void say(const char *start, const char *format, va_list arguments) {
  struct base_text line = {0};
  va_list again;
  va_copy(again, arguments);
  char few[1024], *text = few;
  int len = vsnprintf(few, sizeof few, format, arguments);
  if (len >= (int)sizeof few && (text = base_alloc((size_t)len + 1))) vsnprintf(text, (size_t)len + 1, format, again);
  va_end(again);
  if (!text) text = few;
  if (len > 0) disarm(text, strlen(text));
  base_text_format(&line, "%s%s\n", start, len > 0 ? text : "");
  if (line.bytes) base_os_write_all(STDERR_FILENO, line.bytes, line.len_bytes);
  base_text_deinit(&line);
  if (text != few) base_free(text);
}

void cli_say(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  say(wants_colour() ? "\033[1;31mcay:\033[0m " : "cay: ", format, arguments);
  va_end(arguments);
}

void cli_say_more(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  say("  ", format, arguments);
  va_end(arguments);
}

char cli_read_letter(int fd) {
  char first = 0, c = 0;
  while (read(fd, &c, 1) == 1 && c != '\n')
    if (!first && c != ' ') first = c;
  return c == '\n' ? (first ? first : '?') : 0;
}

void cli_say_raw(const char *text, size_t len_bytes) { base_os_write_all(STDERR_FILENO, text, len_bytes); }

int cli_wrong_use(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  say(wants_colour() ? "\033[1;31mcay:\033[0m " : "cay: ", format, arguments);
  va_end(arguments);
  return POLICY_EXIT_USAGE;
}

void cli_say_error(const char *where, const struct cay_error *error) {
  char offset[32] = "";
  if (error->offset != CAY_ERROR_NO_OFFSET)
    snprintf(offset, sizeof offset, " (byte 0x%llx)", (unsigned long long)error->offset);
  cli_say("%s%s%s%s", where ? where : "", where ? ": " : "", error->text, offset);
}

int cli_print(struct base_text *text, int code) {
  if (text->failed) {
    cli_say("out of memory");
    code = POLICY_EXIT_USAGE;
  } else if (text->len_bytes && !base_os_write_all(STDOUT_FILENO, text->bytes, text->len_bytes)) {
    cli_say("cannot write to standard output: %s", strerror(errno));
    code = POLICY_EXIT_USAGE;
  }
  base_text_deinit(text);
  return code;
}
