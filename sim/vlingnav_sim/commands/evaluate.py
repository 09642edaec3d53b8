"""`vlingnav eval`."""

from __future__ import annotations

import argparse
from typing import Any

from vlingnav_cli import UserError
from vlingnav_cli.arguments import count, house_range, rooms
from vlingnav_policy.commands import ENGINES

TASKS = ("object", "image", "follow", "route")
"""Those of `vlingnav_policy`, which `--help` need not wait for."""
FIGURES = {
    "spl": "SPL {:.3f}",
    "ndtw": "nDTW {:.3f}",
    "tracking_rate": "tracking rate {:.1%}",
    "collision_rate": "collided in {:.1%}",
    "collisions_per_100m": "{:.2f} collisions per 100 m",
}
"""What is printed of the figures that a task has."""


def add_eval(parser: argparse.ArgumentParser) -> None:
    """Run a policy through many houses and report success, the task's figures and collisions."""
    parser.add_argument(
        "--task", choices=TASKS, default="object", help="what the robot is asked (default: %(default)s)"
    )
    parser.add_argument(
        "--split",
        help="object: plain, seen, paraphrase, synonym or unseen; follow: alone or lookalikes "
        "(default: the first of them)",
    )
    parser.add_argument(
        "--houses", type=house_range, default=range(800_000, 800_100), metavar="FIRST:END",
        help="seeds, one episode each (default: 800000:800100)",
    )  # fmt: skip
    parser.add_argument("--max-rooms", type=rooms, default=4, help="largest house (default: %(default)s)")
    parser.add_argument(
        "--policy", default="nano",
        help="nano, the folder of an exported model, an address such as vlingnav://HOST:PORT, expert, "
        "shortest-path, random or wall-follower; the last two are told by an oracle when to stop "
        "(default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--engine", choices=ENGINES, default="cpu", help="what a model runs on (default: %(default)s)"
    )
    parser.add_argument("--no-safety", action="store_true", help="leave the safety filter out")
    parser.add_argument("--processes", type=count, default=None, help="default: one per core")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Evaluate and print one line of figures."""
    from vlingnav_policy import ManifestError, PolicyUnavailable, load_policy
    from vlingnav_policy.remote.address import without_token
    from vlingnav_sim.evaluate import SCRIPTED, EvaluationConfig, evaluate
    from vlingnav_sim.tasks import SPLITS

    splits = SPLITS[args.task]
    split = args.split or splits[0]
    if split not in splits:
        raise UserError(f"task {args.task} has no split {split!r}; choose one of {', '.join(splits)}")
    if (args.task, args.policy) == ("follow", "shortest-path"):
        raise UserError("shortest-path goes to things that stand still; for task follow take --policy expert")
    if args.policy not in SCRIPTED:
        try:
            # A missing model is one sentence here, not one a process.
            load_policy(args.policy, engine=args.engine)
        except ManifestError as error:
            raise UserError(str(error)) from error
    config = EvaluationConfig(
        args.policy, args.max_rooms, not args.no_safety, args.task, split, engine=args.engine
    )
    try:
        figures = evaluate(args.houses, config, args.processes)
    except (ValueError, PolicyUnavailable) as error:
        raise UserError(str(error)) from error
    policy = without_token(args.policy)
    low, high = figures["ci95"]
    more = ", ".join(text.format(figures[name]) for name, text in FIGURES.items() if name in figures)
    print(
        f"{policy}, {args.task} ({split}): success {figures['success_rate']:.1%} "
        f"(95 % interval {low:.1%}–{high:.1%}), {more}, {figures['episodes']} episodes"
    )
    return {
        "policy": policy,
        "task": args.task,
        "split": split,
        "max_rooms": args.max_rooms,
        **figures,
    }
