# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What something costs that may cost little: every round runs all streams once, forwards and backwards in turn. Of each
round the ratio with/without is divided by the ratio of two runs without (A/A); a bar is missed when the lower end of the
95 % interval of these quotients' geometric mean is above it. Two of the streams are "without" and "again"."""
import math
import statistics

from measure import Failed, progress

LEAST_ROUNDS = 5


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
