# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What something costs that may cost little, told apart from nothing on a machine that is busy and changes its speed.

What runs at the same time changes a run by more than 5 % here, and now and then doubles it. So runs are short and many:
a round runs all streams once, forwards and backwards in turn, so that what it compares happened within a second. Two of
the streams are the same command, "without" and "again". Of each round the ratio with/without is divided by the ratio
again/without (A/A); which of the two is which is chance, so the geometric mean of both ways is taken. Of these quotients
the median counts, with the interval that order statistics give it: the true median lies between the k-th least and the k-th
greatest as surely as k or fewer of n coins fall on one side, whatever the quotients are distributed like. Rejected: means
with a normal interval, which single runs that took twice as long make wide and move.

Rounds go on until each judged interval is at most half as wide as its bar is away from 1, or MOST_ROUNDS; how wide the interval
is says nothing about where it lies, so stopping there favours nobody. A bar is missed when the lower end is above it, and
also when the interval has stayed wider than the bar allows, because then nothing is known. The A/A row is what the method makes
of nothing: its interval holds 1.

What is added to a start is told in milliseconds instead, of minima, because nothing makes a start shorter than it is and a
busy machine makes many longer: of each block of rounds the least time with less the mean of the two streams without; the
mean of the blocks and its interval are judged as above."""
import math
import statistics
import subprocess

from measure import Failed, progress

LEAST_ROUNDS, MOST_ROUNDS = 20, 600
ROUNDS_BETWEEN_LOOKS = 10
UNJUDGED_EVERY = 4
BLOCK_ROUNDS = 25
BLOCKS_LEAST = 16
CHANCE = 0.05


def rank(count):
    """The greatest k such that a median lies outside of [k-th least, k-th greatest of `count`] with less than CHANCE."""
    below, k = 0.0, 0
    while k < count // 2 and 2 * (below + math.comb(count, k) / 2**count) < CHANCE:
        below += math.comb(count, k) / 2**count
        k += 1
    return k


def interval(logarithms):
    """The median's ratio and its 95 % interval; without enough of them it is everything."""
    ordered, k = sorted(logarithms), rank(len(logarithms))
    if k == 0:
        return math.exp(statistics.median(ordered)), 0.0, math.inf
    return math.exp(statistics.median(ordered)), math.exp(ordered[k - 1]), math.exp(ordered[-k])


class Rounds:
    """The times that each stream took; None where a stream did not take part in a round."""

    def __init__(self, streams, sample, judged):
        self.streams, self.sample, self.judged = streams, sample, judged
        self.times = {stream: [] for stream in streams}
        self.count = 0

    def takes_part(self, stream):
        return self.judged.get(stream, 1) or self.count % UNJUDGED_EVERY == 0

    def run(self):
        for stream in list(self.streams) if self.count % 2 else list(reversed(self.streams)):
            self.times[stream].append(self.sample(self.streams[stream]).cpu_s if self.takes_part(stream) else None)
        self.count += 1

    def taken(self, stream):
        return [time for time in self.times[stream] if time is not None]

    def interval(self, stream):
        """Of the stream against those without; of "again" against "without"."""
        ratios = []
        for time, without, again in zip(self.times[stream], self.times["without"], self.times["again"]):
            if time is not None:
                ratios.append(math.log(time / without) - (0 if stream == "again" else math.log(again / without) / 2))
        return interval(ratios)

    def is_sharp(self):
        return all(width(self.interval(stream)) <= (bar - 1) / 2 for stream, bar in self.judged.items() if bar)


def width(cells):
    return cells[2] - cells[1]


def compare(report, name, title, streams, sample, answer, rounds, judged):
    """`streams`: {name: command}; `sample` runs one; `answer` is what of a sample must be the same in all;
    `judged`: {stream: its bar, or None}; at least `rounds` rounds."""
    answers = {answer(sample(command)) for command in streams.values()}  # warms caches, too
    if len(answers) != 1:
        raise Failed(f"{name}: the streams print different things: {answers}")
    done = Rounds(streams, sample, judged)
    least = max(LEAST_ROUNDS, rounds)
    while done.count < least or (not done.is_sharp() and done.count < MOST_ROUNDS):
        for _ in range(ROUNDS_BETWEEN_LOOKS):
            done.run()
    rows = report.table(f"{title}: CPU seconds of the whole process, {done.count} rounds",
                        ["stream", "minimum", "median", "with/without by A/A", "from", "to"])
    for stream in streams:
        cells = done.interval(stream) if stream != "without" else ("", "", "")
        rows.append([stream, min(done.taken(stream)), statistics.median(done.taken(stream)), *cells])
        if cells[0]:
            progress(f"{name}, {stream}: {cells[0]:.4f} ({cells[1]:.4f} to {cells[2]:.4f}), {done.count} rounds")
        if judged.get(stream):
            report.bar(f"{name}, lower end of {stream}/without by A/A", cells[1], judged[stream])
            report.bar(f"{name}, width of that interval", width(cells), round(judged[stream] - 1, 6))


def mean_interval(values):
    """Of the mean, for BLOCKS_LEAST values or more, of which Student's t is at most 2.13."""
    middle = statistics.fmean(values)
    half = 2.13 * statistics.stdev(values) / math.sqrt(len(values))
    return middle, middle - half, middle + half


def blocks_of(values):
    """The minimum of each block."""
    return [min(values[at:at + BLOCK_ROUNDS]) for at in range(0, len(values) - BLOCK_ROUNDS + 1, BLOCK_ROUNDS)]


def started(launcher, streams, rounds):
    """{stream: [milliseconds, ...]} by bench/starts.c, whose path `launcher` is."""
    words = [word for command in streams.values() for word in (*command, ",")][:-1]
    done = subprocess.run([launcher, str(rounds), *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(done.stderr)
    columns = zip(*([float(word) / 1000 for word in line.split()] for line in done.stdout.splitlines()))
    return dict(zip(streams, columns))


def compare_starts(report, name, title, streams, launcher, rounds, judged):
    """`streams`, `judged` as for compare, bars in milliseconds; `launcher`: bench/starts.c, built."""
    rounds = max(BLOCKS_LEAST * BLOCK_ROUNDS, rounds - rounds % BLOCK_ROUNDS)
    times = started(launcher, streams, rounds)
    rows = report.table(f"{title}: milliseconds, {rounds} starts each, in turn",
                        ["stream", "minimum", "median", "more than without by A/A", "from", "to"])
    least = {stream: blocks_of(taken) for stream, taken in times.items()}
    for stream, taken in times.items():
        added = [t - a - (b - a) / 2 for t, a, b in zip(least[stream], least["without"], least["again"])]
        cells = mean_interval(added) if stream in judged else ("", "", "")
        rows.append([stream, min(taken), statistics.median(taken), *cells])
        if judged.get(stream):
            report.bar(f"{name}, lower end of what {stream} adds by A/A", cells[1], judged[stream], " ms")
            report.bar(f"{name}, width of that interval", cells[2] - cells[1], round(judged[stream] / 6, 6), " ms")
