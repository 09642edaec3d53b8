"""The benchmark runs and its figures add up; its bar is for a quiet machine, not for a test."""

from __future__ import annotations

import argparse

import pytest

from vlingnav_sim.commands.bench import add_bench_sim


def test_bench_sim_prints_a_table_and_returns_its_figures(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_bench_sim(parser)
    args = parser.parse_args(["--houses", "1", "--repeats", "1"])
    figures = args.run(args)
    assert figures["fps"] > 0.0 and figures["bare_fps"] > 0.0
    assert figures["ratio"] == pytest.approx(figures["fps"] / figures["bare_fps"])
    assert figures["bare_in_view_fps"] > figures["bare_fps"]
    assert f"{figures['fps']:.0f}/s" in capsys.readouterr().out
