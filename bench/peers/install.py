#!/usr/bin/env python3
"""Makes the Python environment of the peers in .deps/bench-venv, or with --training that of the peers of `bench/run
train-small` in .deps/bench-venv-training, and prints its interpreter. A second call does nothing.

The environment shares the torch package the benchmark programs are linked with, so that both sides run on the same
libtorch; where this Python cannot import that package, the same version is installed.
"""

import argparse
import os
import pathlib
import subprocess
import sys

here = pathlib.Path(__file__).resolve().parent


class Environment:
    def __init__(self, training):
        suffix = "-training" if training else ""
        self.folder = here.parent.parent / ".deps" / f"bench-venv{suffix}"
        self.python = self.folder / "bin" / "python"
        self.marker = self.folder / "installed.txt"
        self.requirements = here / f"requirements{suffix}.txt"
        self.pip_options = ["--no-deps"] if training else []  # the file says why


def say(text):
    print(f"peers: {text}", file=sys.stderr, flush=True)


def run(*command, **settings):
    return subprocess.run([str(part) for part in command], check=True, stdout=sys.stderr, **settings)


def pip_install(python, *what):
    # DeepSpeed compiles nothing for what is measured here.
    variables = {"DS_BUILD_OPS": "0", "DS_ACCELERATOR": "cpu", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    run(python, "-m", "pip", "install", "-q", *what, env={**os.environ, **variables})


def imported_torch(python):
    """The folder of the torch package the environment imports, or None."""
    code = "import torch, os; print(os.path.dirname(torch.__file__))"
    found = subprocess.run([str(python), "-c", code], capture_output=True, text=True)
    return pathlib.Path(found.stdout.strip()).resolve() if found.returncode == 0 else None


def install_peers(environment, torch):
    python = environment.python
    code = "import site; print(site.getsitepackages()[0])"
    site = subprocess.check_output([str(python), "-c", code], text=True).strip()
    link = pathlib.Path(site) / "polymoe-torch.pth"
    link.write_text(f"{torch.parent}\n")
    pip_install(python, *environment.pip_options, "-r", environment.requirements)
    if imported_torch(python) == torch.resolve():
        return
    link.unlink()
    version = (torch / "version.py").read_text().split("__version__ = ")[1].split("\n")[0].strip("'\"").split("+")[0]
    say(f"python3 cannot import {torch}: installing torch {version}")
    pip_install(python, f"torch=={version}")


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    options.add_argument("--torch", type=pathlib.Path, required=True, help="folder of the torch package to share")
    options.add_argument("--training", action="store_true", help="the peers of train-small")
    arguments = options.parse_args()
    environment = Environment(arguments.training)

    wanted = environment.requirements.read_text() + f"torch: {arguments.torch}\n"
    if not environment.marker.exists() or environment.marker.read_text() != wanted:
        say(f"installing into {environment.folder}")
        run("python3", "-m", "venv", "--clear", environment.folder)
        install_peers(environment, arguments.torch)
        environment.marker.write_text(wanted)
    print(environment.python)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"peers: failed with {error.returncode}: {' '.join(error.cmd)} (--no-peers runs without them)")
