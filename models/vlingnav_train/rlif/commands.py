"""`vlingnav rlif-experts`, `rlif-bench`, `rlif-nav`, and `vlingnav train rlif`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlingnav_cli.arguments import count, house_range, rooms

if TYPE_CHECKING:
    from vlingnav_policy.learned import Learned
    from vlingnav_train.rlif.nav.learner import Report

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


def add_rlif_nav(parser: argparse.ArgumentParser) -> None:
    """Let a policy that searches houses learn from a scripted person's takeovers, and measure it."""
    parser.add_argument(
        "--policy", default="nano", help="nano, or the folder of an exported model (default: %(default)s)"
    )
    parser.add_argument(
        "--houses", type=house_range, default=range(600_000, 600_420), metavar="FIRST:END",
        help="seeds to learn in, each method once through all of them (default: 600000:600420)",
    )  # fmt: skip
    parser.add_argument(
        "--test", type=house_range, default=range(710_000, 710_150), metavar="FIRST:END",
        help="seeds to be measured in, never learned from (default: 710000:710150)",
    )  # fmt: skip
    parser.add_argument("--rounds", type=count, default=6, help="of learning (default: %(default)s)")
    parser.add_argument("--max-rooms", type=rooms, default=4, help="largest house (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of networks and noise (default: %(default)s)")
    parser.add_argument("--processes", type=count, default=None, help="default: one per core")
    parser.add_argument(
        "--out",
        type=Path,
        default=RUNS / "nav",
        help="folder for models and the curve; what was begun there is gone on with (default: %(default)s)",
    )
    parser.set_defaults(run=run_rlif_nav)


def run_rlif_nav(args: argparse.Namespace) -> dict[str, Any]:
    """Learn by RLIF and by cloning, and print how they compare with the policy as it was."""
    from vlingnav_cli import UserError
    from vlingnav_policy import ManifestError
    from vlingnav_train.rlif.nav.episodes import Watching
    from vlingnav_train.rlif.nav.study import NavConfig, rlif_nav

    try:
        config = NavConfig(
            (args.houses.start, args.houses.stop), (args.test.start, args.test.stop), args.rounds,
            Watching(args.policy, args.max_rooms), seed=args.seed,
        )  # fmt: skip
        figures = rlif_nav(config, args.out, args.processes)
    except (OSError, ValueError, ManifestError) as error:
        raise UserError(str(error)) from error
    for name, row in {"before": figures["before"], **figures["methods"]}.items():
        (low, high), (least, most) = row["takeovers_per_100m_ci95"], row["success_ci95"]
        print(
            f"{name:<7} {row['takeovers_per_100m']:.1f} takeovers per 100 m (95 % {low:.1f}–{high:.1f}), "
            f"success alone {row['success']:.1%} ({least:.1%}–{most:.1%}), {row['houses']} houses"
        )
    print(f"{args.out / 'takeovers.png'}: the way there; {args.out / 'rlif' / 'model'}: the edited policy")
    return figures


def add_train_rlif(parser: argparse.ArgumentParser) -> None:
    """Learn from the takeovers that a robot recorded, and put a better version of its policy in use."""
    parser.add_argument("dataset", type=Path, help="folder of what a robot recorded; it may go on recording")
    parser.add_argument(
        "--versions", type=Path, required=True,
        help="folder of the policy's versions; give the robot its link: policy:=FOLDER/current",
    )  # fmt: skip
    parser.add_argument(
        "--policy", default="nano", help="what is edited while there is no version (default: %(default)s)"
    )
    parser.add_argument("--method", choices=("rlif", "bc"), default="rlif", help="default: %(default)s")
    parser.add_argument(
        "--minutes", type=float, default=5.0, help="of learning, at most (default: %(default)s)"
    )
    parser.set_defaults(run=run_train_rlif)


def run_train_rlif(args: argparse.Namespace) -> dict[str, Any]:
    """Learn one version; prints what came of it, or why there is none."""
    from dataclasses import asdict

    learned = learn(args)
    print(learned.why)
    return asdict(learned)


def learn(args: argparse.Namespace, report: Report | None = None) -> Learned:
    """Learn one version as the arguments of `add_train_rlif` say; see `learn_version`.

    Raises:
        UserError: it cannot be learned.
    """
    from vlingnav_cli import UserError
    from vlingnav_datasets.lerobot_v3 import DatasetError
    from vlingnav_datasets.replay import find_dataset
    from vlingnav_policy import ManifestError
    from vlingnav_policy.versions import Versions
    from vlingnav_train.rlif.nav.learner import LearnConfig, learn_version, unheard

    config = LearnConfig(minutes=args.minutes, method=args.method)
    try:
        dataset = find_dataset(args.dataset)
        return learn_version(dataset, Versions(args.versions), args.policy, config, report or unheard)
    except (OSError, ValueError, DatasetError, ManifestError) as error:
        raise UserError(str(error)) from error
