# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Memory of the interpreter's code: bytes per byte of function body, with every function translated."""

import json
import pathlib
import subprocess
import sys

import guests
import kernels
from measure import run
from setting import ROOT

BAR = 6.0


def build(setting):
    """The program is part of the Meson build that made the command under test."""
    folder = pathlib.Path(setting.cay).resolve().parent
    while not (folder / "build.ninja").exists():
        folder = folder.parent
    subprocess.run(["ninja", "-C", str(folder), "--quiet", "bench/code_memory"], check=True,
                   stdout=sys.stderr)
    return str(folder / "bench" / "code_memory")


def measure(setting, report):
    program = build(setting)
    rows = report.table("Memory of the interpreter's code, everything translated",
                        ["module", "body bytes", "code bytes", "ratio"])
    modules = {name: guests.folder() / file_name for name, (file_name, _, _) in guests.PROGRAMS.items()}
    worst = 0
    for name, path in modules.items():
        sizes = json.loads(run([program, str(path)]).output)
        ratio = sizes["code_bytes"] / sizes["body_bytes"]
        worst = max(worst, ratio)
        rows.append([name, sizes["body_bytes"], sizes["code_bytes"], ratio])
    for name in kernels.KERNELS:
        sizes = json.loads(run([program, kernels.build(setting, name)[0]]).output)
        rows.append([name, sizes["body_bytes"], sizes["code_bytes"], sizes["code_bytes"] / sizes["body_bytes"]])
    report.bar("code memory of the worse program, code/body", worst, BAR)
