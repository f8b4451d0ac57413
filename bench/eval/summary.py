# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""From raw data to what is said: sections with tables and plots, and bars that are passed or missed. Knows nothing of how
they are drawn (page.py) or were measured (experiments.py); an experiment that the data lack has no section."""

import dataclasses
import math

import paper
from spread import differences, median_interval, ratios

TITLES = {"sha256": "SHA-256 of 100 MB", "records": "JSON records, written and read", "http": "HTTP service, one request"}
METRIC = {"sha256": "wall_ms", "records": "wall_ms", "http": "mean_ms"}
NATIVE = {"C": "native, clang (C)", "Rust": "native, rustc (Rust)"}
PLAIN = "cay"
NO_FIGURES = (math.inf, math.inf, math.inf)


@dataclasses.dataclass
class Bar:
    """Judged by the median; low and high are its interval."""
    name: str
    value: float
    low: float
    high: float
    most: float
    unit: str = "x"

    @property
    def passed(self):
        return self.value <= self.most


@dataclasses.dataclass
class Table:
    title: str
    columns: list
    rows: list
    note: str = ""


@dataclasses.dataclass
class Plot:
    """`lines`: (label, value, low, high, kind); `marks`: (value, label), drawn across all of them."""
    title: str
    unit: str
    lines: list
    marks: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Section:
    title: str
    text: str
    tables: list = dataclasses.field(default_factory=list)
    plots: list = dataclasses.field(default_factory=list)


def kind_of(name):
    """By which a plot chooses its colour."""
    for kind in ("native", "container", "cay"):
        if name.startswith(kind):
            return kind
    return "peer"


def spelled(value, digits=3):
    """Three digits that count."""
    if value is None or math.isinf(value):
        return "–"
    if abs(value) < 1e-9:
        return "0"
    return f"{value:.0f}" if abs(value) >= 10 ** (digits - 1) else f"{value:#.{digits}g}"


def spread(values):
    if not values:
        return "–"
    middle, low, high = median_interval(values)
    return f"{spelled(middle)} ({spelled(low)}–{spelled(high)})"


def ratio_text(values):
    if not values:
        return "–"
    middle, low, high = median_interval(values)
    return f"{middle:.3f} ({low:.3f}–{high:.3f})"


def language_of(name):
    return "Rust" if name.endswith("(Rust)") else "C"


def reference_of(streams, name):
    return streams.get(NATIVE[language_of(name)])


def cpu_ratio(taken, reference, kind):
    """What a busy machine says best. Of a container it would be podman's."""
    return ratio_text(ratios(taken, reference, "cpu_ms") if reference and kind != "container" else [])


def workload_section(name, streams):
    metric = METRIC[name]
    rows, lines = [], []
    for stream, taken in streams.items():
        reference = reference_of(streams, stream)
        found = ratios(taken, reference, metric) if reference else []
        rows.append([stream, len(taken["round"]), spread(taken[metric]), ratio_text(found),
                     *([] if name == "http" else [cpu_ratio(taken, reference, kind_of(stream))]),
                     *(spread(taken.get(other, [])) for other in others(name)), spread(taken.get("rss_mib", []))])
        if found:
            lines.append((stream, *median_interval(found), kind_of(stream)))
    times = paper.TIMES[name]
    told = [["native", times["native"], "1"],
            *([kind, times[kind], f"{times[kind] / times['native']:.3f}"] for kind in ("container", "wasm"))]
    what = "Milliseconds of a request (mean of a run)" if name == "http" else "Milliseconds of the whole process"
    heads = ([] if name == "http" else ["CPU to native"]) + [HEADS[other] for other in others(name)]
    return Section(TITLES[name], TEXTS[name], [
        Table(f"{what}: median (95 % interval)",
              ["stream", "runs", "time, ms", "to native", *heads, "peak RSS, MiB"], rows, NOTES[name]),
        Table("The paper's numbers", ["stream", "time, ms", "to native"], told)],
        [Plot("Time to native, same language; the lines are the paper's", "x", lines,
              [(times["container"] / times["native"], "paper: container"), (times["wasm"] / times["native"], "paper: WASI")])])


