#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Guests that work the garbage-collected heap, made by hand. `modules.py FILE` writes the module.

Each export checks what it built: it returns what run.py expects, or runs into `unreachable`."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from binary_format import HEADER, leb, section, sleb, text, vec  # noqa: E402

I32, I64 = b'\x7f', b'\x7e'

# ---- Types ---------------------------------------------------------------------------------------------------------

CELL, CELLS, PAIR, PAIRS, LINK, BYTES, BYTES_RING, WIDE = range(8)
FUNC_TYPES = 8


def ref(index):
    return b'\x63' + sleb(index)


def struct(*fields):
    return b'\x5f' + vec([field + b'\1' for field in fields])


def array(elem):
    return b'\x5e' + elem + b'\1'


TYPES = [struct(I64, I64, I64), array(ref(CELL)), struct(ref(PAIR), ref(PAIR), I64), array(ref(PAIR)), struct(ref(LINK)),
         array(b'\x78'), array(ref(BYTES)), struct(ref(WIDE), I64, I64, I64, I64)]

# ---- Instructions -----------------------------------------------------------------------------------------------------


def get(local):
    return b'\x20' + leb(local)


def put(local, value=b''):
    return value + b'\x21' + leb(local)


def tee(local, value=b''):
    return value + b'\x22' + leb(local)


def i32(value):
    return b'\x41' + sleb(value)


def i64(value):
    return b'\x42' + sleb(value)


def null(index):
    return b'\xd0' + sleb(index)


def gc(code, *immediates):
    return b'\xfb' + leb(code) + b''.join(leb(i) for i in immediates)


def new(index, *fields):
    return b''.join(fields) + gc(0, index)


def field(index, number, of):
    return of + gc(2, index, number)


def set_field(index, number, of, value):
    return of + value + gc(5, index, number)


def new_array(index, length):
    return length + gc(7, index)


def elem(index, of, at, unsigned=False):
    return of + at + gc(13 if unsigned else 11, index)


def set_elem(index, of, at, value):
    return of + at + value + gc(14, index)


IS_NULL, DROP, UNREACHABLE, RETURN = b'\xd1', b'\x1a', b'\0', b'\x0f'
ADD, SUB, MUL, REM, AND, EQZ, EQ, NE, LT = b'\x6a', b'\x6b', b'\x6c', b'\x70', b'\x71', b'\x45', b'\x46', b'\x47', b'\x49'
ADD64, SUB64, NE64, LT64, EXTEND = b'\x7c', b'\x7d', b'\x52', b'\x54', b'\xad'


def if_(condition, *then):
    return condition + b'\x04\x40' + b''.join(then) + b'\x0b'


def repeat(*body):
    """A loop that goes on while what its body leaves is not zero."""
    return b'\x03\x40' + b''.join(body) + b'\x0d\0\x0b'


def count_up(local, limit, *body):
    return put(local, i32(0)) + repeat(*body, tee(local, get(local) + i32(1) + ADD), limit, LT)


def call(index):
    return b'\x10' + leb(index)


# ---- Programs ---------------------------------------------------------------------------------------------------------

KEPT = 100_000


def churn():
    """(rounds) Allocates ten 32-byte objects a round and keeps one of them; each kept one is checked when it goes, and
    has to be the one that came KEPT rounds before."""
    rounds, table, place, number, old = range(5)
    cell = new(CELL, get(number), i64(7), get(number))
    step = put(number, get(number) + i64(1) + ADD64)
    check = if_(get(old) + IS_NULL + EQZ,
                if_(field(CELL, 0, get(old)) + i64(KEPT) + ADD64 + get(number) + NE64, UNREACHABLE),
                if_(field(CELL, 2, get(old)) + i64(KEPT) + ADD64 + get(number) + NE64, UNREACHABLE))
    code = (put(table, new_array(CELLS, i32(KEPT)))
            + repeat((cell + DROP) * 9,
                     put(old, elem(CELLS, get(table), get(place))), check,
                     set_elem(CELLS, get(table), get(place), cell), step,
                     put(place, get(place) + i32(1) + ADD),
                     if_(get(place) + i32(KEPT) + EQ, put(place, i32(0))),
                     get(number) + get(rounds) + EXTEND + LT64)
            + get(number))
    return [I32], [I64], [ref(CELLS), I32, I64, ref(CELL)], code


def cycles():
    """(count) Makes rings of three objects that nothing else knows."""
    count, i, a, b = range(4)
    one = count_up(i, get(count),
                   put(a, new(PAIR, null(PAIR), null(PAIR), i64(1))),
                   put(b, new(PAIR, get(a), get(a), i64(2))),
                   set_field(PAIR, 0, get(a), new(PAIR, get(b), get(a), i64(3))),
                   set_field(PAIR, 1, get(a), get(b)))
    return [I32], [I64], [I32, ref(PAIR), ref(PAIR)], one + field(PAIR, 2, field(PAIR, 0, get(a)))


def build_list(limit):
    length, head, i = range(3)
    return count_up(i, limit, put(head, new(LINK, get(head))))


def linked_list():
    """(length) Builds a list and counts its nodes, with garbage made at each."""
    length, head, i = range(3)
    code = (build_list(get(length)) + put(i, i32(0))
            + b'\x02\x40' + repeat(get(head) + IS_NULL + b'\x0d\1', new(LINK, null(LINK)) + DROP,
                                   put(i, get(i) + i32(1) + ADD),
                                   put(head, field(LINK, 0, get(head))), i32(1)) + b'\x0b' + get(i))
    return [I32], [I32], [ref(LINK), I32], code


