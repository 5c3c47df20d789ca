"""Which libraries a kit must carry, and copies of programs that remember no folder of the machine that built them."""

import pathlib
import re
import shutil
import subprocess
import tempfile

from .commands import Failure

# Every Linux machine has its own; another one's would not fit its loader.
GLIBC = re.compile(r"^(ld-linux.*|linux-vdso|lib(c|m|dl|rt|pthread|util|resolv|anl|mvec|nss_.*|BrokenLocale))\.so")
# A machine that runs torch has these, perhaps newer ones. The kit's are used only where one is missing or too old.
FALLBACK = re.compile(r"^lib(stdc\+\+|gcc_s|gomp|z)\.so")

# Open MPI's plugins for networks, batch systems and shared files, which one machine has no use for; some load large
# libraries.
UNUSED_PLUGINS = re.compile(r"_(ofi|ucx|psm2?|openib|slurm|gridengine|simulator|flux|jsm|romio321|monitoring)\.so$"
                            r"|mca_(memheap|scoll|spml|sshmem|atomic|crs|compress|fs|fbtl|fcoll|sharedfp|io)_")


def needed_by(files, torch_home, environment):
    """The shared libraries that programs load, by name; those of glibc and what comes with torch left out."""
    found, missing = {}, set()
    for file in files:
        done = subprocess.run(["ldd", str(file)], env=environment, capture_output=True, text=True)
        for line in done.stdout.splitlines():
            name, arrow, place = line.strip().partition(" => ")
            if not arrow or GLIBC.match(name):
                continue
            if place.startswith("not found"):
                missing.add(f"{name} of {file}")
                continue
            path = pathlib.Path(place.rpartition(" (")[0])
            if torch_home not in (*path.resolve().parents, *path.parents):
                found[name] = path
    if missing:
        raise Failure(f"not found: {', '.join(sorted(missing))}. Build anew, or give the --torch that the build has")
    return found


def copy_stripped(source, target):
    """A copy without symbols for debuggers and without the paths of libraries on this machine."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o755)
    # Not --strip-all: exceptions thrown across libraries need the dynamic symbols, which stay either way.
    subprocess.run(["strip", "--strip-unneeded", str(target)], check=True)


def remove_rpaths(files):
    """CMake's own way to take the paths out, which it uses when it installs; there is no other tool everywhere."""
    lines = "".join(f'file(RPATH_REMOVE FILE "{file}")\n' for file in files)
    with tempfile.NamedTemporaryFile("w", suffix=".cmake") as script:
        script.write(lines)
        script.flush()
        done = subprocess.run(["cmake", "-P", script.name], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"cmake cannot take library paths out of the programs: {done.stderr.strip()}")
    for file in files:
        dynamic = subprocess.run(["readelf", "-d", str(file)], capture_output=True, text=True).stdout
        if re.search(r"\((RPATH|RUNPATH)\)", dynamic):
            raise Failure(f"{file} still has a library path of this machine inside")


def openmpi_files():
    """Where this machine's Open MPI, and the PMIx that it starts ranks with, have programs, plugins and messages."""
    mpirun = shutil.which("mpirun")
    done = mpirun and subprocess.run(["ompi_info", "--path", "all", "--parsable"], capture_output=True, text=True)
    if not done or done.returncode != 0:
        raise Failure("Open MPI is not here (mpirun, ompi_info). Run scripts/setup")
    places = dict(re.findall(r"^path:(\w+):(.*)$", done.stdout, re.MULTILINE))
    plugins = [path for path in sorted(pathlib.Path(places["pkglibdir"]).glob("mca_*.so"))
               if not UNUSED_PLUGINS.search(path.name)]
    files = {"bin/mpirun": pathlib.Path(mpirun).resolve(), "bin/orted": pathlib.Path(shutil.which("orted")).resolve(),
             **{f"plugins/{path.name}": path for path in plugins}}
    folders = {"etc": pathlib.Path(places["sysconfdir"]), "share": pathlib.Path(places["pkgdatadir"])}
    if pmix := next((found["libpmix.so.2"] for found in (needed_by([path], None, None) for path in plugins
                                                         if "pmix" in path.name) if "libpmix.so.2" in found), None):
        home = pmix.resolve().parent
        files |= {f"pmix/{path.name}": path for path in home.glob("pmix/pmix_mca_*.so")
                  if not UNUSED_PLUGINS.search(path.name)}
        if (home.parent / "share" / "pmix").is_dir():
            folders["pmix/share"] = home.parent / "share" / "pmix"
    return files, folders
