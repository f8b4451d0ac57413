# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The hostile modules. Each function makes one; what is expected of it stands with its name in all_cases()."""
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent.parent / 'cli')]
from binary_format import HEADER, leb, section, sleb, text, vec  # noqa: E402
from modules import body  # noqa: E402

I32, I64, V128, FUNC, EXTERN = b'\x7f', b'\x7e', b'\x7b', b'\x70', b'\x6f'
END, DROP, UNREACHABLE, NOP = b'\x0b', b'\x1a', b'\0', b'\1'
RUN = 'run --invoke run'
UNLIMITED = 'run --max-memory 0 --invoke run' # what no machine has
MANY = 1000000  # as many types, functions ... as a module may have


class Case:
    def __init__(self, name, make, words, code=0, says='^$', arguments=(), slowness=1, more_bytes=0):
        self.name, self.make, self.words, self.code, self.says = name, make, words.split(), code, says
        self.arguments, self.slowness, self.bytes = list(arguments), slowness, more_bytes


def i32(value):
    return b'\x41' + sleb(value)


def i64(value):
    return b'\x42' + sleb(value)


def repeated(item, count):
    return leb(count) + item * count


def func_type(params=b'', results=b'', count=1):
    """`params` and `results` are the types' bytes, all of one length."""
    return b'\x60' + leb(len(params) // count) + params + leb(len(results) // count) + results


def types(*items):
    return section(1, vec(items))


def program(code, *sections, locals_=(), type_=func_type()):
    """A module of these sections and one exported function, `run`, whose code has no `end`. Sections are those between
    the type section and the code section, in pairs of their number and their bytes."""
    parts = {1: types(type_), 3: section(3, b'\1\0'), 7: section(7, vec([text('run') + b'\0\0']))}
    parts.update(dict(sections))
    parts[10] = section(10, vec([body(code, locals_)]))
    order = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11]
    return HEADER + b''.join(parts[number] for number in order if number in parts)


def blocks_that_are_left(count):
    """Each block has a label that a branch goes to."""
    return program((b'\2\x40' + b'\x20\0' + b'\x0d\0' + END) * count, locals_=[(1, I32[0])])


def loops_and_locals(loops, locals_):
    """All loops are branched back to, never in fact; the innermost one reads and writes all locals."""
    uses = b''.join(b'\x20' + leb(n) + b'\x21' + leb(n + 1) for n in range(locals_ - 1))
    back = b''.join(b'\x20\0\x0d' + leb(n) for n in range(loops))
    return program(b'\3\x40' * loops + uses + back + END * loops, locals_=[(locals_, I32[0])])


def branch_over_sizes(count):
    code = b'\2\x40\x41\0\x0d\0' + b'\x3f\0\x1a' * count + END
    return program(code, (5, section(5, b'\1\0\1')))


def divisions(count):
    """Each has two ways to trap."""
    return program((b'\x20\0' + i32(7) + b'\x6d\x21\0') * count, locals_=[(1, I32[0])])


# ---- Types -----------------------------------------------------------------------------------------------------------

STRUCT = b'\x5f\0'


def open_struct(*supers):
    return b'\x50' + vec([leb(s) for s in supers]) + STRUCT


def chain_of_subtypes(length):
    return HEADER + section(1, leb(length) + open_struct() + b''.join(open_struct(i) for i in range(length - 1)))


def rec(items):
    return b'\x4e' + vec(items)


def one_group(count):
    return HEADER + types(rec([STRUCT] * count))


def refers_to(index):
    """A structure of one field, a reference to a type."""
    return b'\x5f\1\x63' + sleb(index) + b'\0'


def ring_of_types(count):
    return HEADER + types(rec([refers_to((i + 1) % count) for i in range(count)]))


def equal_groups(count):
    return HEADER + section(1, repeated(rec([STRUCT]), count))


def equal_rings(groups, count):
    return HEADER + section(1, leb(groups) + b''.join(
        rec([refers_to(first + (i + 1) % count) for i in range(count)]) for first in range(0, groups * count, count)))


