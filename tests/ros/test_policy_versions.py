"""A policy that learns: the node takes up another version between two goals, and none that is damaged."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from vlingnav.episode import Episode, Look
from vlingnav.policy_node import PolicyNode
from vlingnav_policy import Goal, Manifest, Observation, Odometry
from vlingnav_policy.chunks import Replanner
from vlingnav_policy.load import CHECKPOINTS
from vlingnav_policy.versions import Versions


def nano(folder: Path, stop_threshold: float = 0.5) -> None:
    shutil.copytree(CHECKPOINTS / "nano", folder, ignore=shutil.ignore_patterns("*.pt"))
    replace(Manifest.read(folder), stop_threshold=stop_threshold).write(folder, "thesaurus.json")


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    """Two: one that searches, in use, and one that says at once that it is there."""
    versions = Versions(tmp_path / "policy")
    versions.use(versions.add(nano))
    versions.add(lambda folder: nano(folder, stop_threshold=-1.0))
    return versions


@pytest.fixture
def node(ros: SingleThreadedExecutor, versions: Versions) -> Any:
    node = PolicyNode()
    ros.add_node(node)
    node.set_parameters([Parameter("policy", value=str(versions.root / "current"))])
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    yield node
    node.trigger_cleanup()
    node.destroy_node()


class Goals:
    """Asks the node's policy as its worker does, with a picture each time."""

    def __init__(self, node: PolicyNode) -> None:
        self._node, self._stamp = node, 0.0

    def new(self) -> bool:
        """A new goal; whether the policy says at once that it is there."""
        self._episode = Episode(Goal("find the red chair"), 60.0, 0.0, Replanner(0.4))
        return self.again()

    def again(self) -> bool:
        """One more decision of the same goal."""
        self._stamp += 0.4
        odometry = Odometry(np.zeros(3), np.zeros(3))
        seen = Observation(np.full((96, 128, 3), 128, np.uint8), self._stamp, odometry=odometry)
        return self._node._decide(Look(self._episode, seen, 0.0)).stop


def test_another_version_is_taken_up_with_the_next_goal_and_not_before(
    node: PolicyNode, versions: Versions
) -> None:
    goals = Goals(node)
    assert not goals.new()
    versions.use("0002")
    assert not goals.again()
    assert goals.new()
    versions.roll_back()
    assert goals.again()
    assert not goals.new()


def test_a_damaged_version_is_not_taken_up(node: PolicyNode, versions: Versions, capfd: Any) -> None:
    goals = Goals(node)
    versions.use("0002")
    (versions.root / "0002" / "read.onnx").write_bytes(b"")
    assert not goals.new()
    assert "read.onnx is not the file of its manifest" in capfd.readouterr().err
    versions.roll_back()
    assert not goals.new()
