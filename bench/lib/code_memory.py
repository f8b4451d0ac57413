# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Memory of the interpreter's code: bytes per byte of function body, with every function translated."""

import json

import guests
import kernels
from measure import run

BAR = 6.0


def translated(setting, module, tier="interp"):
    """What bench/translate.c says of the module."""
    return json.loads(run([setting.tool("translate"), tier, str(module)]).output)


def measure(setting, report):
    rows = report.table("Memory of the interpreter's code, everything translated",
                        ["module", "body bytes", "code bytes", "ratio"])
    modules = {name: guests.folder() / file_name for name, (file_name, _, _) in guests.PROGRAMS.items()}
    worst = 0
    for name, path in modules.items():
        sizes = translated(setting, path)
        ratio = sizes["code_bytes"] / sizes["body_bytes"]
        worst = max(worst, ratio)
        rows.append([name, sizes["body_bytes"], sizes["code_bytes"], ratio])
    for name in kernels.KERNELS:
        sizes = translated(setting, kernels.build(setting, name)[0])
        rows.append([name, sizes["body_bytes"], sizes["code_bytes"], sizes["code_bytes"] / sizes["body_bytes"]])
    report.bar("code memory of the worse program, code/body", worst, BAR)
