# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The report: one page of HTML that needs nothing else, with plots in SVG, and a summary in Markdown."""

import html

import summary

COLOURS = {"native": "#5b6b7a", "container": "#b07d2b", "cay": "#1f7a5c", "peer": "#7a6bb0"}
WIDTH, LABEL, LINE, TOP = 900, 290, 22, 34
STYLE = """
:root { color-scheme: light; --ink: #1d2733; --soft: #5d6b78; --rule: #dde3e8; --miss: #b3261e; --pass: #1f7a5c; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: #fff; max-width: 1000px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; } h2 { font-size: 1.25rem; margin: 2.4rem 0 .4rem; border-top: 1px solid var(--rule); padding-top: 1.2rem; }
p, dl { margin: .3rem 0 .8rem; } .soft, caption, .note { color: var(--soft); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; margin: .8rem 0; font-variant-numeric: tabular-nums; font-size: .87rem; }
caption { text-align: left; padding: .2rem 0; font-weight: 600; } th, td { padding: .22rem .7rem .22rem 0; text-align: right; border-bottom: 1px solid var(--rule); vertical-align: top; }
th:first-child, td:first-child, td.text { text-align: left; } th { color: var(--soft); font-weight: 600; }
.pass { color: var(--pass); font-weight: 600; } .miss { color: var(--miss); font-weight: 700; } tr.missed td { background: #fdecea; }
figure { margin: 0; } svg { max-width: 100%; height: auto; margin: .6rem 0; } svg text { font: 12px system-ui, sans-serif; fill: var(--ink); } svg .axis { fill: var(--soft); }
nav a { margin-right: .9rem; } dt { float: left; clear: left; width: 9rem; color: var(--soft); } dd { margin-left: 9.5rem; }
"""


def escaped(value):
    return html.escape(str(value), quote=True)


def anchor(title):
    return "".join(c if c.isalnum() else "-" for c in title.lower())


def scale_of(plot):
    most = max([high for _, _, _, high, _ in plot.lines] + [value for value, _ in plot.marks])
    return (WIDTH - LABEL - 110) / most if most > 0 else 1


def svg_line(index, line, scale, unit):
    label, value, low, high, kind = line
    y = TOP + index * LINE
    right = LABEL + high * scale
    whisker = (f'<path d="M{LABEL + low * scale:.1f} {y + 7}H{right:.1f}M{LABEL + low * scale:.1f} {y + 3}v8M{right:.1f} {y + 3}v8" '
               'stroke="#1d2733" fill="none"/>') if high > low else ""
    return (f'<text x="{LABEL - 8}" y="{y + 12}" text-anchor="end">{escaped(label)}</text>'
            f'<rect x="{LABEL}" y="{y}" width="{max(1, value * scale):.1f}" height="14" fill="{COLOURS[kind]}" fill-opacity=".75"/>'
            f'{whisker}<text x="{right + 6:.1f}" y="{y + 12}">{escaped(summary.spelled(value))}{escaped(unit)}</text>')


def svg_mark(index, mark, scale, bottom):
    value, label = mark
    x = LABEL + value * scale
    return (f'<path d="M{x:.1f} {TOP - 4}V{bottom}" stroke="#b3261e" stroke-dasharray="4 3" fill="none"/>'
            f'<text class="axis" x="{x + (4 if index else -4):.1f}" y="{TOP - 10}" text-anchor="{"start" if index else "end"}">'
            f'{escaped(label)} {value:.2f}</text>')


def svg(plot):
    scale, bottom = scale_of(plot), TOP + len(plot.lines) * LINE
    marks = "".join(svg_mark(i, mark, scale, bottom) for i, mark in enumerate(sorted(plot.marks)))
    lines = "".join(svg_line(i, line, scale, plot.unit) for i, line in enumerate(plot.lines))
    return (f'<figure><figcaption class="soft">{escaped(plot.title)}</figcaption>'
            f'<svg viewBox="0 0 {WIDTH} {bottom + 8}" role="img" aria-label="{escaped(plot.title)}">{lines}{marks}</svg></figure>')


