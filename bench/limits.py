#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What limits cost on SHA-256 and SQLite: with all of them set but fuel, with fuel as well, and with none.
`./x bench limits [--rounds N] [--tier TIER]`

Every round runs all streams once, forwards and backwards in turn. Of each round the ratio with/without is divided by
the ratio of two runs without (A/A); the bar is missed when the lower end of the 95 % interval of these quotients'
geometric mean is above it. Fuel is no limit that guards anything when it is not asked for, so it has no bar."""

import math
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))

import guests
import kernels
from measure import Failed, progress, run
from report import Report
from setting import Setting, arguments, finish

BAR = 1.02
SHA256_ROUNDS = 4000
ALL = {"--max-memory": "1G", "--timeout": "1h", "--cpu-time": "1h", "--max-handles": "100", "--max-threads": "4",
       "--max-created": "1000", "--max-read": "100G", "--max-written": "100G", "--max-sent": "1G", "--max-output": "1G",
       "--stack": "16M"}
FUEL = {"--fuel": "1000000000000000"}


def flags(limits):
    return [word for pair in limits.items() for word in pair]


def programs(setting):
    """{name: what follows the flags}"""
    sha256, _ = kernels.build(setting, "sha256")
    sqlite = guests.find("speedtest1.wasm") / "bin" / "speedtest1.wasm"
    folder = setting.work / "limits"
    folder.mkdir(exist_ok=True)
    return {"SHA-256": ["--invoke", "run", sha256, str(SHA256_ROUNDS)],
            "SQLite in memory": [sqlite, "--memdb", "--size", "30"],
            "SQLite in a file": ["--dir", f"{folder}::/d", sqlite, "--size", "20", "/d/bench.db"]}


def interval(logarithms):
    """Geometric mean and its 95 % interval."""
    middle = statistics.fmean(logarithms)
    half = 1.96 * statistics.stdev(logarithms) / math.sqrt(len(logarithms)) if len(logarithms) > 1 else math.inf
    return math.exp(middle), math.exp(middle - half), math.exp(middle + half)


def sample(setting, command):
    (setting.work / "limits" / "bench.db").unlink(missing_ok=True)
    return run(command)


def measure(setting, report, name, rest, rounds):
    streams = {"without": setting.cay_run(*rest), "again": setting.cay_run(*rest),
               "limits": setting.cay_run(*flags(ALL), *rest), "and fuel": setting.cay_run(*flags(ALL | FUEL), *rest)}
    times = {stream: [] for stream in streams}
    answers = {guests.answer(sample(setting, command).output) for command in streams.values()} # warms caches, too
    if len(answers) != 1:
        raise Failed(f"{name}: the streams print different things")
    for count in range(rounds):
        for stream in list(streams) if count % 2 else list(reversed(streams)):
            times[stream].append(sample(setting, streams[stream]).cpu_s)
    rows = report.table(f"{name} ({setting.tier}): CPU seconds of the whole process, {rounds} rounds",
                        ["stream", "minimum", "median", "with/without by A/A", "from", "to"])
    for stream, taken in times.items():
        quotients = [math.log(t / a) - math.log(b / a) for t, a, b in zip(taken, times["without"], times["again"])]
        cells = interval(quotients) if stream in ("limits", "and fuel") else ("", "", "")
        rows.append([stream, min(taken), statistics.median(taken), *cells])
        if stream == "limits":
            report.bar(f"{name}, lower end of limits/without by A/A", cells[1], BAR)
        if cells[0]:
            progress(f"{name}, {stream}: {cells[0]:.4f} ({cells[1]:.4f} to {cells[2]:.4f})")


def main():
    parser = arguments(__doc__)
    parser.add_argument("--tier", default="baseline", choices=["baseline", "interp"])
    options = parser.parse_args()
    try:
        setting = Setting(options)
        report = Report(setting.machine())
        for name, rest in programs(setting).items():
            measure(setting, report, name, rest, max(5, options.rounds))
    except Failed as failure:
        sys.exit(f"bench: {failure}")
    return finish(report, options)


if __name__ == "__main__":
    sys.exit(main())
