"""Puts libpolymoe.so into the package, with what it needs beside LibTorch and the system's base.

The library is built here, as scripts/build does, unless the environment's POLYMOE_BUILD names a build folder that has it.
"""

import os
import pathlib
import re
import shutil
import subprocess

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py
from setuptools.dist import Distribution

PROJECT = pathlib.Path(__file__).resolve().parent.parent
BUNDLED = ("libfmt", "libyaml-cpp", "liburing")  # others are LibTorch's, or every Linux has them


def version():
    header = (PROJECT / "include/polymoe/version.h").read_text()
    return ".".join(re.findall(r"#define POLYMOE_VERSION_[A-Z]+ (\d+)", header))


def built_library():
    if "POLYMOE_BUILD" in os.environ:
        return pathlib.Path(os.environ["POLYMOE_BUILD"]) / "libpolymoe.so"
    subprocess.run([PROJECT / "scripts/build", "release", "polymoe_library"], check=True)
    return PROJECT / "build/release/libpolymoe.so"


def needed_libraries(library):
    """The shared libraries that it is loaded with here, by name."""
    listing = subprocess.run(["ldd", library], check=True, capture_output=True, text=True).stdout
    return {name: pathlib.Path(path) for name, path in re.findall(r"(\S+) => (/\S+)", listing)}


class BuildWithLibrary(build_py):
    def run(self):
        super().run()
        library = built_library()
        needed = needed_libraries(library)
        package = pathlib.Path(self.build_lib) / "polymoe"
        libs = package / "libs"
        libs.mkdir(exist_ok=True)
        shutil.copy(library, libs / "libpolymoe.so")
        for name, path in needed.items():
            if name.startswith(BUNDLED):
                shutil.copy(path, libs / name)
        torch = needed["libtorch_cpu.so"].parent.parent
        torch_version = re.search(r"__version__ = '(\d+\.\d+)", (torch / "version.py").read_text())[1]
        (package / "_built.py").write_text(
            f"# Of the LibTorch that libpolymoe.so was built with.\nTORCH_VERSION = {torch_version!r}\nTORCH = {str(torch)!r}\n")


class Wheel(bdist_wheel):
    """Of this machine, but of any Python 3: the library knows nothing of Python."""

    def get_tag(self):
        return "py3", "none", super().get_tag()[2]


class WithLibrary(Distribution):
    def has_ext_modules(self):
        return True


setup(version=version(), distclass=WithLibrary, cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": Wheel})