def others(name):
    return ("p50_ms", "p99_ms", "trip_ms") if name == "http" else ("inside_ms", "cpu_ms")


HEADS = {"inside_ms": "inside, ms", "cpu_ms": "CPU, ms", "p50_ms": "p50, ms", "p99_ms": "p99, ms", "trip_ms": "round trip, ms"}
TEXTS = {
    "sha256": "One portable source for each language, clang, gcc and rustc at -O2 without instructions for SHA. What the "
              "processor's own instructions reach is told by OpenSSL.",
    "records": "Each record is one object of five members; the file is written, then read back and parsed. Texts and numbers "
               "are formatted by the program, not by printf, so that no two C libraries are compared.",
    "http": "A service on one thread with poll, one connection that stays open; a request computes primes with a sieve. "
            "Service and load generator are kept to a processor each, but not containers. Round trip: a request that "
            "computes nothing."}
NOTES = {
    "sha256": "inside: by the program's own clock, without the start of process, runtime or container. Peak RSS and CPU time of "
              "a container are those of podman's command alone; those of a first run of cay are without its helper that compiles.",
    "records": "inside: by the program's own clock. Peak RSS and CPU time of a container are those of podman's command alone.",
    "http": "Peak RSS of a container is that of podman's command alone."}


def workload_bars(name, streams):
    """Judged is what a user gets who asks for nothing, in a second run. No figures of cay are no excuse."""
    for language, native in NATIVE.items():
        ours = f"{PLAIN} ({language})"
        if native not in streams:
            continue
        if ours not in streams:
            yield Bar(f"{TITLES[name]}: {ours} to native: no figures", *NO_FIGURES, paper.RATIO_BARS[name])
            continue
        found = median_interval(ratios(streams[ours], streams[native], METRIC[name]))
        yield Bar(f"{TITLES[name]}: {ours} to native", *found, paper.RATIO_BARS[name])
        if name == "http":
            trip = median_interval(differences(streams[ours], streams[native], "trip_ms"))
            yield Bar(f"HTTP round trip: {ours} more than native", *trip, paper.TRIP_BAR_MS, " ms")


def start_section(streams):
    rows = [[stream, spread(taken["warm_ms"]), spread(taken.get("cold_ms", []))] for stream, taken in streams.items()]
    lines = [(stream, *median_interval(taken["warm_ms"]), kind_of(stream.split(": ")[1]))
             for stream, taken in streams.items() if stream.startswith("sha256") and stream.endswith("(C)")]
    told = [[machine, *times] for machine, times in paper.COLD_STARTS.items()]
    return Section("Cold start", "From invocation to the first output of the program. Warm: the least of three, with the "
                   "runtime's cache of code, where it has one. Cold: without that cache, and with the files of runtime and "
                   "program taken out of the page cache, as far as no other process maps them.",
                   [Table("Milliseconds: median (95 % interval)", ["stream", "warm", "cold"], rows),
                    Table("The paper's numbers, ms", ["machine", "Docker", "WASI"], told)],
                   [Plot("Warm start of sha256, C", " ms", lines)])


def start_bars(streams):
    for program in TITLES:
        for language in NATIVE:
            if f"{program}: {NATIVE[language]}" not in streams:
                continue
            taken = streams.get(f"{program}: {PLAIN} ({language})", {})
            for how, most in (("warm", paper.WARM_START_BAR_MS), ("cold", paper.COLD_START_BAR_MS)):
                found = median_interval(taken[f"{how}_ms"]) if taken else NO_FIGURES
                yield Bar(f"start of {program}, {language}, {how}", *found, most, " ms")


