"""Experts drive, a dataset keeps it: complete, the same after kill -9, and never from a held-out house."""

from __future__ import annotations

import argparse
import itertools
import math
import multiprocessing
import operator
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from vlingnav_cli import CommandFailed, UserError
from vlingnav_datasets.facts import StepFacts, action_word
from vlingnav_datasets.lerobot_v3 import FRONT, GOAL, DatasetReader, check
from vlingnav_policy.types import TASKS
from vlingnav_sim.grid import OccupancyGrid
from vlingnav_sim.house import HouseConfig, generate
from vlingnav_sim.parallel import WorkersLost, over_processes
from vlingnav_sim.tasks import TRAINING_SPLITS, sample_task
from vlingnav_train.collecting.commands import add_collect
from vlingnav_train.collecting.dataset import collect
from vlingnav_train.collecting.houses import CollectionConfig, collect_house
from vlingnav_train.collecting.recording import DetourConfig

COLLECT = """
import sys, time
from pathlib import Path
from vlingnav_train.collecting.dataset import collect
from vlingnav_train.collecting.houses import CollectionConfig
from vlingnav_sim.parallel import over_processes

def over(function, units):
    for number, recordings in enumerate(over_processes(function, units, 1)):
        time.sleep(number * float(sys.argv[2]))  # before every house but the first
        yield recordings

if __name__ == "__main__":
    collect(Path(sys.argv[1]), 4, CollectionConfig(first_seed=3, max_rooms=1), over)
"""
CONFIG = CollectionConfig(first_seed=3, max_rooms=1)  # that of the fixture `collected`
Prints = Callable[[Path], dict[str, str]]


def test_every_step_is_there_as_it_was(collected: Path) -> None:
    assert check(collected, decode=True) == []
    kinds = []
    for episode in DatasetReader(collected):
        meta, arrays = episode.meta, episode.arrays
        kinds.append(meta.extras["kind"])
        facts = [StepFacts.from_json(text) for text in episode.texts["facts"]]
        assert np.allclose([step.stamp for step in facts], arrays["timestamp"], atol=1e-3)
        assert np.allclose([step.pose for step in facts], arrays["observation.state"][:, :3], atol=1e-3)
        trajectories = arrays["action"].reshape(len(episode), 8, 3)
        said = [action_word(*pair) for pair in zip(trajectories, arrays["stop"], strict=True)]
        assert said == [step.action for step in facts]
        assert arrays["stop"].sum() == (0 if kinds[-1] == "follow" else DetourConfig().steps_at_target + 1)
        assert meta.extras["split"] in TRAINING_SPLITS[kinds[-1]]
        views = [picture.astype(int) for picture in episode.pictures(FRONT)]
        still = np.hypot(*arrays["observation.state"][:, 3:5].T).max() < 0.05
        assert still or np.abs(views[0] - views[-1]).mean() > 5.0, "the robot went somewhere"
    assert kinds == ["object", "image", "follow", "object"], "house 3, and what is still needed of house 4"


def test_the_goal_image_is_in_every_frame_of_its_episode(collected: Path) -> None:
    house = generate(3, HouseConfig(max_rooms=1))
    image = sample_task(house, OccupancyGrid.from_house(house), task="image").goal.image
    assert image is not None
    for episode in DatasetReader(collected):
        expected = image.astype(int) if episode.meta.extras["kind"] == "image" else np.zeros_like(image, int)
        assert all(np.abs(shown - expected).mean() < 4.0 for shown in episode.pictures(GOAL))


def test_recovery_the_expert_is_asked_where_it_did_not_go() -> None:
    """With detours off, no step is one; with them, the robot goes otherwise than the label says."""
    plain = CollectionConfig(("object",), 4, 1, DetourConfig(share=0.0))
    often = CollectionConfig(("object",), 4, 1, DetourConfig(share=0.7, stretch_s=2.0))
    (straight,), (recovering,) = collect_house(4, plain), collect_house(4, often)
    assert not straight.detours.any() and 0.1 < recovering.detours.mean() < 0.9
    assert recovering.success, "it finds its way back"
    turned = np.diff(recovering.states[:, 2])
    meant = recovering.trajectories[:-1, 1, 2]  # after 0.4 s, as the label has it
    off = np.abs((turned - meant + np.pi) % (2.0 * np.pi) - np.pi)
    detours = recovering.detours[:-1]
    assert off[detours].mean() > 1.5 * off[~detours & ~recovering.stops[:-1]].mean()


