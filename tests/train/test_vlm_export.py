"""A VLingNav of every family as ONNX graphs: it decides without torch what it decides in torch."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

pytest.importorskip("transformers", reason="backbones come from the package transformers")

from vlingnav_cli import UserError  # noqa: E402
from vlingnav_policy import Decision, Goal, LearnedPolicy, Manifest, ManifestError, Observation  # noqa: E402
from vlingnav_policy.load import load_exported  # noqa: E402
from vlingnav_policy.manifest import CameraSpec, sha256  # noqa: E402
from vlingnav_policy.thinking import ThinkingConfig  # noqa: E402
from vlingnav_policy.types import TASKS  # noqa: E402
from vlingnav_policy.vlm import graphs as runtime  # noqa: E402
from vlingnav_policy.vlm.pixels import resize  # noqa: E402
from vlingnav_policy.vlm.policy import VLMPolicy  # noqa: E402
from vlingnav_train import export, onnx_files, precision  # noqa: E402
from vlingnav_train.commands import add_export  # noqa: E402
from vlingnav_train.export import ExportError  # noqa: E402
from vlingnav_train.vlm.export import manifest_of, save_policy  # noqa: E402
from vlingnav_train.vlm.export_graphs import export_graphs  # noqa: E402
from vlingnav_train.vlm.graphs import graphs, sizes_of  # noqa: E402
from vlingnav_train.vlm.model import VLingNavModel  # noqa: E402
from vlingnav_train.vlm.policy import VLingNavPolicy  # noqa: E402
from vlingnav_train.vlm.tiny import TINY, tiny_model  # noqa: E402

Think = Literal["adaptive", "never", "always"]
CAMERA = CameraSpec(40, 30, 1.5, 0.7, 0.15)  # of another size than any tower takes
GOAL = Goal("Search for the <image_goal>", image=np.full((20, 50, 3), 90, np.uint8))


def manifest(model: VLingNavModel) -> Manifest:
    return manifest_of(model, TASKS, CAMERA, {})


@pytest.fixture(scope="module", params=TINY)
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A model in torch, and the folder of the graphs of another that is equal to it."""
    model, out = tiny_model(request.param), tmp_path_factory.mktemp(request.param) / "graphs"
    export_graphs(tiny_model(request.param), manifest(model), out)
    return model, out


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model, out = tiny_model("small"), tmp_path_factory.mktemp("one") / "graphs"
    export_graphs(model, manifest(model), out)
    return out


@pytest.fixture
def copy(small: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small, tmp_path / "copy"))


def look(step: int) -> Observation:
    rng = np.random.default_rng(step)
    return Observation(rng.integers(0, 256, (CAMERA.height, CAMERA.width, 3), np.uint8), 0.4 * step)


def drive(policy: LearnedPolicy, think: Think, goal: Goal = GOAL, steps: int = 4) -> list[Decision]:
    policy.thinking = ThinkingConfig(think)
    policy.reset(goal)
    return [policy.act(look(step)) for step in range(steps)]


