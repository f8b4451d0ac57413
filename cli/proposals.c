/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What a person can write to allow something: as an option, quoted for the shell, and as a line of a manifest. Programs
 * choose the names in it, and people copy what a message proposes. */
#include "cli/run.h"

enum policy_rights cli_rights_for(uint32_t rights, bool is_exclusive) {
  const uint32_t reads = CAY_RIGHT_READ | CAY_RIGHT_STAT | CAY_RIGHT_LIST, makes = CAY_RIGHT_CREATE | CAY_RIGHT_WRITE;
  if (!(rights & ~reads)) return POLICY_RIGHTS_READ;
  return is_exclusive && (rights & CAY_RIGHT_CREATE) && !(rights & ~makes) ? POLICY_RIGHTS_CREATE_ONLY
                                                                           : POLICY_RIGHTS_WRITE;
}

bool cli_grant_text(const char *host, const char *guest, enum policy_rights rights, struct base_text *out) {
  struct policy_dir dir = {.host = host, .guest = guest, .rights = rights};
  return policy_dir_text(&dir, out);
}

bool cli_add_peer_rule(struct base_text *out, const char *peer, const char *listener) {
  const char *peer_port = strrchr(peer, ':'), *own_port = listener ? strrchr(listener, ':') : NULL;
  if (!peer_port || !own_port) return false;
  base_text_format(out, "accept:tcp:%.*s%s", (int)(peer_port - peer), peer, own_port);
  return !out->failed;
}

void cli_add_manifest_line(struct base_text *out, const char *option, const char *value) {
  base_text_format(out, "%s = [", option);
  policy_toml_text(value, strlen(value), out);
  base_text_addz(out, "]");
}

void cli_add_allow(struct base_text *out, const char *lead, const char *option, const char *value) {
  base_text_format(out, "\n  %s: --%s ", lead, option);
  policy_shell_word(value, out);
  if (!base_utf8_valid(value, strlen(value))) return; /* no text for a manifest */
  base_text_addz(out, "        in cay.toml: ");
  cli_add_manifest_line(out, option, value);
}

void cli_add_grant(struct base_text *out, const char *lead, const char *host, const char *guest,
                   enum policy_rights rights) {
  struct base_text value = {0};
  if (cli_grant_text(host, guest, rights, &value))
    cli_add_allow(out, lead, "dir", value.bytes);
  else
    base_text_format(out, "\n  its name holds \"::\", which no grant can name");
  base_text_deinit(&value);
}

bool cli_add_path_grants(struct base_text *out, const char *lead, const char *path, enum policy_rights rights,
                         bool creates) {
  enum api_path_kind kind = cli_path_kind(path);
  const char *slash = strrchr(path, '/');
  char *folder = slash ? base_string_copy(path, slash == path ? 1 : (size_t)(slash - path)) : base_string_copy(".", 1);
  bool is_there = kind != API_PATH_ABSENT;
  bool can_be_made = !is_there && creates && folder && cli_path_kind(folder) != API_PATH_ABSENT;
  bool names_folder = folder && strcmp(folder, "/") != 0 && strcmp(folder, ".") != 0;
  enum policy_rights file_rights = rights == POLICY_RIGHTS_CREATE_ONLY ? POLICY_RIGHTS_WRITE : rights;
  if (is_there) cli_add_grant(out, lead, path, path, kind == API_PATH_DIRECTORY ? rights : file_rights);
  if (is_there && names_folder) cli_add_grant(out, "or its folder", folder, folder, rights);
  if (can_be_made) cli_add_grant(out, lead, folder, folder, rights);
  base_free(folder);
  return is_there || can_be_made;
}
