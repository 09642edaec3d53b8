"""`vlingnav up` and `vlingnav go` as a user runs them: files, exit codes, sentences, and no orphans."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vlingnav import domain
from vlingnav_policy.manifest import READABLE

PROGRAM = str(Path(sys.executable).with_name("vlingnav"))
UP = ("up", "navigate", "--headless", "--policy", "policy_doubles:spin")


def vlingnav(*words: str, cwd: Path, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROGRAM, *words], cwd=cwd, capture_output=True, text=True, timeout=timeout_s)


def started(*words: str, cwd: Path, line: str) -> subprocess.Popen[str]:
    """Start a command and wait until it has printed `line`."""
    command = [PROGRAM, *words]
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    said = []
    for text in process.stdout:
        said.append(text)
        if line in text:
            return process
    pytest.fail(f"{command} ended without {line!r}: {''.join(said)}")


def nodes_of(supervisor: int) -> list[int]:
    """Process ids of the nodes that a runner started."""
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    return [int(child) for child in children]


def gone(pids: list[int], within_s: float = 10.0) -> bool:
    deadline = time.monotonic() + within_s
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture
def up(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = started(*UP, cwd=tmp_path, line="press Ctrl-C to end")
    yield process
    process.kill()
    process.communicate()


def test_told_where_to_go_it_goes_and_keeps_what_happened(tmp_path: Path) -> None:
    words = [*UP[:-1], "policy_doubles:arrive", "--goal", "find the chair", "--json", "figures.json"]
    done = vlingnav(*words, cwd=tmp_path)
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["outcome"] == "arrived"
    # The test double knows nothing of chairs: only the world's scorer can say whether it was right.
    assert done.returncode == (0 if figures.get("success", True) else 1), done.stdout + done.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    assert {f.name for f in folder.iterdir()} == {"result.json", "path.csv", "topdown.png", "episode.mp4"}
    assert json.loads((folder / "result.json").read_text())["elapsed_s"] == figures["elapsed_s"]
    assert (folder / "episode.mp4").stat().st_size > 5000


def test_ctrl_c_in_go_cancels_and_the_robot_stands(up: subprocess.Popen[str], tmp_path: Path) -> None:
    go = started("go", "find the chair", cwd=tmp_path, line=" m ")
    go.send_signal(signal.SIGINT)
    output, _ = go.communicate(timeout=30)
    assert go.returncode == 130, output
    assert "canceled after" in output
    assert "does not stand" not in output
    # The graph is up as before, and Ctrl-C ends it cleanly.
    nodes = nodes_of(up.pid)
    assert len(nodes) == 4
    up.send_signal(signal.SIGINT)
    assert up.wait(20) == 0
    assert gone(nodes)


def test_a_second_up_moves_to_another_domain_or_says_so(up: subprocess.Popen[str], tmp_path: Path) -> None:
    second = vlingnav(*UP, cwd=tmp_path)
    assert second.returncode == 2
    assert f"uses ROS domain {os.environ['ROS_DOMAIN_ID']}" in second.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_no_orphans(up: subprocess.Popen[str], number: signal.Signals) -> None:
    nodes = nodes_of(up.pid)
    assert len(nodes) == 4
    up.send_signal(number)
    assert up.wait(20) == (-signal.SIGKILL if number == signal.SIGKILL else 0)
    assert gone(nodes)


def test_a_node_that_dies_takes_the_rest_with_it(up: subprocess.Popen[str]) -> None:
    nodes = nodes_of(up.pid)
    os.kill(nodes[1], signal.SIGKILL)
    output, _ = up.communicate(timeout=20)
    assert up.returncode == 1
    assert "node safety was killed by signal 9" in output
    assert gone(nodes)


def test_an_unknown_robot_is_named_with_the_known_ones(tmp_path: Path) -> None:
    done = vlingnav("up", "navigate", "--robot", "tank", cwd=tmp_path)
    assert done.returncode == 2
    assert "no robot 'tank'" in done.stderr and "diff, omni" in done.stderr


def test_missing_weights_are_a_sentence(tmp_path: Path) -> None:
    done = vlingnav("up", "navigate", "--headless", "--policy", "nowhere", cwd=tmp_path)
    assert done.returncode == 1
    assert "no policy 'nowhere'" in done.stdout + done.stderr
    assert "policy could not be configured" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_manifest_that_does_not_fit_is_refused_naming_both_sides(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "manifest.json").write_text('{"format": 99}')
    done = vlingnav("up", "navigate", "--headless", "--policy", str(tmp_path / "model"), cwd=tmp_path)
    assert done.returncode == 1
    both = f"has format 99, this program reads formats {', '.join(map(str, READABLE))}"
    assert both in done.stdout + done.stderr


def test_go_without_a_robot_says_what_to_start(tmp_path: Path) -> None:
    done = vlingnav("go", "find the chair", cwd=tmp_path)
    assert done.returncode == 2
    assert "vlingnav up navigate" in done.stderr


def test_a_goal_image_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    done = vlingnav("go", "find this", "--image", "nothing.png", cwd=tmp_path)
    assert done.returncode == 2
    assert "nothing.png" in done.stderr


def test_a_free_domain_is_found_when_none_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROS_DOMAIN_ID")
    with domain.claimed() as first:
        monkeypatch.delenv("ROS_DOMAIN_ID")
        with domain.claimed() as second:
            assert first != second


def test_up_takeover_is_driven_from_its_terminal(tmp_path: Path) -> None:
    words = ("up", "takeover", "--headless", "--policy", "policy_doubles:spin")
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execv(PROGRAM, [PROGRAM, *words])
    said = ""

    def until(pattern: str, keys: str = "", timeout_s: float = 90.0) -> None:
        nonlocal said
        deadline = time.monotonic() + timeout_s
        while not re.search(pattern, said):
            assert time.monotonic() < deadline, f"waited for {pattern!r}, heard {said[-2000:]!r}"
            if select.select([terminal], [], [], 0.2)[0]:
                said += os.read(terminal, 4096).decode(errors="replace")
            elif keys:
                os.write(terminal, keys.encode())
        said = ""

    try:
        until(r"autonomous \| 0 takeovers")
        before = termios.tcgetattr(terminal)
        until(r"human \| 1 takeover ", keys="w")
        until(r"autonomous \| 1 takeover ", keys="h")
        until(r"stopped \| 1 takeover \| emergency stop", keys=" ")
        until(r"paused \|", keys="r")
        os.write(terminal, b"\x03")
        while True:
            try:
                os.read(terminal, 4096)
            except OSError:  # the other end is closed
                break
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert not before[3] & termios.ICANON, "that keys came one by one"
        pid = 0
    finally:
        if pid:
            os.kill(pid, signal.SIGTERM)
            os.waitpid(pid, 0)
        os.close(terminal)
