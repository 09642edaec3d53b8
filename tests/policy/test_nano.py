"""The shipped policy: it loads, decides, forgets; what is not it is refused with a sentence."""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from vlingnav_policy import Goal, Manifest, ManifestError, Observation, Odometry, load_policy
from vlingnav_policy.load import CHECKPOINTS
from vlingnav_policy.thinking import ThinkingConfig

NANO = CHECKPOINTS / "nano"


def observation(stamp: float, seed: int = 0, shape: tuple[int, ...] = (96, 128, 3)) -> Observation:
    rgb = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return Observation(rgb, stamp, odometry=Odometry(np.array([0.1 * stamp, 0.0, 0.0]), np.zeros(3)))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(NANO, tmp_path / "model"))


def test_it_decides_and_the_answer_depends_on_goal_image_and_memory() -> None:
    policy = load_policy("nano", thinking=ThinkingConfig(hold_s=0.0))

    def last(instruction: str, seeds: list[int]) -> np.ndarray:
        policy.reset(Goal(instruction))
        decisions = [policy.act(observation(0.4 * i, seed)) for i, seed in enumerate(seeds)]
        assert decisions[-1].trajectory.shape == (8, 3) and decisions[-1].dt == pytest.approx(0.2)
        assert decisions[-1].stamp == pytest.approx(0.4 * (len(seeds) - 1))
        return decisions[-1].trajectory

    same = last("find the red chair", [1, 2, 3])
    assert np.array_equal(same, last("find the red chair", [1, 2, 3]))
    assert not np.allclose(same, last("find the toilet", [1, 2, 3]), atol=1e-4)
    assert not np.allclose(same, last("find the red chair", [1, 2, 4]), atol=1e-4)
    assert not np.allclose(same, last("find the red chair", [9, 2, 3]), atol=1e-4)


def test_step_500_costs_what_step_10_costs() -> None:
    policy = load_policy("nano")
    policy.reset(Goal("find the red chair"))
    times = []
    for step in range(505):
        seen = observation(0.4 * step, step % 7)
        begin = time.perf_counter()
        policy.act(seen)
        times.append(time.perf_counter() - begin)
    assert np.median(times[480:]) < 1.5 * np.median(
        times[10:35]
    )  # the bench reports the ratio; this finds growth


def test_words_it_never_learned_are_named() -> None:
    assert load_policy("nano").unknown_words("find the red gramophone") == ["gramophone"]


def test_with_a_thesaurus_it_reads_what_it_never_learned(copy: Path) -> None:
    plain = load_policy("nano")
    data = json.loads((copy / "manifest.json").read_text())
    del data["sha256"]["thesaurus.json"]
    (copy / "manifest.json").write_text(json.dumps(data))
    (copy / "thesaurus.json").write_text('{"names": {"gramophone": "coffee table", "moon": "star"}}')
    assert load_policy(copy).unknown_words("find the gramophone") == ["gramophone"]  # not in the manifest
    plain.manifest.write(copy, "thesaurus.json")
    policy = load_policy(copy)
    assert policy.unknown_words("find the red gramophone") == []
    assert policy.wording("find the gramophones").notes == ['"gramophones" is taken for "coffee table"']
    decisions = []
    for one, instruction in ((policy, "find the gramophone"), (plain, "find the coffee table")):
        one.reset(Goal(instruction))
        decisions.append(one.act(observation(0.0)).trajectory)
    assert np.array_equal(*decisions)
    policy.check(Goal("gramophone"))
    for goal, message in (("moon", "none of the words"), ("gramophone " * 40, "has 80 words")):
        with pytest.raises(ValueError, match=message):
            policy.check(Goal(goal))
    (copy / "thesaurus.json").write_text("{}")
    with pytest.raises(ManifestError, match=r"thesaurus.json is not the file of its manifest"):
        load_policy(copy)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: (d / "read.onnx").unlink(), "read.onnx are missing"),
        (lambda d: (d / "manifest.json").unlink(), "manifest.json is missing"),
        (lambda d: (d / "manifest.json").write_text("{"), "is not a manifest"),
        (
            lambda d: (d / "tower.onnx").write_bytes((d / "tower.onnx").read_bytes()[:1000]),
            "is not the file of its manifest",
        ),
        (
            lambda d: (d / "read.onnx").write_bytes((d / "tower.onnx").read_bytes()),
            "is not the file of its manifest",
        ),
    ],
)
def test_a_damaged_model_is_refused(copy: Path, damage, message: str) -> None:  # type: ignore[no-untyped-def]
    damage(copy)
    with pytest.raises(ManifestError, match=message):
        load_policy(copy)


def test_a_manifest_of_another_model_is_refused_naming_both(copy: Path) -> None:
    data = json.loads((copy / "manifest.json").read_text())
    data["graphs"]["tower"]["inputs"]["image"] = ["tensor(uint8)", [1, 240, 320, 3]]
    (copy / "manifest.json").write_text(json.dumps(data))
    with pytest.raises(ManifestError, match=r"96, 128, 3.*its manifest says.*240, 320, 3"):
        load_policy(copy)


def test_a_manifest_of_another_format_is_refused(copy: Path) -> None:
    data = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**data, "format": 99}))
    with pytest.raises(ManifestError, match="has format 99, this program reads formats 2, 3, 4"):
        load_policy(copy)


def test_another_camera_is_refused_naming_both() -> None:
    manifest = Manifest.read(NANO)
    manifest.check_camera(manifest.camera)
    with pytest.raises(ManifestError, match=r"expects camera mount_height_m 0.7, the robot has 1.2"):
        manifest.check_camera(dataclasses.replace(manifest.camera, mount_height_m=1.2))


def test_no_such_policy_lists_what_there_is() -> None:
    with pytest.raises(ManifestError, match="no policy 'giant'.*nano"):
        load_policy("giant")


def test_inputs_it_cannot_use_are_named() -> None:
    policy = load_policy("nano")
    with pytest.raises(RuntimeError, match="reset"):
        policy.act(observation(0.0))
    policy.reset(Goal("find the bed"))
    with pytest.raises(ValueError, match="96x128x3, got uint8 240x320x3"):
        policy.act(observation(0.0, shape=(240, 320, 3)))
    with pytest.raises(ValueError, match="odometry"):
        policy.act(dataclasses.replace(observation(0.0), odometry=None))


def test_an_empty_instruction_is_no_goal() -> None:
    with pytest.raises(ValueError, match="the instruction is empty"):
        Goal("  ")
