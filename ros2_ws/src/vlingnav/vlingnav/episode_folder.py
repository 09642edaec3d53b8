"""A folder of recorded episodes, and the thread that makes dataset episodes of bags.

    FOLDER/recording/   bags being written, or not in the dataset yet
    FOLDER/bags/        all others, one an episode
    FOLDER/dataset/     LeRobot v3; an episode's column `bag` names the bag that it was made from

What is unusual: the bag is the journal of its episode. While an episode runs nothing else is kept of it, and
what the bag holds is not lost with the process: started again, the thread finds the bag and goes on. It may
be killed at any moment, for the column `bag` tells what is in the dataset already.
"""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from vlingnav import convert
from vlingnav.bag import SUFFIX, mend
from vlingnav.episode_bag import hear, pictures
from vlingnav_datasets.lerobot_v3 import FRONT, GOAL, DatasetError, DatasetReader, DatasetWriter
from vlingnav_datasets.lerobot_v3.files import lock
from vlingnav_datasets.recorded import lay_out, recorded_schema


class FolderRefused(Exception):
    """Nothing can be recorded there; one sentence says why."""


@dataclass(frozen=True)
class EpisodeFolder:
    """The folder of one robot.

    Attributes:
        root: it.
        names: absolute name of each topic that episodes are made from.
        fps: frames a second of the dataset. width, height: of its pictures [px].
        robot_type: as the dataset names it.
    """

    root: Path
    names: Mapping[str, str]
    fps: float
    width: int
    height: int
    robot_type: str

    @property
    def recording(self) -> Path:
        """Where bags are written."""
        return self.root / "recording"

    @property
    def dataset(self) -> Path:
        """Where the dataset is."""
        return self.root / "dataset"

    def claim(self) -> int:
        """Make the folders, see that the dataset can take these episodes, and keep others out.

        Returns:
            A file descriptor; until it is closed no other recorder may have the folder, for it would take a
            bag that is being written for one that was cut off.

        Raises:
            FolderRefused: another has it, it cannot be made, its dataset is damaged or was recorded
                otherwise, or there can be no pictures of that size.
        """
        try:
            self.recording.mkdir(parents=True, exist_ok=True)
            (self.root / "bags").mkdir(exist_ok=True)
            claimed = lock(self.recording)
            try:
                self._writer().close()
            except BaseException:
                os.close(claimed)
                raise
        except (OSError, DatasetError, ValueError) as error:
            raise FolderRefused(f"cannot record in {self.root}: {error}") from error
        return claimed

    def new_bag(self) -> Path:
        """A file for a bag, named by the time of day."""
        return self.recording / f"{datetime.now():%Y-%m-%d_%H-%M-%S-%f}{SUFFIX}"

    def waiting(self) -> list[Path]:
        """Bags that are being written or not in the dataset yet, the oldest first."""
        return sorted(self.recording.glob(f"*{SUFFIX}"))

    def take_in(self, file: Path) -> int:
        """Make an episode of a bag that is no longer written; how many frames it has.

        A bag without pictures or odometry, as of a goal that failed at once, gives none.

        Raises:
            BagError, LookupError, DatasetError, OSError, ValueError: the bag stays where it is.
        """
        mend(file)
        frames = 0
        with self._writer() as writer:
            known = {meta.extras["bag"] for meta in DatasetReader(self.dataset).metas}
            if file.stem not in known:
                frames = self._write(writer, file)
        os.replace(file, self.root / "bags" / file.name)
        return frames

    def _writer(self) -> DatasetWriter:
        schema = recorded_schema(self.height, self.width)
        return DatasetWriter(self.dataset, schema, self.fps, self.robot_type)

    def _write(self, writer: DatasetWriter, file: Path) -> int:
        episode = hear(file, self.names)
        if not episode.heard.complete:
            return 0
        goal = np.zeros((self.height, self.width, 3), np.uint8)
        if episode.goal_image is not None:
            goal = convert.fit(episode.goal_image, self.width, self.height)
        seen = enumerate(pictures(file, self.names))
        number, picture = next(seen)
        frames = 0
        for shown, values in lay_out(episode.heard, self.fps):
            while number < shown:
                number, picture = next(seen)
            writer.add_frame({FRONT: picture, GOAL: goal, **values})
            frames += 1
        extras = {
            "house": -1,  # no seed of a generated one
            "kind": episode.kind,
            "success": episode.heard.stopped,
            "outcome": episode.outcome,
            "bag": file.stem,
        }
        writer.end_episode(episode.instruction, extras)
        return frames


class EpisodeThread:
    """Takes finished bags into the dataset, one after the other.

    Args:
        folder: of the bags; claimed for as long as the thread runs.
        written: says which bag is being written.
        keep_free: do nothing while the disk has less room than this [bytes].

    Raises:
        FolderRefused: see `EpisodeFolder.claim`.

    Attributes:
        problem: why a bag is not in the dataset, as a sentence; it is tried again after the next one.
        episodes: how many episodes were made.
    """

    def __init__(self, folder: EpisodeFolder, written: Callable[[], Path | None], keep_free: int = 0) -> None:
        self._claimed = folder.claim()
        self._folder, self._written, self._keep_free = folder, written, keep_free
        self.problem = ""
        self.episodes = 0
        self._stopped = False
        self._woken = threading.Event()
        self._woken.set()  # an earlier process may have left bags
        self._thread = threading.Thread(target=self._run, name="episodes", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """A bag is finished."""
        self._woken.set()

    def stop(self, timeout_s: float) -> None:
        """End the thread when all bags are taken in, or leave those that take too long to the next one."""
        self._stopped = True
        self._woken.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        stopped = False
        while not stopped:
            self._woken.wait()
            self._woken.clear()
            stopped, problem = self._stopped, ""
            for file in self._folder.waiting():
                if file == self._written():
                    continue
                try:
                    self._check_room()
                    self.episodes += self._folder.take_in(file) > 0
                except Exception as error:  # whatever it is, the other bags must not wait for it
                    problem = f"{file} is not in the dataset: {type(error).__name__}: {error}"
            self.problem = problem
        os.close(self._claimed)

    def _check_room(self) -> None:
        if shutil.disk_usage(self._folder.root).free < self._keep_free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