def same(ours: list[Decision], theirs: list[Decision]) -> bool:
    for a, b in zip(ours, theirs, strict=True):
        assert (a.thought, a.summary, a.memory, a.stop) == (b.thought, b.summary, b.memory, b.stop)
    return all(np.allclose(a.trajectory, b.trajectory, atol=1e-4) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("think", ["adaptive", "never", "always"])
def test_it_decides_what_torch_decides(both: tuple[VLingNavModel, Path], think: Think) -> None:
    model, out = both
    in_torch, exported = VLingNavPolicy(model, manifest(model)), load_exported(out)
    assert isinstance(exported, LearnedPolicy) and exported.provider == "CPUExecutionProvider"
    theirs = drive(in_torch, think)
    assert same(drive(exported, think), theirs)
    assert same(drive(exported.another(), think), theirs)
    plain = Goal("Search for the brown chair")
    assert same(drive(exported, think, plain), drive(in_torch, think, plain))
    assert (theirs[-1].thought is None) == (think == "never") or think == "adaptive"


def test_it_runs_without_torch(small: Path) -> None:
    code = f"""
import sys
for absent in ("torch", "transformers"):
    sys.modules[absent] = None
import numpy as np
from vlingnav_policy import Goal, Observation, load_policy
policy = load_policy({str(small)!r})
policy.reset(Goal("Search for the bed"))
decision = policy.act(Observation(np.zeros(({CAMERA.height}, {CAMERA.width}, 3), np.uint8), 0.0))
assert decision.trajectory.shape == (8, 3)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_frame_is_seen_once_and_every_step_costs_the_same(small: Path) -> None:
    policy = load_exported(small)
    assert isinstance(policy, VLMPolicy)
    network: Any = policy._network
    seen, read = [], []

    class Counted:
        provider = "counted"

        def __init__(self, engine: Any, calls: list[int]) -> None:
            self.engine, self.calls = engine, calls

        def run(self, inputs: Any) -> Any:
            self.calls.append(inputs["tokens"].shape[1] if "tokens" in inputs else 1)
            return self.engine.run(inputs)

    engines = network.engines
    network.engines = engines | {
        "vision": Counted(engines["vision"], seen),
        "language": Counted(engines["language"], read),
    }
    drive(policy, "never", steps=8)
    assert len(seen) == 9  # and the goal image
    assert len(set(read[::2])) == 1 and read[1::2] == [2] * 8  # the prompt; indicator and action


def test_what_was_seen_and_what_was_thought_before_matter(small: Path) -> None:
    policy = load_exported(small)
    whole = drive(policy, "always")[-1]
    for part in ("frames", "words"):
        policy.thinking = replace(ThinkingConfig("always"), **{part: False})
        policy.reset(GOAL)
        without = [policy.act(look(step)) for step in range(4)][-1]
        assert not np.array_equal(whole.trajectory, without.trajectory)


@pytest.mark.parametrize("name", ["fp16", "int8"])
@pytest.mark.parametrize("family", TINY)
def test_other_precisions_decide_nearly_the_same(family: str, name: Any, tmp_path: Path) -> None:
    model = tiny_model(family)
    assert export_graphs(tiny_model(family), manifest(model), tmp_path / name, name).precision == name
    exact = drive(VLingNavPolicy(model, manifest(model)), "never")
    rounded = drive(load_exported(tmp_path / name), "never")
    ours, theirs = (np.stack([d.trajectory for d in decisions]) for decisions in (exact, rounded))
    assert np.allclose(ours, theirs, atol=0.05 * np.abs(ours).max())
    assert not np.allclose(ours, theirs, atol=1e-6)  # it is computed in another precision


@pytest.mark.parametrize("what", ["loud", "far"])
def test_half_precision_keeps_the_digits_that_matter(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of squares in norms, which are too large for it, and of positions far into a text."""
    language = graphs(tiny_model("small"))["language"]
    inputs = dict(language.inputs)
    inputs |= (
        {"tokens": 3000 * inputs["tokens"]} if what == "loud" else {"positions": inputs["positions"] + 3000}
    )
    language = replace(language, inputs=inputs)
    export.export_graph(language, tmp_path / "language.onnx", "fp16")
    monkeypatch.setattr(precision, "_keep_digits", lambda graph, constants: None)
    with pytest.raises(ExportError, match="differs from torch"):
        export.export_graph(language, tmp_path / "again.onnx", "fp16")


@pytest.mark.parametrize("name", ["fp32", "fp16", "int8"])
def test_what_is_too_large_for_one_file_has_its_weights_in_a_second(
    name: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_files, "LARGEST", 4000)
    model, out = tiny_model("small"), tmp_path / "out"
    hashes = export_graphs(model, manifest(model), out, name).sha256
    data = onnx_files.data_of(out / "language.onnx")
    assert data.name in hashes
    drive(load_exported(out), "always")
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(ManifestError, match=r"language\.onnx\.data is not the file of its manifest"):
        load_exported(out)


def test_a_graph_that_is_not_the_network_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, compact = tiny_model("small"), export._compact

    def corrupt(path: Path) -> None:
        compact(path)
        if path.stem == "language":
            loaded = onnx.load(str(path))
            weight = next(w for w in loaded.graph.initializer if len(w.dims) == 2)
            weight.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(weight), weight.name))
            onnx.save(loaded, str(path))

    monkeypatch.setattr(export, "_compact", corrupt)
    with pytest.raises(ExportError, match=r"language\.onnx: output .* differs from torch by .*not exported"):
        export_graphs(model, manifest(model), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_graphs_that_do_not_decide_together_as_torch_does_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, more = tiny_model("small"), runtime.GraphReading.more
    monkeypatch.setattr(
        runtime.GraphReading, "more", lambda self, ids, position: more(self, ids, position + 7)
    )
    with pytest.raises(ExportError, match=r"decide otherwise than torch: mean differs by .*not exported"):
        export_graphs(model, manifest(model), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_language_model_that_forgets_is_refused() -> None:
    model = tiny_model("llava_onevision")
    model.backbone.decoder.config.layer_types = ["full_attention", "sliding_attention"]
    with pytest.raises(ExportError, match="forget what lies far back"):
        sizes_of(model)


def rehash(folder: Path, **changes: Any) -> None:
    """Make the manifest say what the files are."""
    file = folder / "manifest.json"
    data = json.loads(file.read_text()) | changes
    data["sha256"] = {name: sha256(folder / name) for name in data["sha256"]}
    file.write_text(json.dumps(data))


def test_a_folder_that_was_tampered_with_is_refused(copy: Path) -> None:
    graph = copy / "language.onnx"
    graph.write_bytes(graph.read_bytes()[:-1000])
    with pytest.raises(ManifestError, match=r"language\.onnx is not the file of its manifest"):
        load_exported(copy)
    rehash(copy)
    with pytest.raises(ManifestError, match=r"language\.onnx cannot be loaded by ONNX Runtime"):
        load_exported(copy)
    (copy / "tokenizer.json").write_text("{}")
    rehash(copy)
    with pytest.raises(ManifestError, match=r"tokenizer\.json is no tokenizer"):
        load_exported(copy)
    (copy / "vlingnav.json").write_text("{}")
    rehash(copy)
    with pytest.raises(ManifestError, match="holds no VLingNav that can be read"):
        load_exported(copy)


def test_parts_of_different_models_are_refused(copy: Path, tmp_path: Path) -> None:
    graphs = json.loads((copy / "manifest.json").read_text())["graphs"]
    rehash(copy, graphs={**graphs, "head": graphs["vocabulary"]})
    with pytest.raises(ManifestError, match="graph 'head' has outputs .*logits.* need .*log_std"):
        load_exported(copy)
    rehash(copy, graphs={"read": graphs["head"]})
    with pytest.raises(ManifestError, match="graphs are none of a VLingNav"):
        load_exported(copy)
    rehash(copy, graphs=graphs)
    shutil.copyfile(copy / "words.onnx", copy / "time.onnx")
    rehash(copy)
    with pytest.raises(ManifestError, match=r"time\.onnx has inputs .*ids.*its manifest says .*ages"):
        load_exported(copy)


def test_what_it_cannot_run_on_or_read_is_one_sentence(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ManifestError, match="runs on engine cpu or cuda: .*'tensorrt'"):
        load_exported(small, engine="tensorrt")
    policy = load_exported(small)
    with pytest.raises(RuntimeError, match="reset"):
        policy.act(look(0))
    with pytest.raises(ValueError, match="the goal image is to be uint8 of HxWx3, got float64 of 3x4"):
        policy.reset(Goal("Go there", "image", np.zeros((3, 4))))  # type: ignore[arg-type]
    policy.reset(GOAL)
    with pytest.raises(ValueError, match="uint8 images of 30x40x3, got uint8 9x9x3"):
        policy.act(Observation(np.zeros((9, 9, 3), np.uint8), 0.0))
    assert policy.act(look(0)).trajectory.shape == (8, 3), "it goes on after what was refused"
    with pytest.raises(ValueError, match="takes hidden as float32 1x32, got float32 2x32"):
        policy._network.engines["head"].run({"hidden": np.zeros((2, 32), np.float32)})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ManifestError, match="with the package tokenizers, which is not installed"):
        load_exported(small)


def vlingnav_export(*words: object) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    add_export(parser)
    args = parser.parse_args([str(word) for word in words])
    figures: dict[str, Any] = args.run(args)
    return figures


def test_the_command_exports_a_trained_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, trained, out = tiny_model("small"), tmp_path / "trained", tmp_path / "out"
    save_policy(model, manifest(model), trained)
    figures = vlingnav_export(trained, "--out", out, "--stop-threshold", 0.7)
    assert "language.onnx" in figures["sha256"] and Manifest.read(out).stop_threshold == 0.7
    in_torch = VLingNavPolicy(model, replace(manifest(model), stop_threshold=0.7))
    assert same(drive(load_exported(out), "always"), drive(in_torch, "always"))
    with pytest.raises(UserError, match="no folder of vlingnav train vlm, but exported already"):
        vlingnav_export(out, "--out", tmp_path / "twice")
    with pytest.raises(UserError, match="manifest.json is missing"):
        vlingnav_export(tmp_path, "--out", tmp_path / "nothing")
    monkeypatch.setitem(precision.TOLERANCE, "int8", 1e-9)
    before = sorted(out.iterdir()), Manifest.read(out)
    with pytest.raises(UserError, match="in int8 it may by 1e-09; not exported"):
        vlingnav_export(trained, "--out", out, "--precision", "int8")
    assert (sorted(out.iterdir()), Manifest.read(out)) == before, "what was there before stays"


@pytest.mark.parametrize("shape", [(30, 40), (200, 90), (24, 24)])
def test_images_are_resized_as_torch_resizes_them(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    pixels = torch.from_numpy(image)[None].permute(0, 3, 1, 2).float() / 255.0
    theirs = torch.nn.functional.interpolate(pixels, (24, 24), mode="bicubic", antialias=True).clamp(0.0, 1.0)
    assert np.allclose(resize(image, (24, 24)), theirs[0].permute(1, 2, 0).numpy(), atol=1e-5)
