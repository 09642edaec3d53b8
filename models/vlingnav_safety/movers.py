"""Everything the robot must keep clear of, as discs that may move: hits, robots, people, keep-out zones.

A disc that was seen `age` ago and has the speed v is within v (age + t) of where it was, t from now, whatever
way it turned. What can speed up counts as if it had done so until this robot's next command acts:

    v = min(top, |velocity| + acceleration (age + delay + period)).

A robot that `brakes` runs this filter too. It then gets no further than

    reach = v (age + delay + period) + v^2 / (2 acceleration),

since whatever it does after that, it does in view of this robot. Each answers for all of its own motion and
none for the other's, and that is enough without a server and without a common beat: take the last commands of
two robots before they touch, and of these the later. It was certified against everything that the other had
commanded before and could still do while stopping, and the other commanded nothing since. Bounded delays
enter by `age` and `delay`, uncertainty in position by the radius.

The edges of a keep-out zone are walls that no lidar sees: points a few centimetres apart, each with half of
that as its radius.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlingnav_safety.history import into
from vlingnav_safety.types import Neighbours

Array = NDArray[np.float64]
Polygon = tuple[tuple[float, float], ...]

_SPACING = 0.05  # [m] between the points of a keep-out zone's edge


@dataclass(frozen=True)
class Movers:
    """M discs, hits first, then robots and people, then edges of keep-out zones.

    Attributes:
        points: `(M, 2)` centres [m] in the body frame of now.
        radius: `(M,)` [m].
        speed: `(M,)` bound of the speed of each [m/s].
        age: `(M,)` time since it was there [s].
        reach: `(M,)` how far it can get from there before it stands [m].
        person: `(M,)` whether it is a person.
        names: of each that is no hit.
    """

    points: Array
    radius: Array
    speed: Array
    age: Array
    reach: Array
    person: NDArray[np.bool_]
    names: tuple[str, ...]

    def name(self, index: int) -> str:
        """What disc `index` is: "hit", "robot1", "person 0", "keep-out 2"."""
        number = index - (len(self.points) - len(self.names))
        return self.names[number] if number >= 0 else "hit"


class KeepOut:
    """Zones that the robot must stay out of, as polygons `((x, y), ...)` [m] in the frame of the odometry."""

    def __init__(self, polygons: tuple[Polygon, ...], sight: float) -> None:
        """Lay points along the edges.

        Args:
            polygons: the zones.
            sight: how far off a thing that stands in the way may matter [m]: the robot needs it to stop.

        Raises:
            ValueError: a polygon has fewer than three corners, or they are not finite.
        """
        self._polygons = [np.array(polygon, np.float64).reshape(-1, 2) for polygon in polygons]
        points, names = [np.zeros((0, 2))], []
        for number, corners in enumerate(self._polygons):
            if len(corners) < 3 or not np.isfinite(corners).all():
                raise ValueError(f"keep-out zone {number} needs three or more finite corners, not {corners}")
            for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
                count = int(np.ceil(np.hypot(*(end - start)) / _SPACING)) + 1
                points.append(np.linspace(start, end, count))
                names += count * [f"keep-out {number}"]
        self._points, self._names = np.concatenate(points), np.array(names)
        self._sight = sight + 0.5 * _SPACING

    def near(self, pose: Array) -> tuple[Array, tuple[str, ...]]:
        """Edge points `(K, 2)` within sight of `pose (3,)`, in its frame, and whose they are."""
        near = np.abs(self._points - pose[:2]).max(axis=1, initial=0.0) < self._sight
        return into(pose, self._points[near]), tuple(self._names[near].tolist())

    def holding(self, pose: Array) -> str:
        """Name of the zone that the robot's centre is in; empty outside all of them."""
        x, y = pose[:2]
        for number, corners in enumerate(self._polygons):
            after = np.roll(corners, -1, axis=0)
            spans = (corners[:, 1] > y) != (after[:, 1] > y)
            (x0, y0), (x1, y1) = corners[spans].T, after[spans].T
            if np.count_nonzero(x < x0 + (y - y0) / (y1 - y0) * (x1 - x0)) % 2:
                return f"keep-out {number}"
        return ""


def gather(
    pose: Array,
    hits: Array,
    hit_age: float,
    hit_speed: float,
    neighbours: Neighbours,
    keep_out: KeepOut,
    reaction: float,
) -> Movers:
    """All discs in the body frame of `pose (3,)`.

    Args:
        pose: of the robot now.
        hits: `(H, 2)` [m] in that frame.
        hit_age: time since they were seen [s].
        hit_speed: bound of their speed [m/s].
        neighbours: robots and people.
        keep_out: zones.
        reaction: time until a command after this one can act, `delay + period` [s].
    """
    edges, edge_names = keep_out.near(pose)
    count, total = len(neighbours.position), len(hits) + len(neighbours.position) + len(edges)
    radius, speed, age, reach = np.zeros(total), np.zeros(total), np.zeros(total), np.full(total, np.inf)
    speed[: len(hits)], age[: len(hits)] = hit_speed, hit_age
    radius[len(hits) + count :] = 0.5 * _SPACING
    person, names = np.zeros(total, np.bool_), neighbours.name
    if count:
        these = slice(len(hits), len(hits) + count)
        present = np.hypot(neighbours.velocity[:, 0], neighbours.velocity[:, 1])
        change = np.broadcast_to(np.asarray(neighbours.acceleration, np.float64), count)
        age[these], radius[these] = neighbours.age, neighbours.radius
        fastest = np.minimum(np.maximum(neighbours.top, present), present + change * (age[these] + reaction))
        speed[these] = fastest
        stops = np.broadcast_to(neighbours.brakes, count) & (change > 0.0)
        stop = fastest[stops] ** 2 / (2.0 * change[stops])
        reach[these][stops] = fastest[stops] * (age[these][stops] + reaction) + stop
        person[these] = neighbours.person
        if not names:
            names = tuple(f"{'person' if p else 'neighbour'} {k}" for k, p in enumerate(person[these]))
    points = np.concatenate([hits, into(pose, neighbours.position), edges])
    return Movers(points, radius, speed, age, reach, person, (*names, *edge_names))
