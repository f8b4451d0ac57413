# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a user of the optimizing tier waits for and what it takes in memory: whole processes on the wall clock, with the
cache as the first run leaves it and without.

Both runs are of the tier `auto`, which is what runs when nothing is asked for; the second one after `cay cache wait`. wasmtime has
its own cache, warm and off."""

import launch
import optimized_jobs
import peers
from measure import Failed, alternate, low, progress, run, Sample
from optimized_jobs import PROGRAMS

BAR_AHEAD, BAR_HELPER_MIB = 1.0, 256


class Places:
    """Two folders with the code that earlier runs have left, ours and wasmtime's."""

    def __init__(self, setting):
        self.setting, self.tool = setting, setting.tool("launch")
        self.ours, self.theirs = setting.scratch("cache"), setting.scratch("wasmtime-cache")
        self.settings = setting.work / "wasmtime-cache.toml"
        self.settings.write_text(f'[cache]\ndirectory = "{self.theirs}"\n')

    def cay(self, job, tier):
        return job.ours(self.setting, "full", tier, "--cache", self.ours)

    def wasmtime(self, job, is_warm):
        cache = ["-C", f"cache-config={self.settings}"] if is_warm else ["-C", "cache=n"]
        return [peers.command("wasmtime-cli"), "run", *cache, *job.flags, str(job.module), *job.arguments["full"]]

    def forget(self):
        """Before a first run; what an earlier one has left to do is not done beside it."""
        self.settle()
        run([self.setting.cay, "cache", "clear", "--cache", str(self.ours)])

    def settle(self):
        run([self.setting.cay, "cache", "wait", "--cache", str(self.ours)])

    def launch(self, command, *options):
        """(figures of launch.run, output)"""
        return launch.run(self.tool, command, options)


def sample(places, command, before=None):
    if before:
        before()
    figures, output = places.launch(command)
    return Sample(figures["wall_ms"] / 1000, figures["wall_ms"] / 1000, output)


def wall_ms(setting, streams):
    """{stream: minimum}. `streams`: {stream: function that returns a Sample}"""
    return {name: low([one.wall_s for one in taken]) * 1000 for name, taken in alternate(streams, setting.least).items()}


def compared(setting, report, names, title, streams_of):
    rows = report.table(f"{title}: milliseconds of whole processes, minima; peer: {peers.version('wasmtime-cli')}",
                        ["program", "cay", "wasmtime", "cay/wasmtime", "A/A"])
    ratios = {}
    for name, job in optimized_jobs.jobs(setting, names).items():
        best = wall_ms(setting, streams_of(job))
        ratios[name] = best["cay"] / best["wasmtime"]
        rows.append([name, best["cay"], best["wasmtime"], ratios[name], best["again"] / best["cay"]])
        progress(f"{title}, {name}: {ratios[name]:.3f} of wasmtime's time")
    worst = max(ratios, key=ratios.get)
    report.bar(f"{title}, the slowest against wasmtime ({worst})", ratios[worst], BAR_AHEAD)


class Second:
    NAMES = [*PROGRAMS]

    @staticmethod
    def measure(setting, report, names):
        places = Places(setting)

        def streams(job):
            ours, theirs = places.cay(job, "auto"), places.wasmtime(job, True)
            places.launch(ours)
            places.launch(theirs)
            places.settle()
            return {"cay": lambda: sample(places, ours), "wasmtime": lambda: sample(places, theirs),
                    "again": lambda: sample(places, ours)}
        compared(setting, report, names, "Second run", streams)


class First:
    NAMES = [*PROGRAMS]

    @staticmethod
    def measure(setting, report, names):
        places = Places(setting)

        def streams(job):
            ours, theirs = places.cay(job, "auto"), places.wasmtime(job, False)
            return {"cay": lambda: sample(places, ours, places.forget), "wasmtime": lambda: sample(places, theirs),
                    "again": lambda: sample(places, ours, places.forget)}
        compared(setting, report, names, "First run", streams)


class Memory:
    NAMES = [*PROGRAMS]

    @staticmethod
    def measure(setting, report, names):
        """Of the run that compiles: the larger one of the command's peak and the helper's, which lives on when that ends."""
        places = Places(setting)
        rows = report.table("Peak resident memory, MiB: the second run, and the first with --tier optimized, which has the "
                            f"helper; peer: {peers.version('wasmtime-cli')}, second run",
                            ["program", "cay", "wasmtime", "cay/wasmtime", "with the helper"])
        ratios, helpers = {}, {}
        for name, job in optimized_jobs.jobs(setting, names).items():
            ours, theirs = places.cay(job, "auto"), places.wasmtime(job, True)
            helpers[name] = places.launch(places.cay(job, "optimized"), "--descendants", "1")[0]["rss_mib"]
            places.launch(theirs)
            places.settle()
            mine, other = (low([places.launch(command)[0]["rss_mib"] for _ in range(3)]) for command in (ours, theirs))
            ratios[name] = mine / other
            rows.append([name, mine, other, ratios[name], helpers[name]])
            progress(f"memory, {name}: {ratios[name]:.3f} of wasmtime's")
        worst = max(ratios, key=ratios.get)
        report.bar(f"memory of the second run, the worst against wasmtime ({worst})", ratios[worst], BAR_AHEAD)
        report.bar("memory of the first run with the helper, MiB", max(helpers.values()), BAR_HELPER_MIB)


class Hello:
    NAMES = ["hello"]
    TIMES, BAR = 100, 0.25

    @classmethod
    def measure(cls, setting, report, _names):
        job = optimized_jobs.hello(setting)
        tool = setting.tool("launch")
        ours = job.ours(setting, "full", "auto", "--cache", setting.scratch("cache"))
        commands = {"cay": ours, "wasmtime": job.precompiled(setting, "full"), "again": ours}
        taken = {name: [] for name in commands}
        for _ in range(cls.TIMES):
            for name, command in commands.items():
                figures, output = launch.run(tool, command)
                if output != b"hello\n":
                    raise Failed(f"{name}: printed {output!r}")
                taken[name].append(figures["wall_ms"])
        best = {name: low(values) for name, values in taken.items()}
        rows = report.table(f"hello: milliseconds of {cls.TIMES} whole processes, minima; peer: "
                            f"{peers.version('wasmtime-cli')}, precompiled", ["cay", "wasmtime", "cay/wasmtime", "A/A"])
        ratio = best["cay"] / best["wasmtime"]
        rows.append([best["cay"], best["wasmtime"], ratio, best["again"] / best["cay"]])
        report.bar("hello, cay/wasmtime", ratio, cls.BAR)
