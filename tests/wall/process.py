#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""--isolate=process towards whoever started the command: it has to be like one process.

usage: process.py CAY BUILD_FOLDER CC

A program that runs until it is told to stop is sent signals, by a shell's means (to the command) and by a terminal's (to the
whole group), and has to end, stop and go on as with --isolate=none. Afterwards no process is left."""
import os
import pty
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from run import CAY, CC, compiler

GUEST = r'''
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "trap") == 0) __builtin_trap();
  if (argc > 1 && strcmp(argv[1], "exit") == 0) return 42;
  for (int i = 0;; i++) {
    printf("%d\n", i);
    fflush(stdout);
    usleep(20000);
  }
}
'''
ENDING = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGKILL]
WAIT_S = 20
passed = failed = 0


def check(what, is_right, found=''):
    global passed, failed
    passed, failed = passed + bool(is_right), failed + (not is_right)
    if not is_right:
        print('FAILED', what, found)


def command(isolate, *arguments):
    return [CAY, 'run', '--isolate', isolate, 'guest.wasm', *arguments]


GROUP, SESSION = 2, 3


def processes_of(owner, field=GROUP):
    """{process: state} of a group or session, without those that only wait for their parent to hear of their end."""
    found = {}
    for entry in Path('/proc').iterdir():
        try:
            fields = (entry / 'stat').read_text().rpartition(')')[2].split() if entry.name.isdigit() else []
        except OSError:
            continue
        if fields and int(fields[field]) == owner and fields[0] != 'Z':
            found[int(entry.name)] = fields[0]
    return found


def until(what):
    """Whether it came true in time."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.01)
    return False


class Started:
    """The command in a group of its own, as a shell's job, once the program in it runs."""

    def __init__(self, folder, isolate):
        self.process = subprocess.Popen(command(isolate), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        stdin=subprocess.DEVNULL, process_group=0)
        self.process.stdout.readline()

    def states(self):
        return sorted(processes_of(self.process.pid).values())

    def end(self):
        """How it ended, and whether nothing is left of it."""
        try:
            code = self.process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            code = 'not at all'
        self.process.stdout.close()
        return code, until(lambda: not processes_of(self.process.pid))


def test_ends(folder):
    for number in ENDING:
        ends = {}
        for isolate in ('none', 'process'):
            started = Started(folder, isolate)
            started.process.send_signal(number)
            ends[isolate] = started.end()
        check('%s ends both alike' % number.name, ends['none'] == ends['process'] and ends['process'][1], ends)
    for arguments in (['exit'], ['trap']):
        codes = {isolate: subprocess.run(command(isolate, *arguments), cwd=folder, capture_output=True).returncode
                 for isolate in ('none', 'process')}
        check('%s tells the same code' % arguments, len(set(codes.values())) == 1, codes)


def child_of(started):
    return int(Path('/proc/{0}/task/{0}/children'.format(started.process.pid)).read_text().split()[0])


def test_child_is_killed(folder):
    for number in (signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM):
        started = Started(folder, 'process')
        os.kill(child_of(started), number)
        code, is_gone = started.end()
        check('a child ended by %s' % number.name, code in (-number, 128 + number) and is_gone, (code, is_gone))


def test_is_stopped(folder):
    """As a shell does it: the command stops, is seen to, and goes on."""
    for number in (signal.SIGTSTP, signal.SIGSTOP):
        started = Started(folder, 'process')
        target = os.killpg if number == signal.SIGSTOP else os.kill
        target(started.process.pid, number)
        is_seen = until(lambda: os.waitid(os.P_PID, started.process.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT))
        check('%s stops the command' % number.name, is_seen, started.states())
        os.waitid(os.P_PID, started.process.pid, os.WSTOPPED | os.WNOHANG)
        check('and the program', child_state(started) == 'T', started.states())
        os.killpg(started.process.pid, signal.SIGCONT)
        check('SIGCONT lets both go on', until(lambda: 'T' not in started.states()), started.states())
        started.process.send_signal(signal.SIGTERM)
        code, is_gone = started.end()
        check('and end', code in (-signal.SIGTERM, 128 + signal.SIGTERM) and is_gone, (code, is_gone))


def child_state(started):
    return processes_of(started.process.pid)[child_of(started)]


def test_continued_alone(folder):
    started = Started(folder, 'process')
    started.process.send_signal(signal.SIGTSTP)
    until(lambda: os.waitid(os.P_PID, started.process.pid, os.WSTOPPED | os.WNOHANG))
    started.process.send_signal(signal.SIGCONT)
    check('SIGCONT to the command alone is passed on', until(lambda: 'T' not in started.states()), started.states())
    started.process.kill()
    code, is_gone = started.end()
    check('the program ends with the command', code == -signal.SIGKILL and is_gone, (code, is_gone))


def test_ignored_children(folder):
    """Whoever starts the command may have told the system to forget children."""
    code = subprocess.run(command('process', 'exit'), cwd=folder, capture_output=True,
                          preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN)).returncode
    check('SIGCHLD ignored', code == 42, code)


def test_terminal(folder):
    """Ctrl-Z, fg and Ctrl-C: the terminal sends to the whole group."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP): # ignored in a shell's background
            signal.signal(number, signal.SIG_DFL)
        job = subprocess.Popen(command('process'), preexec_fn=lambda: (os.setpgid(0, 0), foreground(os.getpid())))
        _, status = os.waitpid(job.pid, os.WUNTRACED)
        is_stopped = os.WIFSTOPPED(status)
        foreground(os.getpid())
        print('stopped' if is_stopped else 'ended', flush=True)
        foreground(job.pid)
        os.killpg(job.pid, signal.SIGCONT)
        _, status = os.waitpid(job.pid, os.WUNTRACED)
        foreground(os.getpid())
        print('code', os.waitstatus_to_exitcode(status), flush=True)
        os._exit(0)
    shown = b''
    for expected, typed in ((b'1\r\n', b'\x1a'), (b'stopped\r\n', b''), (b'\r\n', b'\x03'), (b'no more', b'')):
        at = len(shown)
        while expected not in shown[at:]:
            try:
                shown += os.read(terminal, 4096)
            except OSError: # the end
                typed = b''
                break
        if typed:
            os.write(terminal, typed)
    os.close(terminal)
    os.waitpid(process, 0)
    text = shown.decode()
    check('Ctrl-Z stops', 'stopped' in text, text)
    check('Ctrl-C ends', 'code -2' in text or 'code 130' in text, text)
    check('nothing is left', until(lambda: not processes_of(process, SESSION)), processes_of(process, SESSION))


def foreground(group):
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    os.tcsetpgrp(0, group)
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)


def main():
    cc = compiler()
    if not cc or os.environ.get('CAY_SANITIZED'):
        print('skipped: %s' % ('a build with sanitizers has no wall' if cc else 'there is no compiler for wasm32-wasi'))
        return 0
    with tempfile.TemporaryDirectory(prefix='cay-process-') as name:
        folder = Path(name)
        (folder / 'guest.c').write_text(GUEST)
        subprocess.run([cc, '--target=wasm32-wasi', '-Wno-deprecated', '-O1', 'guest.c', '-o', 'guest.wasm'], check=True,
                       cwd=folder)
        for test in (test_ends, test_child_is_killed, test_is_stopped, test_continued_alone, test_ignored_children,
                     test_terminal):
            test(folder)
    print('%d passed, %d failed' % (passed, failed))
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
