"""The whole recipe in miniature, and the parts that decide whether it can work."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from vlingnav_policy import load_policy
from vlingnav_policy.history import HistoryConfig
from vlingnav_sim.house import HouseConfig
from vlingnav_train.checkpoint import Nano
from vlingnav_train.demonstrations import DriverConfig, demonstrate
from vlingnav_train.export import ExportError, export_graph, export_model
from vlingnav_train.imitation import ImitationConfig, Round, train_imitation, train_round
from vlingnav_train.networks import LanguageEncoder, NanoConfig, PolicyNetwork, VisionTower
from vlingnav_train.samples import Demonstrations
from vlingnav_train.tower import TowerConfig, train_tower
from vlingnav_train.views import ViewBatches, collect_house
from vlingnav_train.vocabulary import CATEGORIES, CLASSES, tokenizer

TINY = NanoConfig(channels=16, dim=32, layers=2, heads=2)


def untrained() -> Nano:
    torch.manual_seed(0)
    size = len(tokenizer())
    return Nano(
        TINY, HistoryConfig(), VisionTower(TINY), LanguageEncoder(size, TINY), PolicyNetwork(size, TINY)
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("model")
    export_model(out, untrained())
    return out


@pytest.fixture(scope="module")
def demonstrations(model: Path) -> list:  # type: ignore[type-arg]
    house = HouseConfig(max_rooms=2)
    return [d for seed in (1, 2, 3) for d in demonstrate(seed, 1, model, DriverConfig(), house)]


def test_view_targets_are_where_the_labels_are() -> None:
    views = collect_house(1, 8, HouseConfig(max_rooms=2))
    index, classes, colours, query = ViewBatches(views).batch(16)
    assert np.allclose(classes.sum(axis=1), 1.0, atol=1e-5)  # every pixel of a cell has one class
    assert np.allclose(colours.sum(axis=1), 1.0, atol=1e-5)
    for b in range(16):
        for q in range(query.category.shape[1]):
            if query.mask[b, q].any():  # nobody is asked for what is not there and told where it is
                assert (classes[b, query.category[b, q]][query.mask[b, q] > 0] > 0).all()
    assert len(CLASSES) == len(CATEGORIES) + 5


def test_demonstrations_are_labelled_and_end_at_the_target(demonstrations: list) -> None:  # type: ignore[type-arg]
    assert len(demonstrations) == 6
    for d in demonstrations:
        assert d.tokens.shape[1:] == (48, TINY.token_channels) and d.trajectories.shape[1:] == (8, 3)
        assert np.all(np.diff(d.stamps) > 0)
        assert (
            d.stops.any() and d.found[d.stops][:, 0].all()
        )  # the expert never stops at what it has not seen


def test_every_episode_has_its_mirror_image(demonstrations: list) -> None:  # type: ignore[type-arg]
    for seen, mirrored in zip(demonstrations[::2], demonstrations[1::2], strict=True):
        assert seen.instruction == mirrored.instruction and np.array_equal(seen.stamps, mirrored.stamps)
        for name in ("poses", "velocities", "trajectories"):
            assert np.allclose(getattr(seen, name) * [1, -1, -1], getattr(mirrored, name))
        assert np.allclose(seen.found[:, 2], -mirrored.found[:, 2])
        assert not np.array_equal(seen.tokens, mirrored.tokens)
        twice = mirrored.mirrored(seen.tokens)
        assert np.array_equal(twice.poses, seen.poses) and np.array_equal(twice.found, seen.found)


def test_training_learns_and_its_memory_is_the_one_of_the_robot(model: Path, demonstrations: list) -> None:  # type: ignore[type-arg]
    nano = untrained()
    data = Demonstrations(nano.history, TINY.scale, seed=0)
    for d in demonstrations:
        data.add(d)
    config = ImitationConfig(batch=16)
    rounds = [Round(houses=0, steps=steps, policy_share=0.0, lr=2e-3) for steps in (5, 120, 20)]
    first, _, later = (train_round(nano.policy, data, config, this) for this in rounds)
    assert later["trajectory"] < 0.8 * first["trajectory"]


def test_replayed_memory_equals_lived_memory(model: Path, demonstrations: list) -> None:  # type: ignore[type-arg]
    """A step of the data set gives the network what the running policy would have given it."""
    d = demonstrations[0]
    data = Demonstrations(HistoryConfig(), TINY.scale, seed=0)
    data.add(d)
    step = len(d) - 1
    batch = data.batch(np.array([step]))
    policy = load_policy(model)
    from vlingnav_policy.history import Frame, FrameHistory

    lived = FrameHistory(HistoryConfig())
    for i in range(len(d)):
        lived.add(Frame(d.tokens[i], d.stamps[i], d.poses[i], 4))
    tokens, meta, used = lived.view()
    assert policy.manifest.history["capacity"] == len(tokens)
    assert int(batch["used"][0]) == used
    assert np.array_equal(batch["tokens"][0].numpy(), tokens[:used])
    assert np.array_equal(batch["meta"][0].numpy(), meta[:used])


def test_export_refuses_a_graph_that_computes_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Moody(torch.nn.Module):
        """Answers differently when traced."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + (1.0 if torch.onnx.is_in_onnx_export() else 0.0)

    with pytest.raises(ExportError, match="differs from torch"):
        export_graph(Moody(), tmp_path / "moody.onnx", {"x": torch.zeros(1, 3)}, ["y"])
    assert not (tmp_path / "moody.onnx").exists()


def test_a_checkpoint_survives_saving(tmp_path: Path) -> None:
    before = untrained()
    before.save(tmp_path / "nano.pt")
    after = Nano.load(tmp_path / "nano.pt")
    assert after.config == before.config and after.history == before.history
    for a, b in zip(before.policy.parameters(), after.policy.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_recipe_runs_from_nothing_to_a_model_that_decides(tmp_path: Path) -> None:
    grounding = train_tower(
        TowerConfig(houses=(0, 4), per_house=6, held_out=2, batch=8, steps=3), TINY, tmp_path
    )
    assert 0.0 <= grounding.average_precision <= 1.0
    rounds = (
        Round(houses=2, steps=2, policy_share=0.0, episodes=1),
        Round(houses=2, steps=2, policy_share=1.0, episodes=1),
    )
    config = ImitationConfig(rounds=rounds, max_rooms=1, batch=4)
    train_imitation(config, TINY, tmp_path / "tower.pt", tmp_path / "nano")
    policy = load_policy(tmp_path / "nano")
    assert len(policy.manifest.training["rounds"]) == 2
    assert dataclasses.asdict(config)["max_rooms"] == policy.manifest.training["config"]["max_rooms"]