def keep_all():
    """Builds a list until the heap is exhausted."""
    return [], [], [ref(LINK), I32], repeat(put(0, new(LINK, get(0))), i32(1))


def keep_one_in_each_block():
    """(count) Fills the heap with a list, of which it keeps one of 2,014 objects of 32 bytes: what a block holds. Then
    it wants another size, for which no block is empty."""
    count, i, node, next_, kept, others = range(6)
    code = (count_up(i, get(count), put(node, new(PAIR, get(node), null(PAIR), i64(0))))
            + count_up(i, get(count),
                       put(next_, field(PAIR, 0, get(node))),
                       if_(get(i) + i32(2014) + REM + EQZ, set_field(PAIR, 0, get(node), get(kept)), put(kept, get(node))),
                       put(node, get(next_)))
            + repeat(put(others, new(WIDE, get(others), *[i64(0)] * 4)), i32(1)))
    return [I32], [], [I32, ref(PAIR), ref(PAIR), ref(PAIR), ref(WIDE)], code


def changing_sizes():
    """(count) Arrays of changing length, of which the last 64 live; each has its length in its ends."""
    count, ring, i, length, old, place = range(6)
    low = get(length) + i32(255) + AND
    check = if_(elem(BYTES, get(old), i32(0), True) + elem(BYTES, get(old), get(old) + gc(15) + i32(1) + SUB, True) + NE,
                UNREACHABLE)
    code = (put(ring, new_array(BYTES_RING, i32(64)))
            + count_up(i, get(count),
                       put(length, get(i) + i32(1000003) + MUL + i32(50021) + REM + i32(2) + ADD),
                       if_(get(i) + i32(15) + AND + EQZ + EQZ, put(length, get(length) + i32(300) + REM + i32(2) + ADD)),
                       put(place, get(i) + i32(63) + AND),
                       put(old, elem(BYTES_RING, get(ring), get(place))),
                       if_(get(old) + IS_NULL + EQZ, check),
                       put(old, new_array(BYTES, get(length))),
                       set_elem(BYTES, get(old), i32(0), low),
                       set_elem(BYTES, get(old), get(length) + i32(1) + SUB, low),
                       set_elem(BYTES_RING, get(ring), get(place), get(old)))
            + get(i))
    return [I32], [I32], [ref(BYTES_RING), I32, I32, ref(BYTES), I32], code


def wide():
    """(length) One array of so many objects, which are summed after a collection's worth of garbage."""
    length, table, i, total = range(4)
    code = (put(table, new_array(PAIRS, get(length)))
            + count_up(i, get(length),
                       set_elem(PAIRS, get(table), get(i), new(PAIR, null(PAIR), null(PAIR), get(i) + EXTEND)))
            + count_up(i, get(length), new(PAIR, null(PAIR), null(PAIR), i64(0)) + DROP)
            + count_up(i, get(length),
                       put(total, get(total) + field(PAIR, 2, elem(PAIRS, get(table), get(i))) + ADD64))
            + get(total))
    return [I32], [I64], [ref(PAIRS), I32, I64], code


TREE = 7


def tree():
    """(depth) A binary tree: half of its references live in frames of the recursion while it grows."""
    depth = 0
    code = (if_(get(depth) + EQZ, new(PAIR, null(PAIR), null(PAIR), i64(1)), RETURN)
            + get(depth) + i32(1) + SUB + call(TREE) + get(depth) + i32(1) + SUB + call(TREE) + i64(1) + gc(0, PAIR))
    return [I32], [ref(PAIR)], [], code


COUNT = 8


def count_tree():
    code = (if_(get(0) + IS_NULL, i64(0), RETURN)
            + field(PAIR, 2, get(0)) + field(PAIR, 0, get(0)) + call(COUNT) + ADD64
            + field(PAIR, 1, get(0)) + call(COUNT) + ADD64)
    return [ref(PAIR)], [I64], [], code


def trees():
    """(depth, rounds) Builds trees one after the other beside one that stays; the sum of their sizes."""
    depth, rounds, i, kept, total = range(5)
    code = (put(kept, get(depth) + call(TREE))
            + count_up(i, get(rounds), put(total, get(total) + get(depth) + call(TREE) + call(COUNT) + ADD64))
            + get(total) + get(kept) + call(COUNT) + ADD64)
    return [I32, I32], [I64], [I32, ref(PAIR), I64], code


FUNCTIONS = [('churn', churn), ('cycles', cycles), ('list', linked_list), ('keep_all', keep_all),
             ('keep_one_in_each_block', keep_one_in_each_block), ('changing_sizes', changing_sizes), ('wide', wide),
             ('tree', tree), ('count_tree', count_tree), ('trees', trees)]


def module():
    made = [function() for _, function in FUNCTIONS]
    types = TYPES + [b'\x60' + vec(params) + vec(results) for params, results, _, _ in made]
    bodies = []
    for _, _, local_types, code in made:
        body = vec([b'\1' + kind for kind in local_types]) + code + b'\x0b'
        bodies.append(leb(len(body)) + body)
    exports = [text(name) + b'\0' + leb(i) for i, (name, _) in enumerate(FUNCTIONS)]
    return (HEADER + section(1, vec(types)) + section(3, vec([leb(FUNC_TYPES + i) for i in range(len(made))]))
            + section(7, vec(exports)) + section(10, vec(bodies)))


if __name__ == '__main__':
    with open(sys.argv[1], 'wb') as out:
        out.write(module())
