"""Exports in other precisions, for many robots at once: what they compute is what the network computes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vlingnav_policy import Decision, Goal, Manifest, Observation, Odometry
from vlingnav_policy.engines.batching import BatchConfig, BatchingEngine
from vlingnav_policy.nano import NanoPolicy
from vlingnav_policy.thinking import ThinkingConfig
from vlingnav_policy.types import TASKS
from vlingnav_train import precision
from vlingnav_train.checkpoint import Nano
from vlingnav_train.export import ExportError, export_model
from vlingnav_train.networks import NanoConfig

TINY = NanoConfig(channels=16, dim=32, layers=2, heads=2)
ALWAYS = ThinkingConfig("always", longest=6)


def untrained() -> Nano:
    torch.manual_seed(0)
    return replace(Nano.untrained(TINY), tasks=TASKS)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {name: tmp_path_factory.mktemp(name) for name in precision.TOLERANCE}
    for name, folder in folders.items():
        export_model(folder, untrained(), precision=name)
    return folders


def look(step: int) -> Observation:
    rng = np.random.default_rng(step)
    odometry = Odometry(rng.normal(size=3), rng.normal(size=3))
    return Observation(rng.integers(0, 256, (96, 128, 3), np.uint8), 0.4 * step, odometry=odometry)


def drive(policy: NanoPolicy, instruction: str, seed: int, steps: int = 5) -> list[Decision]:
    policy.reset(Goal(instruction))
    return [policy.act(replace(look(seed + step), stamp=0.4 * step)) for step in range(steps)]


@pytest.mark.parametrize("name", ["fp16", "int8"])
def test_other_precisions_decide_nearly_the_same(models: dict[str, Path], name: str) -> None:
    assert Manifest.read(models[name]).precision == name
    never = ThinkingConfig("never")
    exact = drive(NanoPolicy.load(models["fp32"], thinking=never), "find the red chair", 1)
    rounded = drive(NanoPolicy.load(models[name], thinking=never), "find the red chair", 1)
    ours, theirs = (np.stack([d.trajectory for d in decisions]) for decisions in (exact, rounded))
    assert np.allclose(ours, theirs, atol=0.05 * np.abs(ours).max())
    assert not np.array_equal(ours, theirs)  # it is computed in another precision
    assert (models[name] / "read.onnx").read_bytes() != (models["fp32"] / "read.onnx").read_bytes()


@pytest.mark.parametrize("name", ["fp16", "int8"])
def test_an_export_that_loses_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(precision.TOLERANCE, name, 1e-7)
    refused = f"differs from torch by .*in {name} it may by 1e-07; not exported"
    with pytest.raises(ExportError, match=refused):
        export_model(tmp_path / "new", untrained(), precision=name)
    assert not list((tmp_path / "new").iterdir())
    export_model(tmp_path, untrained())
    with pytest.raises(ExportError, match=refused):
        export_model(tmp_path, untrained(), precision=name)
    assert Manifest.read(tmp_path).precision == "fp32"  # the model that was there is whole


def test_robots_that_share_engines_get_what_each_would_get_alone(models: dict[str, Path]) -> None:
    tasks = [
        ("find the red chair", 10),
        ("find the bed", 20),
        ("find the green sofa", 30),
        ("find a door", 40),
    ]
    alone = NanoPolicy.load(models["fp32"], thinking=ALWAYS)
    expected = [drive(alone.another(), *task) for task in tasks]
    config = BatchConfig(largest=4, wait_s=0.5, patience_s=60.0, lately_s=60.0)
    shared = NanoPolicy.load(models["fp32"], thinking=ALWAYS, batching=config)
    robots = [shared.another() for _ in tasks]
    with ThreadPoolExecutor(len(tasks)) as threads:
        got = list(threads.map(lambda i: drive(robots[i], *tasks[i]), range(len(tasks))))
    for ours, theirs in zip(got, expected, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            assert (a.thought, a.summary, a.stop) == (b.thought, b.summary, b.stop)
            assert np.allclose(a.trajectory, b.trajectory, atol=1e-4)
    read = shared._engines["read"]
    assert isinstance(read, BatchingEngine)
    assert read.answered == 20 and read.runs < 20


def test_eight_bits_are_for_one_robot_at_a_time(models: dict[str, Path]) -> None:
    """Their scales are taken from all that is multiplied at once."""
    graphs = Manifest.read(models["int8"]).graphs
    assert graphs["read"]["inputs"]["tokens"][1][0] == 1
    assert Manifest.read(models["fp32"]).graphs["read"]["inputs"]["tokens"][1][0] == "batch"
