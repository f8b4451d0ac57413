# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""usage: peers.py COMMAND OPTION...: `cay COMMAND` of accepts.wasm with the options. Connects to it twice and prints what cay
said and, where the options name the log peers.log, its lines about the first peer; PORT and PEER stand for the ports."""
import contextlib
import pathlib
import re
import socket
import subprocess
import sys

run = subprocess.Popen(['cay', sys.argv[1], '--listen', '127.0.0.1:0', *sys.argv[2:], 'accepts.wasm'], stderr=subprocess.PIPE,
                       text=True)
port = int(run.stderr.readline().rsplit(':', 1)[1])
peers = [socket.create_connection(('127.0.0.1', port))]
own = peers[0].getsockname()[1]
with contextlib.suppress(OSError):  # after the first one that it accepts the program ends
    peers.append(socket.create_connection(('127.0.0.1', port)))
text = run.communicate()[1]
log = pathlib.Path('peers.log')
if log.exists():
    text += '\n'.join(re.findall(r'"call":"sock_accept".*:%d".*' % own, log.read_text(encoding='utf-8')))
    log.unlink()
print(re.sub(r':%d\b' % own, ':PEER', re.sub(r':%d\b' % port, ':PORT', text)))
