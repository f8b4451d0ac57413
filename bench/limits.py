#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What limits cost on SHA-256 and SQLite: with all of them set but fuel, with fuel as well, and with none.
`./x bench limits [--rounds N] [--tier TIER]`

Judged as bench/lib/overhead.py says. Fuel is no limit that guards anything when it is not asked for, so it has no bar."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))

import guests
import kernels
import overhead
from measure import Failed, run
from report import Report
from setting import Setting, arguments, finish

BAR = 1.02
SHA256_ROUNDS = 500
ALL = {"--max-memory": "1G", "--timeout": "1h", "--cpu-time": "1h", "--max-handles": "100", "--max-threads": "4",
       "--max-created": "1000000", "--max-read": "100G", "--max-written": "100G", "--max-sent": "1G", "--max-output": "1G",
       "--stack": "16M"}
FUEL = {"--fuel": "1000000000000000"}


def flags(limits):
    return [word for pair in limits.items() for word in pair]


def programs(setting, folder):
    """{name: what follows the flags}"""
    sha256, _ = kernels.build(setting, "sha256")
    sqlite = guests.find("speedtest1.wasm") / "bin" / "speedtest1.wasm"
    return {"SHA-256": ["--invoke", "run", sha256, str(SHA256_ROUNDS)],
            "SQLite in memory": [sqlite, "--memdb", "--size", "4"],
            "SQLite in a file": ["--dir", f"{folder}::/d", "--env", "SQLITE_TMPDIR=/d", sqlite, "--size", "4", "/d/bench.db"]}


def measure(setting, report, name, rest, rounds, folder):
    def sample(command):
        (folder / "bench.db").unlink(missing_ok=True)
        return run(command)

    streams = {"without": setting.cay_run(*rest), "again": setting.cay_run(*rest),
               "limits": setting.cay_run(*flags(ALL), *rest), "and fuel": setting.cay_run(*flags(ALL | FUEL), *rest)}
    overhead.compare(report, name, f"{name} ({setting.tier})", streams, sample,
                     lambda done: guests.answer(done.output), rounds, {"limits": BAR, "and fuel": None})


def main():
    parser = arguments(__doc__)
    parser.add_argument("--tier", default="baseline", choices=["baseline", "interp", "auto"])
    options = parser.parse_args()
    try:
        setting = Setting(options)
        report = Report(setting.machine())
        folder = setting.scratch("limits")
        for name, rest in programs(setting, folder).items():
            measure(setting, report, name, rest, options.rounds, folder)
    except Failed as failure:
        sys.exit(f"bench: {failure}")
    return finish(report, options)


if __name__ == "__main__":
    sys.exit(main())
