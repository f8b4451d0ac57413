#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""WASI 0.1 conformance: runs the guests of tests/wasi/guests, each in a fresh directory, and checks what they report and
what they leave behind. Most run twice, importing from wasi_snapshot_preview1 and from wasi_unstable.

usage: tests/wasi/run.py [CASE...]        parts of names choose among the cases
CAY: the command to test (build/cay); CAY_SANITIZED: not empty for a sanitizer build; CAY_FLAGS: options of `run` for all.
"""
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CAY = os.path.abspath(os.environ.get("CAY") or ROOT / "build/cay")
FLAGS = os.environ.get("CAY_FLAGS", "").split()
SANITIZED = bool(os.environ.get("CAY_SANITIZED"))
MODULES = ROOT / "build" / "wasi-guests"
TIMEOUT_S = 120
VARIANTS = {"": [], "-unstable": ["-DWASI_UNSTABLE"]}

CASES = {}


class Failed(Exception):
    pass


class Skipped(Exception):
    pass


# ---- Guests ---------------------------------------------------------------------------------------------------------

def clang():
    for name in ("clang-22", "clang-21", "clang-20", "clang-19"):
        if shutil.which(name):
            return name
    sys.exit("tests/wasi: no clang of version 22, 21, 20 or 19; ./x setup installs one")


def compile_guest(name, variant):
    source, module = HERE / "guests" / f"{name}.c", MODULES / f"{name}{variant}.wasm"
    newest = max(path.stat().st_mtime for path in [source, *(HERE / "guests").glob("*.h")])
    if module.exists() and module.stat().st_mtime > newest:
        return
    model = ["-mexec-model=reactor"] if name == "reactor" else []
    subprocess.run([clang(), "--target=wasm32-wasi", "-Wno-deprecated", "-Wall", "-Wextra", "-Werror", "-O1", "-g", "--no-wasm-opt",
                    *model, *VARIANTS[variant], "-o", f"{module}.part", source], check=True)
    os.replace(f"{module}.part", module)


def compile_guests():
    MODULES.mkdir(parents=True, exist_ok=True)
    names = sorted(path.stem for path in (HERE / "guests").glob("*.c"))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [pool.submit(compile_guest, name, variant) for name in names for variant in VARIANTS]
        for job in jobs:
            job.result()


# ---- Running ----------------------------------------------------------------------------------------------------------

class Case:
    """What a case function gets: a fresh folder and a way to run guests."""

    def __init__(self, work, variant):
        self.work, self.variant = work, variant
        self.inside = work / "inside"
        self.inside.mkdir()

    def command(self, guest, *arguments, options=()):
        module = MODULES / f"{guest}{self.variant}.wasm"
        return [CAY, "run", *FLAGS, *map(str, options), str(module), *map(str, arguments)]

    def run(self, guest, *arguments, options=(), stdin=b"", **more):
        if isinstance(stdin, bytes):
            more["input"] = stdin
        else:
            more["stdin"] = stdin
        command = self.command(guest, *arguments, options=options)
        more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": TIMEOUT_S, **more}
        return subprocess.run(command, **more)

    def passes(self, guest, *arguments, options=(), **more):
        """The guest checks itself: exit code 0 and "N checks, 0 failed"."""
        done = self.run(guest, *arguments, options=options, **more)
        if done.returncode != 0 or not re.search(rb"^\d+ checks, 0 failed$", done.stdout, re.M):
            raise Failed(told(done))
        return done

    def in_directory(self, guest, *arguments, **more):
        return self.passes(guest, *arguments, options=["--dir", f"{self.inside}::/d"], **more)


def told(done):
    lines = ((done.stdout or b"") + b"\n" + (done.stderr or b"")).decode(errors="replace").strip().split("\n")
    return f"status {done.returncode}\n    " + "\n    ".join(lines[:40])


def expect(done, status, output=None, errors=None):
    if done.returncode != status:
        raise Failed(f"expected status {status}: {told(done)}")
    if output is not None and done.stdout != output:
        raise Failed(f"expected output {output!r}: {told(done)}")
    if errors is not None and not re.search(errors, done.stderr):
        raise Failed(f"expected a message matching {errors!r}: {told(done)}")


def case(*variants):
    def register(function):
        for variant in variants or [""]:
            CASES[function.__name__ + variant] = (function, variant)
        return function
    return register


BOTH = tuple(VARIANTS)


# ---- Arguments, clocks, handles, files -----------------------------------------------------------------------------------

@case(*BOTH)
def arguments(t):
    """Arguments and variables arrive unchanged, and nothing else does."""
    os.environ["NOT_GRANTED"] = "secret"
    os.environ["PASSED"] = "on"
    given = ["", "a b", "\u00fc", "x" * 1000, "--dir", "-h", "--", "a\nb"]
    options = ["--arg0", "zero", "--env", "A=1", "--env", "EMPTY=", "--env", "B=with=equals", "--env", "PASSED", "--env", "A=2"]
    done = t.passes("arguments", *given, options=options)
    wanted = "".join(f"argument[{text}]\n" for text in ["zero", *given])
    variables = {"variable[A=2]", "variable[EMPTY=]", "variable[B=with=equals]", "variable[PASSED=on]"}
    text = done.stdout.decode()
    if not text.startswith(wanted) or set(re.findall(r"^variable\[.*\]$", text, re.M)) != variables:
        raise Failed(told(done))


@case(*BOTH)
def no_environment(t):
    """Without a grant there is no variable, and argument 0 is the file's name."""
    done = t.passes("arguments")
    if b"variable[" in done.stdout or f"argument[arguments{t.variant}.wasm]\n".encode() not in done.stdout:
        raise Failed(told(done))


