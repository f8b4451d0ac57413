# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""usage: terminal.py ANSWERS COMMAND...: runs the command on a terminal of its own, types one of the letters of ANSWERS at
each question, and prints what the terminal showed and the exit code, or a signal's number with a minus. For Ctrl-D stands no
letter, for Ctrl-C `C`, for an empty line `_`, for a line of many letters `L`, and `X` closes the terminal."""
import os
import pty
import signal
import sys

TYPED = {'C': b'\x03', '_': b'\n', 'L': b'y' * 400 + b'\n'}
answers = list(sys.argv[1])
child, terminal = pty.fork()
if child == 0:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which `nohup` had ignored
    os.execvp(sys.argv[2], sys.argv[2:])
shown = b''
while True:
    try:
        got = os.read(terminal, 4096)
    except OSError:
        break
    if not got:
        break
    shown += got
    if shown.endswith((b'? ', b'[y/N] ')):
        answer = answers.pop(0) if answers else ''
        if answer == 'X':
            break
        os.write(terminal, TYPED.get(answer, answer.encode() + b'\n') if answer else b'\x04')
os.close(terminal)
print(shown.decode().replace('\r', ''), end='')
print('code', os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
