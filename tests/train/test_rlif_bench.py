"""Trainings from end to end on a point mass: what is learned, what is cut off, and the commands."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vlingnav_cli import UserError
from vlingnav_train.rlif import commands
from vlingnav_train.rlif.bench import INTERVENTIONS, METHODS, BenchConfig, bench, interval
from vlingnav_train.rlif.experts import Expert, expert_file, train_experts
from vlingnav_train.rlif.hg_dagger import HgDagger
from vlingnav_train.rlif.method import Method, Setting
from vlingnav_train.rlif.person import Person, ValueIntervention
from vlingnav_train.rlif.rlif import Rlif
from vlingnav_train.rlif.rlpd import RlpdConfig
from vlingnav_train.rlif.run import Plan, Point, run
from vlingnav_train.rlif.tasks import QUALITIES, TASKS, Task
from vlingnav_train.rlif.trial import Moment, Trial, demonstrate

LEARNER = RlpdConfig(width=32, critics=4, batch=32, updates=2, lr=1e-3, discount=0.9)
CPU = torch.device("cpu")


class Indifferent(Rlif):
    """Does not care about takeovers."""

    def judge(self, moment: Moment) -> tuple[float, float]:
        return 0.0, 1.0


def trained(
    kind: type[Method], task: Task, knowing: Any, folder: Path, plan: Plan, stop_after: int = 10**9
) -> tuple[Method, list[Point]]:
    """A method that learns from takeovers of a step each."""
    shown = demonstrate(task, knowing.act, 40, seed=0)
    method = kind(Setting(1, 1, shown, plan.steps, LEARNER, 0, CPU))
    intervention = ValueIntervention(knowing, task.tolerance, hold=1)
    trial = Trial(task, Person(knowing.act, intervention, seed=0), 0, 0)
    points: list[Point] = []
    for points in run(method, trial, task, plan, 0, folder / "state.pt", "test"):
        if points[-1].step >= stop_after:
            break
    return method, points


def test_rlif_learns_from_takeovers_alone(point: Task, knowing: Any, tmp_path: Path) -> None:
    """Doing nothing is worth 10, and what is best 19.5."""
    plan = Plan(steps=500, every=500, episodes=10)
    assert trained(Rlif, point, knowing, tmp_path, plan)[1][-1].mean > 15.5
    assert trained(Indifferent, point, knowing, tmp_path, plan)[1][-1].mean < 13.0


@pytest.mark.parametrize("kind", [Rlif, HgDagger])
def test_a_training_that_was_cut_off_equals_one_that_was_not(
    kind: type[Method], point: Task, knowing: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlingnav_train.rlif.cloning.PRETRAINING", 20)
    plan = Plan(steps=100, every=25, episodes=1, keep=30)
    (tmp_path / "whole").mkdir()
    _, whole = trained(kind, point, knowing, tmp_path / "whole", plan)
    trained(kind, point, knowing, tmp_path, plan, stop_after=75)
    kept = (tmp_path / "state.pt").read_bytes()
    _, again = trained(kind, point, knowing, tmp_path, plan)
    assert again == whole and [each.step for each in whole] == [25, 50, 75, 100]

    (tmp_path / "state.pt").write_bytes(kept)
    monkeypatch.setattr(Trial, "load_state_dict", lambda *_: None)
    assert trained(kind, point, knowing, tmp_path, plan)[1] != whole


@pytest.fixture(scope="module")
def experts(point: Task, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("experts")
    train_experts("point", folder, Plan(steps=2000, every=50, episodes=5), LEARNER)
    return folder


def test_experts_of_three_qualities_come_of_one_training(experts: Path, point: Task) -> None:
    worth = [Expert.load(expert_file(experts, "point", quality), CPU).mean_return for quality in QUALITIES]
    assert worth == sorted(worth) and (np.array(worth) >= point.returns).all()
    assert not (experts / "point" / "state.pt").exists()
    good = Expert.load(expert_file(experts, "point", "good"), CPU)
    place, home = np.array([1.0]), [good.act(np.array([x])) for x in (1.0, -1.0)]
    assert home[0].shape == (1,) and home[0][0] < 0.0 < home[1][0]  # from both sides
    assert np.diff(good.values(place, np.array([[1.0], [-1.0]], np.float32))) > 0


def test_experts_that_are_not_reached_are_said_to_be(point: Task, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="20 steps did not make a good expert of point; give more"):
        train_experts("point", tmp_path, Plan(steps=20, every=10, episodes=1), LEARNER)


def test_a_file_that_is_no_expert_is_refused(tmp_path: Path) -> None:
    torch.save({"nothing": 0}, tmp_path / "other.pt")
    (tmp_path / "text.pt").write_text("not a network")
    for name in ("other.pt", "text.pt"):
        with pytest.raises(ValueError, match=f"{name} is not an expert that"):
            Expert.load(tmp_path / name, CPU)


def config(method: str) -> BenchConfig:
    plan = Plan(steps=60, every=30, episodes=2, keep=20)
    return BenchConfig("point", "poor", method, demonstrations=40, plan=plan, learner=LEARNER)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_the_figures(
    method: str, experts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlingnav_train.rlif.cloning.PRETRAINING", 20)
    figures = bench(config(method), 2, experts, tmp_path / "out")
    assert len(figures["returns"]) == 2 and figures["return_mean"] == np.mean(figures["returns"])
    assert figures["ci95"][0] <= figures["return_mean"] <= figures["ci95"][1]
    assert figures["expert_return"] == Expert.load(expert_file(experts, "point", "poor"), CPU).mean_return
    assert (figures["held"] > 0) == METHODS[method].takeovers
    assert (tmp_path / "out" / "curves.png").stat().st_size > 1000
    (tmp_path / "out" / "seed0" / "method.pt").unlink()
    assert bench(config(method), 2, experts, tmp_path / "out") == figures  # what is done is not done again
    assert not (tmp_path / "out" / "seed0" / "method.pt").exists()


def test_a_folder_of_another_benchmark_is_refused(experts: Path, tmp_path: Path) -> None:
    bench(replace(config("bc"), plan=Plan(steps=1)), 1, experts, tmp_path)
    with pytest.raises(ValueError, match="holds a training with other settings"):
        bench(config("dagger"), 1, experts, tmp_path)


def test_the_interval_is_students() -> None:
    assert interval([1.0]) is None
    assert interval([1.0, 2.0, 3.0]) == pytest.approx(
        [2.0 - 4.3027 / 3**0.5, 2.0 + 4.3027 / 3**0.5], abs=1e-3
    )


def parsed(add: Any, *words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add(parser)
    return parser.parse_args(words)


GOOD = ("--env", "hopper", "--expert", "poor", "--method", "rlif")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--env", "ant", "--expert", "poor", "--method", "rlif"),
        ("--env", "hopper", "--expert", "perfect", "--method", "rlif"),
        ("--env", "hopper", "--expert", "poor", "--method", "gail"),
        (*GOOD, "--seeds", "0"),
        (*GOOD, "--steps", "many"),
        (*GOOD, "--intervention", "random-99"),
    ],
)
def test_bad_input_is_refused_before_anything_starts(words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit):
        parsed(commands.add_rlif_bench, *words)


def test_missing_experts_are_named_with_the_command_that_makes_them(tmp_path: Path) -> None:
    args = parsed(commands.add_rlif_bench, *GOOD, "--experts", str(tmp_path), "--out", str(tmp_path / "out"))
    with pytest.raises(
        UserError, match=r"is missing; make it with: vlingnav rlif-experts --env hopper --out "
    ):
        args.run(args)
    assert not (tmp_path / "out").exists()


def test_the_commands_offer_what_there_is() -> None:
    for environment in set(TASKS) - {"point"}:
        for method in METHODS:
            for when in INTERVENTIONS:
                words = ("--env", environment, "--method", method, "--intervention", when)
                assert parsed(commands.add_rlif_bench, *words, "--expert", "good").intervention == when
