# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a user waits for, on the wall clock: `hello` from start to exit, and the first output of large modules, which
cay compiles function by function as they are called and wasmtime, with its cache off, whole and on all processors."""

import engines
import guests
import peers
from measure import Failed, first_output, low, middle, progress, run
from start import SOURCE

TIMES = 100
BAR_HELLO_MS, BAR_FIRST = 0.3, 0.2
# Name: file, peer, arguments, cay's options, wasmtime's options. Winch has no exceptions, which Yosys throws.
LARGE = {"clang": ("clang.wasm", "Winch", ["--version"], ["--arg0", "clang"], ["--argv0", "clang"]),
         "go": ("hello.go.wasm", "Winch", [], [], []),
         "yosys": ("yosys.wasm", "Cranelift", ["-V"], [], ["-W", "exceptions=y"])}
NAMES = ["hello", *LARGE]
# Cranelift takes minutes for Yosys: no round starts when the peer has run for so long. Ours run more often in each.
PEER_ROUNDS, PEER_ENOUGH_S, OURS_PER_ROUND = 5, 30, 5


def wall_ms(samples):
    return [sample.wall_s * 1000 for sample in samples]


def measure_hello(setting, report):
    setting.compile("hello.wasm", [SOURCE], "--target=wasm32-wasi")
    module = setting.work / "hello.wasm"
    commands = {tier: setting.cay_run(module, tier=tier) for tier in ("interp", setting.tier)}
    commands[f"{setting.tier}, again"] = commands[setting.tier]
    taken = {name: [] for name in commands}
    for _ in range(TIMES):
        for name, command in commands.items():
            taken[name].append(run(command))
            if taken[name][-1].output != b"hello\n":
                raise Failed(f"{name}: printed {taken[name][-1].output!r}")
    rows = report.table(f"Start of hello: milliseconds of {TIMES} whole processes", ["tier", "minimum", "median"])
    for name, samples in taken.items():
        rows.append([name, low(wall_ms(samples)), middle(wall_ms(samples))])
    more = low(wall_ms(taken[setting.tier])) - low(wall_ms(taken["interp"]))
    report.bar(f"start of hello, {setting.tier} more than interp", more, BAR_HELLO_MS, " ms")
    progress(f"hello: {more:.3f} ms more than the interpreter")


def first_outputs(name, ours, theirs):
    """Samples of both. The warming round, which also fills the page cache, is not counted."""
    expected = first_output(ours).output
    samples = {"cay": [], "peer": []}
    while len(samples["peer"]) < PEER_ROUNDS and sum(wall_ms(samples["peer"])) < PEER_ENOUGH_S * 1000:
        samples["cay"] += [first_output(ours) for _ in range(OURS_PER_ROUND)]
        samples["peer"].append(first_output(theirs))
        progress(f"{name}: cay {low(wall_ms(samples['cay'])):.0f} ms, peer {low(wall_ms(samples['peer'])):.0f} ms")
    for sample in samples["cay"] + samples["peer"]:
        if sample.output != expected:
            raise Failed(f"{name}: cay prints {expected[:300]!r}, but also {sample.output[:300]!r}")
    return samples


def measure_large(setting, report, names):
    rows = report.table(f"First output ({setting.tier}): milliseconds from the start of the process to the first bytes "
                        f"it prints; peer: {peers.version('wasmtime-cli')}, cache off",
                        ["program", "wasm bytes", "cay", "(median)", "compiler", "peer", "(median)", "cay/peer"])
    for name in names:
        file, compiler, arguments, our_flags, their_flags = LARGE[name]
        module = guests.find(file) / "bin" / file
        samples = first_outputs(name, setting.cay_run(*our_flags, module, *arguments),
                                engines.wasmtime_cold(compiler, their_flags, module, arguments))
        ours, theirs = wall_ms(samples["cay"]), wall_ms(samples["peer"])
        ratio = low(ours) / low(theirs)
        rows.append([name, module.stat().st_size, low(ours), middle(ours), compiler, low(theirs), middle(theirs),
                     ratio])
        report.bar(f"first output, {name}, cay/{compiler}", ratio, BAR_FIRST)


def measure(setting, report, names):
    if "hello" in names:
        measure_hello(setting, report)
    large = [name for name in names if name in LARGE]
    if large:
        measure_large(setting, report, large)
