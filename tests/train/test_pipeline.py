"""The whole recipe in miniature, and the parts that decide whether it can work."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vlingnav_cli.main import main
from vlingnav_datasets import Demonstration
from vlingnav_policy import load_policy
from vlingnav_policy.history import HistoryConfig
from vlingnav_policy.memory import MemoryConfig
from vlingnav_policy.types import TASKS, Observation, Odometry
from vlingnav_sim.house import HouseConfig
from vlingnav_train.checkpoint import Nano
from vlingnav_train.demonstrations import Collection, DriverConfig, demonstrate
from vlingnav_train.export import ExportError, export_graph, export_model
from vlingnav_train.graphs import Graph
from vlingnav_train.imitation import ImitationConfig, Round, evaluate, losses, train_imitation
from vlingnav_train.networks import LanguageEncoder, NanoConfig, VisionTower
from vlingnav_train.optimise import Board, OptimiserConfig, optimise
from vlingnav_train.questions import TESTED, Questions
from vlingnav_train.samples import Demonstrations
from vlingnav_train.sight_cache import Seen, SightCache
from vlingnav_train.tower import TowerConfig, train_tower
from vlingnav_train.views import collect_house
from vlingnav_train.vocabulary import CATEGORIES, CLASSES, tokenizer

TINY = NanoConfig(channels=16, dim=32, layers=2, heads=2)


def untrained() -> Nano:
    torch.manual_seed(0)
    return replace(Nano.untrained(TINY), tasks=TASKS)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("model")
    export_model(out, untrained())
    return out


@pytest.fixture(scope="module")
def demonstrations(model: Path) -> list:  # type: ignore[type-arg]
    collection = Collection(model, 0, 1, (("object", "seen"),), DriverConfig(), HouseConfig(max_rooms=2))
    return [d for seed in (1, 2, 3) for d in demonstrate(seed, collection)]


def test_view_targets_are_where_the_labels_are() -> None:
    views = collect_house(1, 8, HouseConfig(max_rooms=2))
    questions, rng = Questions(views), np.random.default_rng(0)
    index = questions.draw(16, rng)
    classes, colours = views.shares(index)
    assert np.allclose(classes.sum(axis=1), 1.0, atol=1e-5)  # every pixel of a cell has one class
    assert np.allclose(colours.sum(axis=1), 1.0, atol=1e-5)
    asked = questions.ask("known", index, 8, rng)
    for b, q in np.argwhere(asked.truth.any(axis=(2, 3))):
        # nobody is asked for what is not there and told where it is
        assert (classes[b, asked.things[b, q, 0]][asked.truth[b, q] > 0] > 0).all()
    assert len(CLASSES) == len(CATEGORIES) + 5


def test_demonstrations_are_labelled_and_end_at_the_target(demonstrations: list) -> None:  # type: ignore[type-arg]
    assert len(demonstrations) == 3
    for d in demonstrations:
        assert d.frames.shape[1:] == (96, 128, 3) and d.trajectories.shape[1:] == (8, 3)
        assert np.all(np.diff(d.stamps) > 0)
        assert (
            d.stops.any() and d.found[d.stops][:, 0].all()
        )  # the expert never stops at what it has not seen
        assert d.thoughts[0] and 0.0 < np.mean(d.thoughts != "") < 0.3
        assert np.array_equal(d.thoughts != "", d.summaries != "")


def test_every_episode_has_its_mirror_image(demonstrations: list) -> None:  # type: ignore[type-arg]
    for seen in demonstrations:
        mirrored = seen.mirrored()
        assert seen.instruction == mirrored.instruction and np.array_equal(seen.stamps, mirrored.stamps)
        for name in ("poses", "velocities", "trajectories"):
            assert np.allclose(getattr(seen, name) * [1, -1, -1], getattr(mirrored, name))
        assert np.allclose(seen.found[:, 2], -mirrored.found[:, 2])
        assert np.array_equal(seen.frames[:, :, 0], mirrored.frames[:, :, -1])
        twice = mirrored.mirrored()
        assert np.array_equal(twice.poses, seen.poses) and np.array_equal(twice.found, seen.found)
        assert np.array_equal(twice.thoughts, seen.thoughts)
        said = [i for i, text in enumerate(seen.thoughts) if "left" in text]
        assert all("right" in mirrored.thoughts[i] for i in said)


def test_training_learns_to_drive_and_to_speak(tmp_path: Path, demonstrations: list) -> None:  # type: ignore[type-arg]
    nano = untrained()
    data = Demonstrations(nano.history, nano.memory, TINY.scale)
    for d in demonstrations:
        data.add(d, *nano.tokens(d.goal, d.frames))
    before = evaluate(nano.policy, data, 16)
    optimise(
        nano.policy,
        lambda batch: losses(nano.policy, batch),
        lambda first: data.stream(16, 200, (0,), first),
        OptimiserConfig(200, lr=2e-3, weight_decay=0.05),
        tmp_path / "state",
        Board(tmp_path / "board"),
    )
    after = evaluate(nano.policy, data, 16)
    for part in ("trajectory", "think", "words"):
        assert after[part] < 0.8 * before[part]


def test_training_sees_what_the_robot_sees(model: Path, demonstrations: list) -> None:  # type: ignore[type-arg]
    """Up to what bfloat16 rounds."""
    d = demonstrations[0]
    policy = load_policy(model)
    policy.reset(d.goal)
    pose = Odometry(np.zeros(3), np.zeros(3))
    seen = [policy.see(Observation(rgb=f, stamp=float(i), odometry=pose)) for i, f in enumerate(d.frames[:9])]
    tokens, shown = untrained().tokens(d.goal, d.frames[:9], batch=4)
    assert not len(shown)
    assert np.allclose(np.stack([frame.tokens for frame in seen]), tokens, atol=0.02)
    assert not np.allclose(tokens[0], tokens[-1], atol=0.02)


def test_what_was_seen_is_seen_once(
    tmp_path: Path, demonstrations: list[Demonstration], monkeypatch: pytest.MonkeyPatch
) -> None:
    def kept(nano: Nano, demonstration: Demonstration) -> Seen | None:
        def too_late(*_: object) -> Seen:
            raise LookupError

        with monkeypatch.context() as patch:
            patch.setattr(nano, "tokens", too_late)
            try:
                return SightCache(nano, tmp_path)(demonstration)
            except LookupError:
                return None

    nano, one, other = untrained(), *demonstrations[:2]
    assert kept(nano, one) is None
    seen = SightCache(nano, tmp_path)(one)
    again = kept(nano, one)
    assert again is not None and all(np.array_equal(*pair) for pair in zip(seen, again, strict=True))
    assert kept(nano, other) is None and kept(nano, one.mirrored()) is None
    assert kept(nano, replace(one, instruction="find the sofa")) is None
    with torch.no_grad():
        next(iter(nano.tower.parameters())).add_(1.0)
    assert kept(nano, one) is None


def test_replayed_memory_equals_lived_memory(model: Path, demonstrations: list) -> None:  # type: ignore[type-arg]
    """A step of the data set gives the network what the running policy would have given it."""
    d = demonstrations[0]
    data = Demonstrations(HistoryConfig(), MemoryConfig(), TINY.scale)
    seen, shown = untrained().tokens(d.goal, d.frames)
    data.add(d, seen, shown)
    step = len(d) - 1
    batch = data.batch(np.array([step]))
    policy = load_policy(model)
    from vlingnav_policy.history import Frame, FrameHistory

    lived = FrameHistory(HistoryConfig())
    for i in range(len(d)):
        lived.add(Frame(seen[i], d.stamps[i], d.poses[i], 4))
    tokens, meta, used = lived.view()
    assert policy.manifest.history["capacity"] == len(tokens)
    assert int(batch["used"][0]) == used
    assert np.array_equal(batch["tokens"][0, :used].numpy(), tokens[:used])
    assert np.array_equal(batch["meta"][0, :used].numpy(), meta[:used])


def test_export_refuses_a_graph_that_computes_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Moody(torch.nn.Module):
        """Answers differently when traced."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + (1.0 if torch.onnx.is_in_onnx_export() else 0.0)

    with pytest.raises(ExportError, match="differs from torch"):
        export_graph(Graph(Moody(), {"x": torch.zeros(1, 3)}, ("y",), {}), tmp_path / "moody.onnx")
    assert not (tmp_path / "moody.onnx").exists()


