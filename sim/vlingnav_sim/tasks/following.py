"""The following task: stay with a person whom clothes name.

After EVT-Bench (Wang et al., "TrackVLA", 2025): in split "alone" (single-target tracking) nobody else walks
about; in "lookalikes" (its distracted and ambiguous tracking) up to three others pace to and fro beside the
leader's way, at least one of them in one garment of the leader's colour. What is said fits one person only.
The leader begins in the robot's view, walks at a speed the robot can keep up with, and arrives when the time
is up.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vlingnav_policy.se2 import wrap
from vlingnav_policy.tokenizer import split_words
from vlingnav_policy.types import Goal
from vlingnav_sim.grid import OccupancyGrid, clear_line, path_length
from vlingnav_sim.house.model import House, Leader, Person
from vlingnav_sim.house.people import BOTTOMS, TOPS
from vlingnav_sim.tasks.task import PASSABLE_M, FollowTask, Pose
from vlingnav_sim.tasks.walks import CLEARANCE_M, Points, dense, draw_walk
from vlingnav_sim.tasks.words import BOTTOM_GARMENTS, FOLLOW_PHRASES, TOP_GARMENTS

WALK_M = (12.0, 20.0)
"""How far the leader walks [m]; where the house is small, at least `SHORTEST_M`."""
SHORTEST_M = 6.0
SPEED_MPS = (0.3, 0.5)
MOST_LOOKALIKES = 3
PACE_M, PACING_MPS = (0.4, 2.0), (0.2, 0.5)
"""How far they pace to and fro [m], and how fast [m/s]."""
BESIDE_M, SEEN_M = 0.75, 2.5
"""They keep so far from the leader's way [m], or nobody could follow in a narrow room, and no farther."""
TRIES_TO_PACE = 400
START_M = (1.2, 2.2)
"""How far from the leader the robot starts [m]."""
TRIES = 10


def matching_people(people: Sequence[Person], instruction: str) -> tuple[int, ...]:
    """Indices of those whom an instruction such as "follow the person in the red jacket" fits."""
    words = split_words(instruction)
    worn = dict(zip(words[1:], words[:-1], strict=True))
    tops = [worn[piece] for piece in TOP_GARMENTS if piece in worn]
    bottoms = [worn[piece] for piece in BOTTOM_GARMENTS if piece in worn]
    if not tops and not bottoms:
        return ()
    return tuple(
        person.index
        for person in people
        if all(colour == person.top for colour in tops) and all(colour == person.bottom for colour in bottoms)
    )


def sample_follow(
    house: House, grid: OccupancyGrid, rng: np.random.Generator, *, lookalikes: bool
) -> FollowTask:
    """Draw somebody to follow, others when there are to be `lookalikes`, and a start behind the leader.

    Raises:
        ValueError: the house leaves no room for a walk or for a start.
    """
    walks = []
    for _ in range(TRIES):
        walk = draw_walk(house, grid, rng, rng.uniform(*WALK_M))
        start = _start(grid, walk, rng) if path_length(walk) >= SHORTEST_M else None
        if start is not None:
            walks.append((path_length(walk), walk, start))
            if path_length(walk) >= WALK_M[0]:
                break
    if not walks:
        raise ValueError(f"house {house.seed} leaves no room to follow somebody about")
    length, walk, start = max(walks, key=lambda drawn: drawn[0])
    speed = round(float(rng.uniform(*SPEED_MPS)), 2)
    # A person walks round for ever; the way back is there, but the episode ends before it begins.
    points = tuple((float(x), float(y)) for x, y in np.concatenate([walk, walk[-2:0:-1]]).round(3))
    leader = Leader(0, _pick(TOPS, rng), _pick(BOTTOMS, rng), points, speed)
    others = _lookalikes(grid, leader, walk, start, rng) if lookalikes else ()
    if lookalikes and not others:
        raise ValueError(f"house {house.seed} leaves nobody else room to walk about")
    people = (leader, *others)
    return FollowTask(
        house_seed=house.seed,
        start=start,
        goal=Goal(_instruction(people, rng), "follow"),
        targets=(),
        time_limit_s=length / speed,
        shortest_path_m=length,
        people=people,
        leader=leader.index,
    )


