"""VLingNav from a dataset to a policy, the whole way at a tiny size."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("transformers", reason="backbones come from the package transformers")
pytest.importorskip("pyarrow", reason="datasets need the extra `data`")

from vlingnav_cli import UserError  # noqa: E402
from vlingnav_datasets.annotate import AnnotationConfig, OracleAnnotator  # noqa: E402
from vlingnav_datasets.annotate.dataset import Who, annotate_dataset  # noqa: E402
from vlingnav_datasets.annotate.lexicon import read_lexicon  # noqa: E402
from vlingnav_datasets.lerobot_v3 import FRONT, DatasetError, DatasetReader  # noqa: E402
from vlingnav_datasets.navigation import NavigationDataset  # noqa: E402
from vlingnav_policy import LearnedPolicy, ManifestError, Memory, load_policy  # noqa: E402
from vlingnav_policy.history import Frame, FrameHistory, HistoryConfig  # noqa: E402
from vlingnav_policy.thinking import ThinkingConfig  # noqa: E402
from vlingnav_policy.types import Goal  # noqa: E402
from vlingnav_sim.episode import run_episode  # noqa: E402
from vlingnav_sim.grid import OccupancyGrid  # noqa: E402
from vlingnav_sim.house import HouseConfig, generate  # noqa: E402
from vlingnav_sim.simulator import Simulator  # noqa: E402
from vlingnav_sim.tasks import sample_task  # noqa: E402
from vlingnav_train.collecting.dataset import collect  # noqa: E402
from vlingnav_train.collecting.houses import CollectionConfig  # noqa: E402
from vlingnav_train.optimise import Board, OptimiserConfig, optimise  # noqa: E402
from vlingnav_train.vlm.batch import Batch, collate  # noqa: E402
from vlingnav_train.vlm.commands import add_train_vlm  # noqa: E402
from vlingnav_train.vlm.episodes import EpisodeSamples, frames_kept  # noqa: E402
from vlingnav_train.vlm.model import OURS, VLingNavModel  # noqa: E402
from vlingnav_train.vlm.tiny import tiny_model  # noqa: E402
from vlingnav_train.vlm.train import StageConfig, losses, train_vlm  # noqa: E402

TINY = StageConfig(
    2, drives=True, steps=5, batch=4, at_once=2, together=2, lr=1e-3, new_lr=3e-3, held_out=1000
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three episodes, with thoughts; to be copied by who changes them."""
    root = tmp_path_factory.mktemp("dataset") / "three"
    collect(root, 3, CollectionConfig(("object",), first_seed=3, max_rooms=1), progress=False)
    lexicon = read_lexicon(root)
    who = Who("oracle", OracleAnnotator(lexicon), looks=False)
    annotate_dataset(root, who, AnnotationConfig(lexicon, 0), progress=False)
    return root


