"""Collects episodes into a dataset, and goes on where it was interrupted.

What is in the dataset tells where to go on: its last episode names its house, and of that house the episodes
that are missing are recorded. So whenever it is killed, started again it ends with the dataset that it would
have made at one go, byte for byte and whatever the number of processes.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from vlingnav_datasets.annotate.lexicon import write_lexicon
from vlingnav_datasets.lerobot_v3 import (
    FRONT,
    GOAL,
    DatasetReader,
    DatasetWriter,
    Feature,
    Schema,
    navigation_schema,
)
from vlingnav_datasets.lerobot_v3.files import UNFINISHED, read_json, write_json
from vlingnav_datasets.lerobot_v3.layout import INFO
from vlingnav_sim.episode import Rates
from vlingnav_sim.experts.trajectories import TrajectoryConfig
from vlingnav_sim.lexicon import LEXICON
from vlingnav_sim.parallel import over_processes
from vlingnav_sim.robots import DIFF
from vlingnav_train.collecting.houses import CollectionConfig, collect_house
from vlingnav_train.collecting.recording import Recording

COLLECTION = "meta/collection.json"
"""The configuration that a dataset was collected with."""
ROBOT = DIFF

Over = Callable[[Callable[[int], list[Recording]], Iterable[int]], Generator[list[Recording], None, None]]

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class CollectionRefused(Exception):
    """The dataset cannot be collected there, or not now; one sentence says why and what to do."""


@dataclass(frozen=True)
class Collected:
    """What is in the dataset now: episodes, and how many of them are new; steps; houses they are from."""

    episodes: int
    new: int
    steps: int
    houses: int


def collect(
    root: Path,
    episodes: int,
    config: CollectionConfig = CollectionConfig(),
    over: Over = partial(over_processes, processes=1),
    progress: bool = True,
) -> Collected:
    """Collect until the dataset at `root` holds so many `episodes`.

    Args:
        root: a folder that is new, empty, or holds what the same `config` collected.
        over: spreads houses: `over_processes` or `over_ray`, with its own arguments bound.
        progress: whether to show a bar.

    Raises:
        CollectionRefused: the folder holds something else, the disk is full, or houses ran out.
        DatasetError: what is in the folder is damaged or being written by another process.
        WorkersLost: whoever did the work is gone.
    """
    _check_folder(root, config)
    try:
        with DatasetWriter(root, schema(config), 1.0 / Rates().decision_s, ROBOT.name) as writer:
            before = writer.episodes
            if not before:
                write_json(root, COLLECTION, _as_json(config))
                write_lexicon(root, LEXICON)
            with tqdm(
                total=episodes, initial=before, unit="episode", desc=root.name, disable=not progress
            ) as bar:
                for recording, house in _missing(root, before, episodes, config, over):
                    _write(writer, recording, house, goal_image="image" in config.tasks)
                    bar.update()
            if writer.episodes < episodes:
                raise CollectionRefused(
                    f"houses {config.first_seed} to {config.seeds[-1]} gave {writer.episodes} episodes, and "
                    "there are no more for training; begin with a lower seed in a new folder"
                )
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise CollectionRefused(
            f"there is no room left in {root} ({error.strerror}); make room and start the same command "
            "again, which goes on where this one ended"
        ) from error
    metas = DatasetReader(root).metas
    houses = len({meta.extras["house"] for meta in metas})
    return Collected(len(metas), len(metas) - before, sum(meta.length for meta in metas), houses)


def schema(config: CollectionConfig) -> Schema:
    """Columns of a collected dataset: those of `navigation_schema`, and what only a simulator can tell."""
    camera, shape = ROBOT.camera, TrajectoryConfig()
    plain = navigation_schema(
        camera.height, camera.width, shape.waypoints, shape.dt, goal_image="image" in config.tasks
    )
    return plain.extended(frame={"detour": Feature("bool")}, episode={"split": "string", "target": "string"})


def _check_folder(root: Path, config: CollectionConfig) -> None:
    """Refuse a folder that holds anything but what `config` collected."""
    if not (root / INFO).is_file():
        if root.is_dir() and {path.name for path in root.iterdir()} - {UNFINISHED, "meta"}:
            raise CollectionRefused(f"{root} is not empty and holds no dataset; name a new folder")
        return
    if not (root / COLLECTION).is_file():
        if read_json(root, INFO).get("total_episodes"):
            raise CollectionRefused(f"{root} holds a dataset that was not collected here; name a new folder")
        return
    held, wanted = read_json(root, COLLECTION), _as_json(config)
    for name in dict.fromkeys([*held, *wanted]):
        if held.get(name) != wanted.get(name):
            raise CollectionRefused(
                f"{root} was collected with {name} {json.dumps(held.get(name))}, not "
                f"{json.dumps(wanted.get(name))}; name a new folder, or the same to go on"
            )


def _as_json(config: CollectionConfig) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(json.dumps(asdict(config)))
    return data


def _missing(
    root: Path, before: int, episodes: int, config: CollectionConfig, over: Over
) -> Iterator[tuple[Recording, int]]:
    """The recordings that come after the first `before`, each with the seed of its house."""
    missing, seeds, there = episodes - before, config.seeds, 0
    if before:
        houses = [meta.extras["house"] for meta in DatasetReader(root).metas]
        seeds, there = range(houses[-1], seeds.stop), houses.count(houses[-1])
    if missing <= 0:
        return
    with closing(over(partial(collect_house, config=config), seeds)) as results:
        for seed, recordings in zip(seeds, results, strict=True):
            for recording in recordings[there:]:
                yield recording, seed
                missing -= 1
                if not missing:
                    return
            there = 0


def _write(writer: DatasetWriter, recording: Recording, house: int, goal_image: bool) -> None:
    goal = recording.goal
    constant: dict[str, Any] = {"thought": "", "summary": ""}
    if goal_image:
        constant[GOAL] = np.zeros_like(recording.rgb[0]) if goal.image is None else goal.image
    for k in range(len(recording)):
        writer.add_frame(
            {
                FRONT: recording.rgb[k],
                "observation.state": recording.states[k],
                "action": recording.trajectories[k].ravel(),
                "stop": recording.stops[k],
                "detour": recording.detours[k],
                "facts": recording.facts[k],
                **constant,
            }
        )
    extras = {
        "house": house,
        "kind": goal.task,
        "success": recording.success,
        "split": recording.split,
        "target": recording.target,
    }
    writer.end_episode(goal.instruction, extras)