def test_a_checkpoint_survives_saving(tmp_path: Path) -> None:
    before = untrained()
    before.save(tmp_path / "nano.pt")
    after = Nano.load(tmp_path / "nano.pt")
    assert after.config == before.config and after.history == before.history
    for a, b in zip(before.policy.parameters(), after.policy.parameters(), strict=True):
        assert torch.equal(a, b)


def test_what_is_exported_is_what_can_be_trained_on_at_half_the_size(tmp_path: Path) -> None:
    nano = untrained()
    nano.save(tmp_path / "nano.pt")
    assert main(["export", str(tmp_path / "nano.pt"), "--out", str(tmp_path / "out")]) == 0
    checkpoint = tmp_path / "out" / "nano.pt"
    assert checkpoint.stat().st_size < 0.6 * (tmp_path / "nano.pt").stat().st_size
    export_model(tmp_path / "again", Nano.load(checkpoint))
    for graph in load_policy(tmp_path / "out").manifest.graphs:
        assert (tmp_path / "again" / f"{graph}.onnx").read_bytes() == (
            tmp_path / "out" / f"{graph}.onnx"
        ).read_bytes()


def test_the_shipped_weights_are_small() -> None:
    shipped = Path(__file__).parents[2] / "models" / "checkpoints" / "nano"
    assert sum(file.stat().st_size for file in shipped.iterdir()) < 25e6


