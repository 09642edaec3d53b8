"""`vlingnav collect`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from vlingnav_cli.arguments import count, rooms

TASKS = ("object", "image", "follow", "route")


def add_collect(parser: argparse.ArgumentParser) -> None:
    """Let experts drive through generated houses and record what they do as a dataset."""
    parser.add_argument("out", type=Path, help="folder of the dataset; one that was begun is gone on with")
    parser.add_argument("--episodes", type=count, default=1000, help="so many in all (default: %(default)s)")
    parser.add_argument(
        "--tasks", type=lambda text: tuple(text.split(",")), default=TASKS, metavar="TASK,...",
        help=f"of each house one episode of each (default: {','.join(TASKS)})",
    )  # fmt: skip
    parser.add_argument(
        "--first-seed", type=int, default=0, help="of the first house, below 700000 (default: %(default)s)"
    )
    parser.add_argument("--max-rooms", type=rooms, default=6, help="largest house (default: %(default)s)")
    parser.add_argument("--processes", type=count, default=os.cpu_count(), help="default: one per core")
    parser.add_argument(
        "--ray", nargs="?", const="auto", metavar="ADDRESS",
        help="work on a Ray cluster instead, the one that this machine is of if no address is given",
    )  # fmt: skip
    parser.set_defaults(run=run_collect)


def run_collect(args: argparse.Namespace) -> dict[str, Any]:
    """Collect and print one line."""
    import time
    from dataclasses import asdict
    from functools import partial

    from vlingnav_cli import UserError
    from vlingnav_datasets.lerobot_v3 import DatasetError
    from vlingnav_sim.parallel import over_processes
    from vlingnav_train.collecting.dataset import CollectionRefused, collect
    from vlingnav_train.collecting.houses import CollectionConfig
    from vlingnav_train.collecting.ray_workers import over_ray

    try:
        config = CollectionConfig(args.tasks, args.first_seed, args.max_rooms)
    except ValueError as error:
        raise UserError(str(error)) from error
    over = (
        partial(over_ray, address=args.ray) if args.ray else partial(over_processes, processes=args.processes)
    )
    begin = time.monotonic()
    try:
        done = collect(args.out, args.episodes, config, over)
    except (CollectionRefused, DatasetError) as error:
        raise UserError(str(error)) from error
    seconds = time.monotonic() - begin
    size = sum(file.stat().st_size for file in args.out.rglob("*") if file.is_file()) / 1e6
    print(
        f"{args.out}: {done.episodes} episodes ({done.new} new, {seconds:.0f} s) of {done.houses} houses, "
        f"{done.steps:,} steps, {size:.1f} MB; next: vlingnav annotate {args.out}"
    )
    return {**asdict(done), "seconds": seconds, "megabytes": size}
