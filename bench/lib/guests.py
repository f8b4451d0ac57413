# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Real programs, in cay's interpreter and in Pulley, the interpreter of wasmtime.

Pulley gets a file that was compiled beforehand, so that its compile time is not counted; cay gets the .wasm file and
what it does to it is counted.
"""

import os
import pathlib
import re
import subprocess
import sys

import peers
from measure import Failed, alternate, cpu_times, geometric_mean, low, middle, progress, run
from setting import ROOT

BAR = 0.5
SCRIPT = ROOT / "bench" / "guests" / "bench.lua"
# Name: the guest's file, its arguments, its standard input.
PROGRAMS = {
    "SQLite speedtest1": ("speedtest1.wasm", ["--memdb", "--size", "3", "--verify"], "/dev/null"),
    "Lua": ("lua.noerr.wasm", ["-"], str(SCRIPT)),
}


# The recipes of tests/guests/build.sh that make a guest.
RECIPES = {"speedtest1.wasm": "sqlite", "lua.noerr.wasm": "lua", "qjs.wasm": "quickjs", "zstdround.wasm": "zstd",
           "hello.go.wasm": "go", "yosys.wasm": "yosys", "clang.wasm": "clang",
           "workload-sha256.wasm": "workloads", "workload-records.wasm": "workloads", "workload-sha256.rust.wasm": "rustworkloads"}


def find(*files):
    """The folder of the guests, with `bin` and `native` below, once it has these files; what is missing is built.
    CAY_GUESTS names another place where they lie."""
    path = pathlib.Path(os.environ.get("CAY_GUESTS") or ROOT / "build" / "guests")
    missing = sorted({RECIPES[file] for file in files if not (path / "bin" / file).exists()})
    if missing:
        progress(f"building {', '.join(missing)} into {path}")
        subprocess.run(["bash", str(ROOT / "tests" / "guests" / "build.sh"), str(path), *missing], check=True,
                       stdout=sys.stderr)
    for file in files:
        if not (path / "bin" / file).exists():
            raise Failed(f"the guest {file} cannot be had here; see {path / 'skipped' / RECIPES[file]}")
    return path


def folder():
    return find(*(file_name for file_name, _, _ in PROGRAMS.values())) / "bin"


def precompiled(setting, module, target):
    output = setting.work / f"{module.stem}.{target}"
    if not output.exists() or output.stat().st_mtime < module.stat().st_mtime:
        subprocess.run([peers.command("wasmtime_run"), "compile", target, str(module), str(output)], check=True)
    return str(output)


def answer(output):
    """What the program printed, less the times in it."""
    return re.sub(rb"\d+\.\d+s|^inside_us \d+$", b"", output, flags=re.M)


def measure(setting, report):
    rows = report.table(f"Programs: CPU seconds of the whole process, minimum (median); peer: Pulley of "
                        f"{peers.version('wasmtime')}, precompiled",
                        ["program", "cay", "(median)", "Pulley", "(median)", "cay/Pulley", "A/A"])
    modules, ratios = folder(), []
    for name, (file_name, arguments, stdin) in PROGRAMS.items():
        module = modules / file_name
        ours = setting.cay_run(module, *arguments)
        theirs = [peers.command("wasmtime_run"), "run", "pulley64", precompiled(setting, module, "pulley64"), *arguments]
        if answer(run(ours, stdin).output) != answer(run(theirs, stdin).output):
            raise Failed(f"{name}: cay and Pulley print different results")
        samples = alternate({"cay": lambda: run(ours, stdin), "Pulley": lambda: run(theirs, stdin),
                             "again": lambda: run(ours, stdin)}, setting.least)
        cpu = cpu_times(samples)
        ratios.append(low(cpu["cay"]) / low(cpu["Pulley"]))
        rows.append([name, low(cpu["cay"]), middle(cpu["cay"]), low(cpu["Pulley"]), middle(cpu["Pulley"]), ratios[-1],
                     low(cpu["again"]) / low(cpu["cay"])])
        report.bar(f"{name}, cay/Pulley", ratios[-1], BAR)
        progress(f"{name}: {ratios[-1]:.3f} of Pulley's time")
    rows.append(["geometric mean", "", "", "", "", geometric_mean(ratios), ""])
