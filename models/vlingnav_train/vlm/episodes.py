"""Samples out of a dataset: a few steps of a few episodes, each with what the robot would have had there.

The words remembered and the frames kept are replayed with the bounds of the model that learns, and the frames
that a sample needs are fetched from the episode's video. Cells are not kept from batch to batch, for they are
large (6 MB a frame in `qwen3-vl-4b`); instead several steps of an episode are drawn together, and a frame is
seen once for all of them. Steps are drawn as often as they occur, so that how often it thinks is learned too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vlingnav_datasets.lerobot_v3.files import DatasetError
from vlingnav_datasets.lerobot_v3.schema import FRONT
from vlingnav_datasets.navigation import NavigationDataset
from vlingnav_policy.history import Frame, HistoryConfig, thin
from vlingnav_policy.manifest import CameraSpec
from vlingnav_policy.types import TASKS, Task
from vlingnav_sim.robots import ROBOTS
from vlingnav_train.vlm.batch import Sample, write_sample
from vlingnav_train.vlm.model import VLingNavModel


def frames_kept(stamps: Sequence[float], steps: Sequence[int], config: HistoryConfig) -> dict[int, list[int]]:
    """Indices of the frames that are in memory at each of `steps`, when frames come at `stamps` [s]."""
    kept: list[int] = []
    at: dict[int, list[int]] = {}
    for i in range(max(steps) + 1):
        kept = [*kept, i]
        kept = [kept[k] for k in thin([stamps[k] for k in kept], config)]
        if i in steps:
            at[i] = kept
    return at


class EpisodeSamples:
    """Random samples of a dataset, and of some of its houses none but for testing.

    Args:
        root: folder of the dataset.
        model: which is to learn; its vision tower is used here.
        together: steps drawn of an episode at a time.
        held_out: one house in so many is not learned from.
        skip: leave out what cannot be learned from, instead of refusing the dataset.

    Attributes:
        episodes: numbers of those to learn from. held_out: of those not to.
        skipped: why the others are left out; each message names the file, or the episode.
        steps: to learn from. tasks: kinds of tasks among them.

    Raises:
        DatasetError: it cannot be opened, holds damaged episodes, or there is nothing to learn from.
        ValueError: its trajectories, or its robot's images, are not what the model can learn from.
    """

    def __init__(
        self, root: Path, model: VLingNavModel, together: int = 4, held_out: int = 12, skip: bool = False
    ) -> None:
        writer = model.writer
        self._model, self._together, self._skip = model, together, skip
        self._data = NavigationDataset(root, model.config.memory, writer.text.count)
        self._check_action(root)
        self.skipped: dict[int, str] = {}
        self.episodes: list[int] = []
        self.held_out: list[int] = []
        metas = self._data.reader.metas
        for index, meta in enumerate(metas):
            try:
                self._data.look_over(index)
                writer.instruction(meta.task)
            except (DatasetError, ValueError) as error:
                self.skipped[index] = f"episode {index}: {error}"
            else:
                tested = int(meta.extras.get("house", index)) % held_out == 0
                (self.held_out if tested else self.episodes).append(index)
        if self.skipped and not skip:
            reasons = "\n  ".join(self.skipped.values())
            raise DatasetError(
                f"{len(self.skipped)} of {len(metas)} episodes of {root} cannot be learned from; restore "
                f"them, or leave them out with --skip-damaged:\n  {reasons}"
            )
        if not self.episodes:
            raise DatasetError(f"{root} has no episode to learn from; collect more of them")
        used = [metas[i] for i in self.episodes]
        self._lengths = {i: meta.length for i, meta in enumerate(metas)}
        self.steps = sum(meta.length for meta in used)
        kinds = {meta.extras.get("kind") for meta in used}
        self.tasks: tuple[Task, ...] = tuple(task for task in TASKS if task in kinds)

    @property
    def camera(self) -> CameraSpec:
        """The camera that the dataset's robot sees with.

        Raises:
            ValueError: nobody knows that robot, or its images have another size.
        """
        name = self._data.reader.info.robot_type
        if name not in ROBOTS:
            raise ValueError(f"the dataset's robot is {name!r}; add it and its camera to vlingnav_sim.robots")
        camera = ROBOTS[name].camera
        height, width, _ = self._data.reader.info.frame[FRONT].shape
        if (height, width) != (camera.height, camera.width):
            raise ValueError(
                f"the dataset's images have {height}x{width} px, the camera of robot {name!r} has "
                f"{camera.height}x{camera.width}; add one with that camera to vlingnav_sim.robots"
            )
        return CameraSpec(width, height, camera.hfov, camera.mount_height, camera.pitch)

    def draw(self, size: int, rng: np.random.Generator, held_out: bool = False) -> list[Sample]:
        """So many samples, of episodes to learn from or of those held out.

        Raises:
            DatasetError: a picture cannot be decoded; where damage is skipped, another episode is drawn.
        """
        episodes = np.array(self.held_out if held_out else self.episodes)
        lengths = np.array([self._lengths[index] for index in episodes])
        samples: list[Sample] = []
        while len(samples) < size:
            # The same numbers are drawn whatever is known to be damaged: a resumed training knows less.
            index = int(rng.choice(episodes, p=lengths / lengths.sum()))
            length = self._lengths[index]
            steps = rng.choice(length, min(self._together, length), replace=False)
            if index in self.skipped:
                continue
            try:
                samples += self.samples(index, steps[: size - len(samples)].tolist())
            except DatasetError as error:
                if not self._skip:
                    raise
                self.skipped[index] = f"episode {index}: {error}"
                if set(self.skipped) >= set(episodes.tolist()):
                    raise DatasetError(f"no picture of the dataset can be decoded: {error}") from error
        return samples

    def samples(self, index: int, steps: Sequence[int]) -> list[Sample]:
        """What is to be learned at `steps` of an episode.

        Raises:
            DatasetError: a file of it is damaged; the message names it.
        """
        episode, model, writer = self._data.episode(index), self._model, self._model.writer
        kept = frames_kept(episode.stamps.tolist(), steps, model.config.history)
        needed = sorted({k for frames in kept.values() for k in frames})
        cells = model.see(episode.rgb[needed])
        frames = {
            k: Frame(cells[n], episode.stamps[k], episode.poses[k], maxima=0) for n, k in enumerate(needed)
        }
        shown = None if episode.goal.image is None else model.see(episode.goal.image[None])[0]
        told = writer.instruction(episode.goal.instruction, shown)
        samples = []
        for step in steps:
            thinks = bool(episode.thinks[step])
            samples.append(
                write_sample(
                    writer,
                    writer.prompt(episode.memories[step], told, [frames[k] for k in kept[step]]),
                    episode.trajectories[step],
                    bool(episode.stops[step]),
                    episode.thoughts[step] if thinks else None,
                    episode.summaries[step] if thinks else None,
                )
            )
        return samples

    def _check_action(self, root: Path) -> None:
        config, action = self._model.config, self._data.reader.info.frame["action"]
        waypoints, dt = action.shape[0] // 3, float(action.info["waypoint_dt_s"])
        if (waypoints, dt) != (config.waypoints, config.dt):
            raise ValueError(
                f"{root} has trajectories of {waypoints} waypoints {dt:g} s apart, and the model decides on "
                f"{config.waypoints} waypoints {config.dt:g} s apart"
            )
