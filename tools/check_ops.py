#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every row of the instruction table is run by the interpreter, or says that it is unsupported: its proposal is not in
MODULE_FEATURES_RUNNABLE (module.h). Run by a tier means: gen_interp.py makes its handlers, or a source file of the
tiers spells MODULE_OP_NAME."""
import re
import sys
from pathlib import Path

import csource
from gen_interp import kind
from gen_ops import read_ops

TABLE = "src/module/ops/ops.def"


def runnable_features():
    header = csource.read("src/module/module.h")
    sets = dict(re.findall(r"#define (MODULE_FEATURES_(?:RUNNABLE|1_0))\s+((?:.*\\\n)*.*)", header))
    names = set(re.findall(r"MODULE_FEATURE_BIT\((\w+)\)", sets["MODULE_FEATURES_RUNNABLE"] + sets["MODULE_FEATURES_1_0"]))
    return names | {"MVP"}


def main():
    runnable = runnable_features()
    tiers = "".join(csource.without_comments_and_strings(csource.read(path))
                    for path in csource.project_files(".c") if path.startswith("src/tiers/"))
    spelled = set(re.findall(r"\bMODULE_OP_(\w+)", tiers))
    rows = read_ops(Path(csource.ROOT, TABLE))
    findings, supported = [], 0
    for row in rows:
        if row.feature not in runnable:
            continue
        supported += 1
        if not kind(row) and row.name not in spelled:
            findings.append((TABLE, row.line, f"{row.mnemonic}: no tier runs it"))
    print(f"{len(rows)} instructions: {supported} run, {len(rows) - supported} of proposals that are not run yet")
    if not supported:
        sys.exit("no row could be judged")
    csource.report(findings)


if __name__ == "__main__":
    main()
