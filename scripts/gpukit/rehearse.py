"""`gpu-kit rehearse`: a run of the kit here, without a GPU, where nothing of this machine's checkout can help it."""

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile

from . import machine, pack
from .commands import Failure, say

ROOT = pack.ROOT

HELP = """\
Runs the kit as another machine would: a copy of it in a folder of another name, with spaces in it, with an empty
environment, and, as root, with the checkout, this machine's Open MPI and every library that the kit carries hidden
behind empty mounts. So what works here works without any path of this machine. Prints the run's table and fails where a
step fails that the CPU can run, where steps are missing or not reached, and where the results would not come back
whole.

It rehearses build/gpu-kit as packed. --reduced packs a kit without text from a build folder that is there and runs the
parts environment and ranks alone: half a minute, for every change.
"""

REDUCED_PARTS = ["environment", "ranks"]


def add_arguments(parser):
    parser.add_argument("--reduced", action="store_true", help="a kit of a build folder, two parts, a minute")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release", metavar="DIR",
                        help="with --reduced: the build folder (default: build/release)")
    parser.add_argument("--kit", type=pathlib.Path, default=ROOT / "build" / "gpu-kit", metavar="DIR",
                        help="without --reduced: the kit (default: build/gpu-kit)")
    parser.add_argument("--torch", type=pathlib.Path, metavar="DIR",
                        help="torch's folder (default: the one for GPUs, or with --reduced that of scripts/find-torch)")
    parser.add_argument("--minutes", type=float, metavar="M", help="for the run (default: 20, with --reduced 4)")
    parser.add_argument("--part", action="append", default=[], metavar="NAME",
                        help="this part only; may be given again")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build" / "gpu-kit-rehearsal", metavar="DIR",
                        help="where gpu.json and the logs go (default: build/gpu-kit-rehearsal)")


def hide_script(kit, torch_home, copy_of_torch):
    """Shell commands that hide what must not help, in a mount namespace; torch stays, under another name."""
    quote = shlex.quote
    lines = ["set -e", "mount --make-rprivate /", f"mount --bind {quote(str(torch_home))} {quote(str(copy_of_torch))}"]
    triple = subprocess.run(["gcc", "-print-multiarch"], capture_output=True, text=True).stdout.strip()
    places = [pathlib.Path("/usr/lib") / triple, pathlib.Path("/usr/lib64")]
    carried = [path.name for path in (kit / "lib").glob("*.so*")]
    files = [place / name for place in places for name in carried]
    files += [pathlib.Path("/usr/bin") / name for name in ("mpirun", "mpiexec", "orterun", "orted", "ompi_info")]
    lines += [f"mount --bind /dev/null {quote(str(file))}" for file in sorted({path.resolve() for path in files})
              if file.exists()]
    folders = [ROOT, torch_home, pathlib.Path("/etc/openmpi"), pathlib.Path("/usr/share/openmpi"),
               *(place / name for place in places for name in ("openmpi", "pmix2"))]
    lines += [f"mount -t tmpfs none {quote(str(folder))}" for folder in folders
              if folder.is_dir() and ROOT not in folder.parents]
    return "\n".join(lines)


def may_mount():
    """Whether this user may make mounts in a namespace of its own."""
    try:
        return subprocess.run(["unshare", "--mount", "sh", "-c", "mount --make-rprivate / && mount -t tmpfs none /mnt"],
                              capture_output=True).returncode == 0
    except OSError:
        return False


def run_kit(kit, torch, home, arguments, parts):
    """Runs the kit's own command in an empty environment; returns its exit status."""
    minutes = arguments.minutes or (4 if arguments.reduced else 20)
    command = ["/usr/bin/env", "-i", "PATH=/usr/bin:/bin", f"HOME={home}", f"OUT={home / 'out'}", "/usr/bin/python3",
               str(kit / "gpu-kit"), "run", "--minutes", str(minutes), "--device", "cpu"]
    for part in parts:
        command += ["--part", part]
    if may_mount():
        moved = home / "site packages"
        moved.mkdir()
        command += ["--torch", str(moved / torch.name)]
        script = f"{hide_script(kit, torch.parent, moved)}\ncd {shlex.quote(str(home))}\nexec {shlex.join(command)}"
        say("hidden from the run: this checkout, Open MPI and the libraries that the kit carries")
        command = ["unshare", "--mount", "sh", "-c", script]
    else:
        say("not root, so nothing is hidden from the run; its part environment still tells libraries from elsewhere")
        command += ["--torch", str(torch)]
    return subprocess.run(command, stdin=subprocess.DEVNULL, cwd=home).returncode


def faults_of(out, parts):
    """What is wrong with the results of a run, beside the steps that failed."""
    files = [path for path in out.rglob("*") if path.is_file()]
    faults = [f"{path.name}: a name that does not come back" for path in files
              if not re.fullmatch(r"[\w.-]+", path.name)]
    faults += [f"{path.name}: over 16 MiB" for path in files if path.stat().st_size > 16 * 2**20]
    if len(files) > 8:
        faults.append(f"{len(files)} files: 8 come back")
    results = json.loads((out / "gpu.json").read_text(encoding="utf-8"))
    for name in parts:
        part = results.get(name)
        if part is None or not part["steps"]:
            faults.append(f"the part {name} has no steps")
            continue
        faults += [f"{name}: {step['step']}: not reached" for step in part["steps"] if step["not_reached"]]
        faults += [f"{name}: {step['step']}: skipped, but not for want of a GPU: {step.get('error')}"
                   for step in part["steps"]
                   if step["result"] == "skipped" and "needs a GPU" not in step.get("error", "")]
    faults += [f"gpu.json has no {key}" for key in ("commit", "date", "machine", "command") if not results.get(key)]
    return faults


def main(arguments):
    from .parts import PARTS
    parts = arguments.part or (REDUCED_PARTS if arguments.reduced else [part.name for part in PARTS])
    with tempfile.TemporaryDirectory(prefix="gpu kit rehearsal ", ignore_cleanup_errors=True) as temporary:
        home = pathlib.Path(temporary)
        copy = home / "a kit elsewhere"
        if arguments.reduced:
            say(f"packing {arguments.build}; left out: the parts "
                f"{', '.join(part.name for part in PARTS if part.name not in parts)}")
            torch = machine.find_torch(arguments.torch or pack.torch_here())
            pack.make_kit(argparse_like(out=copy, build=arguments.build, torch=torch))
        else:
            if not (arguments.kit / "kit.json").exists():
                raise Failure(f"there is no kit in {arguments.kit}. Make it first: scripts/gpu-kit pack")
            torch = machine.find_torch(arguments.torch or pack.torch_for_gpus())
            shutil.copytree(arguments.kit, copy)
        status = run_kit(copy, torch, home, arguments, parts)
        if not (home / "out" / "gpu.json").exists():
            raise Failure(f"the run ended with {status} and left no gpu.json; its messages are above")
        faults = faults_of(home / "out", parts)
        for old in [arguments.out / "gpu.json", *(arguments.out / f"{part.log}.log" for part in PARTS)]:
            old.unlink(missing_ok=True)
        shutil.copytree(home / "out", arguments.out, dirs_exist_ok=True)
    for fault in faults:
        say(fault)
    say(f"{'failed' if status or faults else 'passed'}; results and logs: {arguments.out}")
    return 1 if status or faults else 0


def argparse_like(out, build, torch):
    """What `pack` is called with for a reduced rehearsal."""
    import argparse
    return argparse.Namespace(out=out, build=build, torch=torch, limit=1000.0, without_text=True)
