#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes the interpreter's share of the instruction table.

Every numeric and memory instruction becomes a family of handlers, one per way of getting its operands and leaving its
result (src/tiers/interp/handlers.c has the macros that the families are made of):

  names   X(name) for each handler, in family order; the encoder computes a handler as family + form
  bodies  the macro calls that define the handlers
  rows    one row per instruction for the encoder, and the mirrored operations for the front-end

With --few, for the library that is built for size: only the forms that read and write slots (interp/insn.h, INTERP_FEW).

usage: gen_interp.py [--few] OPS_DEF names|bodies|rows OUTPUT
"""
import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from gen_ops import read_ops, write_if_changed  # noqa: E402

CLASS = {"i": "INT", "I": "INT", "r": "INT", "e": "INT", "p": "INT", "f": "F32", "F": "F64", "v": "V128"}
COMMUTATIVE = {f"{t}_{o}" for t in ("I32", "I64") for o in ("ADD", "MUL", "AND", "OR", "XOR", "EQ", "NE")}
COMMUTATIVE |= {f"{t}_{o}" for t in ("F32", "F64") for o in ("EQ", "NE")}
SWAPPED = {"LT": "GT", "GT": "LT", "LE": "GE", "GE": "LE"}
INVERSE = {"EQ": "NE", "NE": "EQ", "LT": "GE", "GE": "LT", "GT": "LE", "LE": "GT"}
COMPARISONS = {"EQ", "NE", "LT", "GT", "LE", "GE"}
BINARY_FORMS = ["ss", "si", "rs", "ri", "sr"]
INDEXED_FORMS = ["add_ss", "add_rs", "shl_ss", "shl_rs", "shl_sr"]
BRANCH_FORMS = ["ss", "rs", "si", "ri"]  # the last two for integers only
STORE_FORMS = ["ss", "rs", "sr", "si", "ri", "is", "ir", "ii"]
STORE_FLOAT_FORMS = ["ss", "rs", "sr", "rr", "is", "ir"]  # rr: address and value can be in two accumulators
# The C type that a memory instruction transfers, by mnemonic suffix.
ACCESS = {"": None, "8_s": "int8_t", "8_u": "uint8_t", "16_s": "int16_t", "16_u": "uint16_t",
          "32_s": "int32_t", "32_u": "uint32_t", "8": "uint8_t", "16": "uint16_t", "32": "uint32_t"}
WHOLE = {"i": "uint32_t", "I": "uint64_t", "f": "float", "F": "double"}
# Vector instructions with a family, by signature (x: a number) and whether there is a lane; and the family's forms, which
# are the places of the number that is an operand (slot, accumulator, constant) or result (accumulator, slot too).
VECTOR_KINDS = {("v:v", False): "V_UNARY", ("vv:v", False): "V_BINARY", ("vvv:v", False): "V_TERNARY",
                ("x:v", False): "V_SPLAT", ("vx:v", False): "V_SHIFT", ("v:x", False): "V_TEST", ("v:x", True): "V_EXTRACT",
                ("vx:v", True): "V_REPLACE"}
VECTOR_FORMS = {"V_UNARY": [""], "V_BINARY": [""], "V_TERNARY": [""], "V_SPLAT": ["_s", "_r"], "V_SHIFT": ["_s", "_r", "_i"],
                "V_TEST": ["_r", "_s"], "V_EXTRACT": ["_r", "_s"], "V_REPLACE": ["_s", "_r"],
                "V_LOAD": ["_s", "_r", "_i"], "V_STORE": ["_s", "_r", "_i"]}
READ_BY_VECTOR_LOAD = ["uint8_t", "uint16_t", "uint32_t", "uint64_t", "sem_v128"]  # by log2 of the bytes


def split_comparison(name):
    """'I32_LT_S' -> ('I32', 'LT', '_S'), or None."""
    parts = name.split("_")
    if len(parts) in (2, 3) and parts[1] in COMPARISONS:
        return parts[0], parts[1], "_" + parts[2] if len(parts) == 3 else ""
    return None


def mirrored(name):
    if name in COMMUTATIVE:
        return name
    comparison = split_comparison(name)
    if comparison and comparison[1] in SWAPPED:
        return f"{comparison[0]}_{SWAPPED[comparison[1]]}{comparison[2]}"
    return None


def vector_kind(row):
    if row.imm == "MEMARG" and "v" in row.params + row.results:
        return "V_LOAD" if "LOAD" in row.flags else "V_STORE"
    if not row.sem or "v" not in row.params + row.results or row.imm not in ("NONE", "LANE"):
        return None
    shape = "".join("x" if letter in WHOLE else letter for letter in row.params) + ":"
    shape += "".join("x" if letter in WHOLE else letter for letter in row.results)
    return VECTOR_KINDS[shape, row.imm == "LANE"]


def kind(row):
    """The family of an instruction, or None when handlers.c spells it by hand."""
    if "ATOMIC" in row.flags:
        return "ATOMIC" if row.imm == "MEMARG" else None
    if "v" in row.params + row.results:
        return vector_kind(row)
    if "LOAD" in row.flags and row.params == ["p"] and row.results[0] in WHOLE:
        return "LOAD"
    if "STORE" in row.flags and len(row.params) == 2 and row.params[1] in WHOLE:
        return "STORE"
    if not row.sem or any(p not in WHOLE for p in row.params + row.results):
        return None
    return {1: "UNARY", 2: "BINARY"}.get(len(row.params)) if len(row.results) == 1 else None


def access_type(row, letter):
    suffix = row.mnemonic.split(".")[1].replace("load", "").replace("store", "")
    return ACCESS[suffix] or WHOLE[letter]


def atomic_body(row):
    """The macro call that defines the one handler of an atomic instruction."""
    name, letter = row.name.lower(), row.params[1] if len(row.params) > 1 else row.results[0]
    access = f"uint{8 << row.access_log2}_t"
    operation = row.mnemonic.split(".")[-1].split("_")[0].rstrip("0123456789")
    if operation in ("notify", "wait", "load", "store", "cmpxchg"):
        return f"ATOMIC_{operation.upper()}({name}, {access}, {letter})"
    function = "atomic_exchange" if operation == "xchg" else f"atomic_fetch_{operation}"
    return f"ATOMIC_RMW({name}, {access}, {letter}, {function})"


# Of each family, the forms without an accumulator, by their names' ends.
FEW_FORMS = {"UNARY": ["_ss"], "BINARY": ["_ss_s", "_si_s"], "BRANCH": ["_ss", "_si"], "BRANCH_NOT": ["_ss"],
             "LOAD": ["_ss", "_is"], "LOAD_WIDE": ["_wss", "_wis"], "INDEXED": ["_add_ss_s", "_shl_ss_s"],
             "STORE": ["_ss", "_si", "_is", "_ii"], "STORE_WIDE": ["_wss", "_wsi", "_wis", "_wii"]}
few = False  # --few


def families(rows):
    """Yields (row, kind, [handler names])."""
    for row, which, names in all_families(rows):
        ends = FEW_FORMS.get(which) if few else None
        yield row, which, [name for name in names if not ends or name.removeprefix("br_").removeprefix("brn_")
                           .removeprefix(row.name.lower()) in ends]


def all_families(rows):
    for row in rows:
        name = row.name.lower()
        which = kind(row)
        if which == "UNARY":
            yield row, which, [f"{name}_{form}{dest}" for form in "sr" for dest in "rs"]
        elif which == "BINARY":
            yield row, which, [f"{name}_{form}_{dest}" for form in BINARY_FORMS for dest in "rs"]
            if split_comparison(row.name):
                if row.params[0] in "fF":
                    yield row, "BRANCH", [f"br_{name}_{form}" for form in BRANCH_FORMS[:2]]
                    yield row, "BRANCH_NOT", [f"brn_{name}_{form}" for form in BRANCH_FORMS[:2]]
                else:
                    yield row, "BRANCH", [f"br_{name}_{form}" for form in BRANCH_FORMS]
                if row.params[0] == "i" and not few:
                    yield row, "COUNT", [f"count_{name}_{form}" for form in "si"]
        elif which == "ATOMIC":
            yield row, which, [name]
        elif which == "LOAD":
            yield row, which, [f"{name}_{form}{dest}" for form in "sri" for dest in "rs"]
            yield row, "INDEXED", [f"{name}_{form}_{dest}" for form in INDEXED_FORMS for dest in "rs"]
            yield row, "LOAD_GENERAL", [f"{name}_m"]
            yield row, "LOAD_WIDE", [f"{name}_w{form}{dest}" for form in "sri" for dest in "rs"]
        elif which in VECTOR_FORMS:
            yield row, which, [name + form for form in VECTOR_FORMS[which]]
            if which in ("V_LOAD", "V_STORE"):
                yield row, which + "_GENERAL", [name + "_m"]
        elif which == "STORE":
            forms = STORE_FORMS if row.params[1] in "iI" else STORE_FLOAT_FORMS
            yield row, which, [f"{name}_{form}" for form in forms]
            yield row, "STORE_GENERAL", [f"{name}_m"]
            yield row, "STORE_WIDE", [f"{name}_w{form}" for form in forms]


def write_names(rows):
    for _, _, names in families(rows):
        for name in names:
            yield f"X({name})"


def write_bodies(rows):
    for row, which, _ in families(rows):
        name, sem = row.name.lower(), row.sem
        traps = "_TRAPPING" if "TRAPS" in row.flags else ""
        if which == "UNARY":
            yield f"UNARY{traps}({name}, {sem}, {row.params[0]}, {row.results[0]})"
        elif which == "BINARY":
            yield f"BINARY{traps}({name}, {sem}, {row.params[0]}, {row.results[0]})"
        elif which == "BRANCH":
            macro = "BRANCH_FLOAT" if row.params[0] in "fF" else "BRANCH"
            yield f"{macro}(br_{name}, {sem}, {row.params[0]}, !!)"
        elif which == "BRANCH_NOT":
            yield f"BRANCH_FLOAT(brn_{name}, {sem}, {row.params[0]}, !)"
        elif which == "COUNT":
            yield f"COUNT(count_{name}, {sem})"
        elif which == "ATOMIC":
            yield atomic_body(row)
        elif which == "LOAD":
            yield f"LOAD({name}, {access_type(row, row.results[0])}, {row.results[0]})"
        elif which == "INDEXED":
            yield f"LOAD_INDEXED({name}, {access_type(row, row.results[0])}, {row.results[0]})"
        elif which in ("V_LOAD", "V_LOAD_GENERAL"):
            yield f"{which}({name}, {READ_BY_VECTOR_LOAD[row.access_log2]}, {sem or ''})"
        elif which == "V_STORE":
            yield f"V_STORE({name})"
        elif which == "V_STORE_GENERAL":
            yield f"STORE_GENERAL({name}_m, sem_v128, v)"
        elif which in VECTOR_FORMS:
            number = [letter for letter in row.params + row.results if letter in WHOLE]
            yield f"{which}({', '.join([name, sem] + number)})"
        elif which == "STORE":
            macro = "STORE" if row.params[1] in "iI" else "STORE_FLOAT"
            yield f"{macro}({name}, {access_type(row, row.params[1])}, {row.params[1]})"
        elif which == "LOAD_GENERAL":
            yield f"LOAD_GENERAL({name}_m, {access_type(row, row.results[0])}, {row.results[0]})"
        elif which == "LOAD_WIDE":
            yield f"LOAD_WIDE({name}, {access_type(row, row.results[0])}, {row.results[0]})"
        elif which == "STORE_WIDE":
            macro = "STORE_WIDE" if row.params[1] in "iI" else "STORE_WIDE_FLOAT"
            yield f"{macro}({name}, {access_type(row, row.params[1])}, {row.params[1]})"
        elif which == "STORE_GENERAL":
            yield f"STORE_GENERAL({name}_m, {access_type(row, row.params[1])}, {row.params[1]})"


def write_rows(rows):
    first = {}
    for row, which, names in families(rows):
        first[row.name, which] = "INTERP_" + names[0]
    known = {row.name for row in rows}
    yield '#include "tiers/interp/insn.h"'
    yield '#include "tiers/ir.h"'
    yield "const struct interp_row interp_rows[MODULE_OP_COUNT] = {"
    for row in rows:
        which = kind(row)
        if not which:
            continue
        fields = [f".kind = INTERP_KIND_{which}", f".first = {first[row.name, which]}"]
        fields.append(f".operand = IR_CLASS_{CLASS[row.params[-1]]}")
        fields.append(f".is_64 = {int(row.params[-1] in 'IF')}")
        comparison = split_comparison(row.name) if which == "BINARY" else None
        if which == "LOAD":
            fields.append(f".fused = {first[row.name, 'INDEXED']}")
        if which in ("LOAD", "STORE", "V_LOAD", "V_STORE"):
            fields.append(f".general = {first[row.name, which + '_GENERAL']}")
        if which in ("LOAD", "STORE"):
            fields.append(f".wide = {first[row.name, which + '_WIDE']}")
        if comparison and row.params[0] == "i" and not few:
            fields.append(f".fused = {first[row.name, 'COUNT']}")
            opposite = f"{comparison[0]}_{INVERSE[comparison[1]]}{comparison[2]}"
            fields.append(f".fused_not = {first[opposite, 'COUNT']}")
        if comparison:
            fields.append(f".branch = {first[row.name, 'BRANCH']}")
            if row.params[0] in "fF":
                fields.append(f".branch_not = {first[row.name, 'BRANCH_NOT']}")
            else:
                opposite = f"{comparison[0]}_{INVERSE[comparison[1]]}{comparison[2]}"
                fields.append(f".branch_not = {first[opposite, 'BRANCH']}")
        yield f"  [MODULE_OP_{row.name}] = {{{', '.join(fields)}}},"
    yield "};"
    yield "const uint16_t ir_mirrored[MODULE_OP_COUNT] = {"
    for row in rows:
        other = mirrored(row.name)
        assert other is None or other in known, row.name
        yield f"  [MODULE_OP_{row.name}] = " + (f"MODULE_OP_{other}," if other else "MODULE_OP_COUNT,")
    yield "};"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--few", action="store_true")
    parser.add_argument("ops_def")
    parser.add_argument("output_kind", choices=["names", "bodies", "rows"])
    parser.add_argument("output")
    global few
    arguments = parser.parse_args()
    few = arguments.few
    writer = {"names": write_names, "bodies": write_bodies, "rows": write_rows}[arguments.output_kind]
    text = "/* Generated by tools/gen_interp.py from ops.def. */\n" + "\n".join(writer(read_ops(arguments.ops_def))) + "\n"
    write_if_changed(arguments.output, text)


if __name__ == "__main__":
    main()
