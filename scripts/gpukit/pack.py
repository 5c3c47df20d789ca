"""`gpu-kit pack`: builds for GPUs and gathers what a run needs in one folder, and in an archive of it."""

import json
import os
import pathlib
import shutil
import subprocess
import tarfile

from . import libraries, machine, text
from .commands import Failure, say

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

HELP = """\
Builds polymoe, its tests and its benchmarks against torch 2.11.0 with CUDA 13 in build/gpu, and puts them into a folder
with all that they load: shared libraries, Open MPI, scripts, and a small dataset. glibc, torch, NVIDIA's libraries and
Python are what the other machine has. The folder needs no path of this machine and may be carried anywhere. Beside it
is an archive of it, a third of its size (gpu-kit.tar.xz).

The first time, torch for CUDA is fetched into ~/.cache/polymoe (2 GB, 5 GB on the disk; all clones share it), and all
is compiled against it. Later only what changed is built. nvcc of CUDA 13 compiles the kernels in
src/polymoe/kernels/cuda; without it the kit goes without them.

The dataset is real text: messages of programs from ten of Debian's packages, in English with translations into German
and French (29,000 segments, 3 MB), as ./quickstart gets them: `polymoe corpus gettext`, `vocab`, `prepare`.
"""

PROGRAMS = ["polymoe", "tests/torch_tests", "tests/base_tests", "bench/train_step", "bench/moe_layer"]
TARGETS = ["polymoe_program", "torch_tests", "base_tests", "train_step", "moe_layer"]
# What the run reads beside programs: the kit's code, the scripts that measure, and files that unit tests look at.
FILES = ["scripts/gpukit", "scripts/trainings.py", "scripts/synthetic_models.py", "scripts/environment-json",
         "bench/capacity", "tests/parity", "tests/data", "docs/configuration.md", "configs/recipes/quickstart-moe.yaml",
         "configs/recipes/quickstart-dense.yaml"]


def add_arguments(parser):
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build" / "gpu-kit", metavar="DIR",
                        help="the kit (default: build/gpu-kit)")
    parser.add_argument("--limit", type=float, default=60.0, metavar="MIB",
                        help="most that the archive may hold (default: 60)")
    parser.add_argument("--build", type=pathlib.Path, metavar="DIR",
                        help="pack the programs of this build folder, as far as they are there, and build nothing")
    parser.add_argument("--torch", type=pathlib.Path, metavar="DIR",
                        help="the torch that --build was made with (default: what scripts/find-torch prints)")
    parser.add_argument("--without-text", action="store_true", help="no dataset: the part quality is skipped then")


def output_of(command, **variables):
    done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                          cwd=ROOT, env={**os.environ, **variables})
    if done.returncode != 0:
        raise Failure(f"{pathlib.Path(command[0]).name} failed; its messages are above")
    return done.stdout.strip()


def torch_here():
    """The torch that this checkout builds with."""
    return pathlib.Path(output_of([ROOT / "scripts" / "find-torch"]))


def torch_for_gpus():
    """The torch that kits are built with, fetched where it is not there yet."""
    return pathlib.Path(output_of([ROOT / "scripts" / "setup", "--gpu-kit"]).splitlines()[-1])


def build(arguments):
    """The build folder and its torch, brought up to date unless --build says which to take."""
    if arguments.build:
        return arguments.build.resolve(), machine.find_torch(arguments.torch or torch_here())
    if arguments.torch:
        raise Failure("--torch goes with --build")
    torch = torch_for_gpus()
    say("building in build/gpu (the first time half an hour on two cores)")
    output_of([ROOT / "scripts" / "build", "gpu", *TARGETS], Torch_DIR=str(torch / "share" / "cmake" / "Torch"))
    return ROOT / "build" / "gpu", torch


