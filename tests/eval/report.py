#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The report of the evaluation (bench/eval) from recorded data: its statistics, its verdicts, and that its page is whole, needs
nothing from elsewhere, and shows what it was given. recorded.json is what a run with --quick wrote."""

import copy
import html.parser
import json
import pathlib
import re
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / "bench" / folder) for folder in ("eval", "lib")]

import page
import summary
from overhead import rank
from spread import differences, median_interval, ratios

RECORDED = json.loads((HERE / "recorded.json").read_text(encoding="utf-8"))
VOID = {"meta", "link", "br"}


class Structure(html.parser.HTMLParser):
    """Counts elements and attributes; `problem` tells of the first tag that closes another one."""

    def __init__(self, text):
        super().__init__()
        self.open, self.count, self.problem, self.links, self.missed = [], {}, None, [], 0
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.count[tag] = self.count.get(tag, 0) + 1
        self.links += [value for name, value in attributes if name in ("href", "src", "xlink:href")]
        self.missed += ("class", "missed") in attributes
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.count[tag] = self.count.get(tag, 0) + 1

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.problem = self.problem or f"</{tag}> closes another element"


class Statistics(unittest.TestCase):
    def test_ranks(self):
        """The ranks of the tables in textbooks, counted from 1: 6 and 15 of 20, 2 and 9 of 10, 1 and 6 of 6."""
        self.assertEqual([rank(count) for count in (1, 2, 5, 6, 10, 20, 50)], [0, 0, 0, 1, 2, 6, 18])

    def test_interval(self):
        self.assertEqual(median_interval([5, 1, 4, 2, 3]), (3, 1, 5))
        self.assertEqual(median_interval(list(range(1, 21))), (10.5, 6, 15))

    def test_pairs_by_round(self):
        native = {"round": [0, 1, 2, 3], "wall_ms": [10, 20, 40, 80]}
        sometimes = {"round": [1, 3], "wall_ms": [30, 160]}
        self.assertEqual(ratios(sometimes, native, "wall_ms"), [1.5, 2])
        self.assertEqual(differences(sometimes, native, "wall_ms"), [10, 80])


def scaled(factor):
    """The recorded data, with cay's time for sha256 as so many times the native one."""
    data = copy.deepcopy(RECORDED)
    streams = data["experiments"]["sha256"]
    native = streams[summary.NATIVE["C"]]
    for name in [name for name in streams if name.startswith("cay") and name.endswith("(C)")]:
        streams[name] = {**native, "wall_ms": [value * factor for value in native["wall_ms"]]}
    return data


class Page(unittest.TestCase):
    def test_whole(self):
        text = page.page(RECORDED)
        found, sections = Structure(text), summary.sections(RECORDED)
        self.assertIsNone(found.problem)
        self.assertEqual(found.open, [])
        self.assertEqual(found.count["table"], 1 + sum(len(one.tables) for one in sections))
        self.assertEqual(found.count["svg"], sum(len(one.plots) for one in sections))
        self.assertEqual(found.count["h2"], len(sections))
        for wanted in ("SHA-256", "JSON records", "HTTP service", "Cold start", "Concurrency", "Latency", "Cost of sandboxing",
                       "Kernels", "Size", "Energy", "Security audit", "Absent"):
            self.assertIn(wanted, " ".join(one.title for one in sections))

    def test_needs_nothing(self):
        text = page.page(RECORDED)
        self.assertEqual([link for link in Structure(text).links if not link.startswith(("#", "data:"))], [])
        self.assertNotRegex(text, r"https?://|url\(|@import|<script")
        self.assertNotRegex(text, r"\b(nan|inf|None)\b")

    def test_links_lead_somewhere(self):
        text = page.page(RECORDED)
        for link in Structure(text).links:
            if link.startswith("#"):
                self.assertIn(f'id="{link[1:]}"', text)

    def test_every_stream_is_shown(self):
        text = page.page(RECORDED)
        for name, streams in RECORDED["experiments"].items():
            if name in summary.TITLES:
                for stream in streams:
                    self.assertIn(f">{stream}<", text)
        for who, _, why in RECORDED["absent"]:
            self.assertIn(page.escaped(why), text)

    def test_texts_are_no_markup(self):
        data = copy.deepcopy(RECORDED)
        data["machine"]["machine"] = '<script>alert("x")</script>'
        self.assertNotIn("<script", page.page(data))

    def test_markdown(self):
        text = page.markdown(RECORDED)
        for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
            self.assertEqual(len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}), 1, block)


class Verdicts(unittest.TestCase):
    def bar(self, data):
        return next(bar for bar in summary.bars(data) if bar.name.startswith("SHA-256") and "(C)" in bar.name)

    def test_bars(self):
        for factor, passed in ((1, True), (1.04, True), (1.06, False), (3, False)):
            bar = self.bar(scaled(factor))
            self.assertAlmostEqual(bar.value, factor)
            self.assertEqual(bar.passed, passed)

    def test_missed_is_red(self):
        missed = [sum(not bar.passed for bar in summary.bars(scaled(factor))) for factor in (1, 3)]
        self.assertEqual(missed[1], missed[0] + 1)
        self.assertEqual(Structure(page.page(scaled(3))).missed, missed[1])

    def test_audit_that_fails(self):
        data = copy.deepcopy(RECORDED)
        data["audit"] = [{"area": "paths", "attempts": 5, "as_expected": 4, "outcomes": ["SUCCESS"]}]
        self.assertIn("audit", [bar.name.split(":")[0] for bar in summary.bars(data) if not bar.passed])

    def test_what_is_not_there(self):
        """Any experiment may be left out, and another way of cay, too."""
        for name in RECORDED["experiments"]:
            data = copy.deepcopy(RECORDED)
            del data["experiments"][name]
            self.assertIsNone(Structure(page.page(data)).problem)
        data = copy.deepcopy(RECORDED)
        for streams in data["experiments"].values():
            for stream in [stream for stream in streams if "first run" in stream]:
                del streams[stream]
        self.assertEqual(len(summary.bars(data)), len(summary.bars(RECORDED)))

    def test_no_figures_are_no_excuse(self):
        data = copy.deepcopy(RECORDED)
        for streams in data["experiments"].values():
            for stream in [stream for stream in streams if "cay" in stream]:
                del streams[stream]
        bars = summary.bars(data)
        self.assertFalse(any(bar.passed for bar in bars if not bar.name.startswith("audit")))
        self.assertNotIn("inf", re.sub(r"<[^>]*>", " ", page.bars_table(bars)).split())

    def test_compared(self):
        changes = {stream: change for stream, _, _, change in summary.compared(scaled(1.1), scaled(1))}
        self.assertAlmostEqual(changes["sha256: cay (C)"], 0.1)


if __name__ == "__main__":
    unittest.main()
