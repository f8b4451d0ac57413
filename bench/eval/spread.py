# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Medians with the interval that order statistics give them (bench/lib/overhead.py says why). Up to five values do not reach
95 %: then it is all of them."""

import statistics

from overhead import rank


def median_interval(values):
    """(median, low, high)"""
    ordered, k = sorted(values), max(1, rank(len(values)))
    return statistics.median(ordered), ordered[k - 1], ordered[-k]


def ratios(stream, reference, metric):
    """One for each round in which both were measured: what the machine did to both in that round cancels out."""
    base = dict(zip(reference["round"], reference[metric]))
    return [value / base[at] for at, value in zip(stream["round"], stream[metric]) if base.get(at)]


def differences(stream, reference, metric):
    base = dict(zip(reference["round"], reference[metric]))
    return [value - base[at] for at, value in zip(stream["round"], stream[metric]) if at in base]
