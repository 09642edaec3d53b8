"""From recorded episodes to a version of a policy that is in use, or to a sentence why there is none."""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("av")
pytest.importorskip("pyarrow")

import pyarrow.parquet as pq

from vlingnav_cli import UserError
from vlingnav_datasets.lerobot_v3 import (
    FRONT,
    GOAL,
    DatasetError,
    DatasetReader,
    DatasetWriter,
    navigation_schema,
)
from vlingnav_datasets.lerobot_v3.files import lock
from vlingnav_datasets.lerobot_v3.schema import Feature, Schema
from vlingnav_datasets.recorded import TELEOPERATION
from vlingnav_policy import Manifest, load_policy
from vlingnav_policy.commands import add_rollback
from vlingnav_policy.edit import edit_trajectory
from vlingnav_policy.learned import Learned
from vlingnav_policy.load import CHECKPOINTS
from vlingnav_policy.nano import NanoPolicy
from vlingnav_policy.versions import Versions
from vlingnav_train.rlif import commands
from vlingnav_train.rlif.nav.learner import DRIVEN, LearnConfig, disagreement, learn_version
from vlingnav_train.rlif.nav.recorded import moments_of
from vlingnav_train.rlif.rlpd import RlpdConfig

FPS, FRAMES, EPISODES = 5.0, 24, 5
HELD = range(12, 18)
LEFT, RIGHT = (edit_trajectory(np.zeros((8, 3), np.float32), 0.2, 0.2, turn).ravel() for turn in (1.0, -1.0))
QUICK = LearnConfig(learner=RlpdConfig(width=32, critics=4, batch=32), method="bc")


def schema() -> Schema:
    """Columns of the recorder, as far as they are read."""
    return navigation_schema(96, 128, 8, 0.2).extended(
        frame={
            "decided": Feature("bool"),
            "intervention": Feature("bool"),
            "next.reward": Feature("float32"),
            "stamp": Feature("float64"),
        }
    )


def record(
    root: Path, episodes: int = EPISODES, held: range = HELD, kind: str = "object", decided: bool = True
) -> Path:
    """A robot that decides on every other frame and turns left, until a person takes it and turns right."""
    with DatasetWriter(root, schema(), FPS, "diff") as writer:
        for episode in range(episodes):
            rng = np.random.default_rng(episode)
            for k in range(FRAMES):
                person = k in held
                writer.add_frame(
                    {
                        FRONT: np.kron(rng.integers(0, 256, (6, 8, 3)), np.ones((16, 16, 1))).astype(
                            np.uint8
                        ),
                        GOAL: np.zeros((96, 128, 3), np.uint8),
                        "observation.state": np.array([0.1 * k, 0, 0, 0.2, 0, 0], np.float32),
                        "action": RIGHT if person else LEFT,
                        "stop": k == FRAMES - 2,
                        "thought": "",
                        "summary": "",
                        "facts": "",
                        "decided": decided and k % 2 == 0,
                        "intervention": person,
                        "next.reward": -1.0 if k + 1 == held.start else 0.0,
                        "stamp": 100.0 + k / FPS,
                    }
                )
            writer.end_episode("find the red chair", {"house": -1, "kind": kind, "success": True})
    return root


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        return record(tmp_path_factory.mktemp("recorded") / "dataset")


@pytest.fixture(scope="module")
def shelf(recorded: Path, tmp_path_factory: pytest.TempPathFactory) -> Versions:
    """In which a version has been learned."""
    versions = Versions(tmp_path_factory.mktemp("versions") / "policy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vlingnav_train.rlif.cloning.PRETRAINING", 0)
        learned = learn_version(recorded, versions, "nano", QUICK)
    assert learned.version == versions.current() == learned.in_use == "0002", learned
    assert learned.error < learned.error_in_use and (learned.takeovers, learned.held_out) == (4, 1)
    return versions


