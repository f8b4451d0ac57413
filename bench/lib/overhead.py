# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What something costs that may cost little: every round runs all streams once, forwards and backwards in turn. Of each
round the ratio with/without is divided by the ratio of two runs without (A/A); a bar is missed when the lower end of the
95 % interval of these quotients' geometric mean is above it. Two of the streams are "without" and "again".

What is added to a start is told in milliseconds instead, of minima, because nothing makes a start shorter than it is and a
busy machine makes many longer: of each block of rounds the least time with less the least without, less the same of the
two streams without; the mean of the blocks and its interval are judged as above."""
import math
import statistics

from measure import Failed, progress

LEAST_ROUNDS = 5
BLOCK_ROUNDS = 25


def interval(logarithms):
    """Geometric mean and its 95 % interval."""
    middle = statistics.fmean(logarithms)
    half = 1.96 * statistics.stdev(logarithms) / math.sqrt(len(logarithms)) if len(logarithms) > 1 else math.inf
    return math.exp(middle), math.exp(middle - half), math.exp(middle + half)


def compare(report, name, title, streams, sample, answer, rounds, judged):
    """`streams`: {name: command}; `sample` runs one; `answer` is what of a sample must be the same in all;
    `judged`: {stream: its bar, or None}."""
    rounds = max(LEAST_ROUNDS, rounds)
    times = {stream: [] for stream in streams}
    answers = {answer(sample(command)) for command in streams.values()}  # warms caches, too
    if len(answers) != 1:
        raise Failed(f"{name}: the streams print different things: {answers}")
    for count in range(rounds):
        for stream in list(streams) if count % 2 else list(reversed(streams)):
            times[stream].append(sample(streams[stream]).cpu_s)
    rows = report.table(f"{title}: CPU seconds of the whole process, {rounds} rounds",
                        ["stream", "minimum", "median", "with/without by A/A", "from", "to"])
    for stream, taken in times.items():
        quotients = [math.log(t / a) - math.log(b / a) for t, a, b in zip(taken, times["without"], times["again"])]
        cells = interval(quotients) if stream in judged else ("", "", "")
        rows.append([stream, min(taken), statistics.median(taken), *cells])
        if judged.get(stream):
            report.bar(f"{name}, lower end of {stream}/without by A/A", cells[1], judged[stream])
        if cells[0]:
            progress(f"{name}, {stream}: {cells[0]:.4f} ({cells[1]:.4f} to {cells[2]:.4f})")


def mean_interval(values):
    middle = statistics.fmean(values)
    half = 1.96 * statistics.stdev(values) / math.sqrt(len(values))
    return middle, middle - half, middle + half


def blocks_of(values):
    """The minimum of each block."""
    return [min(values[at:at + BLOCK_ROUNDS]) for at in range(0, len(values) - BLOCK_ROUNDS + 1, BLOCK_ROUNDS)]


def compare_starts(report, name, title, streams, sample, rounds, judged):
    """`streams`, `judged` as for compare, bars in milliseconds; `sample` returns those that one start took."""
    rounds = max(2 * BLOCK_ROUNDS, rounds - rounds % BLOCK_ROUNDS)
    times = {stream: [] for stream in streams}
    for count in range(rounds):
        for stream in list(streams) if count % 2 else list(reversed(streams)):
            times[stream].append(sample(streams[stream]))
    rows = report.table(f"{title}: milliseconds, {rounds} starts each, in turn",
                        ["stream", "minimum", "median", "more than without by A/A", "from", "to"])
    least = {stream: blocks_of(taken) for stream, taken in times.items()}
    for stream, taken in times.items():
        added = [t - a - (b - a) for t, a, b in zip(least[stream], least["without"], least["again"])]
        cells = mean_interval(added) if stream in judged else ("", "", "")
        rows.append([stream, min(taken), statistics.median(taken), *cells])
        if judged.get(stream):
            report.bar(f"{name}, lower end of what {stream} adds by A/A", cells[1], judged[stream], " ms")