def groups_that_differ_at_the_end(groups, count):
    last = [b'\x5f' + repeated(I32 + b'\0', n + 1) for n in range(groups)]
    return HEADER + section(1, leb(groups) + b''.join(rec([STRUCT] * (count - 1) + [item]) for item in last))


def doubling_types(count):
    """Each refers to the one before twice; written out, the last has 2^count parts."""
    def item(i):
        return b'\x5f\2' + (b'\x63' + sleb(i - 1) + b'\0') * 2 if i else STRUCT
    return HEADER + types(*[item(i) for i in range(count)])


def wide_subtypes(width, count):
    """`count` types below one of `width` fields, all references, so that each comparison is one of references."""
    fields = repeated(b'\x6e\0', width)
    return HEADER + types(b'\x50\0\x5f' + fields, *[b'\x50\1\0\x5f' + fields for _ in range(count)])


def struct_of(fields):
    return HEADER + types(b'\x5f' + repeated(I32 + b'\0', fields))


def huge_struct_in_dead_code(fields, count):
    kinds = types(func_type(), b'\x5f' + repeated(I32 + b'\0', fields))
    return program(UNREACHABLE + (b'\xfb\0\1' + DROP) * count, (1, kinds))


def casts(count):
    """br_on_cast from anyref to one structure after the other, all to the same label."""
    structures = min(count, 200)
    kinds = types(func_type(), *[b'\x5f' + repeated(I32 + b'\0', n + 1) for n in range(structures)])
    tests = b''.join(b'\xfb\x18\3\0\x6e' + sleb(1 + i % structures) for i in range(count))
    return program(b'\x02\x6e\xd0\x71' + tests + END + DROP, (1, kinds))


def instance_of_types(group):
    return program(b'', (1, section(1, leb(2) + func_type() + group)))


def imports_and_types(imports, count):
    """Nobody provides the imports, and each could cost something for each type."""
    items = [text('m') + text('f%d' % i) + b'\0\0' for i in range(imports)]
    kinds = section(1, repeated(func_type(), count))
    return (HEADER + kinds + section(2, vec(items)) + section(3, b'\1\0') +
            section(7, vec([text('run') + b'\0' + leb(imports)])) + section(10, vec([body(b'')])))


# ---- Memories and tables ---------------------------------------------------------------------------------------------

def memory(limits, more=b''):
    return program(more, (5, section(5, vec([limits]))))


def memories(limits, count):
    return program(b'', (5, section(5, vec([limits] * count))))


def table(limits):
    return program(b'', (4, section(4, vec([FUNC + limits]))))


def tables(limits, count):
    return program(b'', (4, section(4, vec([FUNC + limits] * count))))


def grown(grow, more):
    """Grows by all there is, which fails in the program: the result has to be -1."""
    return program(grow + b'\x42\x7f\x51\x45\x04\x40\0\x0b', more)


# ---- Exceptions --------------------------------------------------------------------------------------------------------

def tag_section(count, kind=0):
    return section(13, repeated(b'\0' + leb(kind), count))


def tags(count):
    return program(b'', (13, tag_section(count)))


def catches(count):
    """One try_table with that many catches of one tag, which is thrown."""
    return program(b'\x02\x40\x1f\x40' + repeated(b'\0\0\0', count) + b'\x08\0' + END + END, (13, tag_section(1)))


def nested_tries(depth):
    start, end = b'\x1f\x40\1\0\1\0', END
    return program(b'\x02\x40' + start * depth + b'\x08\0' + end * depth + END, (13, tag_section(2)))


def legacy_tries(depth):
    return program(b'\x06\x40' * depth + b'\x08\0' + (b'\x07\1' + END) * (depth - 1) + b'\x07\0' + END,
                   (13, tag_section(2)))


def legacy_catches(count):
    return program(b'\x06\x40\x08\1' + b'\x07\0' * count + b'\x07\1' + END, (13, tag_section(2)))


