#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the audit log costs on JSON file I/O: a program that reads, changes and writes JSON files, with --audit, with
--audit-chain, and without. `./x bench audit [--rounds N] [--size KIB]`

Every round runs all streams once, forwards and backwards in turn. Of each round the ratio with/without is divided by
the ratio of two runs without (A/A); the bar is missed when the lower end of the 95 % interval of these quotients'
geometric mean is above it."""

import json
import math
import pathlib
import random
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))

from measure import Failed, progress, run
from report import Report
from setting import ROOT, Setting, arguments, finish

BAR = 1.03
ROUNDS_OF_GUEST_KIB = 48 * 1024  # about that much JSON is read in a run


def prepare(setting, kib):
    """The guest, and a folder with a JSON file of `kib` KiB, always the same."""
    folder = setting.work / f"json-{kib}"
    folder.mkdir(parents=True, exist_ok=True)
    chosen = random.Random(1)
    table = []
    while len(json.dumps(table)) < kib * 1024:
        table += [{"id": n, "name": f"row {n}", "values": [chosen.random() for _ in range(6)]} for n in range(20)]
    (folder / "in.json").write_text(json.dumps(table)[:kib * 1024])
    return setting.compile("json_files.wasm", [ROOT / "bench/guests/json_files.c"], "--target=wasm32-wasi"), folder


def streams_of(setting, kib, tier):
    module, folder = prepare(setting, kib)
    rest = ["--dir", f"{folder}::/d", module, "/d", str(max(1, ROUNDS_OF_GUEST_KIB // kib))]
    log, chain = setting.work / "audit.log", setting.work / "audit-chain.log"
    return {"without": setting.cay_run(*rest, tier=tier), "again": setting.cay_run(*rest, tier=tier),
            "audit": setting.cay_run("--audit", log, *rest, tier=tier),
            "chain": setting.cay_run("--audit", chain, "--audit-chain", *rest, tier=tier)}, [log, chain]


def interval(logarithms):
    """Geometric mean and its 95 % interval."""
    middle = statistics.fmean(logarithms)
    half = 1.96 * statistics.stdev(logarithms) / math.sqrt(len(logarithms)) if len(logarithms) > 1 else math.inf
    return math.exp(middle), math.exp(middle - half), math.exp(middle + half)


def measure(setting, report, kib, tier, rounds):
    streams, logs = streams_of(setting, kib, tier)
    times = {name: [] for name in streams}
    answers = {run(command).output for command in streams.values()}  # warms the page cache, too
    if len(answers) != 1:
        raise Failed(f"the streams print different things: {answers}")
    for count in range(rounds):
        for log in logs:
            log.unlink(missing_ok=True)
        for name in list(streams) if count % 2 else list(reversed(streams)):
            times[name].append(run(streams[name]).cpu_s)
    rows = report.table(f"JSON files of {kib} KiB ({tier}): CPU seconds of the whole process, {rounds} rounds",
                        ["stream", "minimum", "median", "with/without by A/A", "from", "to"])
    for name, taken in times.items():
        quotients = [math.log(t / a) - math.log(b / a) for t, a, b in zip(taken, times["without"], times["again"])]
        cells = interval(quotients) if name in ("audit", "chain") else ("", "", "")
        rows.append([name, min(taken), statistics.median(taken), *cells])
        if name == "audit":
            report.bar(f"audit, {kib} KiB, lower end of with/without by A/A", cells[1], BAR)
        if cells[0]:
            progress(f"{kib} KiB, {name}: {cells[0]:.4f} ({cells[1]:.4f} to {cells[2]:.4f})")


def main():
    parser = arguments(__doc__)
    parser.add_argument("--size", type=int, action="append", metavar="KIB", help="of the files (default 16 and 256)")
    parser.add_argument("--tier", default="baseline", choices=["baseline", "interp"])
    options = parser.parse_args()
    try:
        setting = Setting(options)
        report = Report(setting.machine())
        for kib in options.size or [16, 256]:
            measure(setting, report, kib, options.tier, max(5, options.rounds))
    except Failed as failure:
        sys.exit(f"bench: {failure}")
    return finish(report, options)


if __name__ == "__main__":
    sys.exit(main())
