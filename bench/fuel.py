#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What counting fuel and canonical NaNs cost on the kernels, in each tier. `./x bench fuel [KERNEL]...`"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))

import kernels
from measure import Failed, alternate, cpu_times, geometric_mean, low, progress, run
from report import Report
from setting import Setting, arguments, finish

TIERS = "interp", "baseline"
MODES = {"plain": [], "fuel": ["--fuel", "1000000000000000"], "nans": ["--canonical-nans"], "again": []}


def measure(setting, report, tier, names):
    rows = report.table(f"{tier}: CPU seconds of the whole process, minimum", ["kernel", *MODES, "fuel/plain", "nans/plain", "A/A"])
    ratios = []
    for name in names:
        module, _ = kernels.build(setting, name)
        call = ["--invoke", "run", module, kernels.KERNELS[name]]
        commands = {mode: setting.cay_run(*options, *call, tier=tier) for mode, options in MODES.items()}
        cpu = cpu_times(alternate({mode: lambda command=command: run(command) for mode, command in commands.items()},
                                  setting.least))
        times = [low(cpu[mode]) for mode in MODES]
        ratios.append([time / times[0] for time in times[1:]])
        rows.append([name, *times, *ratios[-1]])
        progress(f"{tier} {name}: fuel {ratios[-1][0]:.3f}, NaNs {ratios[-1][1]:.3f}")
    rows.append(["geometric mean", *[""] * len(MODES), *[geometric_mean(column) for column in zip(*ratios)]])


def main():
    parser = arguments(__doc__)
    parser.add_argument("kernels", nargs="*", metavar="KERNEL", help=f"some of: {', '.join(kernels.KERNELS)} (default: all)")
    options = parser.parse_args()
    unknown = set(options.kernels) - set(kernels.KERNELS)
    if unknown:
        parser.error(f"no kernel is called {', '.join(sorted(unknown))}")
    try:
        setting = Setting(options)
        report = Report(setting.machine())
        for tier in TIERS:
            measure(setting, report, tier, options.kernels or kernels.KERNELS)
    except Failed as failure:
        sys.exit(f"bench: {failure}")
    return finish(report, options)


if __name__ == "__main__":
    sys.exit(main())
