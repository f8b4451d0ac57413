#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The evaluation: native programs, containers, cay and other runtimes on the same workloads. `./x eval`

Writes report.html, report.md and the raw data (data.json) to a folder, eval/ as normal. Exit code 1: a bar is missed; 2:
something does not work."""

import argparse
import dataclasses
import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import experiments
import page
import peers
import rivals
import summary
from measure import Failed, progress
from setting import ROOT, Setting

EXPERIMENTS = {"sha256": experiments.sha256, "records": experiments.records, "http": experiments.http,
               "start": experiments.start, "concurrency": experiments.concurrency,
               "latency": lambda lab, _: experiments.latency(lab), "costs": lambda lab, _: experiments.costs(lab),
               "tiers": lambda lab, _: experiments.tiers(lab)}


def output_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout.strip()
    except OSError:
        return ""


def first_line(*command):
    return (output_of(*command).splitlines() or ["absent"])[0]


def machine(setting):
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"machine": setting.machine(), "memory": f"{memory / 2 ** 30:.1f} GiB",
            "system": platform.freedesktop_os_release().get("PRETTY_NAME", platform.system()),
            "clang": first_line(setting.compiler, "--version"), "gcc": first_line("gcc", "--version"),
            "rustc": first_line("rustc", "--version"), "podman": first_line("podman", "--version"),
            "peers": ", ".join(peers.version(name) for name in ("wasmtime-cli", "wazero", "node"))}


def contestants(setting):
    cay = [rivals.Cay(setting), rivals.Cay(setting, "cay, first run", ["--tier", "auto"]),
           rivals.Cay(setting, "cay baseline", ["--tier", "baseline"])]
    native = [rivals.Native("native, clang", languages=["C"]), rivals.Native("native, gcc", ".gcc", ["C"]),
              rivals.Native("native, rustc", languages=["Rust"]), rivals.OpenSsl()]
    folder = rivals.Job("sha256").native().parent
    programs = [path for path in sorted(folder.glob("workload-*")) if path.suffix != ".gcc"]
    return [*native, rivals.Container(setting, programs), *cay, rivals.Wasmtime(), rivals.Wazero(setting), rivals.Node()]


def audit(setting):
    """What tests/audit says of each area, in the order of its table."""
    table = setting.work / "audit"
    progress("the audit: thousands of attempts")
    subprocess.run([sys.executable, str(ROOT / "tests/audit/audit.py"), "--table", str(table)],
                   env={**os.environ, "CAY": setting.cay}, stdout=subprocess.DEVNULL, check=False)
    areas = {}
    for row in json.loads(table.with_suffix(".json").read_text(encoding="utf-8")):
        area = areas.setdefault(row["area"], {"area": row["area"], "attempts": 0, "as_expected": 0, "outcomes": []})
        area["attempts"] += 1
        area["as_expected"] += row["as_expected"]
        if row["outcome"] not in area["outcomes"]:
            area["outcomes"].append(row["outcome"])
    return list(areas.values())


def measure(options):
    setting = Setting(options)
    setting.work /= "eval"
    setting.work.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    size = experiments.QUICK if options.quick else experiments.FULL if options.full else experiments.Size()
    size = dataclasses.replace(size, rounds=options.rounds or size.rounds)
    lab = experiments.Laboratory(setting, size, contestants(setting))
    languages = lab.languages()
    data = {"format": 1, "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            "commit": output_of("git", "describe", "--always", "--dirty", "--abbrev=12") or "an unknown state",
            "mode": "quick" if options.quick else "full" if options.full else "normal", "machine": machine(setting),
            "experiments": {}, "sizes": experiments.sizes(lab, languages), "audit": audit(setting) if size.audit else None,
            "absent": lab.absent}
    for name in options.only or EXPERIMENTS:
        data["experiments"][name] = EXPERIMENTS[name](lab, languages)
        data["minutes"] = (time.monotonic() - started) / 60
        write(data, options.out)  # what is measured stays when the rest is broken off
    return data


def write(data, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    (folder / "report.html").write_text(page.page(data), encoding="utf-8")
    (folder / "report.md").write_text(page.markdown(data), encoding="utf-8")


def options_of(words):
    parser = argparse.ArgumentParser(prog="./x eval", description=__doc__.split("\n")[0])
    parser.add_argument("--full", action="store_true", help="20 rounds of everything, longer loads")
    parser.add_argument("--quick", action="store_true", help="next to no work: does everything run? The figures mean nothing")
    parser.add_argument("--rounds", type=int, default=0, metavar="N", help="of the three workloads (default 20)")
    parser.add_argument("--only", action="append", metavar="EXPERIMENT", choices=EXPERIMENTS,
                        help=f"one of {', '.join(EXPERIMENTS)}; may be given many times")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "eval", metavar="FOLDER", help="default eval/")
    parser.add_argument("--from", dest="recorded", type=pathlib.Path, metavar="DATA.JSON",
                        help="measure nothing, write the report of recorded data")
    parser.add_argument("--compare", type=pathlib.Path, metavar="DATA.JSON",
                        help="say how far the ratios to native are from those of an earlier run")
    return parser.parse_args(words)


def main(words=None):
    options = options_of(words)
    try:
        data = json.loads(options.recorded.read_text(encoding="utf-8")) if options.recorded else measure(options)
    except (Failed, OSError, ValueError) as failure:
        print(f"eval: {failure}", file=sys.stderr)
        return 2
    if options.recorded:
        write(data, options.out)
    bars = summary.bars(data)
    for bar in bars:
        print(f"{'PASS' if bar.passed else 'MISS'}  {bar.name}: {summary.spelled(bar.value)}{bar.unit} (at most {bar.most}{bar.unit})")
    if options.compare:
        for stream, before, now, change in summary.compared(data, json.loads(options.compare.read_text(encoding="utf-8"))):
            print(f"{change:+7.1%}  {stream}: {before:.3f}, now {now:.3f}")
    print(f"{page.verdict(bars)}; {options.out / 'report.html'}")
    return 0 if all(bar.passed for bar in bars) else 1


if __name__ == "__main__":
    sys.exit(main())
