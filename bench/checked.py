#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Kernels whose memory is checked by comparison: with 32-bit addresses and no guard pages, because the process may have too
little address space for them, and with 64-bit addresses. In another build of cay, in this one, and in this one with guard
pages. `./x bench checked --against CAY [--tier TIER] [KERNEL]...`

Processor time of whole processes, minima."""

import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))

import kernels
from measure import alternate, cpu_times, geometric_mean, low, progress, run
from setting import arguments, measured

SIZES = {"sha256": 600, "matmul": 400, "fannkuch": 10, "json": 160, "vm": 100000}
SPACE = "--as=3000000000"  # of which 8 GiB for a memory's guard pages are too much


def commands(setting, name, is_64):
    """{stream: command}"""
    source, headers = kernels.FOLDER / f"{name}.c", sorted(kernels.FOLDER.glob("*.h"))
    flags = ["--target=wasm64" if flag == "--target=wasm32" else flag for flag in kernels.WASM_FLAGS]
    module = (setting.compile(f"{name}.64.wasm", [source, *headers], *flags) if is_64
              else kernels.build(setting, name)[0])
    limited = [] if is_64 else [shutil.which("prlimit"), SPACE]
    rest = ["run", "--tier", setting.tier, "--invoke", "run", module, str(SIZES[name])]
    streams = {"before": [*limited, setting.options.against, *rest], "now": [*limited, setting.cay, *rest]}
    return streams | {"again": streams["now"]} | ({} if is_64 else {"guarded": [setting.cay, *rest]})


def measure(setting, report):
    for is_64 in False, True:
        rows = report.table(f"Memory with {64 if is_64 else 32}-bit addresses ({setting.tier}): CPU seconds",
                            ["kernel", "before", "now", "now/before", "A/A", "now/guarded"])
        ratios = []
        for name in setting.options.words or SIZES:
            streams = commands(setting, name, is_64)
            cpu = cpu_times(alternate({stream: lambda command=command: run(command)
                                       for stream, command in streams.items()}, setting.least))
            best = {stream: low(times) for stream, times in cpu.items()}
            ratios.append(best["now"] / best["before"])
            rows.append([name, best["before"], best["now"], ratios[-1], best["again"] / best["now"],
                         best["now"] / best["guarded"] if "guarded" in best else ""])
            progress(f"{name}: {ratios[-1]:.3f}")
        rows.append(["geometric mean", "", "", geometric_mean(ratios), "", ""])


def main():
    parser = arguments(__doc__)
    parser.add_argument("--against", required=True, metavar="CAY", help="the other build's command")
    parser.add_argument("--tier", default="baseline")
    parser.add_argument("words", nargs="*", choices=[[], *SIZES], metavar="KERNEL")
    return measured(parser.parse_args(), measure)


if __name__ == "__main__":
    sys.exit(main())
