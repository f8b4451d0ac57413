# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Where things are: the command under test, the compiler, and the folder for what the benchmarks build."""

import argparse
import atexit
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys

from measure import Failed
from report import Report

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Setting:
    def __init__(self, options):
        self.tier = getattr(options, "tier", "interp")
        self.cay = os.environ.get("CAY") or str(ROOT / "build" / "cay")
        self.work = ROOT / "build" / "bench"
        self.least = options.rounds
        self.options = options
        self.compiler = compiler()
        self.work.mkdir(parents=True, exist_ok=True)
        os.environ["CAY_CACHE"] = "off"  # where nothing else is said, no run profits from an earlier one

    def cay_run(self, *arguments, tier=None):
        return [self.cay, "run", "--tier", tier or self.tier, *map(str, arguments)]

    def machine(self):
        """What the figures depend on besides cay, for the head of a report."""
        model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
        version = subprocess.run([self.compiler, "--version"], capture_output=True, text=True).stdout.splitlines()[0]
        return (f"{model[1] if model else platform.machine()}, {len(os.sched_getaffinity(0))} processors, load "
                f"{os.getloadavg()[0]:.1f}; {platform.system()} {platform.release()}; {version}; {self.cay}")

    def scratch(self, name):
        """An empty folder for what is read and written while it is measured: in memory where the system has a place for
        that, because how long a disk makes one wait, and what the kernel does meanwhile, is chance."""
        place = pathlib.Path("/dev/shm")
        folder = (place if os.access(place, os.W_OK) else self.work) / f"cay-bench-{os.getuid()}-{name}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return folder

    def tool(self, name):
        """A program of bench/, which is part of the Meson build that made the command under test."""
        folder = pathlib.Path(self.cay).resolve().parent
        while not (folder / "build.ninja").exists():
            if folder == folder.parent:
                raise Failed(f"{self.cay} does not lie in a build folder, so bench/{name} cannot be built")
            folder = folder.parent
        built = subprocess.run(["ninja", "-C", str(folder), f"bench/{name}"], capture_output=True, text=True)
        if built.returncode != 0:
            raise Failed(f"bench/{name} cannot be built:\n{built.stdout[-3000:]}")
        return str(folder / "bench" / name)

    def compile(self, output, sources, *flags, compiler=None):
        """Compiles when `output` is older than a source; returns its path. With the setting's clang, or another one."""
        path = self.work / output
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or any(source.stat().st_mtime > path.stat().st_mtime for source in sources):
            subprocess.run([compiler or self.compiler, "-O2", "-Wno-deprecated", *flags, "-o", str(path),
                            *(str(source) for source in sources if source.suffix == ".c")], check=True)
        return str(path)


def compiler():
    """A clang, whatever CC is: guests and peers are built with the same one."""
    names = ["clang-22", "clang-21", "clang-20", "clang-19", "clang"]
    for name in names:
        if shutil.which(name):
            return name
    raise Failed(f"none of these compilers is installed: {', '.join(names)}")


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--format", choices=["text", "json"], default="text")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="at least N rounds (default 7)")
    return parser


def chosen(sections_by_name, words, parser):
    """{section: names of its benchmarks}. Without a section, every one that has a benchmark of that name."""
    sections = [word for word in words if word in sections_by_name] or list(sections_by_name)
    names = [word for word in words if word not in sections_by_name]
    choice = {section: [name for name in sections_by_name[section].NAMES if not names or name in names]
              for section in sections}
    for name in names:
        if not any(name in found for found in choice.values()):
            known = "; ".join(f"{section}: {', '.join(sections_by_name[section].NAMES)}" for section in sections)
            parser.error(f"no section or benchmark is called '{name}'. {known}")
    return {section: found for section, found in choice.items() if found}


def measured(options, measure):
    """Has `measure(setting, report)` measure, and prints the report; the exit status says whether every bar was passed."""
    try:
        setting = Setting(options)
        report = Report(setting.machine())
        measure(setting, report)
    except Failed as failure:
        sys.exit(f"bench: {failure}")
    return finish(report, options)


def finish(report, options):
    """Prints the report; the exit status says whether every bar was passed."""
    print(report.json() if options.format == "json" else report.text())
    return 0 if report.passed() else 1
