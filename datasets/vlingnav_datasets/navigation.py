"""A dataset as training reads it: each step with what the robot would have had there, in arrays.

Of thoughts the dataset keeps the texts alone. Whether a step thinks follows from them, and so does the
memory: it is replayed here with the bounds and the tokenizer of the policy that is to learn from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vlingnav_datasets.lerobot_v3.files import DatasetError
from vlingnav_datasets.lerobot_v3.layout import INFO
from vlingnav_datasets.lerobot_v3.reader import DatasetReader, Episode
from vlingnav_datasets.lerobot_v3.schema import FRONT, GOAL
from vlingnav_policy.memory import Memory, MemoryConfig, count_words
from vlingnav_policy.types import TASKS, Goal, Task

_COLUMNS = (FRONT, "observation.state", "action", "stop", "thought", "summary", "facts")


@dataclass(frozen=True)
class NavigationEpisode:
    """One episode of N steps.

    Attributes:
        index: its number in the dataset. house: seed. success: whether it ended well under its driver.
        goal: what the robot was told, with the goal image where there is one.
        stamps: `(N,)` float64 [s]. dt: between the waypoints of a trajectory [s].
        rgb: `(N, H, W, 3)` uint8.
        poses, velocities: `(N, 3)` float32, odometry [m, m, rad] and body velocity [m/s, m/s, rad/s].
        trajectories: `(N, T, 3)` float32, what the expert would drive, body frame [m, m, rad].
        stops: `(N,)` bool, whether the expert would stop; its trajectory is to be ignored then.
        thinks: `(N,)` bool, the label of the indicator: `<think_on>` or `<think_off>`.
        thoughts, summaries: N texts, empty where it does not think.
        memories: N texts: the memory as the robot reads it at each step, before it thinks there.
        facts: N texts, what was known, as JSON; see `vlingnav_datasets.facts`.
    """

    index: int
    house: int
    success: bool
    goal: Goal
    stamps: NDArray[np.float64]
    dt: float
    rgb: NDArray[np.uint8]
    poses: NDArray[np.float32]
    velocities: NDArray[np.float32]
    trajectories: NDArray[np.float32]
    stops: NDArray[np.bool_]
    thinks: NDArray[np.bool_]
    thoughts: list[str]
    summaries: list[str]
    memories: list[str]
    facts: list[str] = field(repr=False)

    def __len__(self) -> int:
        return len(self.stamps)


class NavigationDataset:
    """Episodes with the columns of `navigation_schema`, read one at a time.

    Iterating goes round what is damaged and says so in `skipped`; `episode` raises instead.

    Args:
        root: folder of the dataset.
        memory, count: bounds of the memory and tokens of a text, those of the policy that is to learn.

    Attributes:
        reader: of the dataset, for what is said of all of it and of each episode.
        skipped: why iterating left out which episodes; each message names the file.

    Raises:
        DatasetError: the dataset cannot be opened, or lacks a column.
    """

    def __init__(
        self,
        root: Path,
        memory: MemoryConfig = MemoryConfig(),
        count: Callable[[str], int] = count_words,
    ) -> None:
        self.reader = DatasetReader(root)
        self._memory, self._count = memory, count
        self.skipped: dict[int, str] = {}
        frame = self.reader.info.frame
        missing = [repr(key) for key in _COLUMNS if key not in frame]
        if not missing and "waypoint_dt_s" not in frame["action"].info:
            missing = ["'waypoint_dt_s' of 'action'"]
        if missing:
            raise DatasetError(
                f"{self.reader.root / INFO} has no {missing[0]}, so nothing can be learned from it; record "
                "one with the columns of `navigation_schema`"
            )

    def __len__(self) -> int:
        """Episodes, the damaged ones too."""
        return len(self.reader)

    def __iter__(self) -> Iterator[NavigationEpisode]:
        for index in range(len(self)):
            try:
                yield self.episode(index)
            except DatasetError as error:
                self.skipped[index] = str(error)

    def look_over(self, index: int) -> None:
        """See that an episode can be read: all of it but its pictures, of which there have to be enough.

        Raises:
            DatasetError: a file of it is damaged or missing; the message names it.
        """
        self.reader.check_videos(index)
        self.reader.rows(index, [key for key in _COLUMNS if key != FRONT])

    def episode(self, index: int) -> NavigationEpisode:
        """Read an episode and decode its pictures.

        Raises:
            DatasetError: a file of it is damaged or missing; the message names it.
        """
        read = self.reader.episode(index)
        state = read.arrays["observation.state"]
        thoughts, summaries = read.texts["thought"], read.texts["summary"]
        return NavigationEpisode(
            index=index,
            house=int(read.meta.extras.get("house", -1)),
            success=bool(read.meta.extras.get("success", False)),
            goal=goal_of(read),
            stamps=np.arange(len(read)) / self.reader.info.fps,
            dt=float(self.reader.info.frame["action"].info["waypoint_dt_s"]),
            rgb=np.stack(list(read.pictures(FRONT))),
            poses=state[:, :3],
            velocities=state[:, 3:],
            trajectories=read.arrays["action"].reshape(len(read), -1, 3),
            stops=read.arrays["stop"],
            thinks=np.array([bool(text) for text in thoughts]),
            thoughts=thoughts,
            summaries=summaries,
            memories=replay(summaries, Memory(self._memory, self._count)),
            facts=read.texts["facts"],
        )


def goal_of(episode: Episode) -> Goal:
    """What the robot was told, with the goal image where the goal is one.

    Raises:
        DatasetError: the video of goal images is damaged.
    """
    said = episode.meta.extras.get("kind")
    kind: Task = next((task for task in TASKS if task == said), "object")
    shown = kind == "image" and GOAL in episode.meta.videos
    return Goal(episode.meta.task, kind, episode.picture(GOAL, 0) if shown else None)


def replay(summaries: list[str], memory: Memory) -> list[str]:
    """The text of `memory` at each step, before the summary of that step is written to it."""
    texts = []
    for number, summary in enumerate(summaries, 1):
        texts.append(memory.text())
        if summary:
            memory.write(number, summary)
    return texts
