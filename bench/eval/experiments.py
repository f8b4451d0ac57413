# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What is measured. Each experiment fills in {stream: {"round": [...], METRIC: [...]}}; all conclusions are drawn later, from
these (summary.py), so that they can be drawn again from the raw data.

Streams of an experiment run in turn, forwards in one round and backwards in the next. The first run of each is not counted:
it fills caches, and its output has to be the same for all."""

import dataclasses
import os
import pathlib
import random

import engines
import kernels
import launch
from optimized_jobs import KERNELS
from measure import Failed, progress
from rivals import LANGUAGES, Cannot, Cay, Job, Peer, Rival


@dataclasses.dataclass
class Size:
    """How much of everything: the evaluation's, and what its own test takes."""
    rounds: int = 20
    few_rounds: int = 5
    sha256_bytes: int = 100 * 1024 * 1024
    records: int = 400000
    primes: int = 200000
    load_ms: int = 500
    latency_calls: int = 300
    kernels: bool = True
    audit: bool = True


QUICK = Size(2, 2, 1024 * 1024, 2000, 2000, 50, 5, False, False)
FULL = Size(few_rounds=20, load_ms=1000)
CONNECTIONS = (1, 16, 256)


class Laboratory:
    """The tools, the rivals and the folder that experiments work with, and what could not be had."""

    def __init__(self, setting, size, rivals):
        self.setting, self.size = setting, size
        self.rivals = [rival for rival in rivals if not rival.absent]
        self.absent = [[rival.name, "everything", str(rival.absent)] for rival in rivals if rival.absent]
        self.launch, self.load = setting.tool("launch"), setting.tool("load")
        self.folder = setting.work / "data"
        self.folder.mkdir(exist_ok=True)
        for name, length in (("input.bin", size.sha256_bytes), ("small.bin", 1024)):
            path = self.folder / name
            if not path.exists() or path.stat().st_size != length:
                path.write_bytes(random.Random(1).randbytes(length))
        processors = sorted(os.sched_getaffinity(0))
        self.server_processor, self.load_processor = processors[-1], processors[0]

    def languages(self):
        """Those whose programs can be built here."""
        found = []
        for language in LANGUAGES:
            try:
                Job("sha256", language).module()
                found.append(language)
            except Failed as failure:
                self.note_absent("all programs", language, failure)
        return found

    def run(self, rival, command, options=()):
        """(figures, output)"""
        try:
            return launch.run(self.launch, command, options)
        finally:
            rival.settle()

    def note_absent(self, what, where, why):
        entry = [what, where, str(why)]
        if entry not in self.absent:
            self.absent.append(entry)
            progress(f"absent: {what}, {where}: {why}")


def keep(streams, name, count, figures):
    stream = streams.setdefault(name, {"round": []})
    stream["round"].append(count)
    for metric, value in figures.items():
        stream.setdefault(metric, []).append(round(value, 4))


