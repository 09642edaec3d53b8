"""`vlingnav train vlm`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlingnav_cli.arguments import count

if TYPE_CHECKING:
    from vlingnav_train.vlm.model import VLingNavModel

TINY = "tiny-"
"""What the presets for tests begin with, before the family of their backbone."""


def add_train_vlm(parser: argparse.ArgumentParser) -> None:
    """Train VLingNav on a vision-language model, from a dataset with thoughts, and make it a policy."""
    parser.add_argument("dataset", type=Path, help="folder of `vlingnav collect` and `vlingnav annotate`")
    parser.add_argument("--out", type=Path, required=True, help="folder for the policy and the curves")
    parser.add_argument(
        "--preset", default="small",
        help="small, qwen3-vl-4b, llava-video-7b, or tiny-FAMILY, a random network of a few thousand weights "
        "that tries the whole way (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--backbone",
        metavar="FOLDER_OR_HUB_NAME",
        help="pretrained model to begin with, if not the preset's",
    )
    parser.add_argument(
        "--tower", type=Path, metavar="FILE",
        help="tower.pt of stage 0 or nano.pt: the eyes of a backbone that has none, as that of small",
    )  # fmt: skip
    parser.add_argument(
        "--start",
        type=Path,
        metavar="FOLDER",
        help="of an earlier stage, to go on from it",
    )
    parser.add_argument(
        "--stage", type=int, choices=(1, 2), default=2,
        help="1: the text alone; 2: trajectory and text, the paper's mixed loss (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--steps", type=count, help="optimiser steps (default: 5000 and 20000, by stage)")
    parser.add_argument("--batch", type=count, help="samples a step, of all processes (default: 512)")
    parser.add_argument("--lr", type=float, help="peak learning rate of what was pretrained (default: 1e-5)")
    parser.add_argument(
        "--skip-damaged", action="store_true",
        help="leave out and count episodes that cannot be read, instead of refusing the dataset",
    )  # fmt: skip
    parser.set_defaults(run=run_train_vlm)


def run_train_vlm(args: argparse.Namespace) -> dict[str, Any]:
    """Train; returns the losses and what was learned from."""
    import dataclasses

    from vlingnav_cli import UserError
    from vlingnav_datasets.lerobot_v3 import DatasetError, DatasetReader
    from vlingnav_train import ranks
    from vlingnav_train.vlm.train import STAGES, train_vlm

    asked = {name: getattr(args, name) for name in ("steps", "batch", "lr")}
    wanted = {name: value for name, value in asked.items() if value is not None}
    try:
        DatasetReader(args.dataset)  # what is missing is said before a large model is opened
        model = _open(args)
        stage = dataclasses.replace(STAGES[args.stage], **wanted)
        figures = train_vlm(stage, model, args.dataset, args.out, args.skip_damaged)
    except (DatasetError, OSError, ValueError) as error:
        raise UserError(str(error)) from error
    if ranks.rank() == 0:
        print(
            f"{args.out}: a policy of {figures['episodes']} episodes, {len(figures['skipped'])} left out, "
            f"loss {figures['loss']}; next: vlingnav eval --policy {args.out} --processes 1"
        )
    return figures


def _open(args: argparse.Namespace) -> VLingNavModel:
    """The model to train.

    Raises:
        ValueError: there is no such preset, or its backbone cannot be had.
        OSError: its files cannot be had.
    """
    import dataclasses

    import torch

    from vlingnav_train.vlm.model import VLingNavModel
    from vlingnav_train.vlm.presets import PRESETS
    from vlingnav_train.vlm.tiny import TINY as FAMILIES
    from vlingnav_train.vlm.tiny import tiny_model
    from vlingnav_train.vlm.train import open_untrained

    names = [*PRESETS, *(TINY + family for family in FAMILIES)]
    if args.preset not in names:
        raise ValueError(f"there is no preset {args.preset!r}; choose one of {', '.join(names)}")
    if args.start is not None:
        return VLingNavModel.load(args.start)
    if args.preset not in PRESETS:
        return tiny_model(args.preset.removeprefix(TINY))
    torch.manual_seed(0)  # of the parts that begin at random
    preset = PRESETS[args.preset]
    return open_untrained(dataclasses.replace(preset, backbone=args.backbone or preset.backbone), args.tower)