def cells(row):
    return "".join(f"<td{'' if number_like(cell) else ' class=text'}>{escaped(cell)}</td>" for cell in row)


def number_like(cell):
    return str(cell)[:1].isdigit() or str(cell)[:1] in "–-"


def table(one):
    head = "".join(f"<th>{escaped(column)}</th>" for column in one.columns)
    rows = "".join(f"<tr>{cells(row)}</tr>" for row in one.rows)
    note = f'<p class="note">{escaped(one.note)}</p>' if one.note else ""
    return (f'<div class="scroll"><table><caption>{escaped(one.title)}</caption><thead><tr>{head}</tr></thead>'
            f"<tbody>{rows}</tbody></table></div>{note}")


def bar_row(bar):
    verdict = '<td class="pass">pass</td>' if bar.passed else '<td class="miss">MISSED</td>'
    interval = f"{summary.spelled(bar.low)}–{summary.spelled(bar.high)}"
    return (f'<tr{"" if bar.passed else " class=missed"}><td>{escaped(bar.name)}</td>{verdict}'
            f"<td>{summary.spelled(bar.value)}{bar.unit}</td><td>{interval}</td><td>{bar.most}{bar.unit}</td></tr>")


def bars_table(bars):
    rows = "".join(bar_row(bar) for bar in bars)
    return ('<div class="scroll"><table><caption>Bars</caption><thead><tr><th>bar</th><th>verdict</th><th>median</th>'
            f"<th>95 % interval</th><th>at most</th></tr></thead><tbody>{rows}</tbody></table></div>")


def verdict(bars):
    missed = sum(not bar.passed for bar in bars)
    return f"{len(bars) - missed} of {len(bars)} bars are met" + (f", {missed} missed" if missed else "")


def machine_list(data):
    return "<dl>" + "".join(f"<dt>{escaped(name)}</dt><dd>{escaped(value)}</dd>" for name, value in data["machine"].items()) + "</dl>"


def page(data):
    bars, sections = summary.bars(data), summary.sections(data)
    links = "".join(f'<a href="#{anchor(one.title)}">{escaped(one.title)}</a> ' for one in sections)
    body = "".join(f'<h2 id="{anchor(one.title)}">{escaped(one.title)}</h2><p>{escaped(one.text)}</p>'
                   + "".join(svg(plot) for plot in one.plots if plot.lines) + "".join(table(each) for each in one.tables)
                   for one in sections)
    return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>cay: evaluation</title>'
            f'<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,"><style>{STYLE}</style></head><body>'
            f'<h1>cay: evaluation</h1><p class="soft">{escaped(data["date"])}, {escaped(data["mode"])} run, {data["minutes"]:.0f} minutes, '
            f"cay at {escaped(data['commit'])}</p><p><b>{escaped(verdict(bars))}.</b></p>{machine_list(data)}<nav>{links}</nav>"
            f"{bars_table(bars)}{body}</body></html>\n")


def markdown_table(columns, rows):
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |\n" for line in lines) + "\n"


def markdown(data):
    bars = summary.bars(data)
    text = f"{data['date']}, {data['mode']} run, {data['minutes']:.0f} minutes, cay at {data['commit']}. {verdict(bars)}.\n\n"
    text += markdown_table(["machine", ""], list(data["machine"].items()))
    text += markdown_table(["bar", "verdict", "median", "95 % interval", "at most"], [
        [bar.name, "pass" if bar.passed else "**MISSED**", summary.spelled(bar.value) + bar.unit,
         f"{summary.spelled(bar.low)}–{summary.spelled(bar.high)}", f"{bar.most}{bar.unit}"] for bar in bars])
    for section in summary.sections(data):
        text += f"### {section.title}\n\n{section.text}\n\n"
        for one in section.tables:
            text += f"{one.title}:\n\n" + markdown_table(one.columns, one.rows) + (f"{one.note}\n\n" if one.note else "")
    return text