def concurrency_section(streams):
    counts = sorted({int(metric.rpartition("_")[2]) for taken in streams.values() for metric in taken
                     if metric.startswith("requests_s_")})
    columns = ["stream", *(f"requests/s, {n}" for n in counts), *(f"p99 ms, {n}" for n in counts)]
    rows = [[stream, *(spread(taken[f"requests_s_{n}"]) for n in counts), *(spread(taken[f"p99_ms_{n}"]) for n in counts)]
            for stream, taken in streams.items()]
    lines = [(stream, *median_interval(taken[f"requests_s_{counts[-1]}"]), kind_of(stream)) for stream, taken in streams.items()]
    return Section("Concurrency", "The same service with a tenth of the computation, over more and more connections.",
                   [Table("Requests a second, and the slowest hundredth: median (interval)", columns, rows)],
                   [Plot(f"Requests a second over {counts[-1]} connections", "/s", lines)])


def latency_section(streams):
    operations = [name for name in next(iter(streams.values())) if name != "round"]
    rows = [[stream, *(spread(taken[operation]) for operation in operations)] for stream, taken in streams.items()]
    lines = [(f"{operation}, {stream}", *median_interval(streams[stream][operation]), kind_of(stream))
             for operation in operations for stream in (NATIVE["C"].removesuffix(" (C)"), PLAIN) if stream in streams]
    return Section("Latency of single operations", "Called again and again on one file, by the program's own clock. The round "
                   "trip over TCP stands with the HTTP service.",
                   [Table("Nanoseconds: median (interval)", ["stream", *operations], rows)],
                   [Plot("Nanoseconds, native and cay", " ns", lines)])


def costs_section(streams):
    rows, lines = [], []
    for stream, taken in streams.items():
        program, _, mode = stream.partition(": ")
        base = streams.get(f"{program}: as it comes")
        found = ratios(taken, base, "cpu_ms") if base else []
        rows.append([program, mode, spread(taken["cpu_ms"]), ratio_text(found), spread(taken["wall_ms"])])
        if found and mode != "as it comes":
            lines.append((stream, *median_interval(found), "cay"))
    return Section("Cost of sandboxing", "What guards a run, against the same run as it comes: with the second wall, guard "
                   "pages, and no limit of time. `again` is the same once more: how far a ratio can be trusted.",
                   [Table("CPU milliseconds of the whole process: median (interval)",
                          ["program", "mode", "CPU, ms", "to as it comes", "wall, ms"], rows)],
                   [Plot("CPU time to the run as it comes", "x", lines)])


def tiers_section(streams):
    names = list(dict.fromkeys(stream.partition(": ")[2] for stream in streams))
    rows, lines = [], {name: [] for name in names}
    for kernel in dict.fromkeys(stream.partition(": ")[0] for stream in streams):
        native = streams.get(f"{kernel}: native, clang")
        if not native:
            continue
        row = [kernel]
        for name in names:
            found = ratios(streams[f"{kernel}: {name}"], native, "wall_ms") if f"{kernel}: {name}" in streams else []
            row.append(ratio_text(found) if name != "native, clang" else spread(native["wall_ms"]) + " ms")
            lines[name].append(median_interval(found)[0] if found else None)
        rows.append(row)
    means = [(name, *[geometric_mean(found)] * 3, kind_of(name)) for name, found in lines.items()
             if None not in found and name != "native, clang"]
    rows.append(["geometric mean", *(spelled(geometric_mean(lines[name])) if None not in lines[name] else "–" for name in names)])
    return Section("Kernels", "The kernels of the tiers' benchmarks, whole processes: start and compilation are inside. "
                   "`./x bench optimized` measures the code alone.",
                   [Table("Wall-clock time to native: median (interval)", ["kernel", *names], rows)],
                   [Plot("Geometric mean of the kernels, to native", "x", means)])


def geometric_mean(values):
    product = 1.0
    for value in values:
        product *= value
    return product ** (1 / len(values))


