#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The interpreter's speed, start and memory against its peers. `./x bench interp [kernels|programs|start|memory]...`"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))

import code_memory
import guests
import kernels
import start
from measure import Failed
from report import Report
from setting import Setting, arguments, finish

SECTIONS = {"kernels": kernels.measure, "programs": guests.measure, "start": start.measure,
            "memory": code_memory.measure}


def main():
    parser = arguments(__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"some of: {', '.join(SECTIONS)} (default: all)")
    options = parser.parse_args()
    unknown = set(options.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no section is called {', '.join(sorted(unknown))}")
    try:
        setting = Setting(options)
        report = Report(setting.machine())
        for name in options.sections or SECTIONS:
            SECTIONS[name](setting, report)
    except Failed as failure:
        sys.exit(f"bench: {failure}")
    return finish(report, options)


if __name__ == "__main__":
    sys.exit(main())
