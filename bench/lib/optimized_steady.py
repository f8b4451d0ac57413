# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The speed of optimized code alone: processor time of the whole process, less that of the same command with next to no
work, into which the start goes on every side alike. What can be compiled ahead, is."""

import guests
import optimized_jobs
import peers
from measure import Failed, alternate, cpu_times, geometric_mean, low, progress, run
from optimized_jobs import KERNELS, PROGRAMS

NAMES = [*KERNELS, *PROGRAMS]
BAR_KERNELS, BAR_PROGRAMS, BAR_CRANELIFT, BAR_CRANELIFT_WORST = 1.05, 1.25, 0.85, 0.95
# Native programs: by clang and gcc for any processor of the kind, and by clang for this one ("host"). Each stream of cay with
# those that it is compared with: code for the same processors.
COMPARED = {"cay": ["clang", "gcc"], "cay host": ["host", "Cranelift", "baseline", "again"]}
OURS = {other: ours for ours, others in COMPARED.items() for other in others}
STREAMS = [stream for ours, others in COMPARED.items() for stream in (ours, *others) if stream != "again"]
RATIOS = list(OURS)


def commands(setting, job, size, portable, host):
    return {"cay": job.ahead(setting, size, portable),
            "cay host": job.ahead(setting, size, host), "again": job.ahead(setting, size, host),
            "baseline": job.ours(setting, size, "baseline"), "Cranelift": job.precompiled(setting, size),
            **{stream: job.native(stream, size) for stream in job.natives}}


def check_output(name, streams):
    expected = guests.answer(run(streams["clang"]).output).strip()
    for stream, command in streams.items():
        found = guests.answer(run(command).output).strip()
        if found != expected:
            raise Failed(f"{name}: {stream} prints {found[-300:]!r}, the native program {expected[-300:]!r}")


def seconds(setting, name, job):
    """Of each stream: the minimum with all work less the minimum with next to none."""
    compiled = [job.compiled(setting, cpu) for cpu in ("portable", "native")]
    full, little = (commands(setting, job, size, *compiled) for size in ("full", "little"))
    check_output(name, full)
    takers = {(stream, size): lambda command=command: run(command)
              for size, streams in (("full", full), ("little", little)) for stream, command in streams.items()}
    best = {key: low(taken) for key, taken in cpu_times(alternate(takers, setting.least)).items()}
    return {stream: best[stream, "full"] - best[stream, "little"] for stream in full}


def cells(values, names):
    return [values.get(name, "") for name in names]


def means(ratios, names):
    """The geometric mean of each stream over those of `names` that have it."""
    found = {}
    for stream in RATIOS:
        known = [ratios[name][stream] for name in names if stream in ratios[name]]
        if known:
            found[stream] = geometric_mean(known)
    return found


def judge(report, rows, ratios):
    for title, names, bar in (("kernels", KERNELS, BAR_KERNELS), ("programs", PROGRAMS, BAR_PROGRAMS)):
        measured = [name for name in ratios if name in names]
        if measured:
            mean = means(ratios, measured)
            rows.append([f"{title}, geometric mean", *[""] * len(STREAMS), *cells(mean, RATIOS)])
            report.bar(f"{title}, geometric mean of cay/clang", mean["clang"], bar)
    worst = max(ratios, key=lambda name: ratios[name]["Cranelift"])
    report.bar("all, geometric mean of cay/Cranelift", means(ratios, ratios)["Cranelift"], BAR_CRANELIFT)
    report.bar(f"the slowest against Cranelift ({worst})", ratios[worst]["Cranelift"], BAR_CRANELIFT_WORST)


def measure(setting, report, names):
    rows = report.table(f"Steady state: CPU seconds, minima; Cranelift: {peers.version('wasmtime-cli')}",
                        ["program", *STREAMS, *(f"{OURS[other]}/{other}" for other in RATIOS if other != "again"), "A/A"])
    ratios = {}
    for name, job in optimized_jobs.jobs(setting, names).items():
        found = seconds(setting, name, job)
        ratios[name] = {other: found[ours] / found[other] for other, ours in OURS.items() if other in found}
        rows.append([name, *cells(found, STREAMS), *cells(ratios[name], RATIOS)])
        progress(f"{name}: {ratios[name]['clang']:.3f} of the native time, {ratios[name]['Cranelift']:.3f} of Cranelift's")
    judge(report, rows, ratios)
