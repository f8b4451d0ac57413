# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""usage: terminal.py ANSWERS COMMAND...: runs the command on a terminal of its own, types one of the letters of ANSWERS at
each question, and prints what the terminal showed and the exit code."""
import os
import pty
import sys

answers = list(sys.argv[1])
child, terminal = pty.fork()
if child == 0:
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
    if shown.endswith(b'? '):  # the end of what is typed is Ctrl-D
        os.write(terminal, answers.pop(0).encode() + b'\n' if answers else b'\x04')
print(shown.decode().replace('\r', ''), end='')
print('code', os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
