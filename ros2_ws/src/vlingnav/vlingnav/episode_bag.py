"""The episode in a bag: its pictures, and all else as the arrays that `vlingnav_datasets.recorded` lays out.

Times are the messages' own stamps, which say when a thing was so; what has none was so from its arrival on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.serialization import deserialize_message

from vlingnav import convert, topics
from vlingnav.arbitration import HELD
from vlingnav.bag import read
from vlingnav.definitions import message_class
from vlingnav.errands import OUTCOMES
from vlingnav_datasets.recorded import TELEOPERATION, Heard, Series, Thought
from vlingnav_interfaces.action import Navigate

Picture = NDArray[np.uint8]

NEEDED = (
    topics.GOAL,
    topics.RESULT,
    topics.IMAGE,
    topics.ODOM,
    topics.INTERVENTION,
    topics.REASONING,
    topics.CMD_VEL_DESIRED,
    topics.CMD_VEL,
)
"""Topics that an episode is made from."""
BY_HAND = "driven by hand"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class EpisodeBag:
    """An episode.

    Attributes:
        instruction: what was asked, or `BY_HAND`. kind: of the task, or `TELEOPERATION`.
        goal_image: `(H, W, 3)` uint8 as it was given, None for none.
        outcome: of the goal, "arrived" or another of `OUTCOMES`; `UNKNOWN` where there is none.
        heard: the rest.
    """

    instruction: str
    kind: str
    goal_image: Picture | None
    outcome: str
    heard: Heard


def hear(file: Path, names: Mapping[str, str]) -> EpisodeBag:
    """Read the episode in a bag: from its goal to the goal's end, or as long as a person holds the robot.

    Args:
        file: the bag; it may have been cut off.
        names: absolute name of each topic of `NEEDED`, by its short one.

    Raises:
        BagError, LookupError: see `read` and `message_class`.
    """
    goal, outcome, held, over = Navigate.Goal(), 0, False, False
    stamps: list[float] = []
    thoughts: list[Thought] = []
    rows: dict[str, list[tuple[float, ...]]] = {topic.name: [] for topic in NEEDED}
    for name, message, time in _decoded(file, names):
        match name:
            case topics.GOAL.name:
                over = over or bool(goal.instruction and not message.instruction)
                goal = message if message.instruction else goal
            case topics.RESULT.name:
                outcome = message.outcome
            case topics.INTERVENTION.name:
                over = over or (held and not goal.instruction and message.phase not in HELD)
                held = message.phase in HELD
                rows[name].append((time, message.phase, message.takeovers))
            case topics.IMAGE.name if not over and _picture(message, stamps[-1:]) is not None:
                stamps.append(time)
            case topics.REASONING.name:
                thoughts.append(Thought(time, message.policy, message.thought, message.summary))
            case topics.ODOM.name | topics.CMD_VEL_DESIRED.name | topics.CMD_VEL.name:
                with contextlib.suppress(ValueError):  # not finite: nothing acted on it either
                    rows[name].append((time, *_motion(message)))
    heard = Heard(
        pictures=np.array(stamps),
        odometry=_series(rows[topics.ODOM.name]),
        desired=_series(rows[topics.CMD_VEL_DESIRED.name]),
        applied=_series(rows[topics.CMD_VEL.name]),
        phases=_series(rows[topics.INTERVENTION.name]),
        decisions=tuple(thoughts),
        stopped=outcome == Navigate.Result.ARRIVED,
    )
    if not goal.instruction:
        return EpisodeBag(BY_HAND, TELEOPERATION, None, UNKNOWN, heard)
    goal_image = convert.decode(goal.image)
    said = OUTCOMES.get(outcome, UNKNOWN)
    return EpisodeBag(goal.instruction, goal.task or "object", goal_image, said, heard)


def pictures(file: Path, names: Mapping[str, str]) -> Iterator[Picture]:
    """The pictures `(H, W, 3)` uint8 of a bag, one for each of `Heard.pictures`, and perhaps later ones."""
    image = topics.IMAGE.name
    newest: list[float] = []
    for _, message, time in _decoded(file, {image: names[image]}):
        picture = _picture(message, newest)
        if picture is not None:
            newest = [time]
            yield picture


def _decoded(file: Path, names: Mapping[str, str]) -> Iterator[tuple[str, Any, float]]:
    """Short name, message and time [s] of what came on the topics `names`."""
    short = {absolute: name for name, absolute in names.items()}
    for message in read(file):
        if message.topic in short:
            decoded = deserialize_message(message.data, message_class(message.type))
            header = getattr(decoded, "header", None)
            time = message.time * 1e-9 if header is None else convert.seconds(header.stamp)
            yield short[message.topic], decoded, time


def _picture(message: Any, newest: list[float]) -> Picture | None:
    """The picture of an image; None if it cannot be used or is not newer than `newest`, if there is one."""
    if newest and convert.seconds(message.header.stamp) <= newest[0]:
        return None
    with contextlib.suppress(ValueError):
        return convert.rgb(message)
    return None


def _motion(message: Any) -> tuple[float, ...]:
    """Pose and velocity of an odometry, velocity of a command stamped or not; raises ValueError for NaN."""
    if hasattr(message, "pose"):
        _, odometry = convert.odometry(message)
        return (*odometry.pose, *odometry.velocity)
    return tuple(convert.command(getattr(message, "twist", message)))


def _series(rows: list[tuple[float, ...]]) -> Series:
    table = np.array(sorted(rows, key=lambda row: row[0]), np.float64)
    return Series(table[:, 0], table[:, 1:]) if len(table) else Series(np.zeros(0), np.zeros((0, 0)))
