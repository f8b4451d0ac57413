# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How each engine of `./x bench baseline` runs a module whose compilation is not counted.

wasmtime gets a file that its compiler, Winch or Cranelift, made beforehand. V8 gets the module; the runner compiles it
whole before it looks at the clock. cay gets the module, and what it does to it is counted.
"""

import pathlib
import subprocess

import peers
from measure import Failed, Sample, low, run
from setting import ROOT

# Without --no-wasm-dynamic-tiering, V8 compiles again with TurboFan what runs often, in spite of --no-wasm-tier-up.
LIFTOFF = ["--liftoff", "--no-wasm-tier-up", "--no-wasm-dynamic-tiering", "--no-wasm-lazy-compilation", "--no-warnings"]
NODE_RUN = ROOT / "bench" / "peers" / "node_run.mjs"
COMPILERS = {"Winch": ["-C", "compiler=winch"], "Cranelift": ["-C", "compiler=cranelift"]}
# A module with the export "run" and nothing to do: what an engine needs for it is its start.
#   (module (func (export "run") (param i32) (result i32) (local.get 0)))
EMPTY = (b"\0asm\1\0\0\0\1\6\1\x60\1\x7f\1\x7f\3\2\1\0\7\7\1\3run\0\0\x0a\6\1\4\0\x20\0\x0b")


def options(directory):
    return ["--dir", f"{directory}::/d"] if directory else []


def precompiled(setting, compiler, module):
    program = peers.command("wasmtime-cli")
    output = setting.work / f"{module.stem}.{compiler.lower()}.{peers.version('wasmtime-cli').split()[-1]}.cwasm"
    if not peers.newer(output, module) or not peers.newer(output, pathlib.Path(program)):
        subprocess.run([program, "compile", *COMPILERS[compiler], "-o", str(output), str(module)], check=True)
    return str(output)


def wasmtime_run(setting, compiler, module, arguments, flags):
    return [peers.command("wasmtime-cli"), "run", *COMPILERS[compiler], "--allow-precompiled", *flags,
            precompiled(setting, compiler, module), *arguments]


def wasmtime_cold(compiler, flags, module, arguments):
    """Compiles and runs, with the cache off, as a user's first run does."""
    return [peers.command("wasmtime-cli"), "run", *COMPILERS[compiler], "-C", "cache=n", *flags, str(module),
            *arguments]


def liftoff_run(module, arguments, flags):
    return [peers.command("node"), *LIFTOFF, str(NODE_RUN), *flags, str(module), *arguments]


def liftoff_sample(command):
    """Runs it and takes the runner's own figure, which leaves out the start of node and the compilation."""
    sample = run(command)
    output, _, last = sample.output.rstrip(b"\n").rpartition(b"cpu_us ")
    if not last.isdigit():
        raise Failed(f"node_run printed no time, but {last!r}")
    return Sample(int(last) / 1e6, sample.wall_s, output)


def check_liftoff(command):
    """Nothing of the module may have been compiled by TurboFan."""
    report = run([command[0], "--trace-wasm-compilation-times", *command[1:]]).output
    if b"using Liftoff" not in report or b"using TurboFan" in report:
        raise Failed("V8 did not run all of the module in Liftoff's code")


def start_s(command, times=20):
    return low([run(command).cpu_s for _ in range(times)])
