#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the audit log costs on JSON file I/O: a program that reads, changes and writes JSON files, with --audit, with
--audit-chain, and without. `./x bench audit [--rounds N] [--size KIB]`

Judged as bench/lib/overhead.py says."""

import json
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))

import overhead
from measure import Failed, run
from report import Report
from setting import ROOT, Setting, arguments, finish

BAR = 1.03
ROUNDS_OF_GUEST_KIB = 32 * 1024  # about that much JSON is read in a run


def prepare(setting, kib):
    """The guest, and a folder with a JSON file of `kib` KiB, always the same."""
    folder = setting.scratch(f"json-{kib}")
    chosen = random.Random(1)
    table = []
    while len(json.dumps(table)) < kib * 1024:
        table += [{"id": n, "name": f"row {n}", "values": [chosen.random() for _ in range(6)]} for n in range(20)]
    (folder / "in.json").write_text(json.dumps(table)[:kib * 1024])
    return setting.compile("json_files.wasm", [ROOT / "bench/guests/json_files.c"], "--target=wasm32-wasi"), folder


def streams_of(setting, kib, tier):
    module, folder = prepare(setting, kib)
    rest = ["--dir", f"{folder}::/d", module, "/d", str(max(1, ROUNDS_OF_GUEST_KIB // kib))]
    logs = setting.scratch("audit")
    log, chain = logs / "audit.log", logs / "audit-chain.log"
    return {"without": setting.cay_run(*rest, tier=tier), "again": setting.cay_run(*rest, tier=tier),
            "audit": setting.cay_run("--audit", log, *rest, tier=tier),
            "chain": setting.cay_run("--audit", chain, "--audit-chain", *rest, tier=tier)}, [log, chain]


def measure(setting, report, kib, tier, rounds):
    streams, logs = streams_of(setting, kib, tier)

    def sample(command):
        for log in logs:
            log.unlink(missing_ok=True)
        return run(command)

    overhead.compare(report, f"audit, {kib} KiB", f"JSON files of {kib} KiB ({tier})", streams, sample,
                     lambda done: done.output, rounds, {"audit": BAR, "chain": None})


def main():
    parser = arguments(__doc__)
    parser.add_argument("--size", type=int, action="append", metavar="KIB", help="of the files (default 16 and 256)")
    parser.add_argument("--tier", default="baseline", choices=["baseline", "interp", "auto"])
    options = parser.parse_args()
    try:
        setting = Setting(options)
        report = Report(setting.machine())
        for kib in options.size or [16, 256]:
            measure(setting, report, kib, options.tier, options.rounds)
    except Failed as failure:
        sys.exit(f"bench: {failure}")
    return finish(report, options)


if __name__ == "__main__":
    sys.exit(main())
