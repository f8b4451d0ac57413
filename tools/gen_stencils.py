#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes the stencils of the baseline compiler as C: one function for each instruction and way of getting its operands.

src/tiers/baseline/stencil.h has the families and the order of their stencils; arch_stencils.h what the functions are
made of. The functions are numbered in the order of `catalogue`, which extract_stencils.py goes through too. They are
written to several files, so that they are compiled side by side.

usage: gen_stencils.py OPS_DEF ARCH OUTPUT...
"""
import argparse
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from gen_interp import INVERSE, READ_BY_VECTOR_LOAD, VECTOR_FORMS, WHOLE, access_type, kind, split_comparison  # noqa: E402
from gen_ops import read_ops, write_if_changed  # noqa: E402

FLOATS = 8
INTS = {"x86_64": 8, "aarch64": 8, "riscv64": 5}
C_TYPE = {"i": "uint32_t", "I": "uint64_t", "f": "float", "F": "double"}
FLOAT_LETTER = {"f": "f", "F": "d"}
TRAPS_OF = {"DIV_S": ["DIVIDE_BY_ZERO", "INTEGER_OVERFLOW"], "DIV_U": ["DIVIDE_BY_ZERO"], "REM_S": ["DIVIDE_BY_ZERO"],
            "REM_U": ["DIVIDE_BY_ZERO"]}
ENGINE_TRAP = {"DIVIDE_BY_ZERO": "INTEGER_DIVIDE_BY_ZERO", "INTEGER_OVERFLOW": "INTEGER_OVERFLOW",
               "INVALID_CONVERSION": "INVALID_CONVERSION"}
# Instructions of x86-64 that take a constant, and its conditions.
X86_ARITHMETIC = {"ADD": "add", "SUB": "sub", "AND": "and", "OR": "or", "XOR": "xor", "SHL": "shl", "SHR_S": "sar",
                  "SHR_U": "shr", "ROTL": "rol", "ROTR": "ror"}
X86_CONDITION = {"EQ": "e", "NE": "ne", "LT_S": "l", "LT_U": "b", "GT_S": "g", "GT_U": "a", "LE_S": "le", "LE_U": "be",
                 "GE_S": "ge", "GE_U": "ae"}
# Rounding, where the processor has an instruction for it.
ROUNDING = {"CEIL": "ceil", "FLOOR": "floor", "TRUNC": "trunc", "NEAREST": "roundeven"}
X86_SUFFIX = {"i": "l", "I": "q"}
X86_LOAD_SIGNED = {"int8_t": "movsbl", "int16_t": "movswl"}
X86_PUT = {"uint8_t": "movb", "uint32_t": "movl", "uint64_t": "movq"}


# Families whose operands are in slots, and enum ir_class of the others' operands.
IN_SLOTS = ("SLOTS", "LOAD_V128", "STORE_V128")
CLASSES = {"i": 1, "I": 1, "p": 1, "f": 2, "F": 3}


class Stencil:
    """types: letters of the float registers; "" when none is touched; None where only r0 to r2 live.
    fast: for processors with more instructions than the CPU family's first."""

    def __init__(self, body, types="", fast=False):
        self.body, self.types, self.fast = body, types, fast


def floats(**used):
    """floats(x3="f"): the types of the float registers, double where nothing is said."""
    return "".join(used.get(f"x{n}", "d") for n in range(FLOATS))


def vector(body, fast=False):
    """A stencil on slots: it leaves every register alone, and may use those that are no state."""
    return Stencil(body, floats(), fast)


