"""The program `vlingnav`, run as a person runs it, with subcommands that another distribution brings."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest

from vlingnav_cli import UserError
from vlingnav_cli.commands import Command, discover
from vlingnav_cli.main import to_json

PROGRAM = Path(sys.executable).with_name("vlingnav")
PROBE = '''
import sys, time
import numpy as np
from vlingnav_cli import CommandFailed, UserError

def add_probe(parser):
    """Try the program out.

    This line is not shown.
    """
    parser.add_argument("how")
    parser.set_defaults(run=run)

def run(args):
    figures = {"share": np.float32(0.5), "nothing": float("nan"), "counts": np.arange(3)}
    if args.how == "wrong":
        raise UserError("the house is on fire; leave it")
    if args.how == "failed":
        raise CommandFailed("the robot did not arrive", figures)
    if args.how == "wait":
        print("waiting", flush=True)
        time.sleep(60)
    return figures
'''
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """One in which a distribution "probe" brings `vlingnav probe` and `vlingnav bench probe`."""
    (tmp_path / "probe_commands.py").write_text(PROBE)
    metadata = tmp_path / "probe-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: probe\nVersion: 1\n")
    entries = (
        "[vlingnav.commands]\nprobe = probe_commands:add_probe\nbench.probe = probe_commands:add_probe\n"
    )
    (metadata / "entry_points.txt").write_text(entries)
    return os.environ | {"PYTHONPATH": str(tmp_path), "COLUMNS": "120"}


@pytest.fixture
def vlingnav(environment: dict[str, str]) -> Run:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([PROGRAM, *words], env=environment, capture_output=True, text=True, timeout=60)

    return run


def test_help_lists_the_commands_with_their_help_lines(vlingnav: Run) -> None:
    text = vlingnav("--help").stdout
    assert re.search(r"probe +Try the program out\.\n", text) and "This line" not in text
    assert "bench" in text and "bench.probe" not in text
    assert "Try the program out." in vlingnav("bench", "--help").stdout


def test_every_registered_command_has_a_help_line() -> None:
    assert {"house", "eval", "bench.sim", "bench.act", "up", "go"} <= {".".join(c.words) for c in discover()}
    assert not [command for command in discover() if not command.help()]


def test_every_registered_command_loads_and_explains_itself(vlingnav: Run) -> None:
    for command in discover():
        done = vlingnav(*command.words, "--help")
        assert done.returncode == 0, done.stderr
        assert "--json FILE" in done.stdout


def test_help_is_instant_and_imports_no_command(vlingnav: Run) -> None:
    code = "import sys; from vlingnav_cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "print([m for m in sys.modules if m in ('numpy', 'vlingnav_sim', 'vlingnav_policy', 'vlingnav')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"

    seconds = []
    for _ in range(5):  # the best of five, for a machine that does other things too
        start = time.perf_counter()
        vlingnav("--help")
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.3


def test_version(vlingnav: Run) -> None:
    assert vlingnav("--version").stdout == f"vlingnav {version('vlingnav-core')}\n"


@pytest.mark.parametrize("words", [("probe", "well"), ("bench", "probe", "well")])
def test_figures_are_kept_as_json(vlingnav: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    file = tmp_path / "figures.json"
    assert vlingnav(*words, "--json", str(file)).returncode == 0
    assert json.loads(file.read_text()) == {"share": 0.5, "nothing": None, "counts": [0, 1, 2]}


def test_a_failed_outcome_is_exit_code_1_and_keeps_its_figures(vlingnav: Run, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    done = vlingnav("probe", "failed", "--json", str(file))
    assert (done.returncode, done.stderr) == (1, "vlingnav: the robot did not arrive\n")
    assert json.loads(file.read_text())["share"] == 0.5


def test_wrong_use_is_one_sentence_and_exit_code_2(vlingnav: Run, tmp_path: Path) -> None:
    done = vlingnav("probe", "wrong")
    assert (done.returncode, done.stderr) == (2, "vlingnav: the house is on fire; leave it\n")
    done = vlingnav("probe", "well", "--json", str(tmp_path / "no/figures.json"))
    assert done.returncode == 2 and "there is no folder" in done.stderr
    assert vlingnav("fly").returncode == 2
    assert vlingnav().returncode == 2


def test_ctrl_c_is_exit_code_130(environment: dict[str, str]) -> None:
    with subprocess.Popen(
        [PROGRAM, "probe", "wait"], env=environment, stdout=-1, stderr=-1, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 130
        assert process.stderr.read() == "\nvlingnav: interrupted\n"


def test_a_missing_package_is_a_sentence_that_names_the_extra() -> None:
    command = Command(("eval",), "vlingnav_sim.commands.evaluate", "add_eval")
    error = command.without(ModuleNotFoundError("no mujoco", name="mujoco"))
    assert isinstance(error, UserError) and "mujoco" in str(error) and "'.[sim]'" in str(error)


def test_a_missing_module_of_ours_is_a_fault_and_stays_one() -> None:
    command = Command(("eval",), "vlingnav_sim.commands.evaluate", "add_eval")
    fault = ModuleNotFoundError("no such module", name="vlingnav_sim.nonsense")
    assert command.without(fault) is fault


def test_names_are_not_registered_twice() -> None:
    names = [entry.name for entry in entry_points(group="vlingnav.commands")]
    assert len(names) == len(set(names))


def test_to_json_leaves_plain_values_alone() -> None:
    assert to_json({"a": [1, "b", None, True, 0.5], 2: (1,)}) == {"a": [1, "b", None, True, 0.5], "2": [1]}