@case(*BOTH)
def clocks(t):
    """Clocks with their resolutions, random bytes, yielding."""
    t.passes("clocks")


@case(*BOTH)
def bad_fd(t):
    """Every function on handles that are none."""
    t.in_directory("bad_fd")


@case(*BOTH)
def handles(t):
    """Numbers, renumbering, preopened directories."""
    t.in_directory("handles")


@case()
def handles_run_out(t):
    """When the host has no more open files, the guest learns it and goes on."""
    (t.inside / "from").touch()
    t.in_directory("handles", "limit", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100)))


@case(*BOTH)
def files(t):
    """Open files: reading, writing, position, size, times, flags."""
    t.in_directory("files")
    if (t.inside / "offsets").read_bytes() != b"0abc456789\0\0abc":
        raise Failed(f"fd_pwrite left {(t.inside / 'offsets').read_bytes()!r}")


def prepare_open(t):
    (t.inside / "file").write_text("file")
    (t.inside / "dir").mkdir()
    (t.inside / "dir" / "inside").write_text("inside")
    for name, target in {"link": "file", "dirlink": "dir", "dangling": "nowhere", "dangling-too": "nothing", "loop": "loop"}.items():
        (t.inside / name).symlink_to(target)
    os.mkfifo(t.inside / "fifo")
    with contextlib.chdir(t.inside):
        socket.socket(socket.AF_UNIX).bind("socket")


@case(*BOTH)
def opening(t):
    """path_open with every flag, kind of file and spelling of path."""
    prepare_open(t)
    t.in_directory("open")


@case(*BOTH)
def names(t):
    """Making, removing, renaming and linking names."""
    t.in_directory("names")


@case(*BOTH)
def readdir(t):
    """Listing directories."""
    t.in_directory("readdir")


@case(*BOTH)
def faults(t):
    """Pointers outside of memory."""
    t.in_directory("faults")


@case(*BOTH)
def rights(t):
    """Rights given up."""
    t.in_directory("rights")


