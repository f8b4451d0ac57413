# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How fast one core compiles: bytes of function bodies per second of processor time, validation included; peer: Winch.

cay's figure is of bench/translate.c: loading the module, which validates it, and translating every function. Winch's is
of `wasmtime compile` on one thread, less that of an empty module; it writes its file to /dev/null.
"""

import json

import engines
import guests
import peers
from measure import Sample, alternate, cpu_times, low, middle, progress, run

BAR = 12.0
MODULES = {"sqlite": "speedtest1.wasm", "quickjs": "qjs.wasm", "go": "hello.go.wasm"}
NAMES = [*MODULES]


def translate_sample(command):
    sample = run(command)
    took = json.loads(sample.output)
    return Sample((took["load_us"] + took["translate_us"]) / 1e6, sample.wall_s, sample.output)


def winch_compile(module):
    return [peers.command("wasmtime-cli"), "compile", *engines.COMPILERS["Winch"], "-C", "parallel-compilation=n", "-o",
            "/dev/null", str(module)]


def megabytes_per_s(size_bytes, cpu_s):
    return size_bytes / 1e6 / cpu_s


def measure(setting, report, names):
    empty = setting.work / "empty.wasm"
    empty.write_bytes(engines.EMPTY)
    start_s = engines.start_s(winch_compile(empty))
    rows = report.table(f"Compile ({setting.tier}), one core, validation included: millions of body bytes a second, "
                        f"from minima; peer: {peers.version('wasmtime-cli')}",
                        ["module", "body bytes", "cay MB/s", "(median)", "Winch MB/s", "(median)", "cay/Winch", "A/A",
                         "validation MB/s"],
                        f"Subtracted from Winch's time: {start_s * 1000:.1f} ms for an empty module.")
    for name in names:
        module = guests.find(MODULES[name]) / "bin" / MODULES[name]
        ours = [setting.tool("translate"), setting.tier, str(module)]
        theirs = winch_compile(module)
        samples = alternate({"cay": lambda: translate_sample(ours), "Winch": lambda: run(theirs),
                             "again": lambda: translate_sample(ours)}, setting.least)
        cpu = cpu_times(samples)
        cpu["Winch"] = [taken - start_s for taken in cpu["Winch"]]
        said = [json.loads(sample.output) for sample in samples["cay"]]
        size, load_us = said[0]["body_bytes"], low(one["load_us"] for one in said)
        ratio = low(cpu["Winch"]) / low(cpu["cay"])
        speeds = [megabytes_per_s(size, choose(cpu[stream])) for stream in ("cay", "Winch") for choose in (low, middle)]
        rows.append([name, size, *speeds, ratio, low(cpu["again"]) / low(cpu["cay"]),
                     megabytes_per_s(size, load_us / 1e6)])
        report.bar_least(f"compile throughput, {name}, cay/Winch", ratio, BAR)
        progress(f"{name}: {ratio:.1f} times Winch's throughput")
