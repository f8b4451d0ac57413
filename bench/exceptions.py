#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What exceptions cost: ns that a round of a loop takes with a call in it, with the same call where exceptions are caught, which
the callee never throws, with an access to memory there, and where one is thrown in each round. `./x bench exceptions`

Whole processes with many rounds less those with few; in turn, minima.
"""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bench" / "lib"))
sys.path.insert(0, str(ROOT / "tests"))

from binary_format import HEADER, leb, section, sleb, text, vec
from measure import alternate, low, run
from setting import arguments, measured

TIERS = ["interp", "baseline", "optimized"]
FEW, MANY, THROWN = 1000, 200_000_000, 2_000_000
INTERPRETED = 10 # as many rounds less in the interpreter

I32, VOID = 0x7F, 0x40
GET, SET, TEE, CALL, THROW = (lambda index, code=code: bytes([code]) + leb(index) for code in (0x20, 0x21, 0x22, 0x10, 0x08))
END, ADD, SUB, AND, EQZ, DROP, UNREACHABLE, XOR = (bytes([code]) for code in (0x0B, 0x6A, 0x6B, 0x71, 0x45, 0x1A, 0x00, 0x73))
BLOCK = bytes([0x02, I32])
CATCH = bytes([0x1F, I32, 1, 0x00, 0, 0])  # a block with an i32, whose exceptions of tag 0 branch out of it
ADDS, THROWS = 0, 1


def number(value):
    return b"\x41" + sleb(value)


def load(address):
    return address + b"\x28\x02\x00"


def caught(body):
    return BLOCK + CATCH + body + END + END


# Locals: 0 the rounds that are left, 1 the sum, 2 to 4 what changes in each round and waits for the call.
def looping(body):
    step = GET(2) + number(3) + ADD + SET(2) + GET(3) + GET(2) + XOR + SET(3) + GET(4) + GET(3) + ADD + SET(4)
    left = GET(0) + number(1) + SUB + TEE(0) + b"\x0d\x00"
    return b"\x03" + bytes([VOID]) + body + GET(4) + ADD + SET(1) + step + left + END + GET(1) + GET(4) + ADD


CALLED = GET(1) + CALL(ADDS)
LOADED = load(GET(1) + number(0xFFFC) + AND)
ROUNDS = {
    "a call": (CALLED, MANY),
    "a call, caught": (caught(CALLED), MANY),
    "a load": (LOADED, MANY),
    "a load, caught": (caught(LOADED), MANY),
    "thrown here": (caught(GET(1) + THROW(0)), THROWN),
    "thrown by the callee": (caught(GET(1) + CALL(THROWS)), THROWN),
}


def function(body, locals_count=0):
    code = (vec([leb(locals_count) + bytes([I32])]) if locals_count else b"\0") + body + END
    return leb(len(code)) + code


def module():
    bodies = [function(GET(0) + number(7) + XOR), function(GET(0) + THROW(0))]
    bodies += [function(looping(body), 4) for body, _ in ROUNDS.values()]
    types = vec([b"\x60" + vec([bytes([I32])]) + vec([bytes([I32])]), b"\x60" + vec([bytes([I32])]) + vec([])])
    exports = vec([text(name) + b"\0" + leb(2 + at) for at, name in enumerate(ROUNDS)])
    return (HEADER + section(1, types) + section(3, vec([leb(0)] * len(bodies))) + section(5, vec([b"\0\1"])) +
            section(13, vec([b"\0\1"])) + section(7, exports) + section(10, vec(bodies)))


def measure(setting, report):
    path = setting.work / "exceptions.wasm"
    path.write_bytes(module())
    rows = report.table("A round of a loop, in ns", ["with", *TIERS])
    for name, (_, most) in ROUNDS.items():
        counts = {tier: most // (INTERPRETED if tier == "interp" else 1) for tier in TIERS}
        streams = {(tier, count): setting.cay_run("--cache", "off", "--invoke", name, path, count, tier=tier)
                   for tier in TIERS for count in (FEW, counts[tier])}
        samples = alternate({stream: lambda command=command: run(command) for stream, command in streams.items()},
                            setting.least)
        best = {stream: low([sample.cpu_s for sample in taken]) for stream, taken in samples.items()}
        rows.append([name, *((best[tier, counts[tier]] - best[tier, FEW]) / (counts[tier] - FEW) * 1e9 for tier in TIERS)])


def main():
    return measured(arguments(__doc__).parse_args(), measure)


if __name__ == "__main__":
    sys.exit(main())
