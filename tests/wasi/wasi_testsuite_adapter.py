# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Lets the runner of https://github.com/WebAssembly/wasi-testsuite run its tests with cay. In a checkout of the branch
prod/testsuite-base, with Python 3.12 or newer and its packages colorama and requests:

    CAY=.../build/cay ./run-tests -r .../tests/wasi/wasi_testsuite_adapter.py

It changes the folders of its tests: use a fresh copy for each run.
"""
import os
import shlex
import subprocess

CAY = shlex.split(os.environ.get("CAY", "cay"))


def get_name():
    return "cay"


def get_version():
    """The first word with a digit in it: "cay 0.1.0" and whatever follows."""
    text = subprocess.run([CAY[0], "version"], capture_output=True, text=True, check=True).stdout
    return next(word for word in text.split() if word[0].isdigit())


def get_wasi_versions():
    return ["wasm32-wasip1"]


def get_wasi_worlds():
    return ["wasi:cli/command"]


def compute_argv(test_path, args_env_root, proposals, wasi_world, wasi_version):
    arguments, variables, root = args_env_root
    options = [f"--env={name}={value}" for name, value in variables.items()]
    if root:
        options += ["--dir", f"{root}::/"]
    return [*CAY, "run", *options, test_path, *arguments]
