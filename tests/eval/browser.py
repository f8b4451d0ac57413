#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""usage: browser.py CHROMIUM PAGE SCREENSHOT: opens a report in headless Chromium, and checks what it looks like: every table
and plot has a size, no text of a plot is cut off, nothing is wider than the page, and the console stays empty."""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

CHECK = """<script>
addEventListener("load", () => {
  const wrong = [];
  const sized = (all, what) => all.forEach(one => {
    const box = one.getBoundingClientRect();
    if (box.width < 20 || box.height < 10) wrong.push(what + " without a size");
  });
  const svgs = document.querySelectorAll("svg"), tables = document.querySelectorAll("table");
  sized(svgs, "svg");
  sized(tables, "table");
  svgs.forEach(svg => svg.querySelectorAll("text, rect, path").forEach(one => {
    const box = one.getBBox(), room = svg.viewBox.baseVal;
    if (box.x < -1 || box.y < -1 || box.x + box.width > room.width + 1 || box.y + box.height > room.height + 1)
      wrong.push("cut off: " + (one.textContent || one.outerHTML));
  }));
  if (document.documentElement.scrollWidth > innerWidth) wrong.push("wider than the page");
  document.body.dataset.found = JSON.stringify({svgs: svgs.length, tables: tables.length, wrong});
});
</script></body>"""


def chromium(program, folder, *arguments):
    done = subprocess.run([program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                           "--window-size=1100,1400", "--enable-logging=stderr", f"--user-data-dir={folder}/profile", *arguments],
                          capture_output=True, text=True, timeout=120, cwd=folder)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def main():
    program, page, screenshot = sys.argv[1:]
    text = pathlib.Path(page).read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        checked = pathlib.Path(folder, "checked.html")
        checked.write_text(text.replace("</body>", CHECK), encoding="utf-8")
        shown, complaints = chromium(program, folder, "--dump-dom", checked.as_uri())
        chromium(program, folder, f"--screenshot={pathlib.Path(screenshot).resolve()}", pathlib.Path(page).resolve().as_uri())
    found = re.search(r'data-found="([^"]*)"', shown)
    if not found:
        sys.exit("browser: the page did not load")
    result = json.loads(found[1].replace("&quot;", '"').replace("&lt;", "<").replace("&amp;", "&"))
    wrong = result["wrong"] + complaints
    if (result["svgs"], result["tables"]) != (text.count("<svg"), text.count("<table")):
        wrong.append(f"{result['svgs']} plots and {result['tables']} tables are shown")
    if not pathlib.Path(screenshot).exists():
        wrong.append("no screenshot was taken")
    print("\n".join(wrong[:20]) or f"{result['svgs']} plots, {result['tables']} tables: {screenshot}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