@pytest.fixture(scope="module")
def trained(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained") / "vlm"
    train_vlm(TINY, tiny_model("small"), dataset, out)
    return out


def vlingnav_train_vlm(*words: object) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    add_train_vlm(parser)
    args = parser.parse_args([str(word) for word in words])
    figures: dict[str, Any] = args.run(args)
    return figures


def batches(data: EpisodeSamples, size: int) -> list[Batch]:
    samples = data.draw(size, np.random.default_rng(0))
    return [collate(samples[:2]), collate(samples[2:])]


def test_a_sample_is_what_the_robot_reads_there(dataset: Path) -> None:
    """Prompts of a whole episode, written as the policy writes them, step by step."""
    model = tiny_model("small")
    writer, data = model.writer, EpisodeSamples(dataset, model)
    episode = NavigationDataset(dataset).episode(data.episodes[0])
    history, memory = FrameHistory(model.config.history), writer.memory()
    told = writer.instruction(episode.goal.instruction)
    steps = range(0, len(episode), 5)
    samples = dict(zip(steps, data.samples(data.episodes[0], list(steps)), strict=True))
    remembered = 0
    for step in range(len(episode)):
        cells = model.see(episode.rgb[step][None])[0]
        history.add(Frame(cells, episode.stamps[step], episode.poses[step], maxima=0))
        if step in samples:
            read, expected = samples[step], writer.pack(writer.prompt(memory.text(), told, history.frames))
            assert np.array_equal(read.sequence.ids[: len(expected)], expected.ids)
            assert np.array_equal(read.sequence.ages, expected.ages)
            assert np.allclose(read.sequence.cells, expected.cells, atol=1e-2)
            assert len(read.sequence) <= writer.longest()
            thinks = writer.text.tags.think_on in read.sequence.ids[read.sequence.learn]
            assert thinks == episode.thinks[step] and read.stop == episode.stops[step]
            remembered += bool(memory.entries)
        if episode.thinks[step]:
            memory.write(step + 1, episode.summaries[step])
    assert remembered and any(episode.thinks[step] for step in steps)


def test_step_500_reads_no_more_frames_than_step_100() -> None:
    config = HistoryConfig(max_rate=2.5, stability=5.0, max_frames=12)
    kept = frames_kept(np.arange(501) * 0.4, [100, 500], config)
    assert max(len(frames) for frames in kept.values()) <= 12
    assert all(frames[0] >= 0 and frames[-1] == step for step, frames in kept.items())
    history = FrameHistory(config)
    for step in range(501):
        history.add(Frame(np.zeros((1, 1)), 0.4 * step, np.zeros(3), 0))
    assert [round(frame.stamp / 0.4) for frame in history.frames] == kept[500]


def test_a_handful_of_samples_is_learned(dataset: Path, tmp_path: Path) -> None:
    model = tiny_model("small")
    few = batches(EpisodeSamples(dataset, model), 6)
    with torch.no_grad():
        before = losses(model, few, drives=True)
    steps = 60
    optimise(
        model,
        lambda batch: losses(model, batch, drives=True),
        lambda first: repeat(few, steps - first),
        OptimiserConfig(steps, lr=5e-3, weight_decay=0.0),
        tmp_path / "state",
        Board(tmp_path / "board"),
    )
    with torch.no_grad():
        after = losses(model.eval(), few, drives=True)
    for part in ("text", "trajectory", "stop"):
        assert after[part] < 0.5 * before[part]


def test_a_batch_in_parts_is_one_batch(dataset: Path) -> None:
    model = tiny_model("small").train()
    samples = EpisodeSamples(dataset, model).draw(4, np.random.default_rng(0))
    gradients, values = [], []
    for parts in ([collate(samples)], [collate(samples[:1]), collate(samples[1:])]):
        model.zero_grad()
        said = losses(model, parts, drives=True)
        torch.stack(list(said.values())).sum().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
        values.append(torch.stack(list(said.values())))
    assert torch.allclose(*values, atol=1e-5) and torch.allclose(*gradients, atol=1e-4)


def test_it_becomes_a_policy_that_drives(trained: Path) -> None:
    policy = load_policy(trained, thinking=ThinkingConfig("always"))
    assert isinstance(policy, LearnedPolicy)
    assert policy.manifest.tasks == ("object",) and policy.manifest.training["episodes"] == 3
    house = generate(5, HouseConfig(max_rooms=1))
    grid = OccupancyGrid.from_house(house)
    task = replace(sample_task(house, grid), time_limit_s=1.6)
    seen = []
    with Simulator(task.populated(house), seed=5) as simulator:
        camera = simulator.robots[0].camera
        assert (policy.manifest.camera.width, policy.manifest.camera.hfov_rad) == (camera.width, camera.hfov)
        run_episode(
            simulator, policy, task, grid, on_decision=lambda _, d: seen.append(d) or replace(d, stop=False)
        )
    assert len(seen) == 4
    for decision in seen:
        assert decision.trajectory.shape == (8, 3) and np.isfinite(decision.trajectory).all()
        assert decision.thought is not None and decision.memory is not None
    assert policy.memory.text() == seen[-1].memory
    policy.reset(task.goal, Memory(entries=policy.memory.for_next_run().entries))
    assert {entry.step for entry in policy.memory.entries} <= {0}
    with pytest.raises(ValueError, match="trained for tasks object, not for follow"):
        policy.reset(Goal("follow the man in red", "follow"))
    assert policy.memory.entries and not policy.another().memory.entries


def test_a_policy_that_is_not_what_it_says_is_refused(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="runs in torch, on cpu or cuda, not on tensorrt"):
        load_policy(trained, engine="tensorrt")
    copy = tmp_path / "copy"
    shutil.copytree(trained, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "runtime": "abacus"}))
    with pytest.raises(ManifestError, match="run by 'abacus', and what is installed has nano, .*vlm"):
        load_policy(copy)
    (copy / "manifest.json").write_text(json.dumps(manifest))
    (copy / OURS).write_bytes((copy / OURS).read_bytes()[:-1] + b"\0")
    with pytest.raises(ManifestError, match=f"{OURS} is not the file of its manifest"):
        load_policy(copy)
    assert "backbone/model.safetensors" in manifest["sha256"]