class Catalogue:
    def __init__(self, rows, arch):
        self.arch, self.ints = arch, INTS[arch]
        self.stencils, self.constants, self.rows, self.seen = [], [], {}, {}
        self.general_families()
        for row in rows:
            self.add_row(row)

    # ---- Helpers -----------------------------------------------------------------------------------------------------

    def add(self, stencils):
        """The number of the first; a family with the same bodies is the same family."""
        stencils = list(stencils)
        key = tuple((s.body, s.types, s.fast) for s in stencils)
        if key not in self.seen:
            self.seen[key] = len(self.stencils)
            self.stencils += stencils
        return self.seen[key]

    def family(self, name, stencils):
        self.constants.append((name, self.add(stencils)))

    def row(self, row, family, **fields):
        operands = row.params if family not in IN_SLOTS else []
        classes = sum(CLASSES[letter] << 2 * n for n, letter in enumerate(operands))
        self.rows[row.name] = dict(kind=family, classes=classes, **fields)

    # ---- Families without a row --------------------------------------------------------------------------------------

    def general_families(self):
        r, f = range(self.ints), range(FLOATS)
        family = self.family
        family("MOVE_INT", (Stencil(f"r{d} = r{a}") for d in r for a in r))
        family("MOVE_FLOAT", (Stencil(f"x{d} = x{a}", floats()) for d in f for a in f))
        family("GET_INT", (Stencil(f"r{d} = SLOT(A, uint64_t)") for d in r))
        family("PUT_INT", (Stencil(f"SLOT(D, uint64_t) = r{b}") for b in r))
        for name, letter, type_ in ("F32", "f", "float"), ("F64", "d", "double"):
            of = [floats(**{f"x{n}": letter}) for n in f]
            family(f"GET_{name}", (Stencil(f"x{d} = SLOT(A, {type_})", of[d]) for d in f))
            family(f"PUT_{name}", (Stencil(f"SLOT(D, {type_}) = x{b}", of[b]) for b in f))
            family(f"RETURN_{name}", (Stencil(f"x0 = x{b}; *({type_} *)fp = x0", floats(**{"x0": letter, f"x{b}": letter}))
                                      for b in f))
            family(f"GLOBAL_GET_{name}", (Stencil(f"x{d} = FIELD(inst, IMM, {type_})", of[d]) for d in f))
            family(f"GLOBAL_SET_{name}", (Stencil(f"FIELD(inst, IMM, {type_}) = x{b}", of[b]) for b in f))
            value = "float_of(IMM_i(IMM))" if letter == "f" else "double_of(IMM64(IMM))"
            family(f"CONST_{name}", (Stencil(f"x{d} = {value}", of[d]) for d in f))
            family(f"ZERO_{name}", (Stencil(f"x{d} = 0", of[d]) for d in f))
        family("PUT_IMM", [Stencil("PUT_SIGNED(fp, D, IMM)")])
        family("PUT_IMM64", [Stencil("SLOT(D, uint64_t) = IMM64(IMM)")])
        family("MOVE_SLOT", [Stencil("SLOT(D, uint64_t) = SLOT(A, uint64_t)")])
        family("CONST_INT", (Stencil(f"r{d} = IMM_i(IMM)") for d in r))
        family("CONST_INT64", (Stencil(f"r{d} = IMM64(IMM)") for d in r))
        family("ZERO_INT", (Stencil(f"r{d} = 0") for d in r))
        family("SELECT_INT", (Stencil(f"r{d} = __builtin_unpredictable((uint32_t)r{c}) ? r{d} : r{b}")
                              for d in r for b in r for c in r))
        family("SELECT_FLOAT", (Stencil(f'if (BASE_LIKELY(!(uint32_t)r{c})) {{ __asm__ volatile(""); x{d} = x{b}; }}', floats())
                                for d in f for b in f for c in r))
        family("BRANCH", [Stencil("GO(STENCIL_TARGET)")])
        for bits in 32, 64:
            for name, condition in ("IF", "NE"), ("UNLESS", "EQ"):
                family(f"BRANCH_{name}{bits}", (Stencil(f"GO_IF({self.is_zero(condition, bits, a)})") for a in r))
        family("BRANCH_TABLE", (Stencil(f"BRANCH_BY_TABLE(r{a})") for a in r))
        family("GLOBAL_GET_INT", (Stencil(f"r{d} = FIELD(inst, IMM, uint64_t)") for d in r))
        family("GLOBAL_SET_INT", (Stencil(f"FIELD(inst, IMM, uint64_t) = r{b}") for b in r))
        family("GLOBAL_SET_IMM", [Stencil("PUT_SIGNED(inst, IMM, IMM2)")])
        family("GLOBAL_CELL", (Stencil(f"r{d} = (uint64_t)(uintptr_t)inst->globals[SYMBOL(IMM)].cell") for d in r))
        family("PEEK_INT", (Stencil(f"r{d} = FIELD(r{a}, IMM, uint64_t)") for d in r for a in r))
        family("POKE_INT", (Stencil(f"FIELD(r{a}, IMM, uint64_t) = r{b}") for a in r for b in r))
        family("CHECK", (Stencil(f"CHECK(r{a})") for a in r))
        family("CHECK32", (Stencil(f"CHECK32(r{a})") for a in r))
        family("CHECK64", (Stencil(f"CHECK64(r{a})") for a in r))
        family("POLL", [Stencil("GO_IF(BASE_UNLIKELY(!LIMIT()))")])
        family("FUEL", [Stencil("GO_IF(BASE_UNLIKELY(CHARGE(inst->thread->fuel)))")])
        family("STACK_CHECK", [Stencil("GO_IF(BASE_UNLIKELY((uintptr_t)fp + SYMBOL(IMM) > (uintptr_t)LIMIT()))")])
        family("RETURN_INT", (Stencil(f"r0 = r{b}; fp[0] = r0") for b in r))
        family("COPY_SLOTS", [Stencil("COPY_SLOTS()")])
        family("ZERO_SLOTS", [Stencil("ZERO_SLOTS()")])
        self.vector_families()
        self.call_families()

    def is_zero(self, condition, bits, a):
        if bits == 64 and self.arch != "riscv64":
            return f'ZERO_I("{self.condition(condition)}", r{a})'
        return f"(uint{bits}_t)r{a} {'==' if condition == 'EQ' else '!='} 0"

    def vector_families(self):
        r = range(self.ints)
        self.family("ATOMIC_FENCE", [Stencil("atomic_thread_fence(memory_order_seq_cst)")])
        self.family("SELECT_SLOTS", [vector("const char *from = (const char *)fp + (SLOT(C, uint32_t) ? SYMBOL(A) : SYMBOL(B)); "
                                            "VECTOR(D) = VECTOR_AT(from)")])
        self.family("V128_CONST", [vector("VECTOR(D) = LANES()")])
        self.family("MOVE_V128", [vector("VECTOR(D) = VECTOR(A)")])
        self.family("GLOBAL_GET_V128", [vector("VECTOR(D) = VECTOR_AT((char *)inst + SYMBOL(IMM))")])
        self.family("GLOBAL_SET_V128", [vector("VECTOR_AT((char *)inst + SYMBOL(IMM)) = VECTOR(B)")])
        self.family("CELL_GET_V128", (vector(f"VECTOR(D) = VECTOR_AT(r{a})") for a in r))
        self.family("CELL_SET_V128", (vector(f"VECTOR_AT(r{a}) = VECTOR(B)") for a in r))

    def condition(self, name):
        return X86_CONDITION[name] if self.arch == "x86_64" else name.lower()

    def call_families(self):
        indirect = ["const struct engine_table *table = inst->tables[SYMBOL(IMM)]",
                    "TRAP_ALONE_IF(r0 >= table->count, UNDEFINED_ELEMENT)",
                    "const struct engine_function *callee = (const struct engine_function *)(uintptr_t)table->elems[tiers_narrowed(r0, table->count)]",
                    "TRAP_ALONE_IF(!callee, NULL_ELEMENT)",
                    "TRAP_ALONE_IF(!engine_type_matches(callee->def, inst->types[SYMBOL(IMM2)]), CALL_TYPE)", "CALLEE(callee)"]
        self.family("INDIRECT", [Stencil("; ".join(indirect), None)])
        self.family("BY_REFERENCE", [Stencil("TRAP_ALONE_IF(!r0, NULL_REFERENCE); CALLEE((const struct engine_function *)(uintptr_t)r0)", None)])
        self.family("NOTE_TARGET", [Stencil("NOTE_TARGET((const struct engine_function *)(uintptr_t)r1)", None)])
        self.family("IMPORT", [Stencil("r1 = (uint64_t)(uintptr_t)inst->functions[SYMBOL(IMM)]; "
                                       "r0 = (uint64_t)(uintptr_t)RUNTIME()->away", None)])
        self.family("FUNCTION", (Stencil(f"r{d} = (uint64_t)(uintptr_t)inst->functions[SYMBOL(IMM)]")
                                 for d in range(self.ints)))
        self.family("TAIL", [Stencil("if (r0 == (uint64_t)(uintptr_t)RUNTIME()->away) "
                                     "r0 = (uint64_t)(uintptr_t)RUNTIME()->tail_away", None)])
        self.family("HELPER", [Stencil("CALL_HELPER()", None)])
        self.family("RAISE", [Stencil("r0 = SYMBOL(IMM); r1 = SYMBOL(SITE); GO_ALONE(RUNTIME()->trap)", None)])

    # ---- Rows of the instruction table -------------------------------------------------------------------------------

    def add_row(self, row):
        which = kind(row)
        if which == "UNARY":
            self.unary(row)
        elif which == "BINARY" and row.params[0] in "iI":
            self.int_binary(row)
        elif which == "BINARY":
            self.float_binary(row)
        elif which == "LOAD":
            self.load(row)
        elif which == "STORE":
            self.store(row)
        elif which == "ATOMIC":
            self.atomic(row)
        elif which in ("V_LOAD", "V_STORE"):
            self.vector_access(row, which == "V_STORE")
        elif which in VECTOR_FORMS or row.name == "I8X16_SHUFFLE":
            self.vector(row, which)
        elif row.feature == "WIDE_ARITHMETIC":
            operands = ", ".join(f"SLOT({operand}, uint64_t)" for operand in ["A", "B", "C", "IMM"][:len(row.params)])
            function = "signed_product" if row.name == "I64_MUL_WIDE_S" else row.sem  # one instruction on most processors
            self.row(row, "SLOTS", first=self.add([Stencil(f"WIDE({function}({operands}))")]))

    def trapping(self, row, result_type, target, call):
        if "TRAPS" not in row.flags:
            return f"{target} = {call})"
        traps = TRAPS_OF.get(row.name[4:], ["INVALID_CONVERSION", "INTEGER_OVERFLOW"])
        text = f"{result_type} value; enum sem_trap trap = {call}, &value)"
        for trap in traps:
            text += f"; TRAP_IF(trap == SEM_{trap}, {ENGINE_TRAP[trap]})"
        return f"{text}; {target} = value"

    def int_operands(self, letter):
        return [f"r{b}" for b in range(self.ints)] + [f"SLOT(B, {C_TYPE[letter]})"]

    def with_constant(self, row, d):
        """d <- d op IMM"""
        letter, operation = row.params[0], row.name[4:]
        if self.arch == "x86_64":
            if operation in X86_ARITHMETIC:
                return f'ARITHMETIC_{letter}("{X86_ARITHMETIC[operation]}{X86_SUFFIX[letter]}", r{d})'
            if operation == "MUL":
                return f"MULTIPLY_{letter}(r{d})"
            if operation in X86_CONDITION:
                return f'r{d} = (uint32_t)COMPARES_{letter}("{X86_CONDITION[operation]}", r{d})'
        return self.trapping(row, C_TYPE[row.results[0]], f"r{d}", f"{row.sem}({self.int_value(letter, d)}, IMM_{letter}(IMM)")

    @staticmethod
    def int_value(letter, n):
        return f"(uint32_t)r{n}" if letter == "i" else f"r{n}"

    def int_binary(self, row):
        letter, r = row.params[0], range(self.ints)
        fields = {}
        stencils = []
        for d in r:
            for b in self.int_operands(letter):
                stencils.append(Stencil(self.trapping(row, C_TYPE[row.results[0]], f"r{d}", f"{row.sem}(r{d}, {b}")))
            stencils.append(Stencil(self.with_constant(row, d)))
        fields["first"] = self.add(stencils)
        if row.name in ("I32_ADD", "I64_ADD"):
            fields["three"] = self.add(stencil for d in r for a in r for stencil in self.add_three(letter, d, a))
        comparison = split_comparison(row.name)
        if comparison:
            fields["branch"] = self.add(self.branches(row))
            fields["branch_not"] = f"{comparison[0]}_{INVERSE[comparison[1]]}{comparison[2]}"
        self.row(row, "INT_BINARY", **fields)

    def add_three(self, letter, d, a):
        for b in range(self.ints):
            yield Stencil(f"r{d} = ({C_TYPE[letter]})(r{a} + r{b})")
        if self.arch == "x86_64" and letter == "i":
            yield Stencil(f"ADD3_i(r{d}, r{a})")
        else:
            yield Stencil(f"r{d} = ({C_TYPE[letter]})(r{a} + SIGNED(IMM))")

    def branches(self, row):
        letter = row.params[0]
        for a in range(self.ints):
            for b in self.int_operands(letter):
                if self.arch != "riscv64" and row.name in ("I64_EQ", "I64_NE") and b[0] == "r":
                    yield Stencil(f'GO_IF(SAME_I("{self.condition(row.name[4:])}", r{a}, {b}))')
                else:
                    yield Stencil(f"GO_IF({row.sem}(r{a}, {b}))")
            if self.arch == "x86_64":
                yield Stencil(f'GO_IF(COMPARES_{letter}("{X86_CONDITION[row.name[4:]]}", r{a}))')
            else:
                yield Stencil(f"GO_IF({row.sem}(r{a}, IMM_{letter}(IMM)))")

    def float_binary(self, row):
        letter, r = row.params[0], range(FLOATS)
        type_ = FLOAT_LETTER[letter]

        def forms(pattern):
            for a in r:
                for b in r:
                    yield Stencil(pattern.format(a=a, call=f"{row.sem}(x{a}, x{b})"), floats(**{f"x{a}": type_, f"x{b}": type_}))
                yield Stencil(pattern.format(a=a, call=f"{row.sem}(x{a}, SLOT(B, {C_TYPE[letter]}))"), floats(**{f"x{a}": type_}))
        if row.results[0] in "fF":
            self.row(row, "FLOAT_BINARY", first=self.add(forms("x{a} = {call}")))
        else:
            self.row(row, "FLOAT_COMPARE", first=self.add(forms("r0 = {call}")), branch=self.add(forms("GO_IF({call})")),
                     branch_not=self.add(forms("GO_IF(!{call})")))

    def unary(self, row):
        source, target = row.params[0], row.results[0]
        r, f = range(self.ints), range(FLOATS)
        if source in "iI" and target in "iI":
            self.row(row, "INT_UNARY", first=self.add(Stencil(f"r{d} = {row.sem}(r{a})") for d in r for a in r))
            if self.arch == "x86_64" and "POPCNT" in row.name:
                self.rows[row.name]["fast"] = self.add(vector(f"r{d} = {row.sem}(r{a})", True) for d in r for a in r)
        elif source in "iI":
            self.row(row, "INT_TO_FLOAT", first=self.add(
                Stencil(f"x{d} = {row.sem}(r{a})", floats(**{f"x{d}": FLOAT_LETTER[target]})) for d in f for a in r))
        elif target in "iI":
            self.row(row, "FLOAT_TO_INT", first=self.add(
                Stencil(self.trapping(row, C_TYPE[target], f"r{d}", f"{row.sem}(x{a}"), floats(**{f"x{a}": FLOAT_LETTER[source]}))
                for d in r for a in f))
        elif source != target:
            macro = "DEMOTE" if target == "f" else "PROMOTE"
            self.row(row, "FLOAT_UNARY", first=self.add(Stencil(f"{macro}(x{d}, x{a})", floats()) for d in f for a in f))
        else:
            self.float_unary(row, FLOAT_LETTER[source])

    def float_unary(self, row, type_):
        def forms(function, fast=False):
            return self.add(Stencil(f"x{d} = {function}(x{a})", floats(**{f"x{d}": type_, f"x{a}": type_}), fast)
                            for d in range(FLOATS) for a in range(FLOATS))
        rounding = f"__builtin_elementwise_{ROUNDING.get(row.name[4:])}"
        if row.name[4:] not in ROUNDING or self.arch == "riscv64":
            self.row(row, "FLOAT_UNARY", first=forms(row.sem))
        elif self.arch == "aarch64":
            self.row(row, "FLOAT_UNARY", first=forms(rounding))
        else:
            self.row(row, "FLOAT_UNARY", first=forms(row.sem), fast=forms(rounding, True))

    def addresses(self):
        return [(f"IS_LOW(r{a}); ", f"mem + r{a} + SYMBOL(IMM)") for a in range(self.ints)] + [("", "mem + SYMBOL(IMM)")]

    def load(self, row):
        letter, access = row.results[0], access_type(row, row.results[0])
        general = self.general(access, row, False)
        if letter == "i" and access in X86_LOAD_SIGNED and self.arch == "x86_64":
            instruction = X86_LOAD_SIGNED[access]
            self.row(row, "LOAD_INT", general=general, first=self.add(
                Stencil(f'LOAD_SIGNED_AT("{instruction}", r{d}, r{a})' if a < self.ints else f'LOAD_SIGNED("{instruction}", r{d})')
                for d in range(self.ints) for a in range(self.ints + 1)))
        elif letter in "iI":
            widen = {"i": "(uint32_t)", "I": "(uint64_t)"}[letter] if access.startswith("int") else ""
            stencils = (Stencil(f"{low}r{d} = {widen}MEMORY({access}, {at})") for d in range(self.ints) for low, at in self.addresses())
            self.row(row, "LOAD_INT", general=general, first=self.add(stencils))
        else:
            stencils = (Stencil(f"{low}x{d} = MEMORY({access}, {at})", floats(**{f"x{d}": FLOAT_LETTER[letter]}))
                        for d in range(FLOATS) for low, at in self.addresses())
            self.row(row, "LOAD_FLOAT", general=general, first=self.add(stencils))

    def store(self, row):
        letter, access = row.params[1], access_type(row, row.params[1])
        general = self.general(access, row, True)
        if letter in "iI":
            stencils = []
            for a, (low, at) in enumerate(self.addresses()):
                stencils += [Stencil(f"{low}MEMORY({access}, {at}) = ({access})r{b}") for b in range(self.ints)]
                stencils.append(Stencil(self.store_constant(access, a, low, at)))
            self.row(row, "STORE_INT", general=general, first=self.add(stencils))
        else:
            stencils = (Stencil(f"{low}MEMORY({access}, {at}) = x{b}", floats(**{f"x{b}": FLOAT_LETTER[letter]}))
                        for low, at in self.addresses() for b in range(FLOATS))
            self.row(row, "STORE_FLOAT", general=general, first=self.add(stencils))

    # ---- In slots ----------------------------------------------------------------------------------------------------

    def with_fast(self, row, body, fast=None):
        """A row for operands in slots; `fast`: what it is for processors with more instructions."""
        if self.arch == "aarch64":
            body = fast or body
        self.row(row, "SLOTS", first=self.add([vector(body)]))
        if self.arch == "x86_64":
            self.rows[row.name]["fast"] = self.add([vector(fast or body, fast=True)])

    def vector(self, row, which):
        number = next((letter for letter in row.params + row.results if letter in WHOLE), "v")
        value = f"SLOT({{}}, {C_TYPE.get(number)})"
        operation = row.name.split("_", 1)[1]
        if which == "V_SPLAT":
            self.with_fast(row, f"RESULT_v({row.sem}({value.format('A')}))")
        elif which == "V_SHIFT":
            self.with_fast(row, f"RESULT_v({row.sem}(OPERAND(A), {value.format('B')}))")
        elif which == "V_REPLACE":
            self.with_fast(row, f"RESULT_v({row.sem}(OPERAND(A), {value.format('B')}, IMM_i(IMM)))")
        elif which == "V_EXTRACT":
            bits = row.name[1:].split("X")[0]
            lane = C_TYPE[number] if number in "fF" else f"{'' if operation.endswith('_S') else 'u'}int{bits}_t"
            self.with_fast(row, f"RESULT_{number}(LANE({lane}))")
        elif row.name == "I8X16_SHUFFLE":
            self.with_fast(row, f"RESULT_v({row.sem}(OPERAND(A), OPERAND(B), LANES()))",
                           "RESULT_v(fast_shuffle(OPERAND(A), OPERAND(B), LANES()))")
        elif row.sem == "sem_i8x16_swizzle":
            self.with_fast(row, f"RESULT_v({row.sem}(OPERAND(A), OPERAND(B)))", "RESULT_v(fast_swizzle(OPERAND(A), OPERAND(B)))")
        elif operation in ROUNDING:
            shape = row.name.split("_")[0].lower()
            fast = f"RESULT_v((sem_v128)__builtin_elementwise_{ROUNDING[operation]}((sem_{shape})OPERAND(A)))"
            self.with_fast(row, f"RESULT_v({row.sem}(OPERAND(A)))", fast)
        else:
            operands = ", ".join(f"OPERAND({'ABC'[n]})" for n in range(len(row.params)))
            self.with_fast(row, f"RESULT_{row.results[0]}({row.sem}({operands}))")

    def vector_access(self, row, is_store):
        type_ = READ_BY_VECTOR_LOAD[row.access_log2]
        access = "MEMORY(sem_v128, {}) = OPERAND(B)" if is_store else f"{type_} value = MEMORY({type_}, {{}}); RESULT_v({row.sem or ''}(value))"
        def forms(fast=False):
            return self.add(vector(low + access.format(at), fast) for low, at in self.addresses())
        self.row(row, "STORE_V128" if is_store else "LOAD_V128", first=forms(),
                 general=self.add([vector(f"FIND(sizeof({type_})); " + access.format("place"))]))
        if not is_store and self.arch == "x86_64":
            self.rows[row.name]["fast"] = forms(True)

    def general(self, access, row, is_store):
        """The stencil for any memory of a load or store of numbers."""
        if is_store:
            letter = row.params[1]
            return self.add([vector(f"FIND(sizeof({access})); MEMORY({access}, place) = ({access})SLOT(B, {C_TYPE[letter]})")])
        letter = row.results[0]
        widen = {"i": "(uint32_t)", "I": "(uint64_t)"}.get(letter, "")
        return self.add([vector(f"FIND(sizeof({access})); RESULT_{letter}({widen}MEMORY({access}, place))")])

    def atomic(self, row):
        access = f"uint{8 << row.access_log2}_t"
        operation = row.mnemonic.split(".")[-1].split("_")[0].rstrip("0123456789")
        value = f"({access})SLOT(B, uint64_t)"
        if operation in ("wait", "notify"):
            return
        if operation == "load":
            body = "RESULT_I(atomic_load(at))"
        elif operation == "store":
            body = f"atomic_store(at, {value})"
        elif operation == "cmpxchg":  # a narrow one compares what is left of the expected value in its width
            body = f"{access} found = {value}; atomic_compare_exchange_strong(at, &found, ({access})SLOT(C, uint64_t)); RESULT_I(found)"
        else:
            function = "atomic_exchange" if operation == "xchg" else f"atomic_fetch_{operation}"
            body = f"RESULT_I({function}(at, {value}))"
        self.row(row, "SLOTS", first=self.add([vector(f"FIND_ATOMIC({access}); {body}")]))

    def store_constant(self, access, a, low, at):
        if self.arch != "x86_64" or access not in X86_PUT:
            constant = "IMM_I(IMM2)" if access == "uint64_t" else "IMM_i(IMM2)"
            return f"{low}MEMORY({access}, {at}) = ({access}){constant}"
        if a == self.ints:
            return f'PUT_CONSTANT("{X86_PUT[access]}", mem, IMM, IMM2)'
        return f'PUT_CONSTANT_AT("{X86_PUT[access]}", mem, r{a}, IMM, IMM2)'


