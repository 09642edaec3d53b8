"""A person beside a robot that searches: when they take over, what is learned from it, what is exported."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from vlingnav_cli import UserError
from vlingnav_policy import Goal, ManifestError, Observation, Odometry, load_policy
from vlingnav_policy.edit import edit_trajectory
from vlingnav_policy.load import CHECKPOINTS
from vlingnav_policy.nano import NanoPolicy
from vlingnav_policy.types import Decision
from vlingnav_sim.grid import OccupancyGrid
from vlingnav_sim.house import HouseConfig, generate
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks import NavigationTask, sample_task
from vlingnav_train.rlif import commands
from vlingnav_train.rlif.method import Setting
from vlingnav_train.rlif.nav import study
from vlingnav_train.rlif.nav.episodes import Watch, Watched, Watching, watch_house
from vlingnav_train.rlif.nav.export import export_edited
from vlingnav_train.rlif.nav.figures import change_interval, takeover_interval, takeovers_per_100m
from vlingnav_train.rlif.nav.head import LIMITS, Head, unlearned
from vlingnav_train.rlif.nav.methods import ANCHOR, EditingRlif
from vlingnav_train.rlif.nav.store import load, save
from vlingnav_train.rlif.nav.study import NavConfig, rlif_nav
from vlingnav_train.rlif.nav.watcher import Watcher, WatcherConfig
from vlingnav_train.rlif.networks import Actor
from vlingnav_train.rlif.rlpd import RlpdConfig
from vlingnav_train.rlif.trial import Moment

HOUSE = 600_002
FEATURES = 196
DT = 0.2
STRAIGHT = edit_trajectory(np.zeros((8, 3), np.float32), DT, 0.5, 0.0)


def goes(trajectory: np.ndarray = STRAIGHT, stop: bool = False, stamp: float = 0.0) -> Decision:
    return Decision(trajectory, DT, stamp, stop=stop)


def looks(stamp: float) -> Observation:
    return Observation(np.zeros((96, 128, 3), np.uint8), stamp)


@pytest.fixture(scope="module")
def room() -> Iterator[tuple[Simulator, NavigationTask, OccupancyGrid]]:
    house = replace(generate(HOUSE, HouseConfig(max_rooms=1)), people=())
    grid = OccupancyGrid.from_house(house)
    with Simulator(house, seed=HOUSE) as simulator:
        yield simulator, sample_task(house, grid), grid


# The person.


@pytest.fixture
def watcher(room: tuple[Simulator, NavigationTask, OccupancyGrid]) -> Watcher:
    simulator, task, grid = room
    simulator.reset(np.array([task.start]))
    watcher = Watcher(simulator, task, grid, WatcherConfig(patience_s=4.0))
    watcher.reset()
    return watcher


def test_they_take_over_before_the_robot_runs_into_something(
    watcher: Watcher, room: tuple[Simulator, NavigationTask, OccupancyGrid]
) -> None:
    simulator, _, grid = room
    places = grid.to_world(np.argwhere((grid.clearance > 0.25) & (grid.clearance < 0.3)))
    place = places[len(places) // 2]
    found = set()
    for yaw in np.linspace(-np.pi, np.pi, 12):
        simulator.reset([[*place, yaw]])
        watcher.let_go()
        watcher.look(looks(0.0))
        reason = watcher.objects(goes())
        into = min(
            grid.clearance[tuple(grid.to_cell(place + k * 0.1 * np.array([np.cos(yaw), np.sin(yaw)])))]
            for k in range(1, 6)
        )
        assert (reason == "collision") == bool(into < simulator.robots[0].radius)
        assert watcher.objects(goes(0.0 * STRAIGHT)) is None
        found.add(reason)
    assert found == {None, "collision"}


def test_they_take_over_from_who_stands_still_after_their_patience_and_not_before(watcher: Watcher) -> None:
    still = goes(0.0 * STRAIGHT)
    reasons = []
    for k in range(14):
        watcher.look(looks(0.4 * k))
        reasons.append(watcher.objects(still))
    assert set(reasons[:10]) == {None} and reasons[-1] == "stuck"
    watcher.let_go()
    watcher.look(looks(5.6))
    assert watcher.objects(still) is None


def test_they_are_patient_with_who_waits_for_a_person(
    watcher: Watcher,
    room: tuple[Simulator, NavigationTask, OccupancyGrid],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    beside = room[0].pose()[:2] + 0.6
    monkeypatch.setattr(room[0], "people", lambda: np.array([[*beside, 0.0, 0.0]]))
    monkeypatch.setattr(room[0], "people_yaw", lambda: np.zeros(1))
    for k in range(14):
        watcher.look(looks(0.4 * k))
        assert watcher.objects(goes(0.0 * STRAIGHT)) is None


def test_nobody_objects_to_the_person_themselves(
    watcher: Watcher, room: tuple[Simulator, NavigationTask, OccupancyGrid]
) -> None:
    """The expert searches, and finds: no reason that the watcher has is one against it."""
    from vlingnav_sim.episode import run_episode
    from vlingnav_sim.experts import SearchingExpert

    simulator, task, grid = room
    begun = []

    def watch(observation: Observation, decision: Decision) -> Decision:
        if not begun:
            watcher.reset()
        begun.append(watcher.look(observation))
        assert watcher.objects(decision) is None
        assert not decision.stop or watcher.there()
        return decision

    expert = SearchingExpert(simulator, targets=task.targets)
    assert run_episode(simulator, expert, task, grid, on_decision=watch).measures.success


# What is written down.


class Objecting:
    """A person who takes over when the test says so, and turns left."""

    def __init__(self, at: tuple[int, ...] = (), there: bool = False, stops_at: int = -1) -> None:
        self.at, self.is_there, self.stops_at, self.step = at, there, stops_at, -1

    def reset(self) -> None: ...

    def let_go(self) -> None: ...

    def look(self, observation: Observation) -> Decision:
        self.step += 1
        return goes(edit_trajectory(STRAIGHT, DT, -0.3, 0.75), stop=self.step == self.stops_at)

    def there(self) -> bool:
        return self.is_there

    def objects(self, decision: Decision) -> str | None:
        return "searched" if self.step in self.at else None


def watch(
    person: Objecting, decisions: list[Decision], done: tuple[float, ...] = (0.1, 0.2, 0.3)
) -> tuple[list[Decision], Watched]:
    """What is carried out of `decisions`, and what is written down; the head did `done` in all of them."""
    head, place = Head(None), np.zeros(3)
    watch = Watch(SimpleNamespace(pose=lambda: place.copy()), person, head, hold_s=0.8)
    carried = []
    for k, decision in enumerate(decisions):
        head.seen, head.done = np.full(2, k, np.float32), np.array(done, np.float32)
        carried.append(watch.carry_out(looks(0.4 * k), decision))
        place[0] += 0.1
        if carried[-1].stop:
            break
    return carried, watch.over(1)


def test_only_taking_over_is_before_a_takeover_and_the_robot_drives_between_two() -> None:
    carried, watched = watch(Objecting(at=(2, 3, 4, 5, 6)), [goes()] * 9)
    turned = [decision.trajectory[-1, 1] > 0.01 for decision in carried]
    assert turned == [False, False, True, True, False, True, True, False, False]
    assert [m.held for m in watched.moments] == turned[:-1]
    before = [m.before_takeover for m in watched.moments]
    assert before == [False, True, False, False, True, False, False, False]
    assert [m.next_observation[0] for m in watched.moments] == list(range(1, 9))
    assert watched.takeovers == {"searched": 2} and watched.held == pytest.approx(4 / 9)
    assert watched.own_m == pytest.approx(0.4)  # of nine steps, four the person's, and after the last nothing


def test_what_the_person_does_is_an_edit_of_the_unedited_decision() -> None:
    _, watched = watch(Objecting(at=(1,)), [goes()] * 3)
    robot, person = watched.moments[0], watched.moments[1]
    assert robot.action == pytest.approx([0.1, 0.2, 0.3])
    # The decision that was corrected had the head's own edit in it already.
    assert person.action == pytest.approx([0.1 - 0.3 / LIMITS[0], 0.2 + 0.75 / LIMITS[1], 0.0], abs=1e-4)
    assert robot.advice == pytest.approx(person.action, abs=1e-4)


def test_a_wrong_stop_is_a_takeover_and_a_right_one_the_end() -> None:
    decisions = [goes(), goes(stop=True), goes(), goes()]
    carried, watched = watch(Objecting(), decisions)
    assert [d.stop for d in carried] == [False] * 4 and not carried[1].trajectory.any()
    assert [m.before_takeover for m in watched.moments] == [False, True, False]
    assert watched.takeovers == {"wrong stop": 1}

    carried, watched = watch(Objecting(there=True), decisions)
    assert carried[-1].stop and [m.arrived for m in watched.moments] == [False, True]
    assert not watched.takeovers

    _, watched = watch(Objecting(at=(1,), stops_at=2), [goes()] * 5)  # the person arrives
    assert [m.arrived for m in watched.moments] == [False, False, True]
    assert watched.moments[-1].action[2] == 1.0


def test_episodes_are_kept(tmp_path: Path) -> None:
    episodes = [watch(Objecting(at=(2,)), [goes()] * 6)[1], Watched(3, [], {}, 2.0, 0.0, True)]
    save(tmp_path / "file.npz", episodes)
    for kept, episode in zip(load(tmp_path / "file.npz"), episodes, strict=True):
        assert replace(kept, moments=[]) == replace(episode, moments=[])
        for one, other in zip(kept.moments, episode.moments, strict=True):
            for name, value in vars(other).items():
                assert np.array_equal(getattr(one, name), value), name


# The head.


def actor(seed: int = 0) -> Actor:
    torch.manual_seed(seed)
    return Actor(FEATURES, len(LIMITS), 32, 2)


def observation(stamp: float) -> Observation:
    rgb = np.random.default_rng(round(10 * stamp)).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    return Observation(rgb, stamp, odometry=Odometry(np.array([0.1 * stamp, 0.0, 0.0]), np.zeros(3)))


def decisions(policy: NanoPolicy) -> list[Decision]:
    policy.reset(Goal("find the red chair"))
    return [policy.act(observation(0.4 * k)) for k in range(4)]


@pytest.fixture(scope="module")
def nano() -> NanoPolicy:
    policy = load_policy("nano", 1)
    assert isinstance(policy, NanoPolicy)
    return policy


def test_no_edit_is_the_policy_as_it_was(nano: NanoPolicy) -> None:
    for same in (nano.another(), nano.another(edit=Head(None))):
        for ours, theirs in zip(decisions(same), decisions(nano), strict=True):
            assert np.array_equal(ours.trajectory, theirs.trajectory) and ours.stop == theirs.stop


def test_an_actor_begins_with_noise_alone(nano: NanoPolicy) -> None:
    quiet = actor()
    unlearned(quiet)
    for ours, theirs in zip(decisions(nano.another(edit=Head(quiet))), decisions(nano), strict=True):
        assert ours.trajectory == pytest.approx(theirs.trajectory, abs=1e-5)
    noisy = [decisions(nano.another(edit=Head(quiet, [seed, 0]))) for seed in (1, 1, 2)]
    first, again, other = (np.stack([d.trajectory for d in run]) for run in noisy)
    assert np.array_equal(first, again) and not np.allclose(first, other, atol=1e-3)


def test_an_edit_that_is_hardly_worth_it_is_not_made_and_one_that_is_is() -> None:
    """Who speeds up is taken over from: a little more often, or every time."""

    def speed(often: float, anchor: float = ANCHOR) -> float:
        config = RlpdConfig(width=32, critics=4, batch=64, lr=1e-2, discount=0.0)
        method = EditingRlif(Setting(2, 3, (), 512, config, 0, torch.device("cpu")))
        method.learner.anchor = anchor
        rng, seen = np.random.default_rng(0), np.zeros(2, np.float32)
        for _ in range(512):
            action = rng.uniform(-1.0, 1.0, 3).astype(np.float32)
            taken = bool(rng.random() < 0.5 + often * action[0] / 2.0)
            method.keep(Moment(seen, action, action, False, seen, 0.0, False, before_takeover=taken))
        for _ in range(300):
            method.learn()
        return float(method.act(seen, explore=False)[0])

    assert speed(often=0.2) > -0.45 and speed(often=1.0) < -0.6
    assert speed(often=0.2, anchor=0.0) < -0.6


def test_readiness_moves_the_stop(nano: NanoPolicy, monkeypatch: pytest.MonkeyPatch) -> None:
    class Ready:
        provider = "test"

        def __init__(self, logits: float) -> None:
            self.logits = logits

        def run(self, inputs: Any) -> dict[str, np.ndarray]:
            return {"edit": np.array([[0.0, 0.0, self.logits]], np.float32)}

    assert all(d.stop for d in decisions(nano.another(edit=Ready(50.0))))
    assert not any(d.stop for d in decisions(nano.another(edit=Ready(-50.0))))


def test_an_exported_head_does_what_it_did_and_leaves_the_policy_as_it_was(
    nano: NanoPolicy, tmp_path: Path
) -> None:
    head = actor()
    manifest = export_edited(CHECKPOINTS / "nano", tmp_path / "model", head, {"method": "rlif"})
    assert manifest.training["edit"] == {"method": "rlif"} and manifest.tasks == nano.manifest.tasks
    assert manifest.sha256["read.onnx"] == nano.manifest.sha256["read.onnx"]
    exported = load_policy(tmp_path / "model", 1)
    edited = decisions(nano.another(edit=Head(head)))
    for ours, theirs, plain in zip(decisions(exported), edited, decisions(nano), strict=True):
        assert ours.trajectory == pytest.approx(theirs.trajectory, abs=1e-4) and ours.stop == theirs.stop
        assert not np.allclose(ours.trajectory, plain.trajectory, atol=1e-3)

    again = export_edited(tmp_path / "model", tmp_path / "again", actor(1), {"method": "bc"})
    assert again.graphs.keys() == manifest.graphs.keys()  # one head in the place of another
    assert again.sha256["edit.onnx"] != manifest.sha256["edit.onnx"]

    (tmp_path / "model" / "edit.onnx").write_bytes((tmp_path / "again" / "edit.onnx").read_bytes())
    with pytest.raises(ManifestError, match="edit.onnx is not the file of its manifest"):
        load_policy(tmp_path / "model", 1)


def test_a_house_is_watched_the_same_way_again() -> None:
    config = Watching(max_rooms=1)
    head = actor()
    runs = [watch_house(HOUSE, config, head, explore=seed) for seed in (0, 0, 1)]
    first, again, other = (np.stack([m.action for m in run.moments if not m.held]) for run in runs if run)
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.allclose(first, other, atol=1e-3)
    alone = watch_house(HOUSE, config, None, alone=True)
    assert alone is not None and alone.success is not None
    assert alone.moments[0].observation.shape == (FEATURES,)


# The study.


class Corridor:
    """Stands for a house: the person takes over from who turns left, and has no other wish."""

    def __init__(self) -> None:
        self.edits = cache(lambda policy: load_policy(policy, 1).edit)

    def __call__(
        self, seed: int, config: Watching, actor: Actor | None, explore: int | None, alone: bool
    ) -> Watched:
        head = Head(actor or self.edits(config.policy), None if explore is None else [explore, seed])
        rng = np.random.default_rng(seed)
        moments, held = list[Moment](), 0
        for _ in range(40):
            head.run({"features": rng.normal(size=(1, 4)).astype(np.float32)})
            person = np.array([0.0, -0.8, 0.0], np.float32)
            bad = head.done[1] > -0.2
            action = person if held else head.done
            moments.append(
                Moment(head.seen, action, person, held > 0, head.seen, 0.0, False, bool(bad and not held))
            )
            held = 2 if moments[-1].before_takeover else max(0, held - 1)
        count = sum(m.before_takeover for m in moments)
        return Watched(seed, moments, {"searched": count}, 10.0, 0.5, success=count < 5)


SMALL = NavConfig(
    houses=(0, 20), test=(710_000, 710_004), rounds=4,
    learner=RlpdConfig(width=32, critics=4, batch=32, updates=2, lr=3e-3, discount=0.8),
)  # fmt: skip


@pytest.fixture
def corridor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "watch_house", Corridor())
    monkeypatch.setattr("vlingnav_train.rlif.cloning.PRETRAINING", 100)


def test_both_methods_learn_what_the_person_wants(corridor: None, tmp_path: Path) -> None:
    figures = rlif_nav(SMALL, tmp_path / "out", processes=1)
    assert figures["takeovers_per_100m_before"] > 100.0
    for name in ("rlif", "bc"):
        assert figures["methods"][name]["takeovers_per_100m"] < 40.0, name
        assert figures["methods"][name]["change_ci95"][1] < 0.0
        assert load_policy(tmp_path / "out" / name / "model", 1).manifest.training["edit"]["method"] == name
    assert figures["takeovers_per_100m_after"] == figures["methods"]["rlif"]["takeovers_per_100m"]
    assert (figures["success_before"], figures["success_after"]) == (0.0, 1.0)
    assert (tmp_path / "out" / "takeovers.png").stat().st_size > 1000
    assert json.loads((tmp_path / "out" / "figures.json").read_text())["curves"]["bc"][0]["houses"] == 4


def test_without_the_reward_nothing_is_learned(
    corridor: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlingnav_train.rlif.rlif.Rlif.judge", lambda self, moment: (0.0, 1.0))
    monkeypatch.setattr(study, "METHODS", {"rlif": study.METHODS["rlif"]})
    assert rlif_nav(SMALL, tmp_path, processes=1)["takeovers_per_100m_after"] > 100.0


def test_a_study_that_was_cut_off_equals_one_that_was_not(
    corridor: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = rlif_nav(SMALL, tmp_path / "whole", processes=1)

    drive, driven = Corridor(), []

    def cut_off(seed: int, **rest: Any) -> Watched:
        driven.append(seed)
        if len(driven) == 18:  # in round 2 of the first method
            raise KeyboardInterrupt
        return drive(seed, **rest)

    monkeypatch.setattr(study, "watch_house", cut_off)
    with pytest.raises(KeyboardInterrupt):
        rlif_nav(SMALL, tmp_path / "cut", processes=1)
    again = rlif_nav(SMALL, tmp_path / "cut", processes=1)
    assert again == whole
    assert driven.count(0) == 1 and driven.count(SMALL.part(2)[0]) > 1  # only what was not kept is repeated

    before = len(driven)
    assert rlif_nav(SMALL, tmp_path / "cut", processes=1) == whole and len(driven) == before
    with pytest.raises(ValueError, match="holds a training with other settings"):
        rlif_nav(replace(SMALL, seed=1), tmp_path / "cut", processes=1)


def watched(takeovers: int, metres: float) -> Watched:
    return Watched(0, [], {"stuck": takeovers}, metres, 0.0)


def test_takeovers_are_counted_by_the_way_and_not_by_the_episode() -> None:
    episodes = [watched(1, 10.0), watched(0, 90.0)]
    assert takeovers_per_100m(episodes) == pytest.approx(1.0)
    low, high = takeover_interval(episodes)
    assert low == 0.0 and high == pytest.approx(10.0)
    assert takeover_interval(episodes[:1]) is None
    assert change_interval(episodes, episodes) == pytest.approx((0.0, 0.0))  # of the same houses: no noise


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"houses": (699_000, 701_000)}, "are not for training"),
        ({"test": (600_000, 600_100)}, "house 600000 is for training"),
        ({"houses": (0, 4)}, "4 houses are too few for 4 rounds"),
    ],
)
def test_a_study_in_the_wrong_houses_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **changes)


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    commands.add_rlif_nav(parser)
    return parser.parse_args(words)


def test_the_command_prints_a_row_for_each_policy(
    corridor: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = parsed(
        "--houses", "0:10", "--test", "710000:710003", "--rounds", "1", "--processes", "1",
        "--out", str(tmp_path),
    )  # fmt: skip
    figures = args.run(args)
    rows = capsys.readouterr().out.splitlines()
    assert [row.split()[0] for row in rows[:3]] == ["before", "rlif", "bc"]
    assert f"{figures['takeovers_per_100m_before']:.1f} takeovers per 100 m (95 % " in rows[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [(("--policy", "nobody"), "no policy 'nobody'"), (("--test", "5:9"), "house 5 is for training")],
)
def test_bad_input_is_one_sentence(words: tuple[str, ...], message: str, tmp_path: Path) -> None:
    args = parsed(*words, "--out", str(tmp_path / "out"))
    with pytest.raises(UserError, match=message):
        args.run(args)
    assert not (tmp_path / "out").exists()
