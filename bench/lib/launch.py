# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Starts programs by bench/launch.c and takes its measurements; a program that ends, or a service that is asked first."""

import contextlib
import glob
import os
import pathlib
import re
import select
import socket
import subprocess
import tempfile

from measure import Failed, shortened

RUN_S, READY_S, END_S = 120, 30, 10
LAUNCHED = re.compile(rb"launched (\d+) (\d+) (\d+) (\d+) (\d+)\n\Z")
INSIDE = re.compile(rb"^inside_us (\d+)\n", re.M)
COUNTERS = sorted(glob.glob("/sys/class/powercap/*rapl:?/energy_uj"))
# What the runner of Node.js adds to a program's output.
CPU_LINE = re.compile(rb"^cpu_us \d+\n", re.M)


def energy_uj():
    """What the processor packages have used so far; None where the machine does not tell."""
    try:
        return sum(int(pathlib.Path(path).read_text()) for path in COUNTERS) if COUNTERS else None
    except OSError:
        return None


def figures(output, command, errors):
    """What launch said, and the program's own clock; the output without both."""
    found = LAUNCHED.search(output)
    if not found or found[5] != b"0":
        errors.seek(0)
        said = errors.read()[-2000:].decode(errors="replace").strip()
        raise Failed(f"{shortened(command)}: {'exit code ' + found[5].decode() if found else 'did not run'}: {said}")
    first_ns, wall_ns, cpu_us, rss_kib = (int(found[i]) for i in range(1, 5))
    taken = {"first_ms": first_ns / 1e6, "wall_ms": wall_ns / 1e6, "cpu_ms": cpu_us / 1e3, "rss_mib": rss_kib / 1024}
    inside = INSIDE.search(output)
    if inside:
        taken["inside_ms"] = int(inside[1]) / 1e3
    return taken, CPU_LINE.sub(b"", INSIDE.sub(b"", LAUNCHED.sub(b"", output)))


def run(tool, command, options=()):
    """(figures, output)"""
    with tempfile.TemporaryFile() as errors:
        before = energy_uj()
        try:
            done = subprocess.run([tool, *options, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
                                  timeout=RUN_S)
        except subprocess.TimeoutExpired as failure:
            raise Failed(f"{shortened(command)}: does not end within {RUN_S} s") from failure
        after = energy_uj()
        taken, output = figures(done.stdout, command, errors)
        if before is not None and after is not None and after > before:  # the counters wrap
            taken["joules"] = (after - before) / 1e6
        return taken, output


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def quit_service(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=END_S) as peer:
        peer.sendall(b"GET /quit HTTP/1.1\r\nHost: localhost\r\n\r\n")
        peer.recv(1)


class Service:
    """A service that says when it is ready and ends when it is asked for /quit. Its figures are there after the block."""

    def __init__(self, tool, command, port, options=()):
        self.command, self.port, self.figures = command, port, None
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen([tool, *options, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=self.errors, start_new_session=True)

    def __enter__(self):
        ready, _, _ = select.select([self.process.stdout], [], [], READY_S)
        if not ready or self.process.stdout.readline() != b"ready\n":
            self.end()
            self.errors.seek(0)
            raise Failed(f"{shortened(self.command)}: does not get ready: {self.errors.read()[-500:].decode(errors='replace')}")
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            quit_service(self.port)
            try:
                output, _ = self.process.communicate(timeout=END_S)
                self.figures, _ = figures(output, self.command, self.errors)
                return
            except subprocess.TimeoutExpired:
                pass
        self.end()
        if kind is None:
            raise Failed(f"{shortened(self.command)}: does not end when it is asked to")

    def end(self):
        """The launcher and what it started are a session of their own."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, 9)
        self.process.communicate()


def load(tool, port, path, connections, milliseconds, processor=None):
    """{requests_s, mean_ms, p50_ms, p99_ms} of bench/load.c."""
    pinned = ["taskset", "-c", str(processor)] if processor is not None else []
    done = subprocess.run([*pinned, tool, str(port), path, str(connections), str(milliseconds)], capture_output=True, text=True,
                          timeout=RUN_S)
    if done.returncode:
        raise Failed(f"{done.stderr.strip()} ({path}, {connections} connections)")
    words = done.stdout.split()
    found = {name: float(value) for name, value in zip(words[::2], words[1::2])}
    return {"requests_s": found["requests"] / found["milliseconds"] * 1000,
            **{f"{name}_ms": found[f"{name}_us"] / 1000 for name in ("mean", "p50", "p99")}}
