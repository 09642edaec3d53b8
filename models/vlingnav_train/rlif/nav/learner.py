"""From what a robot recorded to the next version of its policy: `vlingnav learn`, beside the graph.

Every fifth episode is not learned from, but tells whether the new head is better than the one in use: nearer
to what people did in takeovers, and to what the robot did where nobody minded. One that is not is thrown
away, and a sentence says so. One that is becomes a version of its own and is put in use; the policy node
takes it up with the next goal, and `vlingnav rollback` undoes that.

A head is learned anew from all episodes each time: there are few, and so the same dataset gives the same head
as long as there is time enough.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vlingnav_datasets.lerobot_v3.reader import DatasetReader
from vlingnav_policy.engines import open_engine
from vlingnav_policy.load import directory_of, load_policy
from vlingnav_policy.manifest import Manifest
from vlingnav_policy.nano import NanoPolicy
from vlingnav_policy.versions import CURRENT, Versions
from vlingnav_sim.parallel import progress
from vlingnav_train.checkpoint import commit
from vlingnav_train.rlif.method import Setting
from vlingnav_train.rlif.nav.episodes import Watched
from vlingnav_train.rlif.nav.export import export_edited
from vlingnav_train.rlif.nav.head import LIMITS
from vlingnav_train.rlif.nav.methods import LEARNER, METHODS
from vlingnav_train.rlif.nav.recorded import moments_of
from vlingnav_train.rlif.nav.store import load, save
from vlingnav_train.rlif.rlpd import RlpdConfig
from vlingnav_train.rlif.trial import Moment

HELD_OUT = 5
"""Of so many episodes one is not learned from."""
CALM = 12
"""Nobody minded what the robot did when no takeover came within so many decisions."""
DRIVEN = LIMITS * np.array([1.0, 1.0, 0.0], np.float32)
"""Of a head that learned on a robot: when to stop is not told by takeovers, see `recorded`."""

Head = Callable[[NDArray[np.float32]], NDArray[Any]]
"""Features `(N, F)` to edits `(N, 2)` in [-1, 1] of speed and turn."""


@dataclass(frozen=True)
class LearnConfig:
    """How a version is learned.

    Attributes:
        minutes: it ends then. steps: of the learner for each decision, if there is time.
        method: of `METHODS`. learner: of RLIF. seed: of networks.
    """

    minutes: float = 5.0
    steps: int = 4
    method: str = "rlif"
    learner: RlpdConfig = LEARNER
    seed: int = 0


@dataclass(frozen=True)
class Learned:
    """What came of it.

    Attributes:
        version: the new one, in use now; None if there is none.
        why: in a sentence.
        error, error_in_use: on held-out episodes, of the new head and of the one in use; see `disagreement`.
        takeovers, held_out: how many were learned from, and checked with.
    """

    version: str | None
    why: str
    error: float | None
    error_in_use: float | None
    takeovers: int
    held_out: int


def learn_version(dataset: Path, versions: Versions, policy: str, config: LearnConfig) -> Learned:
    """Learn from `dataset` and put a new version in use if it is better.

    Args:
        policy: what is edited while there is no version yet; see `load_policy`.

    Raises:
        DatasetError: the dataset is damaged, or was not made by the recorder.
        ManifestError: there is no such policy, or the version in use is not what its manifest says.
        ValueError: the policy cannot be edited.
    """
    in_use = directory_of(versions.root / CURRENT if versions.current() else policy)
    episodes = _episodes(dataset, versions.root, in_use)
    learned, checked = (
        [episode for k, episode in enumerate(episodes) if (k % HELD_OUT == HELD_OUT - 1) == out]
        for out in (False, True)
    )
    moments = [moment for episode in learned for moment in episode.moments]
    counts = [sum(sum(e.takeovers.values()) for e in part) for part in (learned, checked)]
    if len(moments) < config.learner.batch or not all(counts) or not any(m.held for m in moments):
        why = (
            f"{len(episodes)} episodes with {counts[0]} takeovers to learn from and {counts[1]} to check "
            "with are too few; record more"
        )
        return Learned(None, why, None, None, *counts)
    # RLIF learns from all alike; what imitates takeovers needs to be shown where there is nothing to change.
    shown = calm(learned) if config.method == "bc" else []
    sizes = moments[0].observation.size, len(LIMITS)
    method = METHODS[config.method](
        Setting(*sizes, shown, len(moments), config.learner, config.seed, torch.device("cpu"))
    )
    for moment in moments:
        method.keep(moment)
    steps, end = range(config.steps * len(moments)), time.monotonic() + 60.0 * config.minutes
    for _ in progress(steps, len(steps), "learning", "step"):
        if time.monotonic() > end:
            break
        method.learn()

    def new(features: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return method.actor.best(torch.from_numpy(features))[:, :2].numpy()

    error, error_in_use = (disagreement(head, checked) for head in (new, _head(in_use)))
    said = (
        f"on {len(checked)} episodes left out it is off by {error:.3f}, the one in use by {error_in_use:.3f}"
    )
    if not error < error_in_use:
        return Learned(
            None, f"what was learned is no better, and not offered: {said}", error, error_in_use, *counts
        )
    about = {
        "method": config.method, "commit": commit(), "settings": asdict(config), "dataset": str(dataset),
        "error": error, "error_in_use": error_in_use, "takeovers": counts[0],
    }  # fmt: skip
    name = versions.add(lambda folder: export_edited(in_use, folder, method.actor, about, DRIVEN))
    versions.use(name)
    return Learned(
        name, f"version {name} is in use from the next goal on: {said}", error, error_in_use, *counts
    )


def disagreement(head: Head, episodes: Sequence[Watched]) -> float:
    """How far `head` is from what it should do, as a root mean square of edits in [-1, 1].

    The mean of two: of what people did in takeovers, and of what the robot did where nobody minded.
    """
    held = [moment for episode in episodes for moment in episode.moments if moment.held]
    errors = []
    for part in filter(None, (held, calm(episodes))):
        seen, done = np.stack([m.observation for m in part]), np.stack([m.action[:2] for m in part])
        errors.append(float(np.mean((head(seen) - done) ** 2)))
    return float(np.sqrt(np.mean(errors)))


def calm(episodes: Sequence[Watched]) -> list[Moment]:
    """Where the robot drove and nobody minded."""
    return [
        moment
        for episode in episodes
        for k, moment in enumerate(episode.moments)
        if not moment.held and not any(m.before_takeover for m in episode.moments[k : k + CALM])
    ]


def _head(folder: Path) -> Head:
    """That of the model in `folder`; what has none edits nothing."""
    manifest = Manifest.read(folder)
    if "edit" not in manifest.graphs:
        return lambda features: np.zeros((len(features), 2), np.float32)
    engine = open_engine(folder / "edit.onnx", manifest.graphs["edit"], threads=1)
    return lambda features: engine.run({"features": features})["edit"][:, :2] / LIMITS[:2]


def _episodes(dataset: Path, root: Path, in_use: Path) -> list[Watched]:
    """All recorded episodes; each is gone through once, and then kept in `root/episodes`."""
    reader, kept = DatasetReader(dataset), root / "episodes"
    kept.mkdir(parents=True, exist_ok=True)
    files = [kept / f"{index:06}.npz" for index in range(len(reader))]
    missing = [index for index, file in enumerate(files) if not file.is_file()]
    if missing:
        policy: Any = load_policy(in_use, threads=1)
        if not isinstance(policy, NanoPolicy):
            raise ValueError(f"{in_use} is not run by nano, and only nano can be edited")
        for index in progress(missing, len(missing), "reading", "episode"):
            save(files[index], [moments_of(reader.episode(index), policy)])
    return [episode for file in files for episode in load(file)]