def test_kill_9_changes_no_byte(tmp_path: Path, collected: Path, fingerprints: Prints) -> None:
    root = tmp_path / "killed"
    with subprocess.Popen([sys.executable, "-c", COLLECT, root, "600"], stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 240.0
        while not list(root.glob("meta/episodes/*/*")):  # the first episode is complete
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
    assert 1 <= len(DatasetReader(root)) < 4, "killed in the middle"
    assert {problem.episodes for problem in check(root)} <= {()}, "no finished episode is lost"
    collect(root, 4, CONFIG, progress=False)
    assert fingerprints(root) == fingerprints(collected)


def test_two_processes_collect_the_same(tmp_path: Path, collected: Path, fingerprints: Prints) -> None:
    collect(tmp_path / "two", 4, CONFIG, partial(over_processes, processes=2), progress=False)
    assert fingerprints(tmp_path / "two") == fingerprints(collected)


def test_no_worker_outlives_a_parent_that_was_killed() -> None:
    code = (
        "import itertools, sys, time\nfrom vlingnav_sim.parallel import over_processes\n"
        "if __name__ == '__main__':\n"
        "    for _ in over_processes(time.sleep, itertools.repeat(0.05), 2): print(flush=True)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.kill()
    deadline = time.monotonic() + 60.0
    while any(_runs(pid) for pid in listed):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert len(listed) >= 2


def _runs(pid: str) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_results_come_in_order_and_as_long_as_they_are_wanted() -> None:
    results = over_processes(operator.neg, itertools.count(), 2)
    assert [next(results) for _ in range(20)] == [-k for k in range(20)]
    results.close()
    assert not multiprocessing.active_children()
    assert list(over_processes(operator.neg, range(5), 2)) == [0, -1, -2, -3, -4]
    with pytest.raises(ValueError) as caught:
        list(over_processes(math.sqrt, [4, -7], 2))
    assert "in unit -7" in caught.value.__notes__[0]
    with pytest.raises(WorkersLost, match="a worker process died"):
        list(over_processes(os._exit, [0], 2))


def test_a_full_disk_is_one_sentence_and_costs_no_finished_episode(tmp_path: Path) -> None:
    root = tmp_path / "full"
    code = f"import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (260_000, 260_000))\n{COLLECT}"
    done = subprocess.run(
        [sys.executable, "-c", code, root, "0"], capture_output=True, text=True, timeout=280
    )
    assert f"there is no room left in {root}" in done.stderr and "start the same command again" in done.stderr
    assert check(root, decode=True) == []
    assert 1 <= len(DatasetReader(root)) < 4


def command(*words: str) -> dict[str, object]:
    parser = argparse.ArgumentParser()
    add_collect(parser)
    args = parser.parse_args(words)
    figures: dict[str, object] = args.run(args)
    return figures


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--first-seed", "700000"], "700000 on are for validation and published results"),
        (["--first-seed", "-1"], "houses -1 to -1 are not for training"),
        (["--tasks", "object,fetch"], "name each of object, image, follow, route at most once"),
    ],
)
def test_what_cannot_be_collected_is_refused(tmp_path: Path, words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        command(str(tmp_path / "new"), *words)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--max-rooms", "9"], "'9' rooms are not possible; houses have 1 to 8"),
        (["--episodes", "0"], "'0' is not a whole number of at least 1"),
    ],
)
def test_numbers_that_make_no_sense_are_refused_at_once(
    tmp_path: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command(str(tmp_path / "new"), *words)
    assert message in capsys.readouterr().err


def test_a_folder_with_something_else_is_left_alone(
    tmp_path: Path, collected: Path, fingerprints: Prints
) -> None:
    before = fingerprints(collected)
    with pytest.raises(UserError, match="was collected with max_rooms 1, not 6; name a new folder"):
        command(str(collected), "--first-seed", "3", "--episodes", "9", "--processes", "1")
    assert fingerprints(collected) == before
    (tmp_path / "letter.txt").write_text("Dear Ada")
    with pytest.raises(UserError, match="is not empty and holds no dataset"):
        command(str(tmp_path))
    assert os.listdir(tmp_path) == ["letter.txt"]


def test_what_is_there_is_not_collected_again(collected: Path, fingerprints: Prints) -> None:
    before = fingerprints(collected)
    words = ["--first-seed", "3", "--max-rooms", "1", "--episodes", "4"]
    figures = command(str(collected), *words, "--processes", "1")
    assert (figures["episodes"], figures["new"], figures["houses"]) == (4, 0, 2)
    assert fingerprints(collected) == before


def test_ray_is_asked_for_where_it_is_not_installed(tmp_path: Path) -> None:
    try:
        import ray  # noqa: F401
    except ModuleNotFoundError:
        with pytest.raises(CommandFailed, match="needs the extra `ray`"):
            command(str(tmp_path / "new"), "--ray")


def test_a_ray_cluster_collects_the_same(tmp_path: Path, collected: Path, fingerprints: Prints) -> None:
    pytest.importorskip("ray", reason="ray is not installed")
    from vlingnav_train.collecting.ray_workers import over_ray

    collect(tmp_path / "ray", 4, CONFIG, partial(over_ray, address="local"), progress=False)
    assert fingerprints(tmp_path / "ray") == fingerprints(collected)


def test_all_tasks_are_known_to_the_command() -> None:
    from vlingnav_train.collecting import commands

    assert commands.TASKS == TASKS
