# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The speed of the baseline tier's code: kernels and programs in cay, Winch, Cranelift, V8's Liftoff and natively.

What counts is execution. Of cay, Winch and Cranelift it is the processor time of the whole process, less that of the
same command with a module that does nothing; so cay's decoding, validation and compilation are inside its figure, and
those of the peers are not. Of Liftoff it is what bench/peers/node_run.mjs measures, of the native program the whole
process.
"""

import json
import random

import engines
import guests
import kernels
import peers
from measure import Failed, alternate, cpu_times, geometric_mean, low, middle, progress, run
from setting import ROOT

BAR_WINCH, BAR_WINCH_WORST, BAR_LIFTOFF = 0.65, 1.0, 0.95
# Each runs for 0.3 to 0.6 s in Winch's code; matmul and vm have no larger size, and matmul takes but 0.2 s.
KERNELS = {"sha256": 600, "matmul": 400, "fib": 39, "mandelbrot": 1600, "fannkuch": 10, "nbody": 2200000, "json": 160,
           "vm": 100000}
# Name: the guest and its arguments; DIRECTORY is the host's path natively, /d in a guest.
DIRECTORY = "DIRECTORY"
PROGRAMS = {"sqlite": ("speedtest1", ["--memdb", "--size", "10", "--verify"]),
            "quickjs": ("qjs", ["-e", (ROOT / "bench" / "guests" / "bench.js").read_text()]),
            "zstd": ("zstdround", [f"{DIRECTORY}/in.json", "6"])}
NAMES = [*KERNELS, *PROGRAMS]
STREAMS = ["cay", "again", "Winch", "Cranelift", "Liftoff", "native"]


def input_directory(setting):
    """A folder with a JSON file of 8 MB, always the same."""
    path = setting.work / "input" / "in.json"
    if not path.exists():
        chosen = random.Random(1)
        table = [{"id": n, "name": f"row {n} \u00fc\"", "values": [chosen.random() * 1000 for _ in range(6)],
                  "on": n % 3 == 0, "none": None, "deep": [[[n]]]} for n in range(28000)]
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(table, indent=1))
    return path.parent


def kernel_commands(setting, name):
    module, native = kernels.build(setting, name)
    return engine_commands(setting, setting.work / f"{name}.wasm", [str(KERNELS[name])], ["--invoke", "run"],
                           [native, str(KERNELS[name])])


def program_commands(setting, name):
    guest, arguments = PROGRAMS[name]
    folder, directory = guests.find(f"{guest}.wasm"), input_directory(setting)
    flags = engines.options(directory) if any(DIRECTORY in word for word in arguments) else []
    inside = [word.replace(DIRECTORY, "/d") for word in arguments]
    outside = [word.replace(DIRECTORY, str(directory)) for word in arguments]
    return engine_commands(setting, folder / "bin" / f"{guest}.wasm", inside, flags,
                           [str(folder / "native" / guest), *outside])


def engine_commands(setting, module, arguments, flags, native):
    ours = setting.cay_run(*flags, module, *arguments)
    return {"cay": ours, "again": ours, "Liftoff": engines.liftoff_run(module, arguments, flags), "native": native,
            **{name: engines.wasmtime_run(setting, name, module, arguments, flags) for name in ("Winch", "Cranelift")}}


def starts(setting):
    """Processor time of a module that does nothing."""
    module = setting.work / "empty.wasm"
    module.write_bytes(engines.EMPTY)
    commands = engine_commands(setting, module, ["0"], ["--invoke", "run"], [])
    found = {name: engines.start_s(commands[name]) for name in ("cay", "Winch", "Cranelift")}
    return {**found, "again": found["cay"]}


def same_output(name, commands):
    """Every engine prints what the native program prints; V8 ran nothing but Liftoff's code."""
    expected = guests.answer(run(commands["native"]).output).strip()
    for stream in ("cay", "Winch", "Cranelift", "Liftoff"):
        take = engines.liftoff_sample if stream == "Liftoff" else run
        found = guests.answer(take(commands[stream]).output).strip()
        if found != expected:
            raise Failed(f"{name}: {stream} prints {found[-300:]!r}, the native program {expected[-300:]!r}")
    engines.check_liftoff(commands["Liftoff"])


def times(setting, commands, start):
    """Minimum and median of each stream, less its start."""
    streams = {stream: lambda command=commands[stream], take=engines.liftoff_sample if stream == "Liftoff" else run:
               take(command) for stream in STREAMS}
    cpu = cpu_times(alternate(streams, setting.least))
    return ({stream: low(values) - start.get(stream, 0) for stream, values in cpu.items()},
            middle(cpu["cay"]) - start["cay"])


def judge(report, ratios, is_whole):
    worst = max(ratios, key=lambda name: ratios[name]["Winch"])
    report.bar(f"the slowest against Winch ({worst}), cay/Winch", ratios[worst]["Winch"], BAR_WINCH_WORST)
    if is_whole:
        for peer, bar in (("Winch", BAR_WINCH), ("Liftoff", BAR_LIFTOFF)):
            report.bar(f"code, geometric mean of cay/{peer}", mean(ratios, peer), bar)


def mean(ratios, stream):
    return geometric_mean([of[stream] for of in ratios.values()])


def measure(setting, report, names):
    start = starts(setting)
    spent = ", ".join(f"{name} {start[name] * 1000:.1f} ms" for name in ("cay", "Winch", "Cranelift"))
    rows = report.table(f"Code ({setting.tier}): CPU seconds, minima; Winch and Cranelift: "
                        f"{peers.version('wasmtime-cli')}, Liftoff: {peers.version('node')}",
                        ["benchmark", "cay", "(median)", *STREAMS[2:], "cay/Winch", "cay/Liftoff", "cay/Cranelift",
                         "cay/native", "A/A"],
                        f"Subtracted, the start with an empty module: {spent}. cay's compilation is in its figure, the "
                        "peers' is not.")
    ratios = {}
    for name in names:
        commands = (kernel_commands if name in KERNELS else program_commands)(setting, name)
        same_output(name, commands)
        best, median = times(setting, commands, start)
        ratios[name] = {stream: best["cay"] / best[stream] for stream in STREAMS}
        ratios[name]["again"] = best["again"] / best["cay"]
        rows.append([name, best["cay"], median, *(best[stream] for stream in STREAMS[2:]),
                     *ratio_cells(ratios[name])])
        progress(f"{name}: {ratios[name]['Winch']:.3f} of Winch's time, {ratios[name]['Liftoff']:.3f} of Liftoff's")
    means = {stream: mean(ratios, stream) for stream in STREAMS}
    rows.append(["geometric mean", *[""] * (2 + len(STREAMS[2:])), *ratio_cells(means)])
    judge(report, ratios, len(names) == len(NAMES))


def ratio_cells(ratios):
    return [ratios[stream] for stream in ("Winch", "Liftoff", "Cranelift", "native", "again")]
