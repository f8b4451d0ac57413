# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""usage: flood.py COUNT ARGUMENTS OPTION...: runs flood.wasm with the (space-separated) arguments and the options for `cay run`
while COUNT connections wait for it at once. Prints what it printed, how it ended, how many connections it greeted, and by how
many descriptors cay's process grew at most; with COUNT `-`, connections come one after another as long as it runs. Nothing waits
for ever: what a socket hears after the program's end it hears at once, and a program that does not end is stopped."""
import os
import socket
import subprocess
import sys
import time

count, arguments, options = sys.argv[1], sys.argv[2].split(), sys.argv[3:]
run = subprocess.Popen(['cay', 'run', '--listen', '127.0.0.1:0', *options, 'flood.wasm', *arguments],
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
address = '127.0.0.1', int(run.stderr.readline().rsplit(':', 1)[1])


def descriptors():
    try:
        return len(os.listdir('/proc/%d/fd' % run.pid))
    except OSError:
        return 0


def wait_for_wall():
    """Behind it cay has all that it opens for itself. Where there is none, a second does."""
    late = time.monotonic() + 1
    while time.monotonic() < late and run.poll() is None:
        with open('/proc/%d/status' % run.pid) as status:
            if 'Seccomp:\t2\n' in status.read():
                return
        time.sleep(0.002)


def is_running():
    if time.monotonic() > deadline:
        print('stuck after %d connections' % came)
        run.kill()
    return run.poll() is None


if count != '-':  # where descriptors are counted
    wait_for_wall()
begin, most, peers, came, deadline = descriptors(), 0, [], 0, time.monotonic() + 60
while is_running() and (count == '-' or len(peers) < int(count)):
    try:
        peer = socket.create_connection(address, timeout=5)
    except OSError:  # it has ended
        break
    came += 1
    if count == '-':
        peer.close()
    else:
        peers.append(peer)
    most = max(most, descriptors())
while is_running():
    most = max(most, descriptors())
    time.sleep(0.002)
greeted = 0
for peer in peers:
    peer.settimeout(0.2)
    try:
        greeted += peer.recv(1) == b'.'
    except OSError:
        pass
print(run.stdout.read() + run.stderr.read(), end='')
print('code %d, %s, %s' % (run.returncode, '%d greeted' % greeted if count != '-' else 'flooded' if came > 100 else came,
                           'grew by %s' % ('no more than its handles' if most - begin <= 16 else most - begin)))