def _start(grid: OccupancyGrid, walk: Points, rng: np.random.Generator) -> Pose | None:
    """A pose that looks at the beginning of `walk` from behind or from the side; None where none is free."""
    cells = np.argwhere(grid.clearance > grid.radius + 0.1)
    xy = grid.to_world(cells)
    offset = xy - walk[0]
    away = np.hypot(*offset.T)
    ahead = np.arctan2(*(walk[1] - walk[0])[::-1])
    behind = np.abs(wrap(np.arctan2(offset[:, 1], offset[:, 0]) - ahead)) > 0.5 * np.pi
    person = (walk[0, ::-1] - np.array(grid.origin)[::-1]) / grid.resolution
    for i in rng.permutation(np.flatnonzero(behind & (away > START_M[0]) & (away < START_M[1]))):
        if clear_line(grid.clearance > PASSABLE_M, *(cells[i] + 0.5), *person):
            towards = np.arctan2(-offset[i, 1], -offset[i, 0])
            return float(xy[i, 0]), float(xy[i, 1]), float(wrap(towards + rng.uniform(-0.35, 0.35)))
    return None


def _lookalikes(
    grid: OccupancyGrid, leader: Leader, walk: Points, start: Pose, rng: np.random.Generator
) -> tuple[Person, ...]:
    """Others who pace to and fro in sight of the leader's way, the first of them partly dressed alike."""
    cells = np.argwhere(grid.clearance > CLEARANCE_M)
    places, led = grid.to_world(cells), dense(walk, 0.2)
    gaps = np.hypot(*(places[:, None] - led).transpose(2, 0, 1))
    beside = (gaps.min(axis=1) > BESIDE_M) & (np.hypot(*(places - start[:2]).T) > START_M[0])
    lanes = np.zeros_like(grid.free)
    lanes[tuple(cells[beside].T)] = True
    near = np.flatnonzero(beside & (gaps.min(axis=1) < SEEN_M))
    people: list[Person] = []
    count = int(rng.integers(1, MOST_LOOKALIKES + 1))
    for i, j in near[rng.integers(len(near), size=(TRIES_TO_PACE, 2))] if len(near) else ():
        passed = grid.to_cell(led[np.argmin(gaps[i])])
        if (
            PACE_M[0] < np.hypot(*(places[i] - places[j])) < PACE_M[1]
            and clear_line(lanes, *(cells[i] + 0.5), *(cells[j] + 0.5))
            and clear_line(~grid.opaque, *(cells[i] + 0.5), *(passed + 0.5))
        ):
            same = rng.integers(3) if people else rng.integers(2)  # the top, the bottom, or neither
            top = leader.top if same == 0 else _pick([c for c in TOPS if c != leader.top], rng)
            bottom = leader.bottom if same == 1 else _pick([c for c in BOTTOMS if c != leader.bottom], rng)
            path = tuple((float(x), float(y)) for x, y in places[[i, j]].round(3))
            speed = round(float(rng.uniform(*PACING_MPS)), 2)
            people.append(Person(1 + len(people), top, bottom, path, speed))
        if len(people) == count:
            break
    return tuple(people)


def _instruction(people: Sequence[Person], rng: np.random.Generator) -> str:
    """One that fits the first of `people` and nobody else."""
    top = f"the {people[0].top} {_pick(TOP_GARMENTS, rng)}"
    bottom = f"the {people[0].bottom} {_pick(BOTTOM_GARMENTS, rng)}"
    clothes = (top, bottom, f"{top} and {bottom}")
    phrase = _pick(FOLLOW_PHRASES, rng)
    fitting = [c for c in clothes if matching_people(people, c) == (0,)]
    return phrase.format(fitting[rng.integers(len(fitting))])


def _pick(choice: Sequence[str], rng: np.random.Generator) -> str:
    return choice[int(rng.integers(len(choice)))]