def delegations(depth):
    return program(b'\x06\x40' * (depth + 1) + b'\x08\0' + b'\x18\0' * depth + b'\x07\0' + END, (13, tag_section(1)))


# ---- Code ----------------------------------------------------------------------------------------------------------------

def wide_calls_in_dead_code(params, count):
    kinds = types(func_type(), func_type(I32 * params))
    functions = section(3, b'\2\0\1')
    code = section(10, vec([body(UNREACHABLE + b'\x10\1' * count), body(b'')]))
    return HEADER + kinds + functions + code


def wide_branches(results, count, condition=i32(0), below=b''):
    """br_if over and over with all these values on the stack, above what `below` pushes."""
    kinds = types(func_type(), func_type(b'', I32 * results))
    return program(b'\x02\1' + below + i32(0) * results + (condition + b'\x0d\0') * count + b'\x0c\0' + END +
                   DROP * results, (1, kinds), locals_=[(1, I32[0])])


def wide_returns(results, count):
    """The same out of a function, whose results nobody takes."""
    code = i32(0) * results + (b'\x20\0\x0d\0') * count
    return HEADER + types(func_type(), func_type(b'', I32 * results)) + section(3, b'\2\0\1') + \
        section(7, b'\1\3run\0\0') + section(10, vec([body(b'\x10\1' + DROP * results), body(code, [(1, I32[0])])]))


def wide_br_table(results, labels):
    kinds = types(func_type(), func_type(b'', I32 * results))
    return program(b'\x02\1' + i32(0) * (results + 1) + b'\x0e' + repeated(b'\0', labels) + b'\0' + END + DROP * results,
                   (1, kinds))


def blocks_with_unset_locals(locals_, depth):
    """Locals without a default are set in nested blocks, whose ends make them unset again."""
    kind = b'\x64\x70'
    one = b'\x02\x40' + b'\xd2\0\x21\0'
    code = leb(1) + leb(locals_) + kind + one * depth + END * depth + END
    exports = section(7, vec([text('run') + b'\0\0']))
    return HEADER + types(func_type()) + section(3, b'\1\0') + exports + section(10, b'\1' + leb(len(code)) + code)


def all_locals_in_blocks(locals_, blocks):
    """Each block sets all of them."""
    kind = b'\x64\x70'
    sets = b''.join(b'\xd2\0\x21' + leb(i) for i in range(locals_))
    code = leb(1) + leb(locals_) + kind + (b'\x02\x40' + sets + END) * blocks + END
    exports = section(7, vec([text('run') + b'\0\0']))
    return HEADER + types(func_type()) + section(3, b'\1\0') + exports + section(10, b'\1' + leb(len(code)) + code)


def allocates(code, kind, locals_=()):
    return program(code, (1, types(func_type(), kind)), locals_=locals_)


ARRAY = b'\x5e\x7e\1'   # of i64
ENDLESS_LIST = b'\x5f\2\x63\1\1\x7e\0'


def array_new(length):
    return allocates(i32(length) + b'\xfb\7\1' + DROP, ARRAY)


def endless_list():
    """A list that never ends, all of it in use."""
    loop = b'\x03\x40\x20\0' + i64(0) + b'\xfb\0\1\x21\0\x0c\0' + END
    code = b'\xd0\1\x21\0' + loop
    code = leb(1) + leb(1) + b'\x63\1' + code + END
    return (HEADER + types(func_type(), ENDLESS_LIST) + section(3, b'\1\0') +
            section(7, vec([text('run') + b'\0\0'])) + section(10, b'\1' + leb(len(code)) + code))


def atomic_at(address, align=2):
    return program(i32(address) + b'\xfe\x10' + leb(align) + b'\0' + DROP, (5, section(5, b'\1\3\1\1')))


