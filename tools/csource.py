# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the checks share: which files there are, C source without comments and strings, and how findings are told."""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def project_files(*suffixes):
    """Paths of tracked and new files, relative to the root; without git, everything outside the build folders."""
    try:
        listing = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                                 capture_output=True, text=True, check=True).stdout.split("\n")
    except (OSError, subprocess.CalledProcessError):
        listing = []
        for folder, folders, names in os.walk(ROOT):
            folders[:] = [f for f in folders if not f.startswith(("build", ".")) or f == ".ci"]
            listing += [os.path.relpath(os.path.join(folder, name), ROOT) for name in names]
    return sorted(p for p in set(listing) if p and p.endswith(suffixes or ("",))
                  and os.path.isfile(os.path.join(ROOT, p)))


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def _blank(match):
    text = match.group()
    return re.sub(r"[^\n]", " ", text) if text[0] == "/" else text[0] + " " * (len(text) - 2) + text[0]


def without_comments_and_strings(text):
    """Blanks them out, so that line and column numbers stay."""
    return TOKEN.sub(_blank, text)


def report(findings):
    """Prints findings as `path:line: message` and ends the program."""
    for path, line, message in findings:
        print(f"{path}:{line}: {message}")
    sys.exit(1 if findings else 0)