def megabytes(count):
    return f"{count / 1e6:.2f}" if count else "–"


def sizes_section(sizes):
    rows = [[f"{one['program']} ({one['language']})", megabytes(one["native"]), megabytes(one["wasm"])]
            for one in sizes["programs"]]
    runtimes = [[name, megabytes(count)] for name, count in sizes["runtimes"].items()]
    runtimes += [[f"{name}, image of all programs", megabytes(count)] for name, count in sizes["images"].items()]
    told = [[kind, f"{least}–{most}"] for kind, (least, most) in paper.SIZES.items()]
    lines = [(f"{one['program']} ({one['language']}), {kind}", *[one[kind] / 1e6] * 3, "cay" if kind == "wasm" else kind)
             for one in sizes["programs"] for kind in ("native", "wasm")]
    return Section("Size", "Programs are stripped, native ones static.",
                   [Table("Programs, MB", ["program", "native", "wasm"], rows), Table("What runs them, MB", ["what", "size"], runtimes),
                    Table("The paper's numbers, MB", ["kind", "size"], told)], [Plot("Size of the programs", " MB", lines)])


def energy_section(data):
    used = [(name, stream, taken["joules"]) for name in ("sha256", "records") for stream, taken in
            data["experiments"].get(name, {}).items() if "joules" in taken]
    if not used:
        return Section("Energy", "Absent: this machine exposes no counter of energy (/sys/class/powercap).")
    return Section("Energy", "Of the whole machine while a program ran.", [Table(
        "Joules: median (interval)", ["workload", "stream", "joules"], [[name, stream, spread(taken)] for name, stream, taken in used])])


def audit_section(areas):
    rows = [[area["area"], area["attempts"], area["as_expected"], ", ".join(area["outcomes"])] for area in areas]
    total, right = (sum(area[key] for area in areas) for key in ("attempts", "as_expected"))
    return Section("Security audit", f"{total} attempts to do what was not granted, {right} of them ended as they have to; "
                   "docs/security-audit.md says what is attempted and how it is judged.",
                   [Table("Attempts", ["area", "attempts", "as expected", "outcomes"], rows)])


def absent_section(absent):
    if not absent:
        return Section("Absent", "Nothing.")
    return Section("Absent", "What could not be measured, and why; nothing is guessed.",
                   [Table("Absent", ["who", "what", "why"], absent)])


def bars(data):
    found = []
    for name, streams in data["experiments"].items():
        if name in TITLES:
            found += workload_bars(name, streams)
        elif name == "start":
            found += start_bars(streams)
    if data.get("audit"):
        wrong = sum(area["attempts"] - area["as_expected"] for area in data["audit"])
        found.append(Bar("audit: attempts that end otherwise", wrong, wrong, wrong, 0, ""))
    return found


SECTIONS = {"start": start_section, "concurrency": concurrency_section, "latency": latency_section, "costs": costs_section,
            "tiers": tiers_section}


def sections(data):
    found = []
    for name, streams in data["experiments"].items():
        if streams:
            found.append(workload_section(name, streams) if name in TITLES else SECTIONS[name](streams))
    if data.get("sizes"):
        found.append(sizes_section(data["sizes"]))
    found.append(energy_section(data))
    if data.get("audit"):
        found.append(audit_section(data["audit"]))
    return [*found, absent_section(data["absent"])]


def compared(data, earlier):
    """(stream, ratio before, ratio now, change) of the three workloads' medians, for streams that both have."""
    for name in TITLES:
        now, before = data["experiments"].get(name, {}), earlier["experiments"].get(name, {})
        for stream in now:
            if stream in before and reference_of(now, stream) and reference_of(before, stream):
                values = [median_interval(ratios(of[stream], reference_of(of, stream), METRIC[name]))[0] for of in (before, now)]
                yield f"{name}: {stream}", *values, values[1] / values[0] - 1