def test_cut_off_it_goes_on_as_if_it_had_not_been(
    dataset: Path, tmp_path: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlingnav_train.optimise.KEEP", 2)
    calls = []

    def cut(*args: Any) -> dict[str, torch.Tensor]:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return losses(*args)

    monkeypatch.setattr("vlingnav_train.vlm.train.losses", cut)
    with pytest.raises(KeyboardInterrupt):
        train_vlm(TINY, tiny_model("small"), dataset, tmp_path / "cut")
    with pytest.raises(ValueError, match="holds a training with other settings"):
        train_vlm(replace(TINY, lr=1e-4), tiny_model("small"), dataset, tmp_path / "cut")
    train_vlm(TINY, tiny_model("small"), dataset, tmp_path / "cut")
    assert len(calls) == 4 + 3  # steps 3 to 5 once more; 1 and 2 were kept
    whole, resumed = (VLingNavModel.load(folder).state_dict() for folder in (trained, tmp_path / "cut"))
    before = tiny_model("small").state_dict()
    for name, value in whole.items():
        assert torch.equal(value, resumed[name]), name
    assert any(not torch.equal(value, before[name]) for name, value in whole.items())
    with pytest.raises(ValueError, match="holds a trained policy already"):
        train_vlm(TINY, tiny_model("small"), dataset, tmp_path / "cut")


def test_stage_1_teaches_words_and_not_to_drive_and_stage_2_goes_on(dataset: Path, tmp_path: Path) -> None:
    out, stage = tmp_path / "one", replace(TINY, number=1, drives=False, steps=2)
    figures = train_vlm(stage, tiny_model("qwen3_vl"), dataset, out)
    assert set(figures["loss"]) == {"text"}
    before, after = tiny_model("qwen3_vl"), VLingNavModel.load(out)
    assert all(torch.equal(v, after.head.state_dict()[k]) for k, v in before.head.state_dict().items())
    for name, value in before.backbone.vision.named_parameters():
        if not value.requires_grad:
            assert torch.equal(value, after.backbone.vision.get_parameter(name)), name
    learned = after.backbone.decoder.state_dict()
    assert all(not torch.equal(v, learned[k]) for k, v in before.backbone.decoder.named_parameters())
    figures = vlingnav_train_vlm(
        dataset, "--preset", "tiny-qwen3_vl", "--start", out, "--out", tmp_path / "two", "--steps", 2,
        "--batch", 2,
    )  # fmt: skip
    assert set(figures["loss"]) == {"text", "trajectory", "stop", "spread"} and figures["skipped"] == []
    load_policy(tmp_path / "two")


def test_a_house_held_out_is_not_learned_from(dataset: Path, tmp_path: Path) -> None:
    houses = [meta.extras["house"] for meta in DatasetReader(dataset).metas]
    data = EpisodeSamples(dataset, tiny_model("small"), held_out=houses[1])
    assert data.held_out == [1] and data.episodes == [0, 2]
    figures = train_vlm(replace(TINY, steps=2, held_out=houses[1]), tiny_model("small"), dataset, tmp_path)
    assert figures["episodes"] == 2 and np.isfinite(list(figures["held_out"].values())).all()


def cut_video(root: Path) -> Path:
    file = root / f"videos/{FRONT}/chunk-000/file-000.mp4"
    file.write_bytes(file.read_bytes()[:-2000])
    return file


def garble_rows(root: Path) -> Path:
    """Those of the first episode."""
    file = root / "data/chunk-000/file-000.parquet"
    data = bytearray(file.read_bytes())
    for i in range(len(data) // 12, len(data) // 6):
        data[i] ^= 255
    file.write_bytes(data)
    return file


@pytest.mark.parametrize("damage", [cut_video, garble_rows])
def test_a_corrupt_shard_is_named_and_nothing_lost_silently(
    dataset: Path, tmp_path: Path, damage: Callable[[Path], Path]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(dataset, copy)
    file = damage(copy)
    with pytest.raises(DatasetError, match=rf"of 3 episodes of .*--skip-damaged:\n.*{file.name}"):
        EpisodeSamples(copy, tiny_model("small"))
    if damage is garble_rows:
        data = EpisodeSamples(copy, tiny_model("small"), skip=True)
        assert list(data.skipped) == [0] and data.episodes == [1, 2] and str(file) in data.skipped[0]
    else:  # all three lie in the one video
        with pytest.raises(DatasetError, match="no episode to learn from"):
            EpisodeSamples(copy, tiny_model("small"), skip=True)


def test_a_picture_that_cannot_be_decoded_is_found_at_the_latest_when_it_is_drawn(dataset: Path) -> None:
    broken = []

    def breaks(self: EpisodeSamples, index: int, steps: list[int]) -> list[Any]:
        if index == 1:
            broken.append(index)
            raise DatasetError("file-001.mp4 is damaged")
        return [(index, step) for step in steps]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EpisodeSamples, "samples", breaks)
        data = EpisodeSamples(dataset, tiny_model("small"))
        with pytest.raises(DatasetError, match=r"file-001\.mp4"):
            data.draw(64, np.random.default_rng(0))
        data = EpisodeSamples(dataset, tiny_model("small"), skip=True)
        first, again = (data.draw(64, np.random.default_rng(0)) for _ in range(2))
    assert data.skipped == {1: "episode 1: file-001.mp4 is damaged"} and len(broken) == 2
    assert first == again and len(first) == 64, "what is known to be damaged changes no other draw"


def test_what_cannot_be_trained_is_one_sentence(dataset: Path, tmp_path: Path) -> None:
    out = "--out", tmp_path / "out"
    with pytest.raises(UserError, match=r"no dataset in .*nowhere.*record one"):
        vlingnav_train_vlm(tmp_path / "nowhere", *out)
    with pytest.raises(UserError, match="no preset 'giant'; choose one of small, qwen3-vl-4b, .*tiny-small"):
        vlingnav_train_vlm(dataset, *out, "--preset", "giant")
    with pytest.raises(UserError, match="holds no VLingNav that can be read"):
        vlingnav_train_vlm(dataset, *out, "--preset", "tiny-small", "--start", tmp_path)
    with pytest.raises(UserError, match="nothing can be trained for 1 step; give 2"):
        vlingnav_train_vlm(dataset, *out, "--preset", "tiny-small", "--steps", 1)
    slow = tiny_model("small")
    slow.config = replace(slow.config, dt=0.5)
    with pytest.raises(
        ValueError, match=r"8 waypoints 0\.2 s apart, and the model decides on 8 waypoints 0\.5"
    ):
        EpisodeSamples(dataset, slow)
    assert not (tmp_path / "out").exists()
