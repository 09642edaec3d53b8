"""Old episodes through another policy: the same observations in the same order, and where it differs.

The robot goes where it went then, whatever the policy says now: this compares decisions, not where they
lead. Of an episode that a policy drove, the policy now sees what that one decided on; of others, every frame.
All of it went through a video encoder, so even the same policy decides a little differently.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlingnav_datasets.lerobot_v3 import FRONT, DatasetError, Episode
from vlingnav_datasets.lerobot_v3.layout import INFO, Info
from vlingnav_datasets.navigation import NavigationDataset, goal_of
from vlingnav_datasets.recorded import TELEOPERATION
from vlingnav_policy.se2 import wrap
from vlingnav_policy.types import Observation, Odometry, Policy

Trajectory = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Step:
    """One decision, then and now.

    Attributes:
        episode, frame: where in the dataset. stamp: when it was [s].
        distance_m, turn_rad: from the end of the trajectory then to the end of that now, the longer one cut
            to the other; NaN where either stops, for its trajectory is to be ignored then.
        stop_then, stop_now: whether the task was declared done.
        thought_then, thought_now: the thoughts, empty without one.
        by_hand: a person drove then.
        then, now: the trajectories `(T, 3)` x, y [m], yaw [rad] in the body frame.
    """

    episode: int
    frame: int
    stamp: float
    distance_m: float
    turn_rad: float
    stop_then: bool
    stop_now: bool
    thought_then: str
    thought_now: str
    by_hand: bool
    then: Trajectory = field(repr=False)
    now: Trajectory = field(repr=False)

    def figures(self) -> dict[str, Any]:
        """All but the trajectories."""
        return {key: value for key, value in asdict(self).items() if key not in ("then", "now")}


@dataclass(frozen=True)
class Replay:
    """What came of it: the instruction of each episode, every step, and why episodes were left out."""

    instructions: dict[int, str]
    steps: list[Step]
    skipped: dict[int, str]


def find_dataset(folder: Path) -> Path:
    """The dataset that `folder` is, or that is in it where a recorder made it.

    Raises:
        DatasetError: there is none, or more than one.
    """
    places = (folder, folder / "dataset", *sorted(folder.glob("*/dataset")))
    found = [place for place in places if (place / INFO).is_file()]
    if not found:
        raise DatasetError(f"no dataset in {folder}: {INFO} is missing; record one, or give its path")
    if len(found) > 1:
        raise DatasetError(f"{folder} holds several datasets; choose one of {', '.join(map(str, found))}")
    return found[0]


def replay(
    root: Path,
    policy: Policy,
    episodes: Sequence[int] | None = None,
    progress: Callable[[int], None] = lambda episode: None,
) -> Replay:
    """Run episodes of the dataset at `root` through `policy`.

    Args:
        episodes: their numbers, None for all.
        progress: told of each episode before it begins.

    Raises:
        DatasetError: the dataset cannot be opened, or has no such episode.
        PolicyUnavailable: the policy runs elsewhere and gave no decision in time.
    """
    dataset = NavigationDataset(root)
    done = Replay({}, [], {})
    for index in range(len(dataset)) if episodes is None else episodes:
        if not 0 <= index < len(dataset):
            raise DatasetError(f"{root} has no episode {index}; it has {len(dataset)}, counted from 0")
        progress(index)
        if dataset.reader.metas[index].extras.get("kind") == TELEOPERATION:
            done.skipped[index] = "a person drove without a goal, and a policy has to have one"
            continue
        try:
            episode = dataset.reader.episode(index)
            steps = list(_steps(episode, policy, dataset.reader.info))
        except (
            DatasetError,
            ValueError,
        ) as error:  # ValueError: the policy cannot take the goal or the images
            done.skipped[index] = str(error)
            continue
        done.instructions[index] = episode.meta.task
        done.steps.extend(steps)
    return done


def _steps(episode: Episode, policy: Policy, info: Info) -> Iterator[Step]:
    arrays, texts, count = episode.arrays, episode.texts, len(episode)
    stamps = arrays.get("stamp", np.arange(count) / info.fps)
    decided = arrays.get("decided", np.ones(count, bool))
    by_hand = arrays.get("intervention", np.zeros(count, bool))
    if not decided.any():
        decided = np.ones(count, bool)
    dt = float(info.frame["action"].info["waypoint_dt_s"])
    policy.reset(goal_of(episode))
    for frame, rgb in enumerate(episode.pictures(FRONT)):
        if not decided[frame]:
            continue
        pose, velocity = np.split(arrays["observation.state"][frame].astype(np.float64), 2)
        stamp = float(stamps[frame])
        decision = policy.act(Observation(rgb, stamp, odometry=Odometry(pose, velocity)))
        then, stop = arrays["action"][frame].reshape(-1, 3), bool(arrays["stop"][frame])
        distance, turn = math.nan, math.nan
        if not (stop or decision.stop):
            distance, turn = difference(then, dt, decision.trajectory, decision.dt)
        yield Step(
            episode=episode.meta.index,
            frame=frame,
            stamp=stamp,
            distance_m=distance,
            turn_rad=turn,
            stop_then=stop,
            stop_now=decision.stop,
            thought_then=texts["thought"][frame],
            thought_now=decision.thought or "",
            by_hand=bool(by_hand[frame]),
            then=then,
            now=decision.trajectory,
        )


def difference(one: Trajectory, one_dt: float, other: Trajectory, other_dt: float) -> tuple[float, float]:
    """How far apart two trajectories `(T, 3)` end [m, rad], the longer one cut to the other.

    Args:
        one_dt, other_dt: between their waypoints [s].
    """
    time = min(len(one) * one_dt, len(other) * other_dt)
    x, y, yaw = _at(other, other_dt, time) - _at(one, one_dt, time)
    return math.hypot(x, y), abs(float(wrap(yaw)))


def _at(trajectory: Trajectory, dt: float, time: float) -> NDArray[np.float64]:
    """The pose `(3,)` at `time` [s], with a heading that does not wrap."""
    poses = np.vstack([np.zeros(3), trajectory])
    poses[:, 2] = np.unwrap(poses[:, 2])
    times = dt * np.arange(len(poses))
    return np.array([np.interp(time, times, column) for column in poses.T])


def summary(done: Replay, largest: int = 10) -> dict[str, Any]:
    """Figures of a replay.

    Returns:
        `episodes`, `steps`; `distance_m` and `turn_rad`, each with `median`, `p95`, `max` and `by_hand`, the
        median of the steps that a person drove (None without any); `stops`, `thoughts`: how many steps have
        one in `both`, `then` only, `now` only; `largest`: the steps that differ most; `by_episode`: of each
        the instruction, the median distance and all steps; `skipped`: why episodes were left out.
    """
    steps = done.steps
    return {
        "episodes": len(done.instructions),
        "steps": len(steps),
        "distance_m": _spread([(step.distance_m, step.by_hand) for step in steps]),
        "turn_rad": _spread([(step.turn_rad, step.by_hand) for step in steps]),
        "stops": _agreement([(step.stop_then, step.stop_now) for step in steps]),
        "thoughts": _agreement([(bool(step.thought_then), bool(step.thought_now)) for step in steps]),
        "largest": [step.figures() for step in farthest(steps, largest)],
        "by_episode": [
            {
                "episode": index,
                "instruction": instruction,
                "median_distance_m": _spread([(s.distance_m, False) for s in mine])["median"],
                "steps": [step.figures() for step in mine],
            }
            for index, instruction in done.instructions.items()
            for mine in [[step for step in steps if step.episode == index]]
        ],
        "skipped": dict(done.skipped),
    }


def farthest(steps: Sequence[Step], count: int) -> list[Step]:
    """The steps at which both drive and which differ most, the farthest apart first."""
    driven = [step for step in steps if not math.isnan(step.distance_m)]
    return sorted(driven, key=lambda step: -step.distance_m)[:count]


def table(done: Replay, largest: int = 10) -> str:
    """The largest differences and the stops that only one of the two made, for a person to read."""
    lines = ["episode  frame   time    apart     turn   then / now"]
    for step in farthest(done.steps, largest):
        lines.append(
            f"{step.episode:7d} {step.frame:6d} {_clock(step, done)} {step.distance_m:6.2f} m "
            f"{math.degrees(step.turn_rad):6.0f}°   {_words(step.thought_then)} / {_words(step.thought_now)}"
        )
    odd = [step for step in done.steps if step.stop_then != step.stop_now]
    for step in odd[:largest]:
        stops = "stopped then, not now" if step.stop_then else "stops now, did not then"
        lines.append(f"{step.episode:7d} {step.frame:6d} {_clock(step, done)}                    {stops}")
    if len(odd) > largest:
        lines.append(f"… and {len(odd) - largest} more stops of one of the two")
    return "\n".join(lines)


def _clock(step: Step, done: Replay) -> str:
    """Time since the episode's first step, as the table has it."""
    begin = next(first.stamp for first in done.steps if first.episode == step.episode)
    return f"{step.stamp - begin:6.1f} s"


def _words(thought: str) -> str:
    return (thought if len(thought) <= 40 else thought[:39] + "…") or "–"


def _spread(values: Sequence[tuple[float, bool]]) -> dict[str, float | None]:
    table = np.array(values, np.float64).reshape(-1, 2)
    table = table[~np.isnan(table[:, 0])]
    hand = table[table[:, 1] > 0.0, 0]
    names = ("median", "p95", "max")
    found = np.percentile(table[:, 0], [50, 95, 100]).tolist() if len(table) else [None] * 3
    return {**dict(zip(names, found, strict=True)), "by_hand": float(np.median(hand)) if len(hand) else None}


def _agreement(pairs: Sequence[tuple[bool, bool]]) -> dict[str, int]:
    return {
        "both": sum(then and now for then, now in pairs),
        "then": sum(then and not now for then, now in pairs),
        "now": sum(now and not then for then, now in pairs),
    }