def test_the_recipe_runs_from_nothing_to_a_model_that_decides(tmp_path: Path) -> None:
    stage_0 = TowerConfig(houses=(0, 4), per_house=12, held_out=4, batch=8, steps=3)
    grounding = train_tower(stage_0, TINY, tmp_path / "tower")
    assert set(grounding) == {*TESTED, "false alarms", "classes"}
    assert all(0.0 <= value <= 1.0 or np.isnan(value) for value in grounding.values())
    tower = tmp_path / "tower" / "tower.pt"
    rounds = (
        Round(houses=2, steps=2, policy_share=0.0, episodes=1),
        Round(houses=2, steps=2, policy_share=1.0, episodes=1),
    )
    config = ImitationConfig(rounds=rounds, max_rooms=1, batch=4)
    train_imitation(config, tower, tmp_path / "nano")
    policy = load_policy(tmp_path / "nano")
    assert policy.manifest.tasks == TASKS
    assert len(policy.manifest.training["rounds"]) == 2
    assert dataclasses.asdict(config)["max_rooms"] == policy.manifest.training["config"]["max_rooms"]
    assert list((tmp_path / "nano" / "board").iterdir())
    with pytest.raises(ValueError, match="nano holds a training with other settings"):
        train_imitation(replace(config, seed=1), tower, tmp_path / "nano")

    # Another goes on from there, with what that one had seen and a house of its own.
    before = Nano.load(tmp_path / "nano" / "nano.pt")
    more = {"rounds": [{"houses": 1, "steps": 1, "policy_share": 1.0, "episodes": 1, "lr": 0.0}]}
    places = {"start": str(tmp_path / "nano" / "nano.pt"), "also": [str(tmp_path / "nano")]}
    (tmp_path / "more.json").write_text(json.dumps({**more, **places, "first_seed": 100_050, "batch": 4}))
    arguments = [
        "train",
        "imitation",
        "--tower",
        str(tmp_path / "nano" / "nano.pt"),
        "--config",
        str(tmp_path / "more.json"),
        "--out",
        str(tmp_path / "more"),
    ]
    assert main(arguments) == 0
    after = Nano.load(tmp_path / "more" / "nano.pt")
    assert after.training["rounds"][0]["samples"] > before.training["rounds"][-1]["samples"]
    for part in ("policy", "tower", "language", "goal"):
        pairs = zip(getattr(before, part).parameters(), getattr(after, part).parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs), part


@pytest.mark.parametrize("text", ['{"bathc": 4}', "[1]", "{", '{"rounds": [{"house": 1}]}'])
def test_a_config_that_is_none_is_refused_by_name(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "more.json").write_text(text)
    assert main(["train", "imitation", "--config", str(tmp_path / "more.json")]) == 2
    assert "more.json is no config of this training" in capsys.readouterr().err


def test_a_training_cut_off_goes_on_as_if_it_had_not_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    language, tower = LanguageEncoder(len(tokenizer()), TINY), VisionTower(TINY)
    weights = {"tower": tower.state_dict(), "language": language.state_dict()}
    about = {"config": dataclasses.asdict(TINY), "words": list(tokenizer().words)}
    torch.save({**weights, **about}, tmp_path / "tower.pt")
    rounds = tuple(
        Round(houses=2, steps=9, policy_share=share, episodes=1, tasks=(("object", "seen"),))
        for share in (0.0, 1.0)
    )
    config = ImitationConfig(rounds=rounds, max_rooms=1, batch=4)

    def train(out: Path, cut_off_at: int | None) -> dict[str, torch.Tensor]:
        seen = []

        def cut(*args: object) -> dict[str, torch.Tensor]:
            seen.append(1)
            if len(seen) == cut_off_at:
                raise KeyboardInterrupt
            return losses(*args)  # type: ignore[arg-type]

        monkeypatch.setattr("vlingnav_train.imitation.losses", cut)
        train_imitation(config, tmp_path / "tower.pt", out)
        return Nano.load(out / "nano.pt").policy.state_dict()

    monkeypatch.setattr("vlingnav_train.optimise.KEEP", 4)
    whole = train(tmp_path / "whole", None)
    collected = []
    for step in (7, 5 + 6):  # in the first round; and in the second, after the rest of the first
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "cut", step)
        folders = (tmp_path / "cut" / "demonstrations" / "round0").iterdir()
        collected.append({folder: folder.stat().st_mtime_ns for folder in folders})
    resumed = train(tmp_path / "cut", None)
    assert collected[0] == collected[1] and len(collected[0]) == 2
    for name, value in whole.items():
        assert torch.equal(value, resumed[name]), name
