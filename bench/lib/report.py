# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a benchmark says: rows of figures, and bars that were passed or missed; as text or as JSON."""

import json


class Report:
    def __init__(self, machine=""):
        self.machine = machine
        self.tables = []
        self.bars = []

    def table(self, title, columns, note=""):
        """Starts a table; rows go to the list it returns, as values in the order of `columns`."""
        rows = []
        self.tables.append({"title": title, "columns": columns, "rows": rows, "note": note})
        return rows

    def bar(self, name, value, most, unit="x"):
        self.bars.append({"name": name, "value": value, "unit": unit, "bar": most, "pass": value <= most})

    def bar_least(self, name, value, least, unit="x"):
        self.bars.append({"name": name, "value": value, "unit": unit, "least": least, "pass": value >= least})

    def passed(self):
        return all(bar["pass"] for bar in self.bars)

    def json(self):
        return json.dumps({"machine": self.machine, "tables": self.tables, "bars": self.bars, "pass": self.passed()},
                          indent=2)

    def text(self):
        lines = [self.machine] if self.machine else []
        for table in self.tables:
            lines += ["", table["title"]] + aligned([table["columns"]] + table["rows"])
            lines += [table["note"]] if table["note"] else []
        return "\n".join(lines + [""] + aligned([verdict(bar) for bar in self.bars]))


def verdict(bar):
    limit = f"at least {bar['least']}" if "least" in bar else f"bar {bar['bar']}"
    return ["PASS" if bar["pass"] else "MISS", bar["name"], f"{bar['value']:.3g}{bar['unit']}",
            f"({limit}{bar['unit']})"]


def spelled(value):
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def aligned(rows):
    """The first column to the left, the others to the right; texts stay as they are."""
    texts = [[spelled(value) for value in row] for row in rows]
    widths = [max(len(row[i]) for row in texts) for i in range(len(texts[0]))] if texts else []
    return ["  " + "  ".join(cell.ljust(width) if i == 0 or not numeric(texts, i) else cell.rjust(width)
                             for i, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in texts]


def numeric(texts, column):
    return any(row[column][:1].isdigit() for row in texts)
