"""Build `vlingnav_interfaces` against the ROS 2 wheels of PyPI, into the virtual environment that runs this.

Where ROS 2 has its own installation, `colcon build` alone does this. The wheels need three things more:

- Their CMake files carry include directories of the machine that made them (`/opt/python/cp311-...`), and
  CMake refuses what does not exist. They are taken out; CMake finds those of this interpreter by itself.
- All wheels share one prefix, the virtual environment, and `ros_wheels_bootstrapper` puts that prefix's `lib`
  on the loader's path at start-up. Installed into the same prefix, `vlingnav_interfaces` can be imported
  without sourcing a setup file.
- What a shell that has sourced another ROS says (`PYTHONPATH`, `COLCON_PREFIX_PATH`) must not be heard.

Nothing is written outside ros2_ws/build and the environment.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

WORKSPACE = Path(__file__).resolve().parent
BUILD = WORKSPACE / "build"
LOG = BUILD / "interfaces.log"
PACKAGE = "vlingnav_interfaces"
STALE = re.compile(r"/opt/python/cp3\d+-cp3\d+/[^;\"]*;?")
FOREIGN = ("PYTHONPATH", "COLCON_PREFIX_PATH", "COLCON_DEFAULTS_FILE", "ROS_PACKAGE_PATH")


def main() -> int:
    """Build, and say how long it took or how it failed."""
    prefix = Path(sys.prefix)
    if sys.prefix == sys.base_prefix:
        print(f"{sys.executable} is in no virtual environment; run: make install", file=sys.stderr)
        return 1
    start = time.monotonic()
    remove_stale_include_directories(prefix)
    BUILD.mkdir(exist_ok=True)
    with LOG.open("w") as log:
        done = subprocess.run(command(prefix), env=environment(prefix), stdout=log, stderr=subprocess.STDOUT)
    if done.returncode:
        tail = LOG.read_text(errors="replace").splitlines()[-40:]
        print(
            "\n".join(tail), f"\nbuilding {PACKAGE} failed; the whole log is {LOG}", sep="\n", file=sys.stderr
        )
        return 1
    print(f"{PACKAGE} built into {prefix} in {time.monotonic() - start:.0f} s")
    return 0


def remove_stale_include_directories(prefix: Path) -> None:
    """Take the include directories of the wheels' build machine out of their CMake files."""
    for path in prefix.glob("share/*/cmake/*.cmake"):
        text = path.read_text(encoding="utf-8")
        if STALE.search(text):
            path.write_text(STALE.sub("", text), encoding="utf-8")


def command(prefix: Path) -> list[str]:
    """The colcon call that builds our package into `prefix`."""
    return [
        *(sys.executable, "-m", "colcon", "--log-base", os.devnull, "build"),
        *("--base-paths", str(WORKSPACE / "src"), "--packages-select", PACKAGE),
        *("--build-base", str(BUILD), "--install-base", str(prefix), "--merge-install"),
        *("--event-handlers", "console_direct+", "desktop_notification-"),
        *("--cmake-args", "-GNinja", "-DBUILD_TESTING=OFF", f"-DPython3_EXECUTABLE={sys.executable}"),
        # A build folder of another generator or interpreter would be refused.
        "--cmake-clean-cache",
    ]


def environment(prefix: Path) -> dict[str, str]:
    """This process's environment with the wheels' prefix as the only one that ament, CMake and colcon see."""
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    return kept | {
        "PATH": f"{prefix / 'bin'}{os.pathsep}{kept['PATH']}",
        "AMENT_PREFIX_PATH": str(prefix),
        "CMAKE_PREFIX_PATH": str(prefix),
        "COLCON_HOME": str(BUILD),
    }


if __name__ == "__main__":
    sys.exit(main())