@case(*BOTH)
def read_only(t):
    """Directories and single files granted for reading."""
    for name in ("ro/dir", "rw", "other"):
        (t.work / name).mkdir(parents=True)
    for name in ("ro/file", "ro/dir/x", "rw/mine", "other/only", "other/both", "other/third"):
        (t.work / name).write_text(pathlib.Path(name).name)
    (t.work / "ro" / "link").symlink_to("file")
    before = snapshot(t.work)
    t.passes("read_only", options=["--dir", f"{t.work}/ro::/ro::ro", "--dir", f"{t.work}/rw::/rw",
                                   "--dir", f"{t.work}/other/only::/single/only::ro",
                                   "--dir", f"{t.work}/other/both::/single/both"])
    if snapshot(t.work) != before:
        raise Failed("something was changed")


# ---- Ways out ----------------------------------------------------------------------------------------------------------------

def snapshot(folder, without=None):
    """Names, contents, times and links below a folder."""
    seen = {}
    for path in sorted(folder.rglob("*")):
        if without and (path == without or without in path.parents):
            continue
        about = path.lstat()
        contents = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        seen[str(path)] = (about.st_mode, about.st_nlink, about.st_mtime_ns if path.is_file() else 0, contents)
    return seen


def prepare_escapes(t):
    (t.work / "secret").write_text("secret")
    (t.work / "folder").mkdir()
    (t.work / "folder" / "secret").write_text("secret")
    (t.inside / "dir").mkdir()
    (t.inside / "dir" / "file").write_text("file")
    links = {"abs": t.work / "secret", "rel": "../secret", "outdir": "..", "absdir": t.work, "chain": "rel",
             "deep": "dir/../../secret", "proc": "/proc/self/fd", "in": "dir"}
    for name, target in links.items():
        (t.inside / name).symlink_to(target)


@case(*BOTH)
def escapes(t):
    """No function leads out of a directory."""
    prepare_escapes(t)
    before = snapshot(t.work, without=t.inside)
    t.passes("escapes", options=["--dir", f"{t.inside}::/d", "--dir", "/proc::/proc::ro"])
    if snapshot(t.work, without=t.inside) != before:
        raise Failed("something outside was changed")


@case(*BOTH)
def overlay(t):
    """Everything on files again, in an overlay; the directory itself stays empty."""
    for kind in ("overlay", f"overlay={t.work / 'changes'}"):
        for guest in ("files", "names", "readdir", "faults", "rights"):
            t.passes(guest, options=["--dir", f"{t.inside}::/d::{kind}"])
            shutil.rmtree(t.work / "changes", ignore_errors=True)
            if any(t.inside.iterdir()):
                raise Failed(f"{guest} changed the directory itself")


@case()
def race(t):
    """A directory that the host swaps for a link that leads out, while the guest uses it."""
    outside = t.work / "outside"
    outside.mkdir()
    (outside / "file").write_text("outside")
    (outside / "kept").write_text("kept")
    real, other, link = t.inside / "swapped", t.inside / "hidden", t.inside / "link"
    real.mkdir()
    (real / "file").write_text("inside")
    link.symlink_to(outside)
    before, stop = snapshot(outside), threading.Event()

    def swap():
        while not stop.is_set():
            real.rename(other)
            link.rename(real)
            real.rename(link)
            other.rename(real)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        done = t.in_directory("race")
    finally:
        stop.set()
        thread.join()
    if snapshot(outside) != before:
        raise Failed("something outside was changed")
    counts = [int(number) for number in re.findall(rb"\d+", done.stdout.split(b"\n")[0])]
    if counts[0] == 0 or counts[1] + counts[2] == 0:
        raise Failed(f"the race did not happen: {told(done)}")


# ---- Waiting, streams, sockets -----------------------------------------------------------------------------------------------

@case(*BOTH)
def poll(t):
    """Clocks and files."""
    t.in_directory("poll")


@case(*BOTH)
def poll_input(t):
    """Standard input that has bytes, has none, or has ended."""
    for state, contents in {"data": b"abc", "quiet": b"", "closed": b""}.items():
        reader, writer = os.pipe()
        os.write(writer, contents)
        if state == "closed":
            os.close(writer)
        try:
            t.passes("poll", state, stdin=reader)
            if not os.get_blocking(reader):
                raise Failed("the guest's wish not to block reached the descriptor that others share")
        finally:
            os.close(reader)
            if state != "closed":
                os.close(writer)


