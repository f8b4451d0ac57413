#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The tier auto: what its counting costs, and what a program gains whose busy part is optimized while it runs.
`./x bench tierup [KERNEL]...`

The first is measured by a copy of the command that has no helper beside it, so that it stays in the baseline and only counts.
The second is the time that somebody waits for a whole process, with the helper on another processor where there is one.
Then what a call costs between functions of which one is optimized and the other not (calls.c).
"""

import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))

import kernels
import overhead
from measure import Failed, alternate, geometric_mean, low, progress, run
from report import Report
from setting import Setting, arguments, finish

# Each runs for 0.5 to 1.5 s in the baseline.
KERNELS = {"sha256": 1200, "matmul": 700, "fib": 41, "mandelbrot": 2400, "fannkuch": 10, "nbody": 4000000, "json": 300,
           "vm": 150000}
TIERS = ["baseline", "auto", "optimized", "again"]
BAR = 1.03


def without_helper(setting):
    """A copy of the command in a folder of its own."""
    folder = setting.work / "without-helper"
    folder.mkdir(exist_ok=True)
    return shutil.copy(setting.cay, folder / "cay")


def measure_counting(setting, report, names):
    alone = without_helper(setting)
    for name in names:
        module, _ = kernels.build(setting, name)
        streams = {stream: [alone, "run", "--tier", tier, "--invoke", "run", module, str(KERNELS[name])]
                   for stream, tier in (("without", "baseline"), ("counting", "auto"), ("again", "baseline"))}
        overhead.compare(report, name, f"Counting, {name}", streams, run, lambda sample: sample.output, setting.least,
                         {"counting": BAR})


def measure_runs(setting, report, names):
    rows = report.table("Whole processes: seconds, minima", ["kernel", *TIERS[:3], "auto/baseline", "auto/optimized", "A/A"])
    ratios = []
    for name in names:
        module, _ = kernels.build(setting, name)
        streams = {tier: setting.cay_run("--invoke", "run", module, KERNELS[name],
                                         tier="baseline" if tier == "again" else tier) for tier in TIERS}
        samples = alternate({tier: lambda command=command: run(command) for tier, command in streams.items()}, setting.least)
        best = {tier: low([sample.wall_s for sample in taken]) for tier, taken in samples.items()}
        ratios.append(best["auto"] / best["baseline"])
        rows.append([name, *(best[tier] for tier in TIERS[:3]), ratios[-1], best["auto"] / best["optimized"],
                     best["again"] / best["baseline"]])
        progress(f"{name}: {ratios[-1]:.3f} of the baseline's time")
        report.bar(f"{name}, auto/baseline", ratios[-1], BAR)
    rows.append(["geometric mean", "", "", "", geometric_mean(ratios), "", ""])


def measure_calls(setting, report):
    program = setting.tool("calls")
    rows = report.table("Calls between tiers: ns a round, minima", ["call", "caller", "callee", "ns"])
    for line in run([program, pathlib.Path(setting.cay).parent]).output.decode().splitlines():
        *names, ns = line.split()
        rows.append([*names, float(ns)])


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
        measure_counting(setting, report, options.kernels or list(KERNELS))
        measure_runs(setting, report, options.kernels or list(KERNELS))
        measure_calls(setting, report)
    except Failed as failure:
        sys.exit(f"bench: {failure}")
    return finish(report, options)


if __name__ == "__main__":
    sys.exit(main())
