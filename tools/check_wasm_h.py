#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compares include/wasm.h with another header of the standard C API, such as include/wasm.h of a checkout of
github.com/WebAssembly/wasm-c-api: check_wasm_h.py REFERENCE [CLANG]. For whoever changes our header; nothing of the
reference is kept. What the reference has, ours must have: functions and typedefs of compatible types, structs with the
same fields at the same places, enum and constant values, macros of values with the same text, other macros by name, and
inline helpers that compile to the same code."""
import json
import re
import subprocess
import sys
import tempfile

OURS = "include/wasm.h"
# What belongs to the reference alone: a function around its static assertions.
LEFT_OUT = {"assertions"}


def run(clang, arguments, source=""):
    done = subprocess.run([clang, "-x", "c", "-std=c11", *arguments, "-"], input=source, capture_output=True, text=True,
                          check=False)
    return done.returncode, done.stdout, done.stderr


def declarations(clang, header):
    """The header's own top-level declarations, as clang's syntax tree has them."""
    _, text, errors = run(clang, ["-fsyntax-only", "-Xclang", "-ast-dump=json"], f'#include "{header}"\n')
    if not text:
        sys.exit(f"{header}: {errors}")
    # A location names its file only where that changes.
    inside, found = False, []
    for node in json.loads(text)["inner"]:
        location = node.get("loc", {})
        for place in (location, location.get("spellingLoc", {}), location.get("expansionLoc", {})):
            if "file" in place:
                inside = place["file"] == header
        if inside and node.get("name") not in LEFT_OUT:
            found.append(node)
    return found


def pointer_to(function_type):
    """The type of a pointer to a function of this type."""
    split = function_type.index("(")
    return function_type[:split] + "(*)" + function_type[split:]


def assertions(nodes):
    """C in which every line fails to compile where a declaration is missing or of another type: (what, line)."""
    for node in nodes:
        name, kind = node.get("name"), node["kind"]
        if kind == "FunctionDecl":
            yield name, f"_Static_assert(__builtin_types_compatible_p(__typeof__(&{name}), {pointer_to(node['type']['qualType'])}), \"\");"
        elif kind == "TypedefDecl":
            written = node["type"].get("desugaredQualType", node["type"]["qualType"])
            yield name, f"_Static_assert(__builtin_types_compatible_p({name} *, __typeof__({written}) *), \"\");"


def values(nodes):
    """Expressions whose values both headers have to agree about."""
    for node in nodes:
        if node["kind"] == "EnumDecl":
            yield from (entry["name"] for entry in node.get("inner", []) if entry["kind"] == "EnumConstantDecl")
        elif node["kind"] == "VarDecl":
            yield node["name"]
            yield f"sizeof({node['name']})"
        elif node["kind"] == "RecordDecl" and node.get("completeDefinition") and "name" in node:
            struct = "struct " + node["name"]
            yield f"sizeof({struct})"
            for field in node.get("inner", []):
                if field["kind"] == "FieldDecl" and "name" in field:
                    yield f"offsetof({struct}, {field['name']})"
                    yield f"sizeof((({struct} *)0)->{field['name']})"


def values_in(clang, header, expressions):
    """What a program compiled with the header prints, a line an expression."""
    lines = "".join(f'printf("%llu {e}\\n", (unsigned long long)({e}));\n' for e in expressions)
    source = f'#include <stdio.h>\n#include "{header}"\nint main(void) {{\n{lines}return 0; }}\n'
    with tempfile.TemporaryDirectory() as folder:
        status, _, errors = run(clang, ["-o", folder + "/values"], source)
        if status != 0:
            return [line for line in errors.split("\n") if "error:" in line]
        return subprocess.run([folder + "/values"], capture_output=True, text=True, check=True).stdout.split("\n")


def macros(clang, header):
    """Name -> (parameters, text without blanks) of what the header defines itself."""
    def defined(source):
        text = run(clang, ["-E", "-dM"], source)[1]
        return dict(re.findall(r"#define (\w+(?:\([^)]*\))?) ?(.*)", text))
    others = "#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <string.h>\n#include <assert.h>\n"
    before = defined(others)
    return {name: re.sub(r"\s", "", text) for name, text in defined(others + f'#include "{header}"\n').items()
            if name not in before}


def helpers(clang, header, nodes):
    """Name -> optimised code of each inline function, in words that do not depend on the names of its parameters."""
    bodies = {}
    for node in nodes:
        if node["kind"] != "FunctionDecl" or not node.get("inline"):
            continue
        name = node["name"]
        source = f'#include "{header}"\n__typeof__(&{name}) volatile kept = {name};\n'
        text = run(clang, ["-O2", "-S", "-emit-llvm", "-o", "-"], source)[1]
        code = re.search(r"define internal [^\n]*@" + name + r"\(.*?\n}", text, re.S)
        numbers = {}
        bodies[name] = re.sub(r"%[\w.]+|![\w.]+", lambda m: numbers.setdefault(m[0], f"%{len(numbers)}"),
                              re.sub(r", !\w+ !\d+|#\d+", "", code[0])) if code else None
    return bodies


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    reference, clang = sys.argv[1], (sys.argv[2:] or ["clang"])[0]
    nodes = declarations(clang, reference)
    wrong, checked = [], 0

    for name, line in assertions(nodes):
        status, _, errors = run(clang, ["-fsyntax-only"], f'#include "{OURS}"\n{line}\n')
        checked += 1
        if status != 0:
            wrong.append(f"{name}: {next(e for e in errors.split(chr(10)) if 'error:' in e)}")

    expressions = list(values(nodes))
    theirs, ours = (values_in(clang, header, expressions) for header in (reference, OURS))
    checked += len(expressions)
    wrong += [f"{their} there, {our} here" for their, our in zip(theirs, ours) if their != our]
    if len(theirs) != len(ours):
        wrong.append("values: " + "; ".join(ours[:3]))

    their_macros, our_macros = macros(clang, reference), macros(clang, OURS)
    for name, text in their_macros.items():
        checked += 1
        has_text = name.startswith(("WASM_", "wasm_")) and "DECLARE" not in name and name not in ("WASM_H", "WASM_API_EXTERN")
        if name not in our_macros:
            wrong.append(f"no macro {name}")
        elif has_text and our_macros[name] != text:
            wrong.append(f"macro {name}: {text} there, {our_macros[name]} here")

    their_code, our_code = helpers(clang, reference, nodes), helpers(clang, OURS, nodes)
    for name, code in their_code.items():
        checked += 1
        if code is None or our_code.get(name) != code:
            wrong.append(f"{name}: other code\n{code}\n{our_code.get(name)}")

    print("\n".join(wrong + [f"{checked} compared, {len(wrong)} differ"]))
    return bool(wrong) or checked < 100


if __name__ == "__main__":
    sys.exit(main())
