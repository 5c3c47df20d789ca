"""The machine that a kit runs on: its torch, its GPU, and the environment in which the kit's programs find both."""

import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

from .commands import Failure

# Asks the driver itself: nothing else need be installed. In a process of its own, for a sick driver may hang or crash.
PROBE = """
import ctypes, json
cuda = ctypes.CDLL("libcuda.so.1")
if cuda.cuInit(0):
    raise SystemExit("cuInit answers %d" % cuda.cuInit(0))
count, version, memory, name = ctypes.c_int(), ctypes.c_int(), ctypes.c_size_t(), ctypes.create_string_buffer(200)
cuda.cuDeviceGetCount(ctypes.byref(count))
cuda.cuDriverGetVersion(ctypes.byref(version))
if count.value:
    cuda.cuDeviceGetName(name, 200, 0)
    cuda.cuDeviceTotalMem_v2(ctypes.byref(memory), 0)
print(json.dumps({"gpus": count.value, "gpu": name.value.decode(), "gpu_memory_gib": round(memory.value / 2**30, 1),
                  "driver_cuda": "%d.%d" % (version.value // 1000, version.value % 1000 // 10)}))
"""


def find_torch(given):
    """The torch package's folder, found without importing it."""
    if given is None:
        spec = importlib.util.find_spec("torch")
        if spec is None:
            raise Failure(f"{sys.executable} has no torch. Run this with the python3 that has it, or give --torch")
        given = pathlib.Path(spec.submodule_search_locations[0])
    if not (given / "lib" / "libtorch_cpu.so").exists():
        raise Failure(f"{given} is not torch's folder: it has no lib/libtorch_cpu.so. Give another --torch")
    return given.resolve()


def torch_version(torch):
    """What torch/version.py says, e.g. {"torch": "2.11.0+cu130", "cuda": "13.0"}."""
    text = (torch / "version.py").read_text(encoding="utf-8")
    found = {name: re.search(rf"^{name}\b[^=\n]*= *['\"]([^'\"]+)", text, re.MULTILINE)
             for name in ("__version__", "cuda")}
    nccl = next(torch.parent.glob("nvidia_nccl*.dist-info"), None)
    return {"torch": found["__version__"][1], "cuda": found["cuda"][1] if found["cuda"] else None,
            "nccl": nccl.name.removesuffix(".dist-info").rpartition("-")[2] if nccl else None}


def library_folders(torch):
    """Where torch's libraries lie, and those of NVIDIA that it loads."""
    return [torch / "lib", *sorted(torch.parent.glob("nvidia/*/lib"))]


def probe_gpu(environment):
    """What the driver says of the GPU, or {"gpus": 0, "why": reason}."""
    try:
        done = subprocess.run([sys.executable, "-c", PROBE], env=environment, capture_output=True, text=True,
                              timeout=60)
    except subprocess.TimeoutExpired:
        return {"gpus": 0, "why": "the driver does not answer within 60 s"}
    if done.returncode != 0:
        return {"gpus": 0, "why": (done.stderr.strip().splitlines() or ["no message"])[-1]}
    return json.loads(done.stdout)


def kit_environment(kit, torch, fallback=False):
    """The variables with which the kit's programs run, under any name of its folder."""
    openmpi = kit / "openmpi"
    folders = [kit / "lib", *library_folders(torch)]
    if fallback:
        folders.append(kit / "lib" / "fallback")
    if inherited := os.environ.get("LD_LIBRARY_PATH"):
        folders.append(inherited)
    set_here = {
        "LD_LIBRARY_PATH": ":".join(map(str, folders)),
        "PATH": f"{openmpi / 'bin'}:{os.environ.get('PATH', '/usr/local/bin:/usr/bin:/bin')}",
        # Open MPI and PMIx were built for /usr: each folder is named, for not all follow the prefix.
        "OPAL_PREFIX": openmpi, "OPAL_BINDIR": openmpi / "bin", "OPAL_LIBDIR": kit / "lib",
        "OPAL_PKGLIBDIR": openmpi / "plugins", "OPAL_PKGDATADIR": openmpi / "share", "OPAL_SYSCONFDIR": openmpi / "etc",
        "PMIX_PREFIX": openmpi, "PMIX_LIBDIR": kit / "lib", "PMIX_PKGLIBDIR": openmpi / "pmix",
        "PMIX_PKGDATADIR": openmpi / "pmix" / "share", "PMIX_SYSCONFDIR": openmpi / "etc",
        # One machine, perhaps a container: no remote shell, no network but the loopback device, keys kept in memory.
        "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_plm": "isolated",
        "OMPI_MCA_btl": "self,vader,tcp", "OMPI_MCA_btl_tcp_if_include": "lo", "OMPI_MCA_oob_tcp_if_include": "lo",
        "PMIX_MCA_gds": "hash", "PMIX_MCA_psec": "native",
        "NCCL_DEBUG": "WARN",
    }
    return {**os.environ, **{name: str(value) for name, value in set_here.items()}}


def libraries_of(program, environment):
    """What the loader finds for a program: {name: path or None}, and its complaints about versions."""
    done = subprocess.run(["ldd", str(program)], env=environment, capture_output=True, text=True)
    found, complaints = {}, []
    for line in (done.stdout + done.stderr).splitlines():
        if "version `" in line:
            complaints.append(line.strip())
        elif " => " in line:
            name, _, place = line.strip().partition(" => ")
            found[name] = None if place.startswith("not found") else place.rpartition(" (")[0]
    return found, complaints


def find_sanitizer():
    places = [os.environ.get("CUDA_HOME", ""), "/usr/local/cuda", *pathlib.Path("/usr/local").glob("cuda-*")]
    path = os.pathsep.join([os.environ.get("PATH", ""), *(f"{place}/bin" for place in places if place)])
    return shutil.which("compute-sanitizer", path=path)
