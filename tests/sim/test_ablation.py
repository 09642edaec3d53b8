"""The ablation table: every variant on the same houses, as JSON, Markdown and a picture."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
from PIL import Image

from vlingnav_cli import UserError
from vlingnav_sim.ablation import VARIANTS
from vlingnav_sim.commands.ablate import add_ablate


def run(*arguments: str) -> dict[str, dict[str, dict[str, float]]]:
    parser = argparse.ArgumentParser()
    add_ablate(parser)
    args = parser.parse_args(arguments)
    return args.run(args)


def test_thinking_is_off_always_on_or_adaptive(tmp_path: Path) -> None:
    houses = ["--houses", "700000:700002", "--max-rooms", "1", "--processes", "1"]
    variants = ["--variants", "full", "no-thought", "every-step"]
    table = run(*houses, *variants, "--out", str(tmp_path))["object"]
    assert list(table) == ["full", "no-thought", "every-step"]
    assert table["no-thought"]["think_rate"] == 0.0 and table["every-step"]["think_rate"] == 1.0
    assert 0.0 < table["full"]["think_rate"] < 0.5
    assert json.loads((tmp_path / "table.json").read_text())["object"] == json.loads(json.dumps(table))
    assert (tmp_path / "table.md").read_text().count("| object |") == 3
    assert Image.open(tmp_path / "table.png").width > 200


def test_an_unknown_variant_is_refused_naming_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no variant half; choose of full, no-thought"):
        run("--variants", "half", "--out", str(tmp_path))
    assert set(VARIANTS) >= {"full", "no-thought", "every-step", "no-memory", "words-only", "frames-only"}
