# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Who is compared: native programs, containers, cay in its tiers, and other runtimes. Each turns a job into a command.

A rival that is not to be had says why (`absent`), and so does one that cannot do a job: nothing is guessed."""

import dataclasses
import pathlib
import shutil
import subprocess

import engines
import guests
import peers
from measure import Failed, run

IMAGE = "localhost/cay-evaluation:1"
# Where limits of the machine are lower than podman's own, it must not ask for more.
CONTAINER_LIMITS = ["--ulimit", "nofile=20000:20000", "--ulimit", "nproc=30000:30000"]
TRIAL_S = 60
LANGUAGES = {"C": "", "Rust": ".rust"}


class Cannot(Failed):
    """The rival has no way to do this job; without a text that is so by its nature and not worth a word."""


@dataclasses.dataclass
class Job:
    """`arguments` name files below the folder with {folder}, and a port is where the service has to listen."""
    program: str
    language: str = "C"
    arguments: tuple = ()
    folder: pathlib.Path = None
    port: int = None

    def words(self, folder):
        return [word.format(folder=folder) for word in self.arguments]

    def module(self):
        file = f"workload-{self.program}{LANGUAGES[self.language]}.wasm"
        return guests.find(f"workload-sha256{LANGUAGES[self.language]}.wasm") / "bin" / file

    def native(self, suffix=None):
        module = self.module()
        return module.parent.parent / "native" / f"workload-{self.program}{LANGUAGES[self.language] if suffix is None else suffix}"

    def guest_words(self):
        return [*(["fd", "3"] if self.port else []), *self.words("/d")]


class Rival:
    def settle(self):
        """Waits until what a run has left to do, such as compiling, is done: it would take the processor from the next one."""


class Native(Rival):
    def __init__(self, name, suffix=None, languages=("C", "Rust")):
        self.name, self.suffix, self.languages, self.absent = name, suffix, languages, None

    def command(self, job, cached=True):
        if job.language not in self.languages:
            raise Cannot("")
        return [str(job.native(self.suffix)), *([str(job.port)] if job.port else []), *job.words(job.folder)]

    def files(self, job):
        return [job.native(self.suffix)]


class OpenSsl(Rival):
    """What the processor's own instructions for SHA-256 make of it, for scale."""
    name = "native, SHA instructions"
    absent = None if shutil.which("openssl") else "openssl is not installed"

    def command(self, job, cached=True):
        if job.program != "sha256" or job.language != "C":
            raise Cannot("")
        return [shutil.which("openssl"), "dgst", "-sha256", *job.words(job.folder)]


class Container(Rival):
    """podman, with an image from scratch that holds the native programs. Its store lies in the work folder."""
    name = "container"

    def __init__(self, setting, programs):
        self.store = setting.work / "podman"
        self.absent = self.prepare(programs)

    def podman(self, *arguments):
        places = [f"--{option}={self.store / folder}" for option, folder in
                  (("root", "root"), ("runroot", "run"), ("tmpdir", "tmp"))]
        return [shutil.which("podman"), *places, "--storage-driver=overlay", "--cgroup-manager=cgroupfs",
                "--events-backend=file", "--runtime=runc", *map(str, arguments)]

    def prepare(self, programs):
        """Builds the image and tries it. Returns why there is none."""
        for tool in ("podman", "runc"):
            if not shutil.which(tool):
                return f"{tool} is not installed (Debian: podman runc)"
        folder = self.store / "image"
        folder.mkdir(parents=True, exist_ok=True)
        for program in programs:
            shutil.copy2(program, folder)
        names = " ".join(program.name for program in programs)
        (folder / "Containerfile").write_text(f"FROM scratch\nCOPY {names} /\n")
        for command in (self.podman("build", "-q", "-t", IMAGE, folder), self.started(["/" + programs[0].name])):
            done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=TRIAL_S)
            if done.returncode not in (0, 2):  # 2: the program wants arguments
                return f"podman fails here: {done.stderr.strip()[-300:]}"
        return None

    def started(self, words, *options):
        return self.podman("run", "--rm", *CONTAINER_LIMITS, *(options or ["--network=none"]), IMAGE, *words)

    def command(self, job, cached=True):
        words = ["/" + job.native().name, *([str(job.port)] if job.port else []), *job.words("/d")]
        options = ["--network=host" if job.port else "--network=none"]
        return self.started(words, *options, *(["--volume", f"{job.folder}:/d"] if job.folder else []))

    def image_bytes(self):
        done = subprocess.run(self.podman("image", "inspect", "--format", "{{.Size}}", IMAGE), capture_output=True, text=True)
        return int(done.stdout) if done.returncode == 0 else None


class Cay(Rival):
    """`cay run` as it comes, but that its cache is one of the evaluation's own; or, with `words`, in one of its other ways, which
    profit from no earlier run."""

    def __init__(self, setting, name="cay", words=()):
        self.setting, self.name, self.words = setting, name, words
        self.cache = None if words else setting.scratch("evaluation-cache")
        missing = not set(words[1:]) <= set(run([setting.cay, "version"]).output.decode().split("\n")[1].split())
        self.absent = f"this build of cay has no tier {words[-1]}" if missing else None

    def run(self, cached=True):
        return [self.setting.cay, "run", *self.words, "--cache", str(self.cache) if cached and self.cache else "off"]

    def command(self, job, cached=True):
        grants = ["--listen", f"127.0.0.1:{job.port}"] if job.port else []
        grants += ["--dir", f"{job.folder}::/d"] if job.folder else []
        return [*self.run(cached), *grants, str(job.module()), *job.guest_words()]

    def settle(self):
        if self.cache:
            run([self.setting.cay, "cache", "wait", "--cache", str(self.cache)])

    def files(self, job):
        folder = pathlib.Path(self.setting.cay).resolve().parent
        return [job.module(), pathlib.Path(self.setting.cay), *folder.glob("libcay-*.so"), *folder.glob("cay-llvm")]


class Peer(Rival):
    """Another runtime, found by bench/lib/peers.py."""

    def __init__(self, name, program):
        self.name, self.program, self.absent = name, program, None
        try:
            peers.command(program)
        except Failed as failure:
            self.absent = str(failure)

    def path(self):
        return peers.command(self.program)

    def files(self, job):
        return [job.module(), pathlib.Path(self.path())]


class Wasmtime(Peer):
    def __init__(self):
        super().__init__("wasmtime", "wasmtime-cli")

    def command(self, job, cached=True):
        if job.port:
            raise Cannot("version 48 gives WASI 0.1 programs no sockets any more (-S preview2=n is refused); its HTTP takes components")
        return [self.path(), "run", "-C", f"cache={'y' if cached else 'n'}",
                *engines.options(job.folder), str(job.module()), *job.guest_words()]


class Wazero(Peer):
    def __init__(self, setting):
        super().__init__("wazero", "wazero")
        self.cache = setting.work / "wazero-cache"

    def command(self, job, cached=True):
        grants = ["-listen", f"127.0.0.1:{job.port}"] if job.port else []
        grants += ["-mount", f"{job.folder}:/d"] if job.folder else []
        cache = ["-cachedir", str(self.cache)] if cached else []
        return [self.path(), "run", *cache, *grants, str(job.module()), *job.guest_words()]


class Node(Peer):
    def __init__(self):
        super().__init__("node", "node")

    def command(self, job, cached=True):
        if job.port:
            raise Cannot("its WASI has no sockets")
        return [self.path(), "--no-warnings", str(engines.NODE_RUN), *engines.options(job.folder),
                str(job.module()), *job.guest_words()]
