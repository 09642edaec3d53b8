"""Old episodes through another policy: what it sees, what is compared, what is said."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("av")
pytest.importorskip("pyarrow")

from vlingnav_cli import CommandFailed, UserError
from vlingnav_datasets.commands import add_replay
from vlingnav_datasets.lerobot_v3 import FRONT, GOAL, DatasetError, DatasetReader, DatasetWriter
from vlingnav_datasets.recorded import recorded_schema
from vlingnav_datasets.replay import difference, find_dataset, replay, summary, table
from vlingnav_policy import Decision, Goal, Observation

DT = 0.2


def straight(speed: float, count: int = 8, dt: float = DT) -> np.ndarray:
    """A trajectory straight on [m/s]."""
    way = speed * dt * np.arange(1, count + 1)
    return np.stack([way, 0.0 * way, 0.0 * way], axis=-1).astype(np.float32)


class Witness:
    """Goes straight on, notes what it is shown, thinks at its second look and stops at its fourth."""

    def __init__(self, speed: float = 0.5) -> None:
        self.goals: list[Goal] = []
        self.seen: list[Observation] = []
        self._speed = speed

    def reset(self, goal: Goal) -> None:
        self.goals.append(goal)
        self._looks = 0

    def act(self, observation: Observation) -> Decision:
        self.seen.append(observation)
        self._looks += 1
        thought = "a door" if self._looks == 2 else None
        return Decision(straight(self._speed), DT, observation.stamp, self._looks == 4, thought)


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """Of ten frames each: a goal, every other frame decided on; no goal; a goal, but no decisions."""
    root = tmp_path / "robot" / "dataset"
    with DatasetWriter(root, recorded_schema(96, 128), 5.0, "diff") as writer:
        for task, kind in (("find the chair", "object"), ("by hand", "teleoperation"), ("go", "route")):
            for k in range(10):
                writer.add_frame(
                    {
                        FRONT: np.full((96, 128, 3), 10 * k, np.uint8),
                        GOAL: np.zeros((96, 128, 3), np.uint8),
                        "observation.state": np.array([k, 1.0, 0.1, 0.5, 0.0, 0.2], np.float32),
                        "action": straight(0.5 if k != 2 else 0.1).ravel(),
                        "stop": k == 8,
                        "thought": "a wall" if k == 4 else "",
                        "summary": "",
                        "facts": "",
                        "command": np.zeros(3, np.float32),
                        "decided": kind == "object" and k % 2 == 0,
                        "policy": "old",
                        "phase": 2 if 4 <= k <= 6 else 0,
                        "intervention": 4 <= k <= 6,
                        "next.reward": 0.0,
                        "stamp": 1e9 + 0.21 * k,
                    }
                )
            extras = {"house": -1, "kind": kind, "success": True, "outcome": "arrived", "bag": "a"}
            writer.end_episode(task, extras)
    return root


def test_the_policy_is_shown_what_the_old_one_decided_on(recorded: Path) -> None:
    witness = Witness()
    replay(recorded, witness, [0])
    assert witness.goals == [Goal("find the chair")]
    assert [round(o.rgb.mean() / 10) for o in witness.seen] == [0, 2, 4, 6, 8]
    assert [o.stamp for o in witness.seen] == [1e9 + 0.21 * k for k in (0, 2, 4, 6, 8)]
    odometry = witness.seen[1].odometry
    assert odometry is not None
    assert np.allclose(odometry.pose, [2.0, 1.0, 0.1]) and np.allclose(odometry.velocity, [0.5, 0.0, 0.2])


def test_what_differs_is_found(recorded: Path) -> None:
    done = replay(recorded, Witness(), [0, 1])
    assert done.skipped == {1: "a person drove without a goal, and a policy has to have one"}
    assert [round(step.distance_m, 6) for step in done.steps[:3]] == [0.0, 0.64, 0.0]
    assert [math.isnan(step.distance_m) for step in done.steps] == [False] * 3 + [True, True]
    figures = summary(done)
    assert (figures["episodes"], figures["steps"]) == (1, 5)
    assert figures["stops"] == {"both": 0, "then": 1, "now": 1}
    assert figures["thoughts"] == {"both": 0, "then": 1, "now": 1}
    assert figures["distance_m"]["max"] == pytest.approx(0.64)
    assert figures["distance_m"]["by_hand"] == pytest.approx(0.0)
    assert figures["largest"][0]["frame"] == 2 and len(figures["by_episode"][0]["steps"]) == 5
    said = table(done).splitlines()
    assert "0.64 m" in said[1] and "a door" in said[1]
    assert ["stops now, did not then" in line for line in said[4:]] == [True, False]
    assert "stopped then, not now" in said[5] and "1.7 s" in said[5]


def test_trajectories_of_other_lengths_are_compared_where_the_shorter_ends() -> None:
    long, short = straight(0.5, 16, 0.1), straight(0.5, 4, 0.2)
    assert difference(long, 0.1, short, 0.2) == pytest.approx((0.0, 0.0), abs=1e-6)
    turned = np.array([[0.0, 0.0, 3.0], [0.0, 0.0, -3.0]])  # on across the half turn
    assert difference(turned, 0.4, straight(0.0, 3), 0.2)[1] == pytest.approx(math.pi, abs=1e-6)


def test_where_nobody_decided_the_policy_is_shown_every_frame(recorded: Path) -> None:
    assert [step.frame for step in replay(recorded, Witness(), [2]).steps] == list(range(10))


def test_an_episode_that_the_policy_refuses_is_left_out_with_its_reason(recorded: Path) -> None:
    class Picky(Witness):
        def act(self, observation: Observation) -> Decision:
            raise ValueError("the image is too small")

    done = replay(recorded, Picky(), [0])
    assert done.skipped == {0: "the image is too small"} and not done.steps and not done.instructions


def test_the_dataset_is_found_in_the_folder_of_the_recorder(recorded: Path, tmp_path: Path) -> None:
    assert find_dataset(recorded) == recorded
    assert find_dataset(tmp_path / "robot") == recorded
    assert find_dataset(tmp_path) == recorded
    with pytest.raises(DatasetError, match="no dataset in"):
        find_dataset(tmp_path / "elsewhere")
    with DatasetWriter(tmp_path / "other" / "dataset", recorded_schema(96, 128), 5.0, "diff"):
        pass
    with pytest.raises(DatasetError, match="several datasets"):
        find_dataset(tmp_path)
    with pytest.raises(DatasetError, match="has no episode 3; it has 3"):
        replay(recorded, Witness(), [3])


# The command, with the policy that is shipped.


def vlingnav_replay(*words: str) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    add_replay(parser)
    args = parser.parse_args(words)
    return args.run(args)


def test_nano_on_collected_episodes(collected: Path, tmp_path: Path, capsys: Any) -> None:
    pytest.importorskip("onnxruntime")
    plot = tmp_path / "replay.png"
    figures = vlingnav_replay(str(collected), "--episode", "0", "--episode", "2", "--plot", str(plot))
    lengths = [DatasetReader(collected).metas[k].length for k in (0, 2)]
    assert figures["episodes"] + len(figures["skipped"]) == 2
    assert figures["steps"] in (sum(lengths), *lengths)
    assert figures["policy"].startswith("nano@") and figures["distance_m"]["median"] < 1.0
    assert plot.read_bytes().startswith(b"\x89PNG")
    said = capsys.readouterr().out
    assert f"steps by {figures['policy']}" in said and "then / now" in said
    again = vlingnav_replay(str(collected), "--episode", "0", "--episode", "2", "--plot", str(plot))
    assert again == figures, "the same observations make the same decisions"


def test_wrong_use_is_a_sentence(recorded: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no dataset in"):
        vlingnav_replay(str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="no policy 'nobody'"):
        vlingnav_replay(str(recorded), "--policy", "nobody")
    with pytest.raises(CommandFailed, match="could be asked nothing"):
        vlingnav_replay(str(recorded), "--episode", "1")