def gather_programs(folder, build_folder, loading):
    """Programs, Open MPI and the libraries that they load."""
    torch_home = loading["torch"].parent
    built = [build_folder / name for name in PROGRAMS if (build_folder / name).exists()]
    if build_folder / "polymoe" not in built:
        raise Failure(f"{build_folder} holds no polymoe. Build it: scripts/build release polymoe_program")
    if absent := [name for name in PROGRAMS if build_folder / name not in built]:
        say(f"not built, so not in the kit: {', '.join(absent)}")
    mpi_files, mpi_folders = libraries.openmpi_files()
    sources = {folder / "bin" / path.name: path for path in built}
    sources |= {folder / "openmpi" / name: path for name, path in mpi_files.items()}
    for name, path in libraries.needed_by(sources.values(), torch_home, loading["environment"]).items():
        fallback = "fallback" if libraries.FALLBACK.match(name) else ""
        sources[folder / "lib" / fallback / name] = path
    for target, source in sources.items():
        libraries.copy_stripped(source, target)
    libraries.remove_rpaths(sources)
    for name, source in mpi_folders.items():
        shutil.copytree(source, folder / "openmpi" / name,
                        ignore=shutil.ignore_patterns("*wrapper-data*", "amca-param-sets", "*.supp", "doc"))


def gather_files(folder):
    for name in FILES:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    shutil.copy2(ROOT / "scripts" / "gpu-kit", folder / "gpu-kit")


def size_of(path):
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def print_sizes(folder):
    """By part, largest first."""
    parts = [*(folder / "bin").iterdir(), folder / "lib", folder / "openmpi",
             *(path for path in folder.iterdir() if path.name not in ("bin", "lib", "openmpi"))]
    for path in sorted(parts, key=size_of, reverse=True):
        print(f"{size_of(path) / 2**20:8.2f} MiB  {path.relative_to(folder)}")
    print(f"{size_of(folder) / 2**20:8.2f} MiB  in all")


def make_archive(folder, path):
    """Returns its size in MiB."""
    with tarfile.open(path, "w:xz", preset=1) as archive:
        archive.add(folder, folder.name)
    return path.stat().st_size / 2**20


def make_kit(arguments):
    """Makes the folder; returns its path and what kit.json says."""
    out = arguments.out.resolve()
    if out.exists() and not (out / "kit.json").exists() and any(out.iterdir()):
        raise Failure(f"{out} is there and is no kit. Give another --out")
    build_folder, torch = build(arguments)
    origin = json.loads(output_of([ROOT / "scripts" / "environment-json", "scripts/gpu-kit", "pack"]))
    if (origin["commit"] or "").endswith("-modified"):
        say("files differ from the commit, and the results will say so (-modified): better commit first")
    environment = {"LD_LIBRARY_PATH": ":".join(map(str, machine.library_folders(torch)))}
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    gather_programs(partial, build_folder, {"torch": torch, "environment": {**os.environ, **environment}})
    gather_files(partial)
    if not arguments.without_text:
        made = ROOT / "build" / "gpu-kit-text"
        text.make_text(build_folder / "polymoe", environment, made)
        shutil.copytree(made / "data", partial / "data")
    versions = machine.torch_version(torch)
    kit = {"commit": origin["commit"], "date": origin["date"], **versions}
    (partial / "kit.json").write_text(json.dumps(kit, indent=1) + "\n", encoding="utf-8")
    print_sizes(partial)
    shutil.rmtree(out, ignore_errors=True)
    partial.rename(out)
    return out, kit


def main(arguments):
    out, kit = make_kit(arguments)
    archive = out.with_name(out.name + ".tar.xz")
    packed = make_archive(out, archive)
    print(f"{packed:8.2f} MiB  {archive.name}")
    if packed > arguments.limit:
        raise Failure(f"{archive} has {packed:.1f} MiB, more than the limit of {arguments.limit:g} MiB")
    say(f"{out}: commit {kit['commit']}, torch {kit['torch']}. There: tar xf {archive.name}; cd {out.name}; "
        "./gpu-kit run")
    return 0
