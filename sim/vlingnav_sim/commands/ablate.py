"""`vlingnav ablate`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from vlingnav_cli import UserError
from vlingnav_cli.arguments import count, house_range, make_folder, rooms
from vlingnav_sim.commands.evaluate import TASKS


def add_ablate(parser: argparse.ArgumentParser) -> None:
    """Switch thinking and memory off, part by part, and compare success on the same houses."""
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=["object"], help="default: %(default)s")
    parser.add_argument(
        "--houses", type=house_range, default=range(700_000, 700_200), metavar="FIRST:END",
        help="seeds, one episode each (default: 700000:700200)",
    )  # fmt: skip
    parser.add_argument("--max-rooms", type=rooms, default=4, help="largest house (default: %(default)s)")
    parser.add_argument(
        "--policy", default="nano", help="nano, or the folder of an exported model (default: %(default)s)"
    )
    parser.add_argument("--variants", nargs="+", help="rows of the table (default: all)")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/ablation"),
        help="folder for table.json, table.md and table.png (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--processes", type=count, default=None, help="default: one per core")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Evaluate all variants, write the table, print it."""
    import json

    from vlingnav_policy import ManifestError
    from vlingnav_policy.load import load_exported
    from vlingnav_sim.ablation import VARIANTS, ablate, markdown, plot
    from vlingnav_sim.evaluate import EvaluationConfig
    from vlingnav_sim.tasks import SPLITS

    names = args.variants or list(VARIANTS)
    unknown = [name for name in names if name not in VARIANTS]
    if unknown:
        raise UserError(f"no variant {', '.join(unknown)}; choose of {', '.join(VARIANTS)}")
    try:
        load_exported(args.policy)
    except ManifestError as error:
        raise UserError(str(error)) from error
    chosen = {name: VARIANTS[name] for name in names}
    tables: dict[str, Any] = {}
    make_folder(args.out)
    for task in args.tasks:
        config = EvaluationConfig(args.policy, args.max_rooms, task=task, split=SPLITS[task][0])
        tables[task] = ablate(config, args.houses, chosen, args.processes)
        # After each task, for all of them take long.
        (args.out / "table.json").write_text(json.dumps(tables, indent=1) + "\n")
        (args.out / "table.md").write_text(markdown(tables))
        plot(tables, args.out / "table.png")
    print(markdown(tables))
    print(f"written to {args.out}")
    return tables
