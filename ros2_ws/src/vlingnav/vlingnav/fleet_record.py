"""What a fleet leaves behind: for each robot a table of where it was and what its filter did, film and plots.

All robots' time is the stamp of their messages, so that what is side by side in the pictures was so.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node

from vlingnav import convert, topics
from vlingnav.recorder import FILM_RATE_HZ, Way, World
from vlingnav_interfaces.msg import People, SafetyState

Array = NDArray[np.float64]

STATUS = {
    SafetyState.PASS: "pass",
    SafetyState.FILTERED: "filtered",
    SafetyState.BRAKE: "brake",
    SafetyState.OVERRIDE: "override",
}


@dataclass(frozen=True)
class Trace:
    """One robot through one run: a row for each command that its filter gave.

    Attributes:
        time: `(K,)` [s].
        pose: `(K, 3)` x, y [m], yaw [rad].
        desired, applied: `(K, 3)` vx, vy [m/s], wz [rad/s].
        barrier: `(K,)` h [m^2].
        clearance: `(K,)` [m].
        gain: `(K,)` class-K gain [1/s].
        slack: `(K,)`.
        status, constraint, reason: K words each.
    """

    time: Array
    pose: Array
    desired: Array
    applied: Array
    barrier: Array
    clearance: Array
    gain: Array
    slack: Array
    status: tuple[str, ...]
    constraint: tuple[str, ...]
    reason: tuple[str, ...]

    def at(self, time: float) -> int:
        """The row in force at `time` [s]."""
        return max(int(np.searchsorted(self.time, time, "right")) - 1, 0)

    def write(self, file: Path) -> None:
        """As a table."""
        body = ("vx_{}_mps", "vy_{}_mps", "wz_{}_radps")
        head = ["time_s", "x_m", "y_m", "yaw_rad"]
        head += [name.format(which) for which in ("desired", "applied") for name in body]
        head += ["barrier_m2", "clearance_m", "gain_per_s", "slack", "status", "constraint", "reason"]
        columns = [self.time, self.pose, self.desired, self.applied]
        columns += [self.barrier, self.clearance, self.gain, self.slack]
        numbers = np.column_stack(columns)
        words = zip(self.status, self.constraint, self.reason, strict=True)
        with file.open("w", newline="", encoding="utf-8") as stream:
            table = csv.writer(stream)
            table.writerow(head)
            for row, text in zip(numbers, words, strict=True):
                table.writerow([f"{value:.4f}" for value in row] + list(text))


class _Track:
    """Listens to one robot."""

    def __init__(self, node: Node) -> None:
        self.way = Way(node)
        self.states: list[SafetyState] = []
        topic = topics.SAFETY_STATE
        node.create_subscription(topic.type, topic.name, self.states.append, topic.qos)

    def begin(self) -> None:
        self.way.begin()
        self.states.clear()

    def trace(self) -> Trace:
        states = self.states
        time = np.array([convert.seconds(s.header.stamp) for s in states])
        pose, stamps = np.array(self.way.poses).reshape(-1, 3), np.array(self.way.stamps)
        pose[:, 2] = np.unwrap(pose[:, 2])
        return Trace(
            time=time,
            pose=np.column_stack([np.interp(time, stamps, pose[:, k]) for k in range(3)]),
            desired=np.array([_velocity(s.desired) for s in states]),
            applied=np.array([_velocity(s.applied) for s in states]),
            barrier=np.array([s.barrier_m2 for s in states]),
            clearance=np.array([s.clearance_m for s in states]),
            gain=np.array([s.gain for s in states]),
            slack=np.array([s.slack for s in states]),
            status=tuple(STATUS[s.status] for s in states),
            constraint=tuple(s.constraint for s in states),
            reason=tuple(s.reason for s in states),
        )


class FleetRecord:
    """Listens to all robots while their goals run.

    Args:
        nodes: one in the namespace of each robot.
    """

    def __init__(self, nodes: dict[str, Node]) -> None:
        self._tracks = {name: _Track(node) for name, node in nodes.items()}
        self._people: list[tuple[float, Array]] = []
        topic = topics.PEOPLE_TRUTH
        first = next(iter(nodes.values()))
        first.create_subscription(topic.type, f"/{topic.name}", self._on_people, topic.qos)

    def heard(self) -> bool:
        """Whether all robots have been heard."""
        return all(track.states and track.way.poses for track in self._tracks.values())

    def standing(self) -> bool:
        """Whether all robots stand."""
        return all(track.way.standing() for track in self._tracks.values())

    def begin(self) -> None:
        """Forget what was before."""
        self._people.clear()
        for track in self._tracks.values():
            track.begin()

    def closest(self) -> float:
        """The smallest distance between the centres of two robots at one time [m]; inf for one alone."""
        traces = [track.trace() for track in self._tracks.values() if track.states]
        smallest = np.inf
        for a, b in combinations(traces, 2):
            other = np.column_stack([np.interp(a.time, b.time, b.pose[:, k]) for k in (0, 1)])
            smallest = min(smallest, float(np.hypot(*(a.pose[:, :2] - other).T).min()))
        return smallest

    def write(self, folder: Path, figures: dict[str, Any], world: World | None) -> None:
        """Write result.json, a table for each robot, plots.png, and in simulation topdown.mp4."""
        from vlingnav.fleet_pictures import draw_plots, film

        folder.mkdir(parents=True)
        (folder / "result.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        traces = {name: track.trace() for name, track in self._tracks.items() if track.states}
        for name, trace in traces.items():
            trace.write(folder / f"{name.strip('/').replace('/', '_')}.csv")
        draw_plots(traces, figures["robots"], folder / "plots.png")
        if world is not None:
            from vlingnav_sim.film import write_film

            write_film(
                folder / "topdown.mp4", film(world, traces, self._people, figures["robots"]), FILM_RATE_HZ
            )

    def _on_people(self, message: People) -> None:
        rows = [(p.position.x, p.position.y, p.velocity.x, p.velocity.y, p.radius) for p in message.people]
        self._people.append((convert.seconds(message.header.stamp), np.array(rows).reshape(-1, 5)))


def _velocity(twist: Any) -> tuple[float, float, float]:
    return twist.linear.x, twist.linear.y, twist.angular.z
