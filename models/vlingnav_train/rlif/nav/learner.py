"""From what a robot recorded to the next version of its policy: `vlingnav train rlif`, the node `learner`.

Every fifth episode is not learned from, but tells whether the new head is better than the one in use: nearer
to what people did in takeovers, and to what the robot did where nobody minded. One that is not is thrown
away, and a sentence says so. One that is becomes a version of its own and is put in use; the policy node
takes it up with the next goal, and `vlingnav rollback` undoes that: the policy as it was is a version, too.
What was taken back is not learned again before there are more episodes.

An episode that is damaged, or has a goal that the policy cannot take on, is left out, and a sentence says so;
where people drove without a goal, or the goal ended before a decision, there is nothing to learn.

A head is learned anew from all episodes each time: there are few, and so the same dataset gives the same head
as long as there is time enough.
"""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from vlingnav_datasets.lerobot_v3.files import DatasetError, lock
from vlingnav_datasets.lerobot_v3.reader import DatasetReader
from vlingnav_datasets.recorded import TELEOPERATION
from vlingnav_policy.engines import open_engine
from vlingnav_policy.learned import Learned
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
from vlingnav_train.rlif.nav.recorded import check_columns, moments_of
from vlingnav_train.rlif.nav.store import load, save
from vlingnav_train.rlif.rlpd import RlpdConfig
from vlingnav_train.rlif.trial import Moment

HELD_OUT = 5
"""Of so many episodes one is not learned from."""
CALM = 12
"""Nobody minded what the robot did when no takeover came within so many decisions."""
REPORT_S = 1.0
"""Between two reports of how far it is."""
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


class Report(Protocol):
    """Told about once a second how far it is."""

    def __call__(self, stage: str, share: float, error: float | None) -> None:
        """Say that `share` of `stage` is done, and on episodes left out the head is off by `error` now."""


def unheard(stage: str, share: float, error: float | None) -> None:
    """Report to nobody."""


def learn_version(
    dataset: Path,
    versions: Versions,
    policy: str,
    config: LearnConfig,
    report: Report = unheard,
) -> Learned:
    """Learn from `dataset` and put a new version in use if it is better; what came of it is kept, too.

    Args:
        policy: what is edited while there is no version yet; see `load_policy`.

    Raises:
        DatasetError: the dataset is damaged as a whole, or another process learns these versions.
        ManifestError: there is no such policy, or the version in use is not what its manifest says.
        ValueError: the policy cannot be edited.
    """
    claimed = lock(versions.root)
    try:
        learned = _learn(dataset, versions, policy, config, report)
        learned.write(versions.root)
    finally:
        os.close(claimed)
    return learned


def _learn(dataset: Path, versions: Versions, policy: str, config: LearnConfig, report: Report) -> Learned:
    in_use = directory_of(versions.root / CURRENT if versions.current() else policy)
    recorded = _episodes(dataset, versions.root, in_use, report)
    learned, checked = (
        [e for k, e in enumerate(recorded.episodes) if (k % HELD_OUT == HELD_OUT - 1) == out]
        for out in (False, True)
    )
    moments = [moment for episode in learned for moment in episode.moments]
    takeovers, held_out = (sum(sum(e.takeovers.values()) for e in part) for part in (learned, checked))
    left_out = recorded.left_out
    besides = f"; {len(left_out)} of the dataset cannot be learned from: {left_out[0]}" if left_out else ""

    def ended(
        version: str | None, why: str, error: float | None = None, error_in_use: float | None = None
    ) -> Learned:
        return Learned(
            version, versions.current(), why + besides, error, error_in_use, takeovers, held_out,
            recorded.count, len(recorded.episodes),
        )  # fmt: skip

    newest = max(versions.names(), default=None)
    if newest not in (None, versions.current()):  # it was taken back, and would come out again
        about = Manifest.read(versions.root / newest).training["edit"]
        if about["episodes"] == recorded.count:
            return ended(
                None, f"version {newest} was learned from these episodes and was taken back; record more"
            )
    few = len(moments) < config.learner.batch or not any(m.held for m in moments)
    if few or not takeovers or not held_out:
        return ended(
            None,
            f"{len(recorded.episodes)} episodes with {takeovers} takeovers to learn from and {held_out} to "
            "check with are too few; record more",
        )
    # RLIF learns from all alike; what imitates takeovers needs to be shown where there is nothing to change.
    shown = calm(learned) if config.method == "bc" else []
    sizes = moments[0].observation.size, len(LIMITS)
    method = METHODS[config.method](
        Setting(*sizes, shown, len(moments), config.learner, config.seed, torch.device("cpu"))
    )
    for moment in moments:
        method.keep(moment)

    def new(features: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return method.actor.best(torch.from_numpy(features))[:, :2].numpy()

    steps, most = config.steps * len(moments), 60.0 * config.minutes
    begin, said = time.monotonic(), -math.inf
    for step in progress(range(steps), steps, "learning", "step"):
        now = time.monotonic()
        if now - begin > most:
            break
        if now - said > REPORT_S:
            report("learning", max(step / steps, (now - begin) / most), disagreement(new, checked))
            said = now
        method.learn()
    error, error_in_use = (disagreement(head, checked) for head in (new, _head(in_use)))
    compared = (
        f"on {len(checked)} episodes left out it is off by {error:.3f}, the one in use by {error_in_use:.3f}"
    )
    if not error < error_in_use:
        why = f"what was learned is no better, and not offered: {compared}"
        return ended(None, why, error, error_in_use)
    about = {
        "method": config.method, "commit": commit(), "settings": asdict(config), "dataset": str(dataset),
        "error": error, "error_in_use": error_in_use, "takeovers": takeovers,
        "episodes": recorded.count,
    }  # fmt: skip
    if not versions.names():  # there shall be a way back
        versions.use(versions.add(lambda folder: shutil.copytree(in_use, folder)))
    name = versions.add(lambda folder: export_edited(in_use, folder, method.actor, about, DRIVEN))
    versions.use(name)
    return ended(name, f"version {name} is in use from the next goal on: {compared}", error, error_in_use)


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


@dataclass(frozen=True)
class _Recorded:
    """Of the `count` episodes of a dataset those that count, and why `left_out` are not among them."""

    episodes: list[Watched]
    left_out: list[str]
    count: int


def _episodes(dataset: Path, root: Path, in_use: Path, report: Report) -> _Recorded:
    """What was recorded; each episode is gone through once, and then kept in `root/episodes`."""
    reader, kept = DatasetReader(dataset), root / "episodes"
    check_columns(reader)
    kept.mkdir(parents=True, exist_ok=True)
    # By its bag, of which there is no second: a dataset may be thrown away and begun anew.
    files = {
        index: kept / f"{'-'.join(filter(None, (f'{index:06}', meta.extras.get('bag'))))}.npz"
        for index, meta in enumerate(reader.metas)
        if meta.extras.get("kind") != TELEOPERATION
    }
    missing = [index for index, file in files.items() if not file.is_file()]
    left_out: list[str] = []
    if missing:
        policy: Any = load_policy(in_use, threads=1)
        if not isinstance(policy, NanoPolicy):
            raise ValueError(f"{in_use} is not run by nano, and only nano can be edited")
        for done, index in enumerate(progress(missing, len(missing), "reading", "episode")):
            report("reading", done / len(missing), None)
            try:
                save(files[index], [moments_of(reader.episode(index), policy)])
            except (DatasetError, ValueError) as error:
                left_out.append(f"episode {index}, {error}")
                del files[index]
    episodes = [episode for file in files.values() for episode in load(file) if episode.moments]
    return _Recorded(episodes, left_out, len(reader))
