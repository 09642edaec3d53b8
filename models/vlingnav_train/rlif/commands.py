"""`vlingnav rlif-experts`, `vlingnav rlif-bench`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from vlingnav_cli.arguments import count

RUNS = Path("runs/rlif")
ENVIRONMENTS = ("hopper", "walker2d")


def add_rlif_experts(parser: argparse.ArgumentParser) -> None:
    """Train the poor, the middling and the good expert that rlif-bench has take over."""
    parser.add_argument("--env", choices=ENVIRONMENTS, required=True, help="environment of Gymnasium")
    parser.add_argument(
        "--out", type=Path, default=RUNS / "experts", help="folder for them (default: %(default)s)"
    )
    parser.add_argument(
        "--steps",
        type=count,
        default=500_000,
        help="of the environment, at most; it ends when the good one is found (default: %(default)s)",
    )
    parser.set_defaults(run=run_rlif_experts)


def run_rlif_experts(args: argparse.Namespace) -> dict[str, Any]:
    """Train them, and print what each is worth."""
    from vlingnav_cli import UserError
    from vlingnav_train.rlif.experts import train_experts
    from vlingnav_train.rlif.run import Plan

    try:
        worth = train_experts(args.env, args.out, Plan(steps=args.steps))
    except (OSError, ValueError) as error:
        raise UserError(str(error)) from error
    for quality, value in worth.items():
        print(f"{quality:<9} mean return {value:.0f}")
    return worth


def add_rlif_bench(parser: argparse.ArgumentParser) -> None:
    """Let a robot learn from takeovers, or from the same expert by another method, and measure it."""
    parser.add_argument("--env", choices=ENVIRONMENTS, required=True, help="environment of Gymnasium")
    parser.add_argument(
        "--expert", choices=("poor", "middling", "good"), required=True, help="who takes over"
    )
    parser.add_argument(
        "--method", choices=("rlif", "human-reward", "hg-dagger", "dagger", "bc"), required=True
    )
    parser.add_argument(
        "--intervention",
        choices=("value", "random-30", "random-50", "random-85"),
        default="value",
        help="when: as the good expert's critic says, or at random for that share of steps "
        "(default: %(default)s)",
    )
    parser.add_argument("--seeds", type=count, default=3, help="trainings (default: %(default)s)")
    parser.add_argument(
        "--steps", type=count, default=100_000, help="of the environment, in each (default: %(default)s)"
    )
    parser.add_argument(
        "--experts", type=Path, default=RUNS / "experts", help="of rlif-experts (default: %(default)s)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        help=f"folder for states and curves (default: {RUNS}/ENV/EXPERT/METHOD-INTERVENTION)",
    )
    parser.set_defaults(run=run_rlif_bench)


def run_rlif_bench(args: argparse.Namespace) -> dict[str, Any]:
    """Train all seeds, and print how they compare with the expert."""
    from vlingnav_cli import UserError
    from vlingnav_train.rlif.bench import BenchConfig, bench
    from vlingnav_train.rlif.run import Plan

    out = args.out or RUNS / args.env / args.expert / f"{args.method}-{args.intervention}"
    config = BenchConfig(args.env, args.expert, args.method, args.intervention, plan=Plan(steps=args.steps))
    try:
        figures = bench(config, args.seeds, args.experts, out)
    except (OSError, ValueError) as error:
        raise UserError(str(error)) from error
    between = figures["ci95"]
    shown = f"[{between[0]:.0f}, {between[1]:.0f}]" if between else "no interval from one seed"
    print(f"return {figures['return_mean']:.0f}, 95 % {shown}; the expert's {figures['expert_return']:.0f}")
    print(f"{out / 'curves.png'}: the way there")
    return figures
