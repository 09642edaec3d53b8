"""All of `vlingnav train-safety`: several networks, compared with each other and with tuners written by hand.

What is compared is the mean time to the goal in crowds that no training has seen (seeds 50 000 onwards).
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from vlingnav_safety.multi.evaluate import Online, run
from vlingnav_safety.multi.learned import LearnedTuner
from vlingnav_safety.multi.tuner import FixedTuner, RuleTuner, Tuner
from vlingnav_safety.multi.worlds import WorldConfig, generate
from vlingnav_train.checkpoint import commit
from vlingnav_train.safety.curves import draw
from vlingnav_train.safety.export import export_tuner
from vlingnav_train.safety.ppo import SafetyConfig, train

VALIDATION_SEED = 50_000
EXPORTED = ("tuner.onnx", "tuner.npz", "manifest.json")


def validate(tuner: Tuner, worlds: tuple[WorldConfig, ...], count: int = 20) -> dict[str, float]:
    """Mean rates and time to the goal [s] in `count` worlds of each kind."""
    seeds = list(range(VALIDATION_SEED, VALIDATION_SEED + count))
    figures = [run(world, generate(world, seeds), Online(tuner)).figures() for world in worlds]
    names = ("safe_rate", "success_rate", "mean_time_s")
    return {name: float(np.mean([each[name] for each in figures])) for name in names}


def train_seeds(config: SafetyConfig, seeds: int, out: Path) -> dict[str, Any]:
    """Train with the seeds 0, 1, ... into `out/seed<N>`, export all, and the best also to `out` itself.

    Returns:
        `best`, the name of that folder, and `validation`, the rates of all and of the tuners written by hand.
    """
    scores = {"fixed": validate(FixedTuner(), config.worlds), "rule": validate(RuleTuner(), config.worlds)}
    folders = [out / f"seed{seed}" for seed in range(seeds)]
    for seed, folder in enumerate(folders):
        this = replace(config, seed=seed)
        network = train(this, folder)
        made = {"command": "vlingnav train-safety", "commit": commit(), "config": repr(asdict(this))}
        export_tuner(network, folder, made)
        scores[folder.name] = validate(LearnedTuner(folder), config.worlds)
    best = min(folders, key=lambda folder: scores[folder.name]["mean_time_s"])
    for file in EXPORTED:
        (out / file).write_bytes((best / file).read_bytes())
    draw([json.loads((folder / "curve.json").read_text()) for folder in folders], out / "curves.png")
    figures = {"best": best.name, "validation": scores}
    (out / "validation.json").write_text(json.dumps(figures, indent=1) + "\n")
    return figures