def hints(functions):
    """A hint for each of many functions."""
    one = body(b'\x41\0\x0d\0')
    section_of_hints = section(0, text('metadata.code.branch_hint') + leb(functions) + b''.join(
        leb(i) + b'\1\3\1\1' for i in range(functions)))
    return (HEADER + types(func_type()) + section(3, repeated(b'\0', functions)) + section_of_hints +
            section(10, repeated(one, functions)))

def default_structs(fields, count):
    kinds = types(func_type(), b'\x5f' + repeated(I32 + b'\0', fields))
    return program((b'\xfb\1\1' + DROP) * count, (1, kinds))


def fixed_arrays_in_dead_code(length, count):
    kinds = types(func_type(), b'\x5e\x7f\0')
    return program(UNREACHABLE + (b'\xfb\x08\1' + leb(length) + DROP) * count, (1, kinds))


EQ, ANY = b'\x6d', b'\x6e'


def subtype_catches(values, count):
    """Clauses whose values are of subtypes of what the label takes."""
    kinds = types(func_type(), func_type(EQ * values), func_type(b'', ANY * values))
    code = b'\x02\2\x1f\x40' + repeated(b'\0\0\0', count) + END + UNREACHABLE + END + DROP * values
    return program(code, (1, kinds), (13, tag_section(1, 1)))


def subtype_br_table(values, labels):
    kinds = types(func_type(), func_type(b'', ANY * values))
    code = b'\x02\1' + b'\xd0\x6d' * values + i32(0) + b'\x0e' + repeated(b'\0', labels) + b'\0' + END + DROP * values
    return program(code, (1, kinds))


def subtype_calls(values, count):
    """Calls of a function whose results are of subtypes of its parameters."""
    kinds = types(func_type(), func_type(ANY * values, EQ * values))
    first = body(b'\xd0\x6d' * values + b'\x10\1' * count + DROP * values)
    return HEADER + kinds + section(3, b'\2\0\1') + section(10, vec([first, body(UNREACHABLE)]))


