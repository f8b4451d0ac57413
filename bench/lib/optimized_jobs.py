# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What `./x bench optimized` runs: kernels and programs, each with all its work and with next to none."""

import dataclasses
import pathlib
import random
import shutil

import baseline_code
import engines
import guests
import kernels
import start
from measure import run
from setting import ROOT

# Each runs for 0.3 to 0.6 s natively, with as little to do as it has beside it.
KERNELS = {"sha256": (1200, 1), "matmul": (500, 1), "fib": (41, 1), "mandelbrot": (2400, 1), "fannkuch": (10, 2),
           "nbody": (4000000, 1), "json": (300, 1), "vm": (150000, 1), "spectral": (2600, 1), "dot": (600000, 1)}
DIRECTORY = baseline_code.DIRECTORY
# Name: the guest's file, the native program, its arguments with all work, and with little.
PROGRAMS = {
    "sqlite": ("speedtest1", "speedtest1", ["--memdb", "--size", "10"], ["--memdb", "--size", "1"]),
    "quickjs": ("qjs", "qjs", ["-e", (ROOT / "bench" / "guests" / "bench.js").read_text()], ["-e", "1"]),
    "zstd": ("zstdround", "zstdround", [f"{DIRECTORY}/in.json", "6"], [f"{DIRECTORY}/small.json", "6"]),
    "lua": ("lua.noerr", "lua", [f"{DIRECTORY}/bench.lua"], [f"{DIRECTORY}/empty.lua"]),
    "sha256-file": ("workload-sha256", "workload-sha256", [f"{DIRECTORY}/bytes"], [f"{DIRECTORY}/small.json"]),
    "json-files": ("workload-records", "workload-records", [DIRECTORY, "400000"], [DIRECTORY, "1"]),
}
SHA256_BYTES = 100 * 1024 * 1024


@dataclasses.dataclass
class Job:
    """A module, what engines are told beside it, and the native programs, by the name of their stream."""
    module: pathlib.Path
    flags: list
    natives: dict
    arguments: dict  # of the guest, by size: full, little
    outside: dict    # of the native program

    def ours(self, setting, size, tier, *options):
        return setting.cay_run(*options, *self.flags, self.module, *self.arguments[size], tier=tier)

    def compiled(self, setting, cpu):
        """The module compiled ahead by `cay compile`, for this processor (native) or any of its kind (portable)."""
        output = setting.work / f"{self.module.stem}.{cpu}.cay"
        run([setting.cay, "compile", "--cpu", cpu, str(self.module), "-o", str(output)])
        return output

    def ahead(self, setting, size, compiled):
        return [setting.cay, "run", "--trust-precompiled", *map(str, self.flags), str(compiled), *self.arguments[size]]

    def precompiled(self, setting, size):
        return engines.wasmtime_run(setting, "Cranelift", self.module, self.arguments[size], self.flags)

    def native(self, stream, size):
        return [self.natives[stream], *self.outside[size]]


def files(setting):
    """The folder that programs read and write; it lies in memory where the system has a place for that."""
    folder = setting.scratch("optimized")
    shutil.copy(baseline_code.input_directory(setting) / "in.json", folder)
    shutil.copy(ROOT / "bench" / "guests" / "bench.lua", folder)
    (folder / "empty.lua").touch()
    (folder / "small.json").write_text("[1, 2, 3]\n" * 8)
    (folder / "bytes").write_bytes(random.Random(1).randbytes(SHA256_BYTES))
    return folder


def kernel(setting, name):
    module, native = kernels.build(setting, name)
    sources = [kernels.FOLDER / f"{name}.c", kernels.FOLDER / "native.c", *kernels.FOLDER.glob("*.h")]
    natives = {"clang": native, "host": setting.compile(f"{name}-host", sources, "-ffp-contract=off", "-march=native")}
    if shutil.which("gcc"):
        natives["gcc"] = setting.compile(f"{name}-gcc", sources, "-ffp-contract=off", "-Wl,--no-as-needed", "-lm",
                                          compiler="gcc")
    sizes = {size: [str(number)] for size, number in zip(("full", "little"), KERNELS[name])}
    return Job(pathlib.Path(module), ["--invoke", "run"], natives, sizes, sizes)


def program(name, folder):
    guest, native, *arguments = PROGRAMS[name]
    place = guests.find(f"{guest}.wasm")
    natives = {"clang": str(place / "native" / native), "gcc": str(place / "native" / f"{native}.gcc")}
    needs_files = any(DIRECTORY in word for word in arguments[0])
    by_size = dict(zip(("full", "little"), arguments))
    return Job(place / "bin" / f"{guest}.wasm", engines.options(folder) if needs_files else [],
               {stream: path for stream, path in natives.items() if pathlib.Path(path).exists()},
               {size: [word.replace(DIRECTORY, "/d") for word in words] for size, words in by_size.items()},
               {size: [word.replace(DIRECTORY, str(folder)) for word in words] for size, words in by_size.items()})


def jobs(setting, names):
    """{name: Job}"""
    folder = files(setting) if set(names) & set(PROGRAMS) else None
    return {name: kernel(setting, name) if name in KERNELS else program(name, folder) for name in names}


def hello(setting):
    setting.compile("hello.wasm", [start.SOURCE], "--target=wasm32-wasi")
    return Job(setting.work / "hello.wasm", [], {}, {"full": []}, {})
