# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Memory of the baseline tier's code with every function compiled, per byte of function body.

By the tier's own account and by the kernel's, which also knows of what was allocated and not given back; the greater
one is judged.
"""

import guests
from code_memory import translated
from measure import progress

BAR = 12.0
MODULES = {"sqlite": "speedtest1.wasm", "quickjs": "qjs.wasm", "zstd": "zstdround.wasm", "go": "hello.go.wasm",
           "clang": "clang.wasm", "yosys": "yosys.wasm"}
NAMES = [*MODULES]


def measure(setting, report, names):
    rows = report.table(f"Memory for code ({setting.tier}), everything compiled",
                        ["module", "functions", "body bytes", "code bytes", "resident bytes", "code/body",
                         "resident/body"])
    for name in names:
        sizes = translated(setting, guests.find(MODULES[name]) / "bin" / MODULES[name], setting.tier)
        body, code, resident = (sizes[key] for key in ("body_bytes", "code_bytes", "resident_bytes"))
        rows.append([name, sizes["function_count"], body, code, resident, code / body, resident / body])
        report.bar(f"memory for code, {name}, resident/body", max(code, resident) / body, BAR)
        progress(f"{name}: {max(code, resident) / body:.2f} bytes a byte of body")