def calls_of_deep_subtypes(values, depth, count):
    """As subtype_calls, with types of two chains in turn, the last of which are given where the first are wanted."""
    def chain(start, field):
        return [b'\x50' + (leb(1) + leb(start + i - 1) if i else b'\0') + b'\x5f\1' + field + b'\0'
                for i in range(depth + 1)]
    first, second = 1, depth + 2
    wanted = b'\x63' + sleb(first) + b'\x63' + sleb(second)
    given = b'\x63' + sleb(first + depth) + b'\x63' + sleb(second + depth)
    kind = b'\x60' + leb(values) + wanted * (values // 2) + leb(values) + given * (values // 2)
    kinds = types(func_type(), *chain(first, I32), *chain(second, I64), kind)
    nulls = (b'\xd0' + sleb(first + depth) + b'\xd0' + sleb(second + depth)) * (values // 2)
    caller = body(nulls + b'\x10\1' * count + DROP * values)
    return (HEADER + kinds + section(3, b'\2\0' + leb(second + depth + 1)) +
            section(10, vec([caller, body(UNREACHABLE)])))


def wide_null_branches(values, count):
    """br_on_null over and over with all these values on the stack."""
    kinds = types(func_type(), func_type(b'', I32 * values))
    code = b'\x02\1' + i32(0) * values + (b'\xd0\x6e\xd5\0' + DROP) * count + END + DROP * values
    return program(code, (1, kinds))


def nested_tries_that_call(depth):
    """Each level has a call of its own, which may throw through all levels around it."""
    start = b'\x1f\x40\1\0\1\0\x10\1'
    kinds = types(func_type())
    first = body(b'\x02\x40' + start * depth + END * depth + END)
    return (HEADER + kinds + section(3, b'\2\0\0') + tag_section(2) + section(7, vec([text('run') + b'\0\0'])) +
            section(10, vec([first, body(b'')])))


def references_under_calls(references, calls):
    """All these references have to be found by the collector at every call."""
    kinds = types(func_type(), STRUCT)
    one = b'\xfb\0\1' + b'\x10\1' * calls
    first = body(one * references + DROP * references)
    return (HEADER + kinds + section(3, b'\2\0\0') + section(7, vec([text('run') + b'\0\0'])) +
            section(10, vec([first, body(b'')])))



def small():
    """Small ones of the same shapes, for the fuzz targets: name -> bytes."""
    return {
        'subtypes': chain_of_subtypes(5), 'ring': ring_of_types(3), 'equal-rings': equal_rings(3, 3),
        'groups': groups_that_differ_at_the_end(3, 3), 'doubling': doubling_types(4), 'wide-subtypes': wide_subtypes(3, 3),
        'casts': casts(4), 'dead-structures': huge_struct_in_dead_code(4, 2), 'default-structures': default_structs(4, 2),
        'fixed-arrays': fixed_arrays_in_dead_code(3, 2), 'null-branches': wide_null_branches(2, 2),
        'references': references_under_calls(3, 2), 'unset-locals': blocks_with_unset_locals(3, 3),
        'catches': catches(3), 'subtype-catches': subtype_catches(2, 2), 'nested-tries': nested_tries_that_call(3),
        'legacy-tries': legacy_tries(3), 'legacy-catches': legacy_catches(3), 'delegations': delegations(3),
        'br-table': subtype_br_table(2, 3), 'subtype-calls': subtype_calls(2, 2), 'tables': tables(b'\0\1', 2),
        'growing': grown(i64(1) + b'\x40\0', (5, section(5, b'\1\5\0\1'))), 'page-of-a-byte': memory(b'\x08\1\0'),
        'atomic': atomic_at(0), 'hints': hints(3),
    }


# ---- What is expected ----------------------------------------------------------------------------------------------------

def all_cases():
    for cases in (memory_cases, table_cases, code_cases, type_cases, object_cases, exception_cases):
        yield from cases()


def memory_cases():
    page, exabytes = 1 << 16, 1 << 48
    yield Case('16 exabytes', lambda: memory(b'\4' + leb(exabytes)), RUN, 126,
               'a memory of 281474976710656 pages does not fit the address space')
    yield Case('16 exabytes, validated', lambda: memory(b'\4' + leb(exabytes)), 'validate')
    yield Case('16 exabytes and a page', lambda: memory(b'\4' + leb(exabytes + 1)), 'validate', 126,
               'memory size must be at most 281474976710656')
    yield Case('1 exabyte', lambda: memory(b'\4' + leb(1 << 44)), UNLIMITED, 125, 'the system has no room for a memory')
    yield Case('1 terabyte', lambda: memory(b'\4' + leb(1 << 24)), UNLIMITED)
    yield Case('1 terabyte, limited', lambda: memory(b'\4' + leb(1 << 24)), 'run --max-memory 1G --invoke run', 110,
               'exceeds the memory limit')
    yield Case('at most 16 exabytes', lambda: memory(b'\5\0' + leb(exabytes)), RUN)
    yield Case('growing to 16 exabytes', lambda: grown(i64(exabytes) + b'\x40\0', (5, section(5, b'\1\4\0'))), RUN)
    yield Case('growing beyond 2^64', lambda: grown(i64(-1) + b'\x40\0', (5, section(5, b'\1\4\1'))), RUN)
    yield Case('100 memories of 4 GB', lambda: memories(b'\0' + leb(page), 100), UNLIMITED)
    yield Case('100 memories of 1 TB', lambda: memories(b'\4' + leb(1 << 24), 100), UNLIMITED, 125,
               'the system has no room for a memory')
    yield Case('101 memories', lambda: memories(b'\0\0', 101), 'validate', 126, 'at most 100 are allowed')
    yield Case('shared without a maximum', lambda: memory(b'\2\0'), 'validate', 126,
               'a shared memory must have a maximum')
    yield Case('shared, of 16 exabytes', lambda: memory(b'\7' + leb(exabytes) * 2), RUN, 126,
               'does not fit the address space')
    yield Case('shared, at most 16 exabytes', lambda: memory(b'\7\0' + leb(exabytes)), RUN)
    yield Case('shared, at most 4 GB', lambda: memory(b'\3\0' + leb(page)), RUN)
    yield Case('100 shared memories of 4 GB', lambda: memories(b'\3\0' + leb(page), 100), RUN)
    yield Case('wrongly aligned atomic', lambda: atomic_at(0, align=1), 'validate', 126,
               'the alignment must be natural')
    yield Case('atomic at an odd address', lambda: atomic_at(2), RUN, 134, 'unaligned atomic')
    yield Case('4 GB of pages of a byte', lambda: memory(b'\x08' + leb((1 << 32) - 1) + b'\0'),
               'run --max-memory 0 -W custom-page-sizes --invoke run')
    yield Case('pages of 2^64 bytes', lambda: memory(b'\x08\0\x40'), 'validate -W custom-page-sizes', 126,
               'invalid custom page size')


def table_cases():
    yield Case('table of 2^64 elements', lambda: table(b'\4' + leb((1 << 64) - 1)), RUN, 126,
               'a table of 18446744073709551615 elements exceeds the limit of 10000000')
    yield Case('table of 2^64 elements, validated', lambda: table(b'\4' + leb((1 << 64) - 1)), 'validate')
    yield Case('growing a table by 2^63 elements', lambda: grown(b'\xd0\x70' + i64((1 << 63) - 1) + b'\xfc\x0f\0',
                                                                (4, section(4, b'\1\x70\4\0'))), RUN)
    yield Case('1000 tables of 10 million elements', lambda: tables(b'\0' + leb(10000000), 1000), UNLIMITED,
               more_bytes=8 << 20)
    yield Case('too many tables', lambda: tables(b'\0\0', 65001), 'validate', 126, 'at most 65000 are allowed')


def code_cases():
    yield Case('calls with 1000 parameters in dead code', lambda: wide_calls_in_dead_code(1000, MANY), 'validate')
    yield Case('branches with 1000 results', lambda: wide_branches(1000, MANY), 'validate')
    local = b'\x20\0'
    yield Case('branches with 1000 results, translated', lambda: wide_branches(1000, MANY), RUN)
    yield Case('branches by a local, 1000 results', lambda: wide_branches(1000, MANY, local), RUN)
    yield Case('branches by a local, 1000 results to be moved', lambda: wide_branches(1000, MANY // 10, local, i32(0)), RUN)
    yield Case('branches by a local, 1000 results, 40000', lambda: wide_branches(1000, 40000, local), RUN)
    yield Case('branches by a local, 3 results to be moved', lambda: wide_branches(3, MANY // 10, local, i32(0)), RUN)
    yield Case('returns of 1000 results', lambda: wide_returns(1000, MANY // 10), RUN)
    yield Case('br_table of 65520 labels, 1000 results', lambda: wide_br_table(1000, 65520), RUN)
    yield Case('a million blocks that are left', lambda: blocks_that_are_left(MANY), RUN)
    yield Case('6000 loops in each other, 40000 locals in the innermost', lambda: loops_and_locals(6000, 40000), RUN)
    # More machine code than jumps reach over on some processors: for the interpreter.
    yield Case('a branch over a million calls of the runtime', lambda: branch_over_sizes(MANY + 50000), RUN,
               more_bytes=256 << 20)
    yield Case('a million divisions', lambda: divisions(MANY), RUN)
    yield Case('hints for 500000 functions', lambda: hints(500000), 'validate')


def type_cases():
    yield Case('chain of a million subtypes', lambda: chain_of_subtypes(MANY), 'validate', 126,
               'type 64 has more than 63 supertypes')
    yield Case('group of a million types', lambda: one_group(MANY), 'validate')
    yield Case('ring of a million types', lambda: ring_of_types(MANY), 'validate')
    yield Case('a million equal groups', lambda: equal_groups(MANY), 'validate')
    yield Case('1000 equal rings of 1000', lambda: equal_rings(1000, 1000), 'validate')
    yield Case('10 equal rings of 100000', lambda: equal_rings(10, 100000), 'validate')
    yield Case('1000 groups that differ at the end', lambda: groups_that_differ_at_the_end(1000, 1000), 'validate')
    yield Case('types that double', lambda: doubling_types(MANY), 'validate')
    yield Case('300 subtypes with 10000 fields', lambda: wide_subtypes(10000, 300), 'validate')
    yield Case('too many fields', lambda: struct_of(10001), 'validate', 126, 'at most 10000 are allowed')
    yield Case('too many types', lambda: equal_groups(MANY + 1), 'validate', 126, 'at most 1000000 are allowed')
    # An engine keeps its types; each takes some 100 bytes beyond those in the module.
    yield Case('group of a million types, run', lambda: instance_of_types(rec([STRUCT] * (MANY - 1))), RUN,
               more_bytes=128 << 20)
    yield Case('ring of a million types, run', lambda: instance_of_types(
        rec([refers_to(1 + (i + 1) % (MANY - 1)) for i in range(MANY - 1)])), RUN, more_bytes=128 << 20)
    yield Case('2000 missing imports beside a million types', lambda: imports_and_types(2000, MANY),
               'run --unknown-imports=trap --invoke run')


def object_cases():
    yield Case('structures of 10000 fields in dead code', lambda: huge_struct_in_dead_code(10000, MANY), 'validate')
    yield Case('structures of 10000 default fields', lambda: default_structs(10000, MANY), 'validate')
    yield Case('fixed arrays in dead code', lambda: fixed_arrays_in_dead_code(10000, MANY), 'validate')
    yield Case('100000 casts', lambda: casts(100000), RUN)
    yield Case('array of 2^32 elements', lambda: array_new(-1), RUN, 134, 'no memory left for objects')
    yield Case('array of 2^27 elements, limited', lambda: array_new(1 << 27), 'run --max-memory 64M --invoke run', 110,
               'no memory left for objects')
    yield Case('endless list', endless_list, 'run --max-memory 64M --invoke run', 110, 'no memory left for objects',
               more_bytes=80 << 20)
    yield Case('20000 references under 50 calls each', lambda: references_under_calls(20000, 50), RUN)
    yield Case('unset locals in deep blocks', lambda: blocks_with_unset_locals(40000, 40000), 'validate')
    yield Case('40000 locals set in each block', lambda: all_locals_in_blocks(40000, 30), 'validate')
    yield Case('calls with 1000 subtypes', lambda: subtype_calls(1000, 100000), 'validate')
    yield Case('calls with 1000 subtypes of 63 supertypes', lambda: calls_of_deep_subtypes(1000, 63, 50000), 'validate')
    yield Case('br_table of 65520 labels, 1000 subtypes', lambda: subtype_br_table(1000, 65520), 'validate')
    yield Case('br_on_null with 1000 values', lambda: wide_null_branches(1000, 100000), 'validate')


def exception_cases():
    legacy = 'run -W legacy-exceptions --invoke run'
    yield Case('a million tags', lambda: tags(MANY), RUN)
    yield Case('too many tags', lambda: tags(MANY + 1), 'validate', 126, 'at most 1000000 are allowed')
    yield Case('100000 catches', lambda: catches(100000), RUN)
    yield Case('100000 catches of 1000 subtypes', lambda: subtype_catches(1000, 100000), 'validate')
    yield Case('40000 nested tries', lambda: nested_tries(40000), RUN, 134, 'uncaught exception')
    yield Case('40000 nested tries that call', lambda: nested_tries_that_call(40000), RUN)
    yield Case('40000 legacy tries', lambda: legacy_tries(40000), legacy)
    yield Case('100000 legacy catches', lambda: legacy_catches(100000), legacy)
    yield Case('40000 delegations', lambda: delegations(40000), legacy)
