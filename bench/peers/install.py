#!/usr/bin/env python3
"""Makes the Python environment of the peers in .deps/bench-venv and prints its interpreter. A second call does nothing.

The environment shares the torch package the benchmark programs are linked with, so that both sides run on the same
libtorch; where this Python cannot import that package, the same version is installed.
"""

import argparse
import os
import pathlib
import subprocess
import sys

here = pathlib.Path(__file__).resolve().parent
environment = here.parent.parent / ".deps" / "bench-venv"
python = environment / "bin" / "python"
marker = environment / "installed.txt"


def say(text):
    print(f"peers: {text}", file=sys.stderr, flush=True)


def run(*command, **settings):
    return subprocess.run([str(part) for part in command], check=True, stdout=sys.stderr, **settings)


def pip_install(*what):
    # DeepSpeed compiles nothing for what is measured here.
    variables = {"DS_BUILD_OPS": "0", "DS_ACCELERATOR": "cpu", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    run(python, "-m", "pip", "install", "-q", *what, env={**os.environ, **variables})


def imported_torch():
    """The folder of the torch package the environment imports, or None."""
    code = "import torch, os; print(os.path.dirname(torch.__file__))"
    found = subprocess.run([str(python), "-c", code], capture_output=True, text=True)
    return pathlib.Path(found.stdout.strip()).resolve() if found.returncode == 0 else None


def install_peers(torch):
    code = "import site; print(site.getsitepackages()[0])"
    site = subprocess.check_output([str(python), "-c", code], text=True).strip()
    link = pathlib.Path(site) / "polymoe-torch.pth"
    link.write_text(f"{torch.parent}\n")
    pip_install("-r", here / "requirements.txt")
    if imported_torch() == torch.resolve():
        return
    link.unlink()
    version = (torch / "version.py").read_text().split("__version__ = ")[1].split("\n")[0].strip("'\"").split("+")[0]
    say(f"python3 cannot import {torch}: installing torch {version}")
    pip_install(f"torch=={version}")


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--torch", type=pathlib.Path, required=True, help="folder of the torch package to share")
    arguments = options.parse_args()

    wanted = (here / "requirements.txt").read_text() + f"torch: {arguments.torch}\n"
    if not marker.exists() or marker.read_text() != wanted:
        say(f"installing into {environment}")
        run("python3", "-m", "venv", "--clear", environment)
        install_peers(arguments.torch)
        marker.write_text(wanted)
    print(python)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"peers: failed with {error.returncode}: {' '.join(error.cmd)} (--no-peers runs without them)")
