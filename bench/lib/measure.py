# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Timing of whole processes, for comparisons that survive a busy machine.

Every figure is of one process from start to exit, because that is what a user waits for and what can be taken of any
engine alike. CPU time is user plus system time: the kernel accounts their sum exactly, but splits it by sampling.

Streams that are compared run in turn (A B A' | A' B A | ...), so that a change of the machine's speed reaches all of
them; the minimum is what is compared, the median stands beside it. A' is the same command as A: the ratio of the two
minima (A/A) says how far a ratio can be trusted.
"""

import math
import os
import statistics
import sys
import tempfile
import time


class Failed(Exception):
    """A program that is measured did not do what it should."""


class Sample:
    def __init__(self, cpu_s, wall_s, output):
        self.cpu_s, self.wall_s, self.output = cpu_s, wall_s, output


def spawn(command, stdin, output, errors):
    return os.posix_spawn(command[0], command, os.environ, file_actions=[
        (os.POSIX_SPAWN_OPEN, 0, stdin, os.O_RDONLY, 0), (os.POSIX_SPAWN_DUP2, output, 1),
        (os.POSIX_SPAWN_DUP2, errors.fileno(), 2)])


def finished(pid, command, errors):
    """Waits for the process; returns its processor time. Raises Failed, with what it said, unless it exits with 0."""
    _, status, usage = os.wait4(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code != 0:
        errors.seek(0)
        said = errors.read()[-2000:].decode(errors="replace")
        raise Failed(f"{shortened(command)}: exit code {code}\n{said}")
    return usage.ru_utime + usage.ru_stime


def shortened(command):
    return " ".join(word if len(word) < 200 else f"{word[:200]}..." for word in command)


def run(command, stdin="/dev/null"):
    """Runs `command` to its end. Raises Failed unless it exits with 0."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        pid = spawn(command, stdin, output.fileno(), errors)
        cpu_s = finished(pid, command, errors)
        wall_s = time.perf_counter() - started
        output.seek(0)
        return Sample(cpu_s, wall_s, output.read())


def first_output(command, stdin="/dev/null"):
    """As run, but wall_s is the time until the first bytes of the standard output can be read."""
    reader, writer = os.pipe()
    with tempfile.TemporaryFile() as errors, open(reader, "rb", buffering=0) as output:
        started = time.perf_counter()
        pid = spawn(command, stdin, writer, errors)
        os.close(writer)
        first = output.read(65536)
        wall_s = time.perf_counter() - started
        rest = output.readall()
        cpu_s = finished(pid, command, errors)
        if not first:
            raise Failed(f"{shortened(command)}: printed nothing")
        return Sample(cpu_s, wall_s, first + rest)


def alternate(streams, least=7):
    """Runs the commands of `streams` (name: function returning a Sample) in turn until the minima stand still.

    At least `least` rounds; then on until three rounds in a row lowered no minimum by 1 %, or twice as many and one.
    Returns {name: [Sample, ...]}.
    """
    samples = {name: [] for name in streams}
    best = {}
    calm_rounds = 0
    for count in range(1, 2 * least + 2):
        names = list(streams) if count % 2 else list(reversed(streams))
        calm_rounds += 1
        for name in names:
            sample = streams[name]()
            samples[name].append(sample)
            if sample.cpu_s < 0.99 * best.get(name, math.inf):
                calm_rounds = 0
            best[name] = min(sample.cpu_s, best.get(name, math.inf))
        if count >= least and calm_rounds >= 3:
            break
    return samples


def cpu_times(samples):
    """What alternate returned, as {name: [processor seconds, ...]}."""
    return {name: [sample.cpu_s for sample in taken] for name, taken in samples.items()}


def low(values):
    return min(values)


def middle(values):
    return statistics.median(values)


def geometric_mean(values):
    return math.exp(statistics.fmean(math.log(value) for value in values))


def progress(text):
    print(text, file=sys.stderr, flush=True)
