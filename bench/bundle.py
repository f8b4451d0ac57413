#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the start of a bundle takes: beside `cay run` of the same module compiled ahead, of the module itself in the baseline,
and of a native program. `./x bench bundle [--rounds N]`, 400 rounds as normal, started by bench/starts.c.

`hello` is as small as a program is, `qjs -e 1` (QuickJS, of tests/guests) has a module of 1.5 MB. The differences
are told as bench/lib/overhead.py says; a bundle's start takes no longer than that of the file that it was made of."""

import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))

import guests
import overhead
from measure import Failed
from report import Report
from setting import ROOT, Setting, arguments, finish

BAR = 1.05  # of the minima
ROUNDS = 400


def make(setting, *words):
    done = subprocess.run([setting.cay, *map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"cay {words[0]}: {done.stderr}")
    if "without machine code" in done.stdout:
        raise Failed("this cay cannot compile ahead of time (docs/optimizer.md)")


def measure(setting, report, name, module, words, native):
    kept, bundle = setting.work / f"{name}.cay", setting.work / f"{name}.bundle"
    make(setting, "compile", "--cpu", "portable", module, "-o", kept)
    make(setting, "bundle", module, "-o", bundle)
    ahead = [setting.cay, "run", "--trust-precompiled", str(kept), *words]
    streams = {"without": ahead, "again": ahead, "bundle": [str(bundle), *words],
               "baseline": setting.cay_run(module, *words, tier="baseline"), **native}
    load = os.getloadavg()[0]
    overhead.compare_starts(report, f"start of {name}", f"Start of {name} ({bundle.stat().st_size} bytes), whole processes",
                            streams, setting.tool("starts"), setting.least, {"bundle": None, "baseline": None})
    least = {row[0]: row[1] for row in report.tables[-1]["rows"]}
    report.bar(f"start of {name}, bundle/run", least["bundle"] / min(least["without"], least["again"]), BAR)
    report.tables[-1]["note"] = f"without: cay run --trust-precompiled; load of the machine: {load:.1f} before, " \
                                f"{os.getloadavg()[0]:.1f} after"


def main():
    parser = arguments(__doc__)
    parser.set_defaults(rounds=ROUNDS)
    options = parser.parse_args()
    source = ROOT / "bench" / "guests" / "hello.c"
    try:
        setting = Setting(options)
        report = Report(setting.machine())
        native = {"native, static": [setting.compile("hello-static", [source], "-static")],
                  "native, dynamic": [setting.compile("hello-dynamic", [source])]}
        measure(setting, report, "hello", setting.compile("hello.wasm", [source], "--target=wasm32-wasi"), [], native)
        measure(setting, report, "qjs", guests.find("qjs.wasm") / "bin" / "qjs.wasm", ["-e", "1"], {})
    except Failed as failure:
        sys.exit(f"bench: {failure}")
    return finish(report, options)


if __name__ == "__main__":
    sys.exit(main())