def interleave(lab, title, takers, rounds, often=None):
    """`takers`: {stream: function returning figures}. Those that `often` does not name run in few rounds only."""
    streams, working = {}, {}
    for name, take in takers.items():
        try:
            take()
            working[name] = take
        except Failed as failure:
            lab.note_absent(name, title, failure)
    step = max(1, rounds // lab.size.few_rounds)
    for count in range(rounds):
        for name in list(working) if count % 2 else list(reversed(working)):
            if often is not None and name not in often and count % step:
                continue
            try:
                keep(streams, name, count, working[name]())
            except Failed as failure:
                lab.note_absent(name, f"{title}, from round {count + 1} on", failure)
                del working[name]
        progress(f"{title}: round {count + 1} of {rounds}")
    return {name: streams[name] for name in takers if name in streams}


class Same:
    """The output that all streams have to have."""

    def __init__(self):
        self.expected = None

    def check(self, name, output):
        self.expected = self.expected or output
        if output != self.expected:
            raise Failed(f"{name} prints {output[:200]!r}, not {self.expected[:200]!r}")


def often_measured(lab, languages):
    """The three kinds of the paper."""
    kinds = ("native, clang", "native, rustc", "container", "cay")
    return [f"{kind} ({language})" for kind in kinds for language in languages]


def streams_of(lab, job, languages):
    """(stream's name, rival, job) for each that can do it."""
    for language in languages:
        for rival in lab.rivals:
            one = dataclasses.replace(job, language=language)
            try:
                rival.command(one)
            except Cannot as reason:
                if str(reason):
                    lab.note_absent(rival.name, job.program, reason)
                continue
            yield f"{rival.name} ({language})", rival, one


def whole_runs(lab, job, languages):
    """Programs that start, work and end."""
    same, takers = Same(), {}
    for name, rival, one in streams_of(lab, job, languages):
        def take(name=name, rival=rival, command=rival.command(one), compared=not name.startswith("native, SHA")):
            figures, output = lab.run(rival, command)
            if compared:
                same.check(name, output)
            return figures
        takers[name] = take
    return interleave(lab, job.program, takers, lab.size.rounds, often_measured(lab, languages))


def sha256(lab, languages):
    return whole_runs(lab, Job("sha256", arguments=("{folder}/input.bin",), folder=lab.folder), languages)


def records(lab, languages):
    return whole_runs(lab, Job("records", arguments=("{folder}", str(lab.size.records)), folder=lab.folder), languages)


def served(lab, rival, job, ask):
    """Starts the service on a port of its own, and returns what `ask` measures and what launch said of its process."""
    one = dataclasses.replace(job, port=launch.free_port())
    pinned = ["--processor", str(lab.server_processor)] if rival.name != "container" else []
    with launch.Service(lab.launch, rival.command(one), one.port, pinned) as service:
        figures = ask(one.port)
    rival.settle()
    return {**figures, **{name: service.figures[name] for name in ("rss_mib", "first_ms")}}


def asked(lab, port, path, connections):
    return launch.load(lab.load, port, path, connections, lab.size.load_ms, lab.load_processor)


def http(lab, languages):
    """One connection: what a request takes. And what takes no computation: the round trip."""
    def ask(port):
        work = asked(lab, port, f"/primes/{lab.size.primes}", 1)
        trip = asked(lab, port, "/ping", 1)
        return {"mean_ms": work["mean_ms"], "p50_ms": work["p50_ms"], "p99_ms": work["p99_ms"], "trip_ms": trip["p50_ms"]}

    takers = {name: lambda rival=rival, one=one: served(lab, rival, one, ask)
              for name, rival, one in streams_of(lab, Job("http", port=1), languages)}
    return interleave(lab, "http", takers, lab.size.rounds, often_measured(lab, languages))


def concurrency(lab, languages):
    """Throughput and slowest requests with more and more connections, computing a tenth of what http does."""
    path = f"/primes/{lab.size.primes // 10}"

    def ask(port):
        figures = {}
        for count in CONNECTIONS:
            found = asked(lab, port, path, count)
            figures |= {f"requests_s_{count}": found["requests_s"], f"p99_ms_{count}": found["p99_ms"]}
        return figures

    takers = {name: lambda rival=rival, one=one: served(lab, rival, one, ask)
              for name, rival, one in streams_of(lab, Job("http", port=1), languages)}
    return interleave(lab, "concurrency", takers, lab.size.few_rounds)


def forget(files):
    """Takes files out of the page cache, as far as no other process maps them."""
    for file in files:
        with open(file, "rb") as opened:
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def first_ms(lab, rival, job, cached):
    if not job.port:
        return lab.run(rival, rival.command(job, cached))[0]["first_ms"]
    one = dataclasses.replace(job, port=launch.free_port())
    with launch.Service(lab.launch, rival.command(one, cached), one.port) as service:
        pass
    rival.settle()
    return service.figures["first_ms"]


def starts_quickly(rival):
    return not isinstance(rival, (Cay, Peer)) or rival.name == "cay"


def start(lab, languages):
    """From invocation to first output of each workload, warm; then with the runtime's code cache empty and the files of
    runtime and program out of the page cache. What takes long to start, because it is large or compiles first, starts one
    program only."""
    streams = {}
    jobs = (Job("sha256", arguments=("{folder}/small.bin",), folder=lab.folder),
            Job("records", arguments=("{folder}", "1"), folder=lab.folder), Job("http", port=1))

    def take(rival, job):
        times = 1 if rival.name == "container" else 3
        warm = min(first_ms(lab, rival, job, True) for _ in range(times))
        if not hasattr(rival, "files"):
            return {"warm_ms": warm}
        forget(rival.files(job))
        return {"warm_ms": warm, "cold_ms": first_ms(lab, rival, job, False)}

    for job in jobs:
        takers = {f"{job.program}: {name}": lambda rival=rival, one=one: take(rival, one)
                  for name, rival, one in streams_of(lab, job, languages) if starts_quickly(rival) or one == jobs[0]}
        streams |= interleave(lab, f"start of {job.program}", takers, 2 * lab.size.few_rounds,
                              [name for name in takers if ": native" in name or ": cay (" in name])
    return streams


def latency(lab):
    """Single operations on files, by the program's own clock, in ns."""
    def take(rival, job):
        _, output = lab.run(rival, rival.command(job))
        return {name: float(value) for name, value in (line.split("\t") for line in output.decode().splitlines())}

    job = Job("latency", arguments=("{folder}", str(lab.size.latency_calls)), folder=lab.folder)
    takers = {rival.name: lambda rival=rival, one=one: take(rival, one) for _, rival, one in streams_of(lab, job, ["C"])}
    return interleave(lab, "latency", takers, lab.size.few_rounds)


def costs(lab):
    """Each of what guards a run, against the same run without it, in the tier that cay takes by itself, with its cache warm."""
    cay = next(rival for rival in lab.rivals if rival.name == "cay")
    log = lab.setting.work / "audit.log"
    small = str(2 << 30)  # of address space: no room for guard pages, so that accesses are compared with the length
    modes = {"as it comes": ([], []), "again": ([], []), "fuel": (["--fuel", "1000000000000000"], []),
             "time limits": (["--timeout", "1h", "--cpu-time", "1h"], []), "audit log": (["--audit", str(log)], []),
             "no second wall": (["--isolate", "none"], []), "own process": (["--isolate", "process"], []),
             "bounds checked": ([], ["--address-space", small])}
    streams = {}
    for program, arguments in (("sha256", ("{folder}/input.bin",)), ("records", ("{folder}", str(lab.size.records)))):
        job = Job(program, arguments=arguments, folder=lab.folder)

        def take(flags, options, job=job):
            log.unlink(missing_ok=True)
            grants = ["--dir", f"{job.folder}::/d", str(job.module()), *job.guest_words()]
            return lab.run(cay, [*cay.run(), *flags, *grants], options)[0]

        takers = {f"{program}: {mode}": lambda flags=flags, options=options: take(flags, options)
                  for mode, (flags, options) in modes.items()}
        streams |= interleave(lab, f"cost, {program}", takers, lab.size.few_rounds)
    return streams


def tiers(lab):
    """The kernels of the tiers' benchmarks; what compiling takes is inside."""
    streams = {}
    for kernel, (full, little) in KERNELS.items():
        size = full if lab.size.kernels else little
        module, native = kernels.build(lab.setting, kernel)
        call, same = ["--invoke", "run"], Same()
        commands = [("native, clang", Rival(), [native, str(size)])]
        commands += [(rival.name, rival, kernel_command(rival, call, module, size)) for rival in lab.rivals]

        def take(name, rival, command, same=same):
            figures, output = lab.run(rival, command)
            same.check(name, output.strip())
            return figures

        takers = {f"{kernel}: {name}": lambda name=name, rival=rival, command=command: take(name, rival, command)
                  for name, rival, command in commands if command}
        streams |= interleave(lab, f"kernel {kernel}", takers, lab.size.few_rounds)
    return streams


def kernel_command(rival, call, module, size):
    if isinstance(rival, Cay):
        return [*rival.run(), *call, module, str(size)]
    if rival.name == "wasmtime":
        return [rival.path(), "run", *call, module, str(size)]
    if rival.name == "node":
        return [rival.path(), "--no-warnings", str(engines.NODE_RUN), *call, module, str(size)]
    return None


def sizes(lab, languages):
    """Bytes of what has to be there to run each workload."""
    found = []
    for language in languages:
        for program in ("sha256", "records", "http"):
            job = Job(program, language)
            found.append({"program": program, "language": language, "native": job.native().stat().st_size,
                          "wasm": job.module().stat().st_size})
    folder = pathlib.Path(lab.setting.cay).resolve().parent
    runtimes = {"cay": pathlib.Path(lab.setting.cay), "cay-llvm (optimizing tier)": folder / "cay-llvm",
                **{rival.name: pathlib.Path(rival.path()) for rival in lab.rivals if hasattr(rival, "path")}}
    images = {rival.name: rival.image_bytes() for rival in lab.rivals if rival.name == "container"}
    return {"programs": found, "runtimes": {name: path.stat().st_size for name, path in runtimes.items() if path.exists()},
            "images": images}
