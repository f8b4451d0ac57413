#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the second wall adds to the start of `hello`: --isolate wall and process beside none, and a native program for
scale. `./x bench wall [--rounds N] [--tier TIER]`, 400 rounds as normal, started by bench/starts.c.

Judged as bench/lib/overhead.py says. `process` starts a second process and has no bar."""

import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))

import overhead
from measure import Failed, run
from report import Report
from setting import ROOT, Setting, arguments, finish

BAR_MS = 0.3
ROUNDS = 400


def check(command):
    """And warms caches."""
    sample = run(command)
    if sample.output != b"hello\n":
        raise Failed(f"{command[0]}: printed {sample.output!r}")


def measure(setting, report, rounds):
    source = ROOT / "bench" / "guests" / "hello.c"
    native = setting.compile("hello-static", [source], "-static")
    module = setting.compile("hello.wasm", [source], "--target=wasm32-wasi")
    streams = {name: setting.cay_run("--isolate", isolate, module) for name, isolate in
               (("without", "none"), ("again", "none"), ("wall", "wall"), ("process", "process"))}
    streams["native, static"] = [native]
    for command in streams.values():
        check(command)
    load = os.getloadavg()[0]
    overhead.compare_starts(report, "start of hello", f"Start of hello ({setting.tier}), whole processes", streams,
                            setting.tool("starts"), rounds, {"wall": BAR_MS, "process": None})
    report.tables[-1]["note"] = f"load of the machine: {load:.1f} before, {os.getloadavg()[0]:.1f} after"


def main():
    parser = arguments(__doc__)
    parser.add_argument("--tier", default="baseline", choices=["baseline", "interp", "auto"])
    parser.set_defaults(rounds=ROUNDS)
    options = parser.parse_args()
    try:
        setting = Setting(options)
        report = Report(setting.machine())
        measure(setting, report, options.rounds)
    except Failed as failure:
        sys.exit(f"bench: {failure}")
    return finish(report, options)


if __name__ == "__main__":
    sys.exit(main())
