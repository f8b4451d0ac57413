#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What an embedder pays: calls between host and guest in both directions, and making, using and ending instances, beside
wasmtime's C API with its pooling allocator. `./x bench embed [--rounds N]`

Each side is one process (bench/embed.c, bench/peers/wasmtime_embed.c), which prints the median of a hundred batches of each
operation. The two run in turn; what is compared is the smallest of these medians."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))

import peers
from measure import alternate, low, run
from setting import ROOT, arguments, measured

# What is measured, what it is, the bar in nanoseconds (None: only wasmtime's time is), and wasmtime's way of doing the same.
OPERATIONS = {
    "call": ("host -> guest and back, wasm_func_call", 25, "call"),
    "call-typed-standard": ("... by slots, cay_wasm_func_call", 25, "call-typed"),
    "call-typed": ("... by slots, cay_run_call", 25, "call-typed"),
    "call-host-boxed": ("guest -> host and back, wasm_func_new", None, None),
    "call-host": ("... by slots, cay_imports_add", None, "call-host"),
    "instantiate": ("instantiate a WASI module, pooled", 800, "instantiate"),
    "drop": ("drop it unused", 1500, "drop"),
    "instantiate-and-use": ("instantiate, and a call that writes a page", None, "instantiate-and-use"),
    "drop-used": ("drop it used", 1500, "drop-used"),
    "use-once": ("instantiate, use, drop, one after the other", None, "use-once"),
}


def figures(sample):
    return {name: float(value) for name, value in (line.split() for line in sample.output.decode().splitlines())}


def measure(setting, report):
    guests = [setting.compile(f"embed_{name}.wasm", [ROOT / f"bench/guests/embed_{name}.c"], "--target=wasm32-wasi",
                              "-mexec-model=reactor") for name in ("calls", "small")]
    sides = {"cay": [setting.tool("embed"), *guests], "wasmtime": [peers.command("wasmtime_embed"), *guests]}
    samples = alternate({side: lambda command=command: run(command) for side, command in sides.items()}, setting.least)
    taken = {side: [figures(sample) for sample in of_side] for side, of_side in samples.items()}
    rows = report.table("nanoseconds, smallest median", ["operation", "cay", "wasmtime", "cay/wasmtime"])
    for name, (meaning, most, peer) in OPERATIONS.items():
        ours = low([sample[name] for sample in taken["cay"]])
        theirs = low([sample[peer] for sample in taken["wasmtime"]]) if peer else None
        rows.append([meaning, ours, theirs or "", ours / theirs if theirs else ""])
        if most:
            report.bar(meaning, ours, most, " ns")
        if theirs:
            report.bar(f"{meaning}, of wasmtime's", ours / theirs, 1)


def main():
    return measured(arguments(__doc__).parse_args(), measure)


if __name__ == "__main__":
    sys.exit(main())