def write_functions(stencils):
    """`stencils`: (number, stencil) pairs."""
    yield "/* Generated by tools/gen_stencils.py from ops.def. */"
    kin = group(stencils[0][1]) if stencils else None
    if kin == "ints":
        yield "#define STENCIL_INTS_ONLY"
    if kin == "engine":
        yield "#define STENCIL_WITH_ENGINE"
    yield '#include "tiers/baseline/arch_stencils.h"'
    names = {"d": "double", "f": "float"}
    for types in sorted({stencil.types or floats() for _, stencil in stencils}):
        yield f"#define FLOATS_{types} " + ", ".join(f"{names[letter]} x{n}" for n, letter in enumerate(types))
    for number, stencil in stencils:
        if stencil.types is None:
            yield f"STENCIL_ALONE(stencil_{number}, {stencil.body})"
        else:
            yield f"STENCIL(stencil_{number}, {stencil.types or floats()}, {stencil.body})"


NEEDS_ENGINE = re.compile(r"inst->|FIND|CHECK|LIMIT|RUNTIME|CALL|NOTE|_IF\(.*, (?:MEMORY_BOUNDS|NULL_REFERENCE)\)")


def group(stencil):
    if stencil.types is None or NEEDS_ENGINE.search(stencil.body):
        return "engine"
    return "fast" if stencil.fast else "floats" if stencil.types else "ints"


def deal(stencils, outputs):
    """(file, its stencils), for files named ..._GROUP_N...; interleaved, so that each takes as long."""
    for kin in "ints", "floats", "fast", "engine":
        files = [output for output in outputs if f"_{kin}_" in output]
        members = [(n, stencil) for n, stencil in enumerate(stencils) if group(stencil) == kin]
        for n, output in enumerate(files):
            yield output, members[n::len(files)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ops_def")
    parser.add_argument("arch", choices=sorted(INTS))
    parser.add_argument("outputs", nargs="+")
    arguments = parser.parse_args()
    catalogue = Catalogue(read_ops(arguments.ops_def), arguments.arch)
    for output, stencils in deal(catalogue.stencils, arguments.outputs):
        write_if_changed(output, "\n".join(write_functions(stencils)) + "\n")


if __name__ == "__main__":
    main()