def test_a_recorded_takeover_is_before_a_takeover_in_the_decision_before_it(recorded: Path) -> None:
    policy = load_policy("nano", 1)
    assert isinstance(policy, NanoPolicy)
    watched = moments_of(DatasetReader(recorded).episode(0), policy)
    assert len(watched.moments) == FRAMES // 2
    assert [m.held for m in watched.moments] == [2 * k in HELD for k in range(FRAMES // 2)]
    assert [k for k, m in enumerate(watched.moments) if m.before_takeover] == [5]
    assert [k for k, m in enumerate(watched.moments) if m.arrived] == [11]
    assert watched.takeovers == {"recorded": 1} and watched.held == 0.25
    assert watched.own_m == pytest.approx(0.1 * (FRAMES - 1 - len(HELD)), abs=1e-4)
    turns = np.array([m.action[1] for m in watched.moments])
    held = np.array([m.held for m in watched.moments])
    assert turns[held].mean() < turns[~held].mean() - 0.5  # from what nano itself would have done
    assert all(m.action[2] == 0.0 for m in watched.moments)
    for one, other in zip(watched.moments, watched.moments[1:], strict=False):
        assert np.array_equal(one.next_observation, other.observation)


def test_the_new_version_is_a_policy_that_says_how_it_was_learned(shelf: Versions) -> None:
    manifest = load_policy(shelf.root / "current", 1).manifest
    about = manifest.training["edit"]
    assert about["takeovers"] == 4 and about["error"] < about["error_in_use"]
    assert "edit" in manifest.graphs and DRIVEN[2] == 0.0


def test_the_policy_as_it_was_is_the_first_version(shelf: Versions) -> None:
    first, shipped = (Manifest.read(folder) for folder in (shelf.root / "0001", CHECKPOINTS / "nano"))
    assert first == shipped


def test_what_is_no_better_is_not_offered_and_said_to_be(shelf: Versions, recorded: Path) -> None:
    nothing = LearnConfig(learner=QUICK.learner, method="bc", steps=0)
    learned = learn_version(recorded, shelf, "nano", nothing)
    assert learned.version is None and learned.why.startswith(
        "what was learned is no better, and not offered"
    )
    assert learned.error > learned.error_in_use
    assert shelf.names() == ["0001", "0002"] and shelf.current() == learned.in_use == "0002"
    assert learned == Learned.read(shelf.root) and learned.loss == learned.error_in_use


def test_what_was_taken_back_is_not_learned_from_the_same_episodes_again(
    shelf: Versions, recorded: Path, tmp_path: Path
) -> None:
    versions = Versions(Path(shutil.copytree(shelf.root, tmp_path / "policy", symlinks=True)))
    versions.roll_back()
    for _ in range(2):
        learned = learn_version(recorded, versions, "nano", QUICK)
        assert learned.version is None and "version 0002 was learned from these episodes" in learned.why
    assert versions.names() == ["0001", "0002"] and versions.current() == "0001"


def test_too_little_is_said_to_be(tmp_path: Path) -> None:
    dataset = record(tmp_path / "dataset", episodes=1)
    versions = Versions(tmp_path / "policy")
    learned = learn_version(dataset, versions, "nano", QUICK)
    assert learned.version is None and "too few; record more" in learned.why and not versions.names()


def test_a_dataset_that_does_not_say_who_drove_is_refused(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "dataset", navigation_schema(96, 128, 8, 0.2), FPS, "diff") as writer:
        picture = np.zeros((96, 128, 3), np.uint8)
        state, action = np.zeros(6, np.float32), np.zeros(24, np.float32)
        texts = {"thought": "", "summary": "", "facts": ""}
        frame = {FRONT: picture, GOAL: picture, "observation.state": state, "action": action, "stop": False}
        writer.add_frame({**frame, **texts})
        writer.end_episode("find the red chair", {"house": -1, "kind": "object", "success": True})
    with pytest.raises(DatasetError, match="no column 'decided' tells who drove"):
        learn_version(tmp_path / "dataset", Versions(tmp_path / "policy"), "nano", QUICK)


def test_a_damaged_episode_is_left_out_and_named(tmp_path: Path) -> None:
    dataset, versions = record(tmp_path / "dataset"), Versions(tmp_path / "policy")
    (file,) = dataset.glob("data/*/*.parquet")
    column = pq.ParquetFile(file).metadata.row_group(2).column(0)
    with file.open("r+b") as damaged:
        damaged.seek(column.data_page_offset)
        damaged.write(b"damaged")
    learned = learn_version(dataset, versions, "nano", QUICK)
    assert (learned.episodes, learned.usable) == (EPISODES, EPISODES - 1) and learned.version is None
    assert (
        "; 1 of the dataset cannot be learned from: episode 2, " in learned.why and str(file) in learned.why
    )


def test_what_people_drove_without_a_goal_is_no_episode_of_the_policy(tmp_path: Path) -> None:
    dataset = record(tmp_path / "dataset", episodes=1, kind=TELEOPERATION)
    learned = learn_version(dataset, Versions(tmp_path / "policy"), "nano", QUICK)
    assert (learned.episodes, learned.usable) == (1, 0)
    assert "0 episodes" in learned.why and "cannot" not in learned.why


def test_an_episode_that_ended_before_a_decision_has_no_moments(tmp_path: Path) -> None:
    dataset = record(tmp_path / "dataset", episodes=1, decided=False)
    learned = learn_version(dataset, Versions(tmp_path / "policy"), "nano", QUICK)
    assert (learned.episodes, learned.usable) == (1, 0) and "cannot" not in learned.why


def test_two_do_not_learn_the_same_versions_at_once(recorded: Path, tmp_path: Path) -> None:
    claimed = lock(tmp_path)
    with pytest.raises(DatasetError, match="by another process"):
        learn_version(recorded, Versions(tmp_path), "nano", QUICK)
    os.close(claimed)


def test_a_version_that_was_interrupted_leaves_nothing(tmp_path: Path) -> None:
    def interrupted(folder: Path) -> None:
        folder.mkdir()
        (folder / "read.onnx").write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Versions(tmp_path).add(interrupted)
    assert not list(tmp_path.iterdir())


def test_time_bounds_learning(recorded: Path, shelf: Versions) -> None:
    endless = LearnConfig(learner=QUICK.learner, minutes=1e-3, steps=10**6)
    assert learn_version(recorded, shelf, "nano", endless).error is not None


def test_disagreement_weighs_takeovers_and_calm_alike(recorded: Path) -> None:
    policy = load_policy("nano", 1)
    assert isinstance(policy, NanoPolicy)
    watched = moments_of(DatasetReader(recorded).episode(0), policy)
    done = {m.observation.tobytes(): m.action[:2] for m in watched.moments}

    def like(held: float, calm: float) -> Any:
        wrong = {m.observation.tobytes(): held if m.held else calm for m in watched.moments}
        return lambda seen: np.stack([done[row.tobytes()] + wrong[row.tobytes()] for row in seen])

    assert disagreement(like(0.0, 0.0), [watched]) == 0.0
    one, other = disagreement(like(0.4, 0.0), [watched]), disagreement(like(0.0, 0.4), [watched])
    assert one == pytest.approx(other) and one == pytest.approx(np.sqrt(0.5 * 0.4**2))


def parsed(add: Any, *words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add(parser)
    return parser.parse_args(words)


def test_the_commands(
    shelf: Versions, recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = parsed(add_rollback, str(tmp_path))
    with pytest.raises(UserError, match="has no previous version"):
        args.run(args)
    args = parsed(add_rollback, str(shelf.root))
    for name in ("0001", "0002"):
        args.run(args)
        assert capsys.readouterr().out == f"version {name} is in use from the next goal on\n"

    args = parsed(commands.add_train_rlif, str(tmp_path / "none"), "--versions", str(tmp_path / "policy"))
    with pytest.raises(UserError, match="none"):
        args.run(args)
    dataset = record(tmp_path / "dataset", episodes=1)
    args = parsed(commands.add_train_rlif, str(dataset), "--versions", str(tmp_path / "policy"))
    assert args.run(args)["version"] is None
    assert "too few" in capsys.readouterr().out
