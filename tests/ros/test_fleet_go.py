"""Several robots sent at once: what is asked of each, what is said of each, and what is left of it."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from rclpy.action import ActionServer
from rclpy.task import Future

from vlingnav import commands, convert, graph, topics
from vlingnav.errands import Request
from vlingnav.fleet import go_together
from vlingnav.fleet_record import FleetRecord, Trace
from vlingnav.up import _goals
from vlingnav_cli import CommandFailed, UserError
from vlingnav_interfaces.action import Navigate
from vlingnav_interfaces.msg import SafetyState
from vlingnav_policy.types import Odometry

PERIOD = 0.05


class Robot:
    """What stands for a robot with its policy: it drives for `seconds`, then answers with `outcome`."""

    def __init__(self, executor: Any, namespace: str, y: float, seconds: float, outcome: int) -> None:
        self.node = rclpy.create_node("robot", namespace=namespace)
        executor.add_node(self.node)
        self.pose, self.told, self._left, self._ended = np.array([0.0, y, 0.0]), "", 0.0, Future()
        self._seconds, self._outcome = seconds, outcome
        self._odom = self.node.create_publisher(topics.ODOM.type, topics.ODOM.name, topics.ODOM.qos)
        topic = topics.SAFETY_STATE
        self._state = self.node.create_publisher(topic.type, topic.name, topic.qos)
        self._server = ActionServer(self.node, *topics.NAVIGATE[::-1], self._execute)
        self.node.create_timer(PERIOD, self._step)

    async def _execute(self, handle: Any) -> Navigate.Result:
        self.told, self._left, self._ended = handle.request.instruction, self._seconds, Future()
        await self._ended
        handle.succeed() if self._outcome == Navigate.Result.ARRIVED else handle.abort()
        return Navigate.Result(outcome=self._outcome, message="as told", elapsed_s=self._seconds)

    def _step(self) -> None:
        moving = self._left > 0.0
        self._left -= PERIOD
        velocity = np.array([0.4 * moving, 0.0, 0.0])
        self.pose = self.pose + PERIOD * velocity
        now = self.node.get_clock().now().nanoseconds * 1e-9
        self._odom.publish(convert.odometry_message(Odometry(self.pose, velocity), now, "odom", "base_link"))
        state = SafetyState(
            status=SafetyState.FILTERED if moving else SafetyState.PASS,
            reason="barrier of robot1" if moving else "",
            constraint="robot1" if moving else "",
            barrier_m2=0.5,
            gain=2.0 * moving,
            desired=convert.twist(1.5 * velocity),
            applied=convert.twist(velocity),
        )
        state.header.stamp = convert.stamp(now)
        self._state.publish(state)
        if not moving and self.told and not self._ended.done():
            self._ended.set_result(True)


@pytest.fixture
def robots(ros: Any) -> Iterator[dict[str, Robot]]:
    made = {
        "robot0": Robot(ros, "robot0", 0.0, 0.5, Navigate.Result.ARRIVED),
        "robot1": Robot(ros, "robot1", 1.0, 1.0, Navigate.Result.TIMED_OUT),
    }
    yield made
    for robot in made.values():
        robot.node.destroy_node()


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_each_goes_where_it_is_told_and_all_are_recorded(
    ros: Any,
    robots: dict[str, Robot],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra [sim]")
    monkeypatch.chdir(tmp_path)
    requests = {"robot0": Request("find the red chair"), "robot1": Request("find the bed")}
    with pytest.raises(CommandFailed, match="only 1 of 2 robots arrived") as ended:
        go_together(ros, requests)
    assert {name: robot.told for name, robot in robots.items()} == {
        name: request.instruction for name, request in requests.items()
    }
    figures = ended.value.figures
    assert [figures["robots"][name]["outcome"] for name in robots] == ["arrived", "timed out"]
    printed = capsys.readouterr().out
    assert "robot0: find the red chair: arrived" in printed and "robot1: find the bed: timed out" in printed
    (folder,) = (tmp_path / "runs").iterdir()
    assert {f.name for f in folder.iterdir()} == {"result.json", "plots.png", "robot0.csv", "robot1.csv"}
    assert json.loads((folder / "result.json").read_text())["robots"] == figures["robots"]
    table = rows(folder / "robot1.csv")
    driven = [row for row in table if row["status"] == "filtered"]
    assert len(driven) > 5 and {row["constraint"] for row in driven} == {"robot1"}
    assert float(driven[0]["vx_desired_mps"]) == pytest.approx(0.6)
    assert float(driven[0]["vx_applied_mps"]) == pytest.approx(0.4)
    assert float(table[-1]["x_m"]) == pytest.approx(0.4, abs=0.1)


def test_a_robot_that_is_not_there_is_named_before_any_goes(ros: Any, robots: dict[str, Robot]) -> None:
    with pytest.raises(UserError, match="/robot7/navigate"):
        go_together(ros, {"robot0": Request("find the bed"), "robot7": Request("find the bed")})
    assert not robots["robot0"].told


def go_words(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    commands.add_go(parser)
    return parser.parse_args(words)


def test_go_takes_one_instruction_or_one_for_each_robot() -> None:
    assert go_words("find the bed").instruction == [("", "find the bed")]
    told = go_words("robot0=find the bed", "/a/robot1/=find x=y").instruction
    assert told == [("robot0", "find the bed"), ("a/robot1", "find x=y")]


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("find the bed", "find the chair"),
        ("robot0=find the bed", "robot0=find the chair"),
        ("robot0=find the bed", "--missions"),
        ("robot0=",),
    ],
)
def test_go_refuses_what_is_neither(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        args = go_words(*words)
        args.run(args)
    assert ended.value.code == 2 and capsys.readouterr().err


def up_goals(demo: str, *goals: str) -> dict[str, str]:
    parser = argparse.ArgumentParser()
    commands.add_up(parser)
    words = [word for goal in goals for word in ("--goal", goal)]
    requests = _goals(parser.parse_args([demo, *words]), {a.name: a.default for a in graph.ARGUMENTS})
    return {robot: request.instruction for robot, request in requests.items()}


def test_up_gives_goals_to_robots_in_their_order() -> None:
    assert up_goals("multi_robot", "find the bed", "find the tv") == {
        "robot0": "find the bed",
        "robot1": "find the tv",
    }
    assert up_goals("navigate", "find the bed") == {"robot": "find the bed"}
    assert up_goals("multi_robot") == {}
    with pytest.raises(UserError, match="2 goals for 1 robots"):
        up_goals("navigate", "find the bed", "find the tv")
    with pytest.raises(UserError, match="not safety"):
        up_goals("safety", "find the bed")


def trace(x: float, seconds: float = 2.0) -> Trace:
    time = np.arange(0.0, seconds, PERIOD)
    still, words = np.zeros((len(time), 3)), ("",) * len(time)
    pose = still + [x, 0.0, 0.0]
    one = np.ones(len(time))
    return Trace(time, pose, still, still, one, one, one, 0.0 * one, ("pass",) * len(time), words, words)


def test_film_and_plots_show_each_robot_in_its_colour(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra [sim]")
    from vlingnav.fleet_pictures import _COLOURS, draw_plots, film
    from vlingnav.recorder import World

    world = World.of(800_018, 4, "", "diff", "")
    traces = {"robot0": trace(4.0), "robot1": trace(8.0)}
    traces["robot0"].pose[:, 1] = traces["robot1"].pose[:, 1] = 5.4
    told = {"instruction": "find nothing", "outcome": "arrived", "elapsed_s": 1.0}
    people = [(0.0, np.array([[5.0, 5.4, 0.5, 0.0, 0.25]]))]
    frames = list(film(world, traces, people, dict.fromkeys(traces, told)))
    assert len(frames) == 2.0 * 5 + 10
    for colour in _COLOURS[:2]:
        assert (np.abs(frames[0].astype(int) - colour).max(axis=-1) < 12).sum() > 200
    assert (frames[0] != frames[-1]).any(), "the outcome is said at the end"
    draw_plots(traces, dict.fromkeys(traces, told), tmp_path / "plots.png")
    assert (tmp_path / "plots.png").stat().st_size > 10_000


def test_how_close_they_came_is_between_places_of_one_time(ros: Any) -> None:
    nodes = {name: rclpy.create_node("listener", namespace=name) for name in ("a", "b")}
    record = FleetRecord(nodes)
    for number, track in enumerate(record._tracks.values()):
        for k in range(11):
            state = SafetyState()
            state.header.stamp = convert.stamp(0.1 * k)
            track.states.append(state)
            # Both pass the origin, half a second apart.
            track.way.poses.append(np.array([0.1 * k - 0.5 * number, 0.0, 0.0]))
            track.way.stamps.append(0.1 * k)
    assert record.closest() == pytest.approx(0.5)
    for node in nodes.values():
        node.destroy_node()