@case(*BOTH)
def stdio_kinds(t):
    """Pipes, files, devices, terminals and closed streams as standard streams."""
    path = t.work / "stream"
    path.write_bytes(b"input\n")
    t.passes("stdio", "0", "0", "0", "input", stdin=b"input\n")
    with open(path, "rb") as stream:
        t.passes("stdio", "4", "0", "0", "input", stdin=stream)
    with open("/dev/null", "rb") as stream:
        t.passes("stdio", "2", "0", "0", stdin=stream)
    with open(path, "wb") as stream:
        expect(t.run("stdio", "0", "4", "0", stdout=stream), 0)
    if b" 0 failed" not in path.read_bytes():
        raise Failed(f"the guest wrote {path.read_bytes()!r} to a file")


@case(*BOTH)
def stdio_terminal(t):
    """A terminal is a character device that cannot seek, which is what isatty looks at."""
    controller, terminal = os.openpty()
    try:
        done = t.run("stdio", "2t", "2t", "0", stdin=terminal, stdout=terminal)
        expect(done, 0)
        if b" 0 failed" not in os.read(controller, 4096):
            raise Failed("checks failed")
    finally:
        os.close(controller)
        os.close(terminal)


@case()
def stdio_closed(t):
    """A stream that cay itself does not have stays closed for the guest."""
    for closed in range(3):
        wanted = ["closed" if fd == closed else "0" for fd in range(3)]
        command = t.command("stdio", *wanted)
        done = subprocess.run(["bash", "-c", f'exec "$@" {closed}<&-', "bash", *command], input=b"", capture_output=True, timeout=TIMEOUT_S)
        expect(done, 0)


@case()
def stdio_reader_gone(t):
    """Writing to a pipe that nobody reads is an error for the guest, not the end of cay."""
    reader, writer = os.pipe()
    os.close(reader)
    done = t.run("arguments", stdout=writer)
    os.close(writer)
    if done.returncode < 0 or done.returncode > 128:
        raise Failed(told(done))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@case(*BOTH)
