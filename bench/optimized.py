#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The optimizing tier against native code, wasmtime's Cranelift and cay's own baseline.

./x bench optimized [SECTION|PROGRAM]...      ./x bench optimized steady sha256 fib
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))

import optimized_steady
from measure import Failed
from optimized_whole import First, Hello, Memory, Second
from report import Report
from setting import Setting, arguments, chosen, finish

SECTIONS = {"steady": optimized_steady, "second": Second, "first": First, "hello": Hello, "memory": Memory}


def main():
    parser = arguments(__doc__)
    parser.add_argument("words", nargs="*", metavar="SECTION|PROGRAM",
                        help=f"sections: {', '.join(SECTIONS)}; names of their programs (default: all of both)")
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
