"""What the machine itself must have before anything can be installed into a virtual environment.

`make` runs this file by its path, with the plain system Python; it uses the standard library alone. What is
missing is installed with apt where that needs no password; otherwise the one line to type is printed, and the
run stops.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Need:
    """Something that pip cannot bring.

    Attributes:
        what: what it is, for a person.
        found: whether this machine has it.
        packages: the Debian and Ubuntu packages that bring it.
    """

    what: str
    found: bool
    packages: tuple[str, ...]


def needs() -> list[Need]:
    """Everything the installation needs, with whether it is here."""
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    header = Path(sysconfig.get_path("include"), "Python.h")
    return [
        Need("a virtual environment with pip", _module("venv") and _module("ensurepip"), (f"{python}-venv",)),
        Need("a C++ compiler", shutil.which("g++") is not None, ("g++",)),
        Need("Python's C headers", header.is_file(), (f"{python}-dev",)),
        # Either is enough to render without a screen. EGL is the faster one, so it is installed first of all.
        Need(
            "off-screen OpenGL (EGL or OSMesa)",
            _egl() or _library("libOSMesa.so.8"),
            ("libegl1", "libegl-mesa0", "libgl1", "libgl1-mesa-dri", "libosmesa6"),
        ),
    ]


def missing() -> list[Need]:
    """What is not here."""
    return [need for need in needs() if not need.found]


def install(packages: Sequence[str]) -> bool:
    """Install Debian packages; False when that needs a password, or when apt cannot."""
    if shutil.which("apt-get") is None:
        return False
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if root and (
        shutil.which("sudo") is None or subprocess.run([*root, "true"], capture_output=True).returncode
    ):
        return False
    apt = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]
    subprocess.run([*apt, "update"], check=False, stdin=subprocess.DEVNULL)
    done = subprocess.run(
        [*apt, "install", "-y", "--no-install-recommends", *packages], stdin=subprocess.DEVNULL
    )
    return done.returncode == 0


def main() -> int:
    """Check, install, check again; 0 when all is here."""
    absent = missing()
    if not absent:
        return 0
    packages = [package for need in absent for package in need.packages]
    print(f"This machine lacks {', '.join(need.what for need in absent)}: {' '.join(packages)}", flush=True)
    if install(packages) and not missing_after_install():
        return 0
    print(f"Please run: sudo apt-get install -y {' '.join(packages)}", file=sys.stderr)
    return 1


def missing_after_install() -> bool:
    """Ask a fresh interpreter, since this one remembers which modules and libraries it did not find."""
    code = "import sys, runpy; sys.exit(bool(runpy.run_path(sys.argv[1])['missing']()))"
    return subprocess.run([sys.executable, "-c", code, __file__]).returncode != 0


def _module(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _library(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def _egl() -> bool:
    """The EGL dispatcher, its OpenGL, and the driver of one vendor."""
    vendors = ("libEGL_mesa.so.0", "libEGL_nvidia.so.0")
    return _library("libEGL.so.1") and _library("libGL.so.1") and any(_library(vendor) for vendor in vendors)


if __name__ == "__main__":
    sys.exit(main())
