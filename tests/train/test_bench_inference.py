"""`vlingnav bench inference`: every engine that runs has figures, every one that does not has a reason."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from vlingnav_cli import UserError
from vlingnav_train.bench import add_bench_inference, run_bench_inference
from vlingnav_train.checkpoint import Nano
from vlingnav_train.export import export_model
from vlingnav_train.networks import NanoConfig

TINY = NanoConfig(channels=16, dim=32, layers=2, heads=2)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("nano")
    nano = replace(Nano.untrained(TINY), tasks=("object",))
    export_model(out, nano)
    nano.save(out / "nano.pt")
    return out


def bench(*words: str) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    add_bench_inference(parser)
    return run_bench_inference(parser.parse_args([*words, "--steps", "20", "--threads", "1"]))


def no_compiler(*inputs: Any) -> Any:
    raise RuntimeError("no C++ compiler\nat all")


def test_engines_are_compared_in_one_run(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch, "compile", lambda module: no_compiler)
    figures = bench("--policy", str(model), "--robots", "3")
    ours, eager = f"{model.name} fp32 on cpu", "torch eager"
    engines = figures["engines"]
    assert engines.keys() == {ours, eager}
    assert engines[ours]["provider"] == "CPUExecutionProvider" and engines[eager]["provider"] == eager
    assert all(0.0 < engine["p50_ms"] <= engine["p99_ms"] for engine in engines.values())
    ratio = engines[eager]["p50_ms"] / engines[ours]["p50_ms"]
    assert figures["speedup_vs_eager"] == pytest.approx(ratio)
    assert figures["batch3_p99_ms"] > 0.0 and figures["machine"]["cores"] >= 1
    assert figures["batch3_throughput_ratio"] > 0.0 and figures["step20_over_step10"] > 0.0
    assert figures["skipped"] == {"torch.compile": "RuntimeError: no C++ compiler"}
    assert "torch.compile: skipped, RuntimeError: no C++ compiler\n" in capsys.readouterr().out


def test_what_is_not_there_is_left_out_with_the_reason(model: Path, tmp_path: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime was built for GPUs")
    absent = str(tmp_path / "nano.pt")
    arguments = ("--policy", str(model), "--robots", "2", "--checkpoint", absent)
    figures = bench(*arguments, "--engine", "cpu", "--engine", "cuda")
    assert list(figures["engines"]) == [f"{model.name} fp32 on cpu"]
    assert "CUDAExecutionProvider" in figures["skipped"][f"{model.name} on cuda"]
    assert absent in figures["skipped"]["torch"] and "speedup_vs_eager" not in figures
    with pytest.raises(UserError, match="CUDAExecutionProvider"):
        bench(*arguments, "--engine", "cuda")
