# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Kernels without imports, in cay's interpreter and in wasm3.

Each engine's command loads the module, calls run(N) and prints the result, which must be the native build's.
"""

import peers
from measure import Failed, alternate, cpu_times, geometric_mean, low, middle, progress, run
from setting import ROOT

KERNELS = {"sha256": 100, "matmul": 300, "fib": 35, "mandelbrot": 900, "fannkuch": 9, "nbody": 300000, "json": 30,
           "vm": 14000}
BAR = 0.75
FOLDER = ROOT / "bench" / "kernels"
# For what the interpreter's benchmark leaves out.
MORE_FLAGS = {"dot": ["-msimd128"]}
WASM_FLAGS = ["--target=wasm32", "-ffreestanding", "-nostdlib", "-Wl,--no-entry", "-Wl,--export=run"]


def build(setting, name):
    """The kernel's module and its native build."""
    source, headers = FOLDER / f"{name}.c", sorted(FOLDER.glob("*.h"))
    module = setting.compile(f"{name}.wasm", [source, *headers], *WASM_FLAGS, *MORE_FLAGS.get(name, []))
    native = setting.compile(name, [source, FOLDER / "native.c", *headers], "-ffp-contract=off")
    return module, native


def commands(setting, name):
    module, native = build(setting, name)
    size = str(KERNELS[name])
    ours = setting.cay_run("--invoke", "run", module, size)
    return {"native": [native, size], "cay": ours, "wasm3": [peers.command("wasm3_run"), module, size], "again": ours}


def same_result(name, stream, command, expected):
    found = run(command).output.strip()
    if found != expected:
        raise Failed(f"{name}: {stream} says {found.decode()}, native says {expected.decode()}")


def measure(setting, report):
    rows = report.table(f"Kernels: CPU seconds of the whole process, minimum (median); peer: {peers.version('wasm3')}",
                        ["kernel", "native", "cay", "(median)", "wasm3", "(median)", "cay/wasm3", "cay/native", "A/A"])
    ratios, controls = [], []
    for name in KERNELS:
        streams = commands(setting, name)
        expected = run(streams["native"]).output.strip()
        for stream in ("cay", "wasm3"):
            same_result(name, stream, streams[stream], expected)
        samples = alternate({stream: lambda command=command: run(command) for stream, command in streams.items()},
                            setting.least)
        cpu = cpu_times(samples)
        ratios.append(low(cpu["cay"]) / low(cpu["wasm3"]))
        controls.append(low(cpu["again"]) / low(cpu["cay"]))
        rows.append([name, low(cpu["native"]), low(cpu["cay"]), middle(cpu["cay"]), low(cpu["wasm3"]),
                     middle(cpu["wasm3"]), ratios[-1], low(cpu["cay"]) / low(cpu["native"]), controls[-1]])
        progress(f"{name}: {ratios[-1]:.3f} of wasm3's time")
    rows.append(["geometric mean", "", "", "", "", "", geometric_mean(ratios), "", geometric_mean(controls)])
    report.bar("kernels, geometric mean of cay/wasm3", geometric_mean(ratios), BAR)
