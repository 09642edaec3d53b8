"""What `make` does on a machine that is not as it should be, and what an installation is made of."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MACHINE = ROOT / "models/vlingnav_cli/machine.py"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that is enough for make to check the machine in."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "models/vlingnav_cli").mkdir(parents=True)
    shutil.copy(MACHINE, tmp_path / "models/vlingnav_cli")
    return tmp_path


def executable(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def make(checkout: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "-C", str(checkout), *words]
    return subprocess.run(
        command, env=kept | environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )


@pytest.mark.parametrize("version", ["3.10", "3.13"])
def test_the_wrong_python_gets_a_sentence(checkout: Path, tmp_path: Path, version: str) -> None:
    python = executable(tmp_path / "python", f'case "$2" in *print*) echo {version};; *) exit 1;; esac')
    done = make(checkout, "navigate", f"PYTHON={python}")
    assert done.returncode != 0
    assert f"VLingNav needs Python 3.11 or 3.12, and {python} is {version}" in done.stderr
    assert not (checkout / ".venv").exists()


def test_what_the_machine_lacks_is_one_line_to_type(checkout: Path, tmp_path: Path) -> None:
    # A path with next to nothing on it: no g++, and neither apt nor sudo to help it.
    path = tmp_path / "bin"
    path.mkdir()
    for tool in ("bash", "sh", "make", "find"):
        (path / tool).symlink_to(shutil.which(tool) or "")
    done = make(checkout, "install", f"PYTHON={sys.executable}", PATH=str(path))
    assert done.returncode != 0
    assert "Please run: sudo apt-get install -y g++\n" in done.stderr
    assert not (checkout / ".venv").exists()


def test_this_machine_lacks_nothing() -> None:
    assert not runpy.run_path(str(MACHINE))["missing"]()


def test_the_interfaces_and_their_libraries_load_without_a_setup_file() -> None:
    serialization = pytest.importorskip("rclpy.serialization", reason="needs the extra [ros]")
    from vlingnav_interfaces.action import Navigate
    from vlingnav_interfaces.msg import ReasoningTrace, SafetyState
    from vlingnav_interfaces.srv import Score

    messages = [
        Navigate.Result(outcome=Navigate.Result.ARRIVED, message="there", elapsed_s=1.5),
        Navigate.Feedback(distance_to_stop_m=0.25, thought="a door"),
        SafetyState(status=SafetyState.BRAKE, reason="the scan is stale"),
        ReasoningTrace(thinking=True, policy="nano"),
        Score.Response(success=True, spl=0.5, collisions=2),
    ]
    for message in messages:
        raw = serialization.serialize_message(message)
        assert serialization.deserialize_message(raw, type(message)) == message
