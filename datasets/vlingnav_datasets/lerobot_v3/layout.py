"""Where things lie in the LeRobot v3.0 dataset layout, and meta/info.json, which describes them.

    meta/info.json                             features, totals, limits
    meta/stats.json                            moments and quantiles of every column
    meta/tasks.parquet                         instruction -> task_index
    meta/episodes/chunk-000/file-000.parquet   one row an episode: where it lies, and its own stats
    data/chunk-000/file-000.parquet            one row a frame
    videos/<key>/chunk-000/file-000.mp4        pictures of many episodes, one after another

Facts as read from the package `lerobot` 0.4.4 and 0.6.1, which both write codebase_version v3.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from vlingnav_datasets.lerobot_v3.files import DatasetError, read_json, write_json
from vlingnav_datasets.lerobot_v3.schema import DEFAULT_FEATURES, Feature

VERSION = "v3.0"
INFO = "meta/info.json"
STATS = "meta/stats.json"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"


@dataclass(frozen=True, order=True)
class Location:
    """Which file of a kind: its chunk (a folder) and its number therein."""

    chunk: int = 0
    file: int = 0

    def next(self, files_per_chunk: int) -> Location:
        """The file after this one."""
        last = self.file + 1 >= files_per_chunk
        return Location(self.chunk + 1, 0) if last else Location(self.chunk, self.file + 1)

    def path(self, pattern: str, key: str = "") -> str:
        """Path of this file below the dataset's root."""
        return pattern.format(chunk_index=self.chunk, file_index=self.file, video_key=key)


@dataclass(frozen=True)
class Limits:
    """When a file is full and the next one begins.

    A finished episode must survive whatever comes, so the file it is added to is written anew and renamed:
    a limit is also the most that is rewritten for one episode. Hence these are lower than LeRobot's
    (100 and 200 MB), which any reader accepts.

    Attributes:
        data_mb, video_mb: size of a parquet and of a video file [MB].
        video_s: duration of a video file [s]. LeRobot compares times in float32 to 1e-4 s, and float32 cannot
            tell times above 1024 s so finely: at 2.5 frames a second that is a small file.
        files_per_chunk: files in a folder.
    """

    data_mb: float = 4
    video_mb: float = 16
    video_s: float = 1000.0
    files_per_chunk: int = 1000


@dataclass(frozen=True)
class Info:
    """meta/info.json.

    Attributes:
        fps: frames a second; need not be whole.
        frame: the features but the default ones.
    """

    fps: float
    robot_type: str
    frame: Mapping[str, Feature]
    limits: Limits = Limits()
    total_episodes: int = 0
    total_frames: int = 0
    total_tasks: int = 0

    @property
    def all_features(self) -> dict[str, Feature]:
        """The features, the default ones too."""
        return {**self.frame, **{key: Feature(dtype) for key, dtype in DEFAULT_FEATURES.items()}}

    @property
    def rate(self) -> Fraction:
        """Frames a second, as a video counts them."""
        return Fraction(self.fps).limit_denominator(1000)

    def counting(self, episodes: int, frames: int, tasks: int) -> Info:
        """The same with other totals."""
        return replace(self, total_episodes=episodes, total_frames=frames, total_tasks=tasks)

    def write(self, root: Path) -> None:
        """Write to the dataset at `root`."""
        data = {
            "codebase_version": VERSION,
            "robot_type": self.robot_type,
            "total_episodes": self.total_episodes,
            "total_frames": self.total_frames,
            "total_tasks": self.total_tasks,
            "chunks_size": self.limits.files_per_chunk,
            "data_files_size_in_mb": self.limits.data_mb,
            "video_files_size_in_mb": self.limits.video_mb,
            "fps": int(self.fps) if self.fps == int(self.fps) else self.fps,
            "splits": {"train": f"0:{self.total_episodes}"},
            "data_path": DATA_PATH,
            "video_path": VIDEO_PATH,
            "features": {key: _to_json(feature) for key, feature in self.all_features.items()},
        }
        write_json(root, INFO, data)

    @classmethod
    def read(cls, root: Path) -> Info:
        """Read that of the dataset at `root`.

        Raises:
            DatasetError: missing, not JSON, of another version, or without a part that is needed.
        """
        if not (root / INFO).is_file():
            raise DatasetError(f"no dataset in {root}: {INFO} is missing; record one, or give its path")
        data = read_json(root, INFO)
        version = data.get("codebase_version")
        if version != VERSION:
            raise DatasetError(f"{root / INFO} is of version {version}, this reads {VERSION}; convert it")
        if data.get("data_path") != DATA_PATH or (data.get("video_path") or VIDEO_PATH) != VIDEO_PATH:
            raise DatasetError(
                f"{root / INFO} names paths that {VERSION} does not have; restore it from a copy"
            )
        try:
            return cls(
                fps=_positive(data, "fps"),
                robot_type=str(data.get("robot_type")),
                frame={
                    key: _from_json(value)
                    for key, value in data["features"].items()
                    if key not in DEFAULT_FEATURES
                },
                limits=Limits(
                    data_mb=_positive(data, "data_files_size_in_mb"),
                    video_mb=_positive(data, "video_files_size_in_mb"),
                    files_per_chunk=int(_positive(data, "chunks_size")),
                ),
                total_episodes=int(data["total_episodes"]),
                total_frames=int(data["total_frames"]),
                total_tasks=int(data["total_tasks"]),
            )
        except KeyError as error:
            raise DatasetError(f"{root / INFO} lacks {error}; restore it from a copy") from error
        except (TypeError, ValueError, AttributeError) as error:
            raise DatasetError(f"{root / INFO} cannot be used ({error}); restore it from a copy") from error

    def difference(self, other: Info) -> str | None:
        """What keeps episodes recorded as `other` says out of this dataset, None if nothing does."""
        ours, theirs = self._described(), other._described()
        for name in (*ours, *theirs):
            if ours.get(name) != theirs.get(name):
                return f"{name} {ours.get(name)}, not {theirs.get(name)}"
        return None

    def _described(self) -> dict[str, Any]:
        columns = {
            # How pictures are encoded may change: a decoder reads it from the file.
            key: (f.dtype, f.shape, f.names, {} if f.dtype == "video" else dict(f.info))
            for key, f in self.frame.items()
        }
        return {"fps": self.fps, "robot_type": self.robot_type, **columns}


def _positive(data: Mapping[str, Any], key: str) -> float:
    value = data[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ValueError(f"{key} is {value!r}")
    return value


def _to_json(feature: Feature) -> dict[str, Any]:
    data = asdict(feature)
    if not data["info"]:
        del data["info"]
    return data


def _from_json(data: Mapping[str, Any]) -> Feature:
    names = data.get("names")
    return Feature(
        data["dtype"],
        tuple(data["shape"]),
        tuple(names) if isinstance(names, list) else None,
        data.get("info") or {},
    )
