"""What the benchmarks share: our programs, their peers' interpreter, runs and spreads."""

import json
import os
import pathlib
import shlex
import statistics
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parent.parent
peers_folder = root / "bench" / "peers"


class Failure(Exception):
    """A user's or a machine's trouble, told in one line."""


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def capture(*command, **settings):
    try:
        command = [str(part) for part in command]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **settings).stdout
    except FileNotFoundError:
        raise Failure(f"{command[0]} not found")
    except subprocess.CalledProcessError as error:
        raise Failure(f"failed with {error.returncode}: {shlex.join(command)}")


def build(name, options):
    """Returns the path of our benchmark program, brought up to date; train-small's is the program itself."""
    target, place = f"bench/{name.replace('-', '_')}", f"bench/{name.replace('-', '_')}"
    if name == "train-small":
        target, place = "polymoe_program", "polymoe"
    if options.build_dir:
        folder = options.build_dir.resolve()
    else:
        folder = root / "build" / "release"
        say("building")
        if not (folder / "build.ninja").exists():
            sys.stderr.write(capture(root / "scripts" / "setup"))
            sys.stderr.write(capture("cmake", "--preset", "release", cwd=root))
        sys.stderr.write(capture("cmake", "--build", folder, "--target", target))
    program = folder / place
    if not program.exists():
        raise Failure(f"{program} not found")
    return program


def peers_python(program, training=False):
    """Returns the interpreter that has the peers (of train-small: `training`), with the torch of `program`."""
    lines = [line for line in capture("ldd", program).splitlines() if "libtorch_cpu.so" in line and "=>" in line]
    if not lines:
        raise Failure(f"{program} is not linked with libtorch_cpu.so")
    torch = pathlib.Path(lines[0].split("=>")[1].split()[0]).resolve().parent.parent
    which = ["--training"] if training else []
    return capture(sys.executable, peers_folder / "install.py", "--torch", torch, *which).strip()


def measure(command, threads):
    """Runs one benchmark program and returns the JSON object it prints."""
    variables = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    output = capture(*command, env=variables)
    try:
        return json.loads(output)
    except ValueError:
        raise Failure(f"no JSON on stdout of: {shlex.join(str(part) for part in command)}")


def spread(values):
    values = list(values)
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def cores():
    return len(os.sched_getaffinity(0))
