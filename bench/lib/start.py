# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""From start to exit of `hello`, on the wall clock, because that is what starting a program costs its user."""

import subprocess

import guests
import peers
from measure import Failed, low, middle, run
from setting import ROOT

TIMES = 100
BAR_NATIVE, BAR_WASMTIME = 2.0, 0.3
SOURCE = ROOT / "bench" / "guests" / "hello.c"


def command_precompiled(setting, module):
    """For wasmtime's own command, which does not read what the library of another version wrote."""
    output = setting.work / "hello.cwasm"
    subprocess.run([peers.command("wasmtime"), "compile", "-o", str(output), module], check=True)
    return str(output)


def measure(setting, report):
    native = setting.compile("hello-static", [SOURCE], "-static")
    module = setting.compile("hello.wasm", [SOURCE], "--target=wasm32-wasi")
    precompiled = guests.precompiled(setting, setting.work / "hello.wasm", "native")
    streams = {"native, static": [native], "cay": setting.cay_run(module), "cay, again": setting.cay_run(module),
               "wasmtime command": [peers.command("wasmtime"), "run", "--allow-precompiled",
                                    command_precompiled(setting, module)],
               "wasmtime library": [peers.command("wasmtime_run"), "run", "native", precompiled]}
    taken = {name: [] for name in streams}
    for _ in range(TIMES):
        for name, command in streams.items():
            sample = run(command)
            if sample.output != b"hello\n":
                raise Failed(f"{name}: printed {sample.output!r}")
            taken[name].append(sample.wall_s * 1000)
    rows = report.table(f"Start of hello: milliseconds of {TIMES} whole processes; peers, precompiled: the command of "
                        f"{peers.version('wasmtime command')}, the library of {peers.version('wasmtime')} in a C program "
                        "that does nothing else", ["program", "minimum", "median", "to native", "to the command"])
    best = {name: low(values) for name, values in taken.items()}
    for name, values in taken.items():
        rows.append([name, low(values), middle(values), low(values) / best["native, static"],
                     low(values) / best["wasmtime command"]])
    report.bar("start of hello, cay/native", best["cay"] / best["native, static"], BAR_NATIVE)
    report.bar("start of hello, cay/wasmtime command", best["cay"] / best["wasmtime command"], BAR_WASMTIME)
