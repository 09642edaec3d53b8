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

from vlingnav_cli import UserError
from vlingnav_datasets.lerobot_v3 import (
    FRONT,
    GOAL,
    DatasetError,
    DatasetReader,
    DatasetWriter,
    navigation_schema,
)
from vlingnav_datasets.lerobot_v3.schema import Feature, Schema
from vlingnav_policy import load_policy
from vlingnav_policy.commands import add_rollback
from vlingnav_policy.edit import edit_trajectory
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


def record(root: Path, episodes: int = EPISODES, held: range = HELD) -> Path:
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
                        "decided": k % 2 == 0,
                        "intervention": person,
                        "next.reward": -1.0 if k + 1 == held.start else 0.0,
                        "stamp": 100.0 + k / FPS,
                    }
                )
            writer.end_episode("find the red chair", {"house": -1, "kind": "object", "success": True})
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
    assert learned.version == versions.current() == "0001", learned
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
    assert turns[held].mean() < 0.0 < turns[~held].mean()
    assert all(m.action[2] == 0.0 for m in watched.moments)
    for one, other in zip(watched.moments, watched.moments[1:], strict=False):
        assert np.array_equal(one.next_observation, other.observation)


def test_the_new_version_is_a_policy_that_says_how_it_was_learned(shelf: Versions) -> None:
    manifest = load_policy(shelf.root / "current", 1).manifest
    about = manifest.training["edit"]
    assert about["takeovers"] == 4 and about["error"] < about["error_in_use"]
    assert "edit" in manifest.graphs and DRIVEN[2] == 0.0


def test_what_is_no_better_is_not_offered_and_said_to_be(shelf: Versions, recorded: Path) -> None:
    nothing = LearnConfig(learner=QUICK.learner, method="bc", steps=0)
    learned = learn_version(recorded, shelf, "nano", nothing)
    assert learned.version is None and learned.why.startswith(
        "what was learned is no better, and not offered"
    )
    assert learned.error > learned.error_in_use
    assert shelf.names() == ["0001"] and shelf.current() == "0001"


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
    args = parsed(add_rollback, str(shelf.root))
    with pytest.raises(UserError, match="has no previous version"):
        args.run(args)
    shelf.use(shelf.add(lambda folder: shutil.copytree(shelf.root / "0001", folder)))
    args.run(args)
    assert capsys.readouterr().out == "version 0001 is in use from the next goal on\n"

    args = parsed(commands.add_learn, str(tmp_path / "none"), "--versions", str(tmp_path / "policy"))
    with pytest.raises(UserError, match="none"):
        args.run(args)
    dataset = record(tmp_path / "dataset", episodes=1)
    args = parsed(commands.add_learn, str(dataset), "--versions", str(tmp_path / "policy"))
    assert args.run(args)["version"] is None
    assert "too few" in capsys.readouterr().out
