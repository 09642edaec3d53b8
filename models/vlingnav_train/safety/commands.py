"""`vlingnav train-safety`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from vlingnav_cli.arguments import count


def add_train_safety(parser: argparse.ArgumentParser) -> None:
    """Train the tuner of the multi-robot filter with several seeds, and export the best."""
    parser.add_argument(
        "--out", type=Path, default=Path("runs/train/safety"), help="folder (default: %(default)s)"
    )
    parser.add_argument("--seeds", type=int, default=3, help="networks to train (default: %(default)s)")
    parser.add_argument("--iterations", type=count, default=300, help="rollouts each (default: %(default)s)")
    parser.set_defaults(run=run_train_safety)


def run_train_safety(args: argparse.Namespace) -> dict[str, Any]:
    """Train, and print how the networks compare with the tuners written by hand."""
    from vlingnav_train.safety.ppo import SafetyConfig
    from vlingnav_train.safety.seeds import train_seeds

    figures = train_seeds(SafetyConfig(iterations=args.iterations), args.seeds, args.out)
    for name, score in figures["validation"].items():
        print(f"{name:<8} " + "  ".join(f"{key} {value:.4f}" for key, value in score.items()))
    print(f"{args.out}: {figures['best']}, exported; torch, ONNX and numpy agree")
    return figures
