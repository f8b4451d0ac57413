/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The chain of an audit log, read back.
 *
 * A line is `{"record":"use",...,"chain":"HASH"}`, and HASH is the SHA-256, in 64 lower-case digits, of the hash of the line
 * before (64 zeros before the first) and of the line's bytes in front of `,"chain":`. The hash is found at the line's end,
 * at a fixed place, so that nothing of JSON has to be understood to check it: whatever was changed, its hash is another.
 * Each program's lines begin with the record "begin" and end with "end"; a file that was cut ends without the latter. */
#include "policy/parts.h"

static const char before_hash[] = ",\"chain\":\"", after_hash[] = "\"}";
enum {
  HASH_BYTES = BASE_SHA256_HEX_BYTES - 1,
  BEFORE_BYTES = sizeof before_hash - 1,
  AFTER_BYTES = sizeof after_hash - 1
};
enum { CHAIN_BYTES = BEFORE_BYTES + HASH_BYTES + AFTER_BYTES, LINE_MAX_BYTES = 1 << 20 };

void policy_audit_link(const char *previous, const char *line, size_t len_bytes, char out[BASE_SHA256_HEX_BYTES]) {
  struct base_sha256 hash;
  uint8_t digest[BASE_SHA256_BYTES];
  base_sha256_init(&hash);
  base_sha256_add(&hash, previous, HASH_BYTES);
  base_sha256_add(&hash, line, len_bytes);
  base_sha256_finish(&hash, digest);
  base_sha256_hex(digest, out);
}

bool policy_audit_hash_of(const char *line, size_t len_bytes, char out[BASE_SHA256_HEX_BYTES]) {
  if (len_bytes < CHAIN_BYTES) return false;
  const char *chain = line + len_bytes - CHAIN_BYTES, *hash = chain + BEFORE_BYTES;
  if (memcmp(chain, before_hash, BEFORE_BYTES) != 0 || memcmp(hash + HASH_BYTES, after_hash, AFTER_BYTES) != 0)
    return false;
  for (size_t i = 0; i < HASH_BYTES; i++)
    if (!((hash[i] >= '0' && hash[i] <= '9') || (hash[i] >= 'a' && hash[i] <= 'f'))) return false;
  memcpy(out, hash, HASH_BYTES);
  out[HASH_BYTES] = 0;
  return true;
}

static bool is_record(const char *line, size_t len_bytes, const char *start) {
  size_t start_bytes = strlen(start);
  return len_bytes >= start_bytes && memcmp(line, start, start_bytes) == 0;
}

static const char *check_order(struct policy_audit_check *check, const char *line, size_t len_bytes) {
  bool was_open = check->is_open;
  bool begins = is_record(line, len_bytes, "{\"record\":\"begin\","),
       ends = is_record(line, len_bytes, "{\"record\":\"end\",");
  if (!begins && !ends && !is_record(line, len_bytes, "{\"record\":\"use\",")) return "it is no record of an audit log";
  check->is_open = !ends;
  if (begins && was_open)
    return "a program begins before the one before it has ended: that one was killed, or lines are missing";
  if (!begins && !was_open) return "it belongs to a program whose beginning is missing";
  return NULL;
}

static const char *check_line(struct policy_audit_check *check, const char *line, size_t len_bytes) {
  char said[BASE_SHA256_HEX_BYTES], wanted[BASE_SHA256_HEX_BYTES];
  if (!policy_audit_hash_of(line, len_bytes, said))
    return "it has no hash; only what --audit-chain writes can be verified";
  policy_audit_link(check->hash, line, len_bytes - CHAIN_BYTES, wanted);
  if (memcmp(said, wanted, sizeof said) != 0)
    return "its hash does not fit: it was changed, or lines before it were changed, moved or removed";
  const char *problem = check_order(check, line, len_bytes);
  memcpy(check->hash, said, sizeof said);
  return problem;
}

void policy_audit_check_init(struct policy_audit_check *check) {
  *check = (struct policy_audit_check){0};
  memset(check->hash, '0', HASH_BYTES);
}

void policy_audit_check_deinit(struct policy_audit_check *check) { base_text_deinit(&check->rest); }

void policy_audit_check_add(struct policy_audit_check *check, const char *bytes, size_t len_bytes) {
  const char *end = bytes + len_bytes;
  while (bytes < end && !check->problem) {
    const char *newline = memchr(bytes, '\n', (size_t)(end - bytes));
    base_text_add(&check->rest, bytes, (size_t)((newline ? newline : end) - bytes));
    bytes = newline ? newline + 1 : end;
    check->line += newline != NULL;
    if (check->rest.failed) check->problem = "memory is out";
    if (check->rest.len_bytes > LINE_MAX_BYTES) check->problem = "it is longer than 1 MiB";
    if (!newline || check->problem) continue;
    check->problem = check_line(check, check->rest.bytes ? check->rest.bytes : "", check->rest.len_bytes);
    check->rest.len_bytes = 0;
  }
}

void policy_audit_check_end(struct policy_audit_check *check) {
  if (check->problem) {
    check->line += check->rest.len_bytes > LINE_MAX_BYTES || check->rest.failed;
    return;
  }
  if (!check->rest.len_bytes && !check->is_open && check->line) return;
  check->problem = check->rest.len_bytes ? "it is cut"
                   : check->line         ? "the end is missing: the program was killed, or lines were removed"
                                         : "there is no line at all";
  check->line++;
}
