#!/usr/bin/env python3
"""helper.py SIGNAL WORDS...: what `cay run WORDS` runs has a helper that compiles while it runs; when the signal has ended it,
the helper is gone, too."""
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

PATIENCE_S = 60


def parent_of(process):
    try:
        return int(re.sub(r'.*\) ', '', Path('/proc', process, 'stat').read_text()).split()[1])
    except OSError:
        return 0


def helpers_of(cay):
    """Those that cay's broker has started, or cay itself. Who has just begun is not yet called so."""
    found = []
    for entry in filter(str.isdigit, os.listdir('/proc')):
        try:
            is_helper = Path('/proc', entry, 'comm').read_text().strip() == 'cay-llvm'
        except OSError:
            continue
        parent = parent_of(entry)
        if is_helper and cay in (parent, parent_of(str(parent))):
            found.append(entry)
    return found


def until(condition):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def is_gone(process):
    try:
        return re.sub(r'.*\) ', '', Path('/proc', process, 'stat').read_text()).startswith('Z')
    except OSError:
        return True


cay = subprocess.Popen(['cay', 'run', *sys.argv[2:]], stderr=subprocess.DEVNULL)
found = []
print('started' if until(lambda: found.extend(helpers_of(cay.pid)) or found) else 'not started')
cay.send_signal(getattr(signal, sys.argv[1]))
print('ended by %s' % sys.argv[1] if cay.wait() == -getattr(signal, sys.argv[1]) else 'ended otherwise')
print('gone' if until(lambda: all(is_gone(process) for process in found)) else 'left behind')
