"""All of `vlingnav rlif-nav`: a policy is watched, a head learns from the takeovers, both are watched again.

Learning goes in rounds, since houses are driven through by as many processes as there are cores: in each one
the head drives with noise through houses of its own, then learns as many steps as there were decisions.
Round 0
is the policy as it is, the same for all methods: RLPD's prior data, and what behaviour cloning begins with.
Two methods learn in the same houses from the same person, RLIF and behaviour cloning of the corrections
(HG-DAgger's). What is reported is the last head of each, as it was exported, in houses that nobody has
learned from.

A round that is done is kept, so what was cut off goes on with the round it was in, and equals what was not.
"""

from __future__ import annotations

import copy
import json
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from vlingnav_policy.load import directory_of
from vlingnav_sim.parallel import over_houses, progress
from vlingnav_sim.tasks import FIRST_HELD_OUT_HOUSE, for_training
from vlingnav_train import ranks
from vlingnav_train.checkpoint import commit
from vlingnav_train.optimise import claim
from vlingnav_train.rlif.method import Setting
from vlingnav_train.rlif.nav.episodes import Watched, Watching, watch_house
from vlingnav_train.rlif.nav.export import export_edited
from vlingnav_train.rlif.nav.figures import change_interval, draw, summary
from vlingnav_train.rlif.nav.head import LIMITS
from vlingnav_train.rlif.nav.methods import LEARNER, METHODS, Editing
from vlingnav_train.rlif.nav.store import load, save
from vlingnav_train.rlif.networks import Actor
from vlingnav_train.rlif.rlpd import RlpdConfig

LONGEST = 300
"""Decisions of an episode, about; so many there is room for in the memory of a method."""


@dataclass(frozen=True)
class NavConfig:
    """One study.

    Attributes:
        houses: seeds (first, end) to learn in; each round has its share of them, round 0 among them.
        test: seeds (first, end) to be measured in.
        rounds: of learning.
        watching: the policy and who watches it.
        learner: of RLIF; its `updates` are for each decision, of one house or another.
        seed: of networks and noise.

    Raises:
        ValueError: too few houses, or houses that are not for what they are taken for.
    """

    houses: tuple[int, int] = (600_000, 600_420)
    test: tuple[int, int] = (710_000, 710_150)
    rounds: int = 6
    watching: Watching = Watching()
    learner: RlpdConfig = LEARNER
    seed: int = 0

    def __post_init__(self) -> None:
        for_training(range(*self.houses))
        if self.test[0] < FIRST_HELD_OUT_HOUSE:
            raise ValueError(
                f"house {self.test[0]} is for training, and says nothing of houses that were never seen; "
                f"test in houses from {FIRST_HELD_OUT_HOUSE} on"
            )
        if not self.part(0):
            raise ValueError(
                f"{len(range(*self.houses))} houses are too few for {self.rounds} rounds and one before; "
                "take more houses, or fewer rounds"
            )

    def part(self, number: int) -> range:
        """The houses of round `number`."""
        share = len(range(*self.houses)) // (self.rounds + 1)
        return range(self.houses[0] + number * share, self.houses[0] + (number + 1) * share)


def rlif_nav(config: NavConfig, out: Path, processes: int | None = None) -> dict[str, Any]:
    """Learn, measure, and leave the edited policies in `out/METHOD/model`.

    Returns:
        `takeovers_per_100m_before`, `success_before`, and the same `_after` RLIF, each with its `_ci95`; and
        of the policy `before` and of each method in `methods` the whole `summary`; in `change_ci95` of a
        method is how its takeovers per 100 m differ from those before.

    Raises:
        ManifestError: there is no such policy.
        ValueError: `out` holds another study, or the policy cannot be edited.
    """
    base = directory_of(config.watching.policy)
    claim(out, asdict(config))
    crew = Crew(config.watching, processes)
    prior = crew.kept(out / "prior.npz", config.part(0), "the policy as it is")
    before = crew.kept(out / "before.npz", range(*config.test), "before, unseen", alone=True)
    curves: dict[str, list[dict[str, Any]]] = {}
    methods: dict[str, dict[str, Any]] = {}
    for name, kind in METHODS.items():
        (folder := out / name).mkdir(exist_ok=True)
        actor, curves[name] = _train(name, kind, config, prior, folder / "state.pt", crew)
        draw(curves, out / "takeovers.png")
        learned = {"method": name, "commit": commit(), "settings": asdict(config)}
        export_edited(base, folder / "model", actor, learned)
        edited = replace(crew, watching=replace(config.watching, policy=str(folder / "model")))
        after = edited.kept(folder / "after.npz", range(*config.test), f"after {name}, unseen", alone=True)
        methods[name] = {**summary(after), "change_ci95": change_interval(before, after)}
    then, now = summary(before), methods["rlif"]
    figures = {
        f"{figure}_{when}{end}": row[f"{figure}{end}"]
        for figure in ("takeovers_per_100m", "success")
        for when, row in (("before", then), ("after", now))
        for end in ("", "_ci95")
    }
    figures |= {"before": then, "methods": methods, "curves": curves, "commit": commit()}
    (out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
    return figures


@dataclass(frozen=True)
class Crew:
    """As many processes as there are cores, or `processes`, to watch robots in houses."""

    watching: Watching
    processes: int | None = None

    def watch(
        self, houses: range, actor: Actor | None, label: str, explore: int | None = None, alone: bool = False
    ) -> list[Watched]:
        """What happened in `houses`; see `watch_house`."""
        actor = None if actor is None else copy.deepcopy(actor).cpu()
        function = partial(watch_house, config=self.watching, actor=actor, explore=explore, alone=alone)
        episodes = over_houses(function, houses, label, self.processes)
        return [episode for episode in episodes if episode is not None]

    def kept(self, file: Path, houses: range, label: str, alone: bool = False) -> list[Watched]:
        """The same of the policy as it is, from `file` if it is there, and kept there if not.

        Raises:
            ValueError: fewer than two of the houses have anything to search for.
        """
        if not file.is_file():
            episodes = self.watch(houses, None, label, alone=alone)
            if len(episodes) < 2:
                raise ValueError(
                    f"of houses {houses[0]} to {houses[-1]} fewer than two have anything to search for, and "
                    "an interval takes two; give more houses"
                )
            save(file, episodes)
        return load(file)


def _train(
    name: str,
    kind: type[Editing],
    config: NavConfig,
    prior: list[Watched],
    state: Path,
    crew: Crew,
) -> tuple[Actor, list[dict[str, Any]]]:
    """All rounds of a method; returns what acts in the end, and the `summary` of each round's episodes."""
    demonstrations = [moment for episode in prior for moment in episode.moments]
    sizes = demonstrations[0].observation.size, len(LIMITS)
    room = LONGEST * len(range(*config.houses))
    method = kind(Setting(*sizes, demonstrations, room, config.learner, config.seed, ranks.device()))
    points = [summary(prior)]
    if state.is_file():
        kept = torch.load(state, map_location="cpu", weights_only=True)
        method.load_state_dict(kept["method"])
        points = kept["points"]
    for number in range(len(points), config.rounds + 1):
        label = f"{name}, round {number} of {config.rounds}"
        episodes = crew.watch(config.part(number), method.actor, label, explore=config.seed)
        moments = [moment for episode in episodes for moment in episode.moments]
        for moment in moments:
            method.keep(moment)
        for _ in progress(moments, len(moments), f"{label}, learning", "step"):
            method.learn()
        points.append(summary(episodes))
        torch.save({"method": method.state_dict(), "points": points}, new := state.with_suffix(".new"))
        new.replace(state)
    return method.actor, points
