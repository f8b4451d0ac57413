/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The JSON Schema of manifests, from the option table, so that editors complete and check what manifest.c accepts. */
#include "policy/parts.h"

static const char size_schema[] =
    "\"anyOf\": [{\"type\": \"integer\", \"minimum\": 0}, {\"type\": \"string\", \"pattern\": "
    "\"^(0[xX][0-9a-fA-F][0-9a-fA-F_]*|[0-9][0-9_]*)([kmgtKMGT]i?)?B?$\"}]";
static const char string_list[] = "\"type\": \"array\", \"maxItems\": 4096, \"items\": {\"type\": \"string\"}";

static void add_choices(const char *words, struct base_text *out) {
  const char *comma = "";
  base_text_addz(out, "\"enum\": [");
  while (*words) {
    size_t len = strcspn(words, "|");
    base_text_addz(out, comma);
    base_text_add_json(out, words, len);
    words += len + (words[len] == '|');
    comma = ", ";
  }
  base_text_addz(out, "]");
}

static void add_type(const struct policy_option_row *row, struct base_text *out) {
  switch ((enum policy_kind)row->kind) {
  case POLICY_FLAG: base_text_addz(out, "\"type\": \"boolean\""); break;
  case POLICY_SIZE: base_text_addz(out, size_schema); break;
  case POLICY_COUNT: base_text_addz(out, "\"type\": \"integer\", \"minimum\": 0"); break;
  case POLICY_DURATION: base_text_addz(out, "\"type\": \"string\", \"pattern\": \"^[0-9]\""); break;
  case POLICY_TEXTS:
  case POLICY_PATHS: base_text_addz(out, string_list); break;
  case POLICY_GRANTS:
    base_text_addz(out, "\"type\": \"array\", \"maxItems\": 4096, \"items\": {\"anyOf\": [{\"type\": \"string\"}, "
                        "{\"$ref\": \"#/$defs/grant\"}]}");
    break;
  case POLICY_CHOICE: add_choices(row->argument, out); break;
  case POLICY_TEXT:
  case POLICY_PATH:
  case POLICY_KEYS:
  case POLICY_ACTION: base_text_addz(out, "\"type\": \"string\""); break;
  }
}

static void add_grant(struct base_text *out) {
  base_text_addz(
      out, "  \"$defs\": {\n    \"grant\": {\n      \"type\": \"object\",\n"
           "      \"additionalProperties\": false,\n      \"required\": [\"host\"],\n"
           "      \"properties\": {\n"
           "        \"host\": {\"type\": \"string\", \"minLength\": 1, \"description\": \"The directory, file or "
           "device of the host; relative to the manifest's folder.\"},\n"
           "        \"guest\": {\"type\": \"string\", \"minLength\": 1, \"description\": \"What the program calls "
           "it; the same name when left out.\"},\n"
           "        \"rights\": {\"enum\": [");
  for (enum policy_rights rights = 0; rights <= POLICY_RIGHTS_CREATE_ONLY; rights++)
    base_text_format(out, "%s\"%s\"", rights ? ", " : "", policy_rights_name(rights));
  base_text_format(out,
                   "], \"default\": \"%s\"},\n        \"quota\": {%s, \"description\": \"By how much its files may "
                   "grow.\"},\n"
                   "        \"overlay\": {\"type\": [\"boolean\", \"string\"], \"description\": \"true: changes go "
                   "to memory and are gone with the run; or the folder that keeps them.\"}\n      }\n    }\n  }\n",
                   policy_rights_name(POLICY_RIGHTS_WRITE), size_schema);
}

void policy_manifest_schema(struct base_text *out) {
  base_text_addz(out, "{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
                      "  \"title\": \"cay manifest\",\n  \"type\": \"object\",\n"
                      "  \"additionalProperties\": false,\n  \"properties\": {\n");
  const char *comma = "";
  for (enum policy_option option = 0; option < POLICY_OPTION_COUNT; option++) {
    const struct policy_option_row *row = &policy_options[option];
    if (!row->manifest) continue;
    base_text_format(out, "%s    \"%s\": {\"description\": ", comma, row->manifest);
    base_text_add_json(out, row->help, strlen(row->help));
    base_text_addz(out, ", ");
    add_type(row, out);
    base_text_addz(out, "}");
    comma = ",\n";
  }
  base_text_addz(out, "\n  },\n");
  add_grant(out);
  base_text_addz(out, "}\n");
}
