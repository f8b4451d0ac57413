#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The baseline compiler's code, compile speed, start and memory against its peers.

./x bench baseline [SECTION|BENCHMARK]...      ./x bench baseline code sha256 fib
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))

import baseline_code
import baseline_compile
import baseline_memory
import baseline_start
from measure import Failed
from report import Report
from setting import Setting, arguments, chosen, finish

SECTIONS = {"code": baseline_code, "compile": baseline_compile, "start": baseline_start, "memory": baseline_memory}


def main():
    parser = arguments(__doc__)
    parser.add_argument("--tier", default="baseline", help="the tier of cay to measure (default baseline)")
    parser.add_argument("words", nargs="*", metavar="SECTION|BENCHMARK",
                        help=f"sections: {', '.join(SECTIONS)}; names of their benchmarks (default: all of both)")
    options = parser.parse_args()
    choice = chosen(SECTIONS, options.words, parser)
    try:
        setting = Setting(options)
        report = Report(setting.machine())
        for section, names in choice.items():
            SECTIONS[section].measure(setting, report, names)
    except Failed as failure:
        sys.exit(f"bench: {failure}")
    return finish(report, options)


if __name__ == "__main__":
    sys.exit(main())
