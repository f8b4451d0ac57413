# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Builds the wheel (PEP 517) from the source tree around this folder: `pip install ./bindings/python`. It needs what the
project needs, Meson and a C compiler (CC; clang makes the faster library), and nothing from an index. CAY_LIBRARY names a
library that is built already. The wheel is this folder's package with the library in it; it fits every Python 3 on the
machine's system and processor. Where the build makes cay-llvm, the helper of the tiers "auto" and "optimized", it is in the
wheel, too, and finds LLVM's library on the machine."""
import base64
import hashlib
import os
import subprocess
import sysconfig
import tempfile
import tomllib
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))


def _metadata():
    with open(os.path.join(HERE, "pyproject.toml"), "rb") as file:
        return tomllib.load(file)["project"]


def _library(folder):
    """The path of libcay.so, built in `folder` if need be."""
    given = os.environ.get("CAY_LIBRARY")
    if given:
        return os.path.realpath(given)
    subprocess.run(["meson", "setup", folder, PROJECT, "--buildtype=release"], check=True)
    version = _metadata()["version"]
    subprocess.run(["ninja", "-C", folder, f"src/api/libcay.so.{version}"], check=True)
    targets = subprocess.run(["ninja", "-C", folder, "-t", "targets", "all"], check=True, capture_output=True, text=True)
    if "\ncay-llvm: " in targets.stdout:
        subprocess.run(["ninja", "-C", folder, "cay-llvm"], check=True)
    return os.path.join(folder, "src", "api", f"libcay.so.{version}")


def _helper(library):
    """The path of cay-llvm, which the build that the library comes from may have made."""
    path = os.path.join(os.path.dirname(library), "..", "..", "cay-llvm")
    return path if os.access(path, os.X_OK) else None


def _files(library, info, tag):
    """(name in the wheel, contents)."""
    package = os.path.join(HERE, "cay")
    for name in sorted(name for name in os.listdir(package) if name.endswith(".py")):
        with open(os.path.join(package, name), "rb") as file:
            yield "cay/" + name, file.read()
    with open(library, "rb") as file:
        yield "cay/libcay.so", file.read()
    helper = _helper(library)
    if helper:
        with open(helper, "rb") as file:
            yield "cay/cay-llvm", file.read()
    about = _metadata()
    yield info + "/METADATA", (f"Metadata-Version: 2.1\nName: {about['name']}\nVersion: {about['version']}\n"
                               f"Summary: {about['description']}\nRequires-Python: {about['requires-python']}\n"
                               f"License: {about['license']['text']}\n").encode()
    yield info + "/WHEEL", f"Wheel-Version: 1.0\nGenerator: cay\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    about = _metadata()
    tag = "py3-none-" + sysconfig.get_platform().replace("-", "_").replace(".", "_")
    info = f"{about['name']}-{about['version']}.dist-info"
    wheel = f"{about['name']}-{about['version']}-{tag}.whl"
    record = ""
    with tempfile.TemporaryDirectory() as folder, \
            zipfile.ZipFile(os.path.join(wheel_directory, wheel), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, contents in _files(_library(folder), info, tag):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o100755 if name == "cay/cay-llvm" else 0o100644) << 16
            archive.writestr(entry, contents, zipfile.ZIP_DEFLATED)
            digest = base64.urlsafe_b64encode(hashlib.sha256(contents).digest()).rstrip(b"=").decode()
            record += f"{name},sha256={digest},{len(contents)}\n"
        archive.writestr(info + "/RECORD", record + info + "/RECORD,,\n")
    return wheel


def build_sdist(sdist_directory, config_settings=None):
    raise RuntimeError("cay's Python package is built from the project's source tree, of which it is a part")