def sockets(t):
    """Accepting, receiving, sending and shutting down on a granted listener."""
    port = free_port()
    guest = subprocess.Popen(t.command("sockets", options=["--listen", f"127.0.0.1:{port}"]), stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        lines = [guest.stdout.readline()]
        while lines[-1] not in (b"listening\n", b""):
            lines.append(guest.stdout.readline())
        if lines[-1] == b"":
            raise Failed(told(subprocess.CompletedProcess([], guest.wait(), b"".join(lines), guest.stderr.read())))
        with socket.create_connection(("127.0.0.1", port), timeout=20) as peer:
            peer.sendall(b"hello")
            reply = receive(peer, 5)
            peer.sendall(b"01234")
            time.sleep(0.1)
            peer.sendall(b"56789")
            reply += receive(peer, 100)
            peer.sendall(b"late")
        output, errors = guest.communicate(timeout=TIMEOUT_S)
        done = subprocess.CompletedProcess([], guest.returncode, b"".join(lines) + output, errors)
        if guest.returncode or b" 0 failed" not in output or reply != b"replywritten":
            raise Failed(f"the peer read {reply!r}; {told(done)}")
    finally:
        guest.kill()
        guest.wait()


def receive(peer, count):
    """Up to `count` bytes, fewer when the other end closes."""
    got = b""
    while len(got) < count:
        part = peer.recv(count - len(got))
        if not part:
            break
        got += part
    return got


# ---- Ends -------------------------------------------------------------------------------------------------------------------------

@case(*BOTH)
def exit_codes(t):
    """The guest's exit code is cay's."""
    for how in ("return", "exit", "proc_exit"):
        for code in (0, 1, 2, 42, 125):
            expect(t.run("end", how, code), code, b"")


@case()
def traps(t):
    """A trap ends with code 134 and says what happened and where."""
    expect(t.run("end", "trap"), 134, b"", rb"unreachable")
    expect(t.run("end", "abort"), 134, b"", rb"unreachable")
    expect(t.run("end", "load"), 134, b"", rb"out of bounds")
    done = t.run("end", "stack")
    expect(done, 119 if b"call stack exhausted" in done.stderr else 134, b"", rb"stack|out of bounds")
    if b"main" not in t.run("end", "trap").stderr:
        raise Failed(f"the backtrace does not name main: {told(t.run('end', 'trap'))}")


@case(*BOTH)
def raised_signals(t):
    """proc_raise ends like the signal; signals that do nothing do nothing."""
    for signal, status in {1: 129, 2: 130, 3: 131, 6: 134, 9: 137, 11: 139, 13: 141, 15: 143, 30: 159}.items():
        expect(t.run("end", "raise", signal), status, b"")
    for signal in (0, 16, 17, 27):
        expect(t.run("end", "raise", signal), 0, b"raised, 0\n")
    for signal in (31, 255, 0xFFFFFFFF):
        expect(t.run("end", "raise", signal), 0, b"raised, 28\n")


@case()
def timeouts(t):
    """--timeout ends a guest that waits or works, with code 124."""
    reader, writer = os.pipe()
    try:
        for on in ("clock", "input", "accept", "nothing"):
            start = time.monotonic()
            done = t.run("end", "block", on, options=["--timeout", "300ms", "--listen", f"127.0.0.1:{free_port()}"], stdin=reader)
            expect(done, 124, b"")
            if not 0.25 < time.monotonic() - start < 20:
                raise Failed(f"blocking on {on} ended after {time.monotonic() - start:.1f} s")
    finally:
        os.close(reader)
        os.close(writer)


@case(*BOTH)
def reactor(t):
    """A reactor is initialized, then the chosen function is called."""
    expect(t.run("reactor", options=["--invoke", "answer"]), 0, b"42\n")
    expect(t.run("reactor", "-5", "8589934592", options=["--invoke", "add"]), 0, b"8589934587\n")
    expect(t.run("reactor", "5", options=["--invoke", "half"]), 0, b"2.5\n")
    expect(t.run("reactor", options=["--invoke", "speak"]), 0, b"spoken\n")


@case()
def every_function(t):
    """The guests import every function of WASI 0.1; the runtime says which those are."""
    imported = set()
    for path in MODULES.glob("*.wasm"):
        report = json.loads(subprocess.run([CAY, "inspect", "--format", "json", path], capture_output=True, check=True).stdout)
        imported |= {entry["name"] for entry in report["imports"] if entry["module"] == "wasi_snapshot_preview1"}
    known = set(re.findall(r"^  X\((\w+),", (ROOT / "src/wasi/p1/p1.h").read_text(), re.M))
    if len(known) < 46 or known - imported:
        raise Failed(f"{len(known)} functions, of which no guest imports {sorted(known - imported)}")


# ---- What the kernel sees -------------------------------------------------------------------------------------------------------

# Calls that reach no file and no network.
HARMLESS = set("futex brk mmap munmap madvise mprotect clock_gettime exit_group exit rt_sigprocmask rt_sigaction rt_sigreturn "
               "sigaltstack sched_yield getrandom epoll_wait epoll_pwait epoll_ctl poll ppoll tgkill getpid gettid "
               "restart_syscall close fcntl wait4".split())
# What the broker does beside the guest, which asks it nothing here: it begins, waits for a question, and ends.
BROKER = set("set_robust_list close_range recvmsg".split())
# Calls that find a file by one name in an open directory. openat2 takes a path and confines it itself.
ONE_NAME = set("openat newfstatat statx mkdirat unlinkat readlinkat utimensat faccessat faccessat2".split())


def is_granted(name, line, folder):
    """Whether a system call stays beneath the granted folder."""
    found = re.match(rf'\d+ +{name}\(\d+<{re.escape(str(folder))}(/[^>]*)?>, (?:"([^"]*)", )?', line)
    if name in HARMLESS:
        return True
    if not found:
        return False
    path = found.group(2)
    if name == "openat2":
        return "RESOLVE_BENEATH" in line
    return path is None or name not in ONE_NAME or ("/" not in path and path != "..")


def strace(t, *command):
    """[(system call, its line)] of a command, in order; of its other processes what is more than a broker does."""
    if not shutil.which("strace"):
        raise Skipped("strace is not installed")
    log = t.work / "strace.log"
    done = subprocess.run(["strace", "-f", "-y", "-s", "64", "-o", log, *command], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=TIMEOUT_S)
    calls = []
    lines = log.read_text(errors="replace").split("\n") if log.exists() else []
    guest = next((line.split()[0] for line in lines if '"MARKER' in line), None)
    for line in lines:
        found = re.match(r"(\d+)\s+(\w+)\(", line)
        if found and (found.group(1) == guest or found.group(2) not in HARMLESS | BROKER):
            calls.append((found.group(2), line))
    if not calls and b"ptrace" in done.stderr.lower():
        raise Skipped("strace may not trace here")
    return done, calls


def between(calls, first, last):
    """The calls between two markers."""
    at = {text: i for i, (_, line) in enumerate(calls) for text in (first, last) if f'"MARKER {text}' in line}
    if len(at) < 2:
        raise Failed(f"no markers {first}, {last} among {len(calls)} system calls")
    return calls[at[first] + 1:at[last]]


@case(*BOTH)
def system_calls(t):
    """From the first marker to the end, no file or network access but beneath what was granted; and one system call for
    each read and write."""
    if SANITIZED:
        raise Skipped("a sanitizer makes system calls of its own")
    data = t.inside / "data"
    data.write_bytes(os.urandom(20000))
    (t.inside / "escape").symlink_to("/")
    options = ["--dir", f"{t.inside}::/d"]
    done, calls = strace(t, *t.command("marker", options=options))
    expect(done, 0)
    for name, line in between(calls, "begin", "counted"):
        if not is_granted(name, line, t.inside):
            raise Failed(f"not granted: {line}")
    counts = {}
    for name, _ in between(calls, "counted", "end"):
        counts[name] = counts.get(name, 0) + 1
    counts.pop("clock_gettime", None)
    if counts != {"readv": 5, "writev": 7, "preadv": 1, "pwritev": 1}:
        raise Failed(f"5 reads, 7 writes, fd_pread and fd_pwrite made these system calls: {counts}")
    end = next(i for i, (_, line) in enumerate(calls) if '"MARKER end' in line)
    for name, line in calls[end + 1:]:
        gives_back_code = re.search(r"fallocate\(\d+</memfd:cay-code>", line)
        ends_broker = re.search(r"shutdown\(\d+<(socket|UNIX)[^>]*>, SHUT_WR\)", line)
        if name not in HARMLESS and not gives_back_code and not ends_broker and not re.search(r"write(v|v2)?\([12]<", line):
            raise Failed(f"not granted, after the last marker: {line}")


# ---- The run -----------------------------------------------------------------------------------------------------------------------

def run_case(name):
    function, variant = CASES[name]
    with tempfile.TemporaryDirectory(prefix="cay-wasi-") as folder:
        try:
            function(Case(pathlib.Path(folder).resolve(), variant))
        except Skipped as why:
            return "skipped", str(why)
        except (Failed, OSError, subprocess.SubprocessError) as why:
            return "FAILED", f"{type(why).__name__}: {why}" if not isinstance(why, Failed) else str(why)
    return "ok", ""


def main():
    compile_guests()
    chosen = [name for name in CASES if not sys.argv[1:] or any(part in name for part in sys.argv[1:])]
    counts = {"ok": 0, "FAILED": 0, "skipped": 0}
    for name in chosen:
        verdict, why = run_case(name)
        counts[verdict] += 1
        summary = CASES[name][0].__doc__.split("\n")[0].rstrip(".,; ")
        print(f"{verdict:7} {name}: {summary}" + (f"\n    {why}" if why else ""), flush=True)
    print(f"{counts['ok']} passed, {counts['FAILED']} failed, {counts['skipped']} skipped")
    sys.exit(1 if counts["FAILED"] or not chosen else 0)


if __name__ == "__main__":
    main()
