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


def run(command, stdin="/dev/null"):
    """Runs `command` to its end. Raises Failed unless it exits with 0."""
    with tempfile.TemporaryFile() as output:
        actions = [(os.POSIX_SPAWN_OPEN, 0, stdin, os.O_RDONLY, 0), (os.POSIX_SPAWN_DUP2, output.fileno(), 1)]
        started = time.perf_counter()
        pid = os.posix_spawn(command[0], command, os.environ, file_actions=actions)
        _, status, usage = os.wait4(pid, 0)
        wall_s = time.perf_counter() - started
        code = os.waitstatus_to_exitcode(status)
        if code != 0:
            raise Failed(f"{' '.join(command)}: exit code {code}")
        output.seek(0)
        return Sample(usage.ru_utime + usage.ru_stime, wall_s, output.read())


def alternate(streams, least=7, most=15):
    """Runs the commands of `streams` (name: function returning a Sample) in turn until the minima stand still.

    At least `least` rounds; then on until three rounds in a row lowered no minimum by 1 %, or `most` rounds.
    Returns {name: [Sample, ...]}.
    """
    samples = {name: [] for name in streams}
    best = {}
    calm_rounds = 0
    for count in range(1, most + 1):
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


def low(values):
    return min(values)


def middle(values):
    return statistics.median(values)


def geometric_mean(values):
    return math.exp(statistics.fmean(math.log(value) for value in values))


def progress(text):
    print(text, file=sys.stderr, flush=True)
