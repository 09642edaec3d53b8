"""Engines: the one that was asked for or a sentence; nothing that is not the graph of the manifest runs."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from vlingnav_policy import ManifestError, commands, load_policy
from vlingnav_policy.engines import ENGINES, EngineError, open_engine
from vlingnav_policy.engines.plans import PlanCache, PlanKey, cache_folder, read
from vlingnav_policy.engines.profiles import options, profile, shapes
from vlingnav_policy.load import CHECKPOINTS
from vlingnav_policy.manifest import Manifest

NANO = CHECKPOINTS / "nano"
LANGUAGE = NANO / "language.onnx"
GRAPHS = Manifest.read(NANO).graphs
KEY = PlanKey("read", "ab" * 32, "11.4.0", "NVIDIA H100", "9.0", "fp16", ("tokens 1x8 1x8 8x8",))


def has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


@pytest.mark.parametrize(("engine", "provider"), [("cuda", "CUDA"), ("onnx-tensorrt", "Tensorrt")])
def test_a_gpu_that_is_not_there_is_an_error_and_not_the_cpu(engine: str, provider: str) -> None:
    import onnxruntime

    if f"{provider}ExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime was built for GPUs")
    with pytest.raises(EngineError, match=f"needs {provider}ExecutionProvider.*onnxruntime-gpu"):
        load_policy("nano", engine=engine)


@pytest.mark.skipif(has("tensorrt"), reason="TensorRT is installed")
def test_without_tensorrt_it_says_what_to_install() -> None:
    with pytest.raises(EngineError, match=r"needs the module tensorrt.*pip install"):
        load_policy("nano", engine="tensorrt")


def test_an_engine_nobody_knows_is_refused_with_those_there_are() -> None:
    with pytest.raises(EngineError, match="no engine 'abacus'.*cpu, cuda, onnx-tensorrt, tensorrt"):
        load_policy("nano", engine="abacus")
    assert commands.ENGINES == ENGINES


@pytest.mark.parametrize("engine", ["cuda", "tensorrt"])
def test_what_was_exported_for_cpus_is_not_given_to_gpus(engine: str) -> None:
    with pytest.raises(EngineError, match="int8, which is for CPUs"):
        open_engine(LANGUAGE, GRAPHS["language"], engine, precision="int8")


@pytest.mark.parametrize("content", [b"", LANGUAGE.read_bytes()[:5000], b"\x00" * 5000])
def test_a_file_that_is_no_graph_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "language.onnx").write_bytes(content)
    with pytest.raises(ManifestError, match="cannot be loaded by ONNX Runtime"):
        open_engine(tmp_path / "language.onnx", GRAPHS["language"])


def test_the_graph_of_another_model_is_refused_naming_both() -> None:
    with pytest.raises(ManifestError, match=r"has inputs .*words.*its manifest says .*image"):
        open_engine(LANGUAGE, GRAPHS["tower"])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"words": np.zeros((1, 65), np.int64)}, r"words as int64 1x64, got int64 1x65"),
        ({"words": np.zeros((1, 64), np.float32)}, r"words as int64 1x64, got float32 1x64"),
        ({"words": np.zeros(64, np.int64)}, r"words as int64 1x64, got int64 64"),
        ({"letters": np.zeros((1, 64), np.int64)}, r"takes words; got letters"),
        ({}, r"takes words; got "),
    ],
)
def test_inputs_of_another_shape_are_refused_and_the_engine_lives(
    inputs: dict[str, np.ndarray], message: str
) -> None:
    engine = open_engine(LANGUAGE, GRAPHS["language"])
    good = {"words": np.ones((1, 64), np.int64)}
    before = engine.run(good)["query"]
    with pytest.raises(ValueError, match=message):
        engine.run(inputs)
    assert np.array_equal(engine.run(good)["query"], before)


def test_loading_says_what_it_is_at() -> None:
    said: list[str] = []
    load_policy("nano", progress=said.append)
    assert said == [f"loading {name}.onnx with engine 'cpu'" for name in GRAPHS]


# TensorRT's engines on disk.


def test_an_engine_is_built_once(tmp_path: Path) -> None:
    built = []

    def build() -> bytes:
        built.append(1)
        return b"plan\nof two lines"

    cache = PlanCache(tmp_path / "new")
    assert cache.get(KEY, build) == cache.get(KEY, build) == b"plan\nof two lines"
    assert PlanCache(tmp_path / "new").get(KEY, build) == b"plan\nof two lines"
    assert len(built) == 1 and [file.name for file in (tmp_path / "new").iterdir()] == [KEY.file]


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(PlanKey)])
def test_another_model_gpu_version_precision_or_shape_is_another_engine(tmp_path: Path, name: str) -> None:
    value = ("tokens 1x9 1x9 8x9",) if name == "shapes" else "another"
    other = dataclasses.replace(KEY, **{name: value})
    cache = PlanCache(tmp_path)
    assert cache.get(KEY, lambda: b"ours") == b"ours"
    assert cache.get(other, lambda: b"theirs") == b"theirs"
    assert cache.get(KEY, lambda: b"new") == b"ours"
    # And if somebody puts it where ours belongs, it is not run.
    (tmp_path / KEY.file).write_bytes((tmp_path / other.file).read_bytes())
    with pytest.raises(EngineError, match=f"was made for {name} .*, this is .*; delete it"):
        cache.get(KEY, lambda: b"new")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda whole: whole[:-1], "is damaged"),
        (lambda whole: whole + b"x", "is damaged"),
        (lambda whole: whole.replace(b"ours", b"0urs"), "is damaged"),
        (lambda whole: whole[:20], "is no engine of this program"),
        (lambda whole: b"", "is no engine of this program"),
        (lambda whole: b"[]\n" + whole, "is no engine of this program"),
        (lambda whole: b"\xff\xfe\n" + whole, "is no engine of this program"),
    ],
)
def test_a_damaged_engine_is_refused(tmp_path: Path, damage, message: str) -> None:  # type: ignore[no-untyped-def]
    cache, file = PlanCache(tmp_path), tmp_path / KEY.file
    cache.get(KEY, lambda: b"ours")
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(EngineError, match=f"{message}.*delete it"):
        read(file, KEY)
    file.unlink()
    assert cache.get(KEY, lambda: b"anew") == b"anew"


def test_a_build_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def build() -> bytes:
        raise EngineError("out of memory")

    with pytest.raises(EngineError, match="out of memory"):
        PlanCache(tmp_path).get(KEY, build)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError, match=r"cannot keep the engine as .*VLINGNAV_CACHE"):
        PlanCache(tmp_path / "file" / "engines").get(KEY, lambda: b"plan")


def test_where_engines_are_kept_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLINGNAV_CACHE", "/somewhere")
    assert cache_folder() == Path("/somewhere/engines")
    monkeypatch.delenv("VLINGNAV_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert cache_folder() == Path("/caches/vlingnav/engines")


def test_tensorrt_is_told_what_lengths_to_expect() -> None:
    assert profile([4, "batch", 5, "read", 32]) == ((4, 1, 5, 1, 32), (4, 1, 5, 256, 32), (4, 8, 5, 512, 32))
    with pytest.raises(EngineError, match="the axis 'wheels'"):
        profile(["wheels"])
    graph = {"inputs": {"b": ["tensor(float)", [1, 2]], "a": ["tensor(float)", ["batch", 3]]}, "outputs": {}}
    assert shapes(graph) == ("a 1x3 1x3 8x3", "b 1x2 1x2 1x2")
    assert options(graph) == {
        "trt_profile_min_shapes": "a:1x3",
        "trt_profile_opt_shapes": "a:1x3",
        "trt_profile_max_shapes": "a:8x3",
    }
    assert not options({"inputs": {"b": ["tensor(float)", [1, 2]]}, "outputs": {}})  # nothing to tell
    for name in GRAPHS:
        assert shapes(json.loads(json.dumps(GRAPHS[name])))
