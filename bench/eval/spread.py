# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Medians with intervals that assume nothing of how times are distributed, because times are not distributed normally.

Of n sorted values, the k-th from below and the k-th from above hold the true median with a probability that follows from the
binomial distribution; k is the greatest for which that is 95 %. Up to five values reach less: then it is all of them."""

import math
import statistics

CONFIDENCE = 0.95


def rank(count):
    """k, counted from 0."""
    below, k = 0.0, 0
    while k < count // 2:
        below += math.comb(count, k) / 2 ** count
        if 2 * below > 1 - CONFIDENCE:
            break
        k += 1
    return max(0, k - 1)


def median_interval(values):
    """(median, low, high)"""
    ordered = sorted(values)
    k = rank(len(ordered))
    return statistics.median(ordered), ordered[k], ordered[-1 - k]


def ratios(stream, reference, metric):
    """One for each round in which both were measured: what the machine did to both in that round cancels out."""
    base = dict(zip(reference["round"], reference[metric]))
    return [value / base[at] for at, value in zip(stream["round"], stream[metric]) if base.get(at)]


def differences(stream, reference, metric):
    base = dict(zip(reference["round"], reference[metric]))
    return [value - base[at] for at, value in zip(stream["round"], stream[metric]) if at in base]
