#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The optimizing tier's code against native clang -O2, Cranelift and cay's own baseline. `./x bench optimized [KERNEL]...`

What counts is the code in its steady state: the processor time of the whole process, less that of the same command with
next to no work, into which compilation and start go on every side alike.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))

import engines
import kernels
import peers
from measure import Failed, alternate, cpu_times, geometric_mean, low, progress, run
from report import Report
from setting import Setting, arguments, finish

# Each runs for 0.3 to 0.6 s natively, with as little to do as it has beside it.
KERNELS = {"sha256": (1200, 1), "matmul": (500, 1), "fib": (41, 1), "mandelbrot": (2400, 1), "fannkuch": (10, 2),
           "nbody": (4000000, 1), "json": (300, 1), "vm": (150000, 1), "spectral": (2600, 1), "dot": (600000, 1)}
BAR_NATIVE, BAR_CRANELIFT, BAR_CRANELIFT_WORST = 1.05, 0.85, 0.95
PEERS = ["native", "Cranelift", "baseline", "again"]


def commands(setting, name, size):
    module, native = kernels.build(setting, name)
    flags = ["--invoke", "run"]
    ours = setting.cay_run(*flags, module, size, tier="optimized")
    return {"cay": ours, "again": ours, "baseline": setting.cay_run(*flags, module, size, tier="baseline"),
            "native": [native, str(size)],
            "Cranelift": engines.wasmtime_run(setting, "Cranelift", pathlib.Path(module), [str(size)], flags)}


def seconds(setting, name):
    """Of each stream: the minimum with all work less the minimum with next to none."""
    sizes = dict(zip(("full", "little"), KERNELS[name]))
    streams = {(stream, size): command for size, number in sizes.items()
               for stream, command in commands(setting, name, number).items()}
    expected = run(streams["native", "full"]).output.strip()
    for stream in ("cay", "baseline", "Cranelift"):
        kernels.same_result(name, stream, streams[stream, "full"], expected)
    best = {key: low(taken) for key, taken in cpu_times(alternate(
        {key: lambda command=command: run(command) for key, command in streams.items()}, setting.least)).items()}
    return {stream: best[stream, "full"] - best[stream, "little"] for stream in ("cay", *PEERS)}


def measure(setting, report, names):
    rows = report.table(f"Steady state: CPU seconds, minima; Cranelift: {peers.version('wasmtime-cli')}",
                        ["kernel", "cay", "native", "Cranelift", "baseline",
                         "cay/native", "cay/Cranelift", "cay/baseline", "A/A"])
    ratios = {}
    for name in names:
        found = seconds(setting, name)
        ratios[name] = {peer: found["cay"] / found[peer] for peer in PEERS}
        rows.append([name, *(found[stream] for stream in ("cay", "native", "Cranelift", "baseline")), *ratios[name].values()])
        progress(f"{name}: {ratios[name]['native']:.3f} of the native time, {ratios[name]['Cranelift']:.3f} of Cranelift's")
    means = {peer: geometric_mean([of[peer] for of in ratios.values()]) for peer in PEERS}
    rows.append(["geometric mean", "", "", "", "", *means.values()])
    worst = max(ratios, key=lambda name: ratios[name]["Cranelift"])
    report.bar("kernels, geometric mean of cay/native", means["native"], BAR_NATIVE)
    report.bar("kernels, geometric mean of cay/Cranelift", means["Cranelift"], BAR_CRANELIFT)
    report.bar(f"the slowest against Cranelift ({worst})", ratios[worst]["Cranelift"], BAR_CRANELIFT_WORST)


def main():
    parser = arguments(__doc__)
    parser.add_argument("kernels", nargs="*", metavar="KERNEL", help=f"some of: {', '.join(KERNELS)} (default: all)")
    options = parser.parse_args()
    unknown = set(options.kernels) - set(KERNELS)
    if unknown:
        parser.error(f"no kernel is called {', '.join(sorted(unknown))}")
    try:
        setting = Setting(options)
        report = Report(setting.machine())
        measure(setting, report, options.kernels or list(KERNELS))
    except Failed as failure:
        sys.exit(f"bench: {failure}")
    return finish(report, options)


if __name__ == "__main__":
    sys.exit(main())
