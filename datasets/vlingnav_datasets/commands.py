"""`vlingnav annotate` and `vlingnav dataset`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vlingnav_datasets.annotate import Lexicon
    from vlingnav_datasets.annotate.dataset import Who


def add_annotate(parser: argparse.ArgumentParser) -> None:
    """Write thoughts and summaries into a dataset, at the steps that deserve them."""
    parser.add_argument("dataset", type=Path, help="folder of the dataset; it is changed where it lies")
    parser.add_argument(
        "--annotator", default="oracle", metavar="WHO",
        help="oracle; openai:URL, an endpoint such as openai:http://localhost:8000/v1, with its access token "
        "in OPENAI_API_KEY; or transformers:FOLDER, a vision-language model (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--model", help="name of the model at an openai: endpoint")
    parser.add_argument("--device", default="cpu", help="of a transformers: model (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all choices (default: %(default)s)")
    parser.set_defaults(run=run_annotate)


def run_annotate(args: argparse.Namespace) -> dict[str, Any]:
    """Label what has no labels yet; print what came of it."""
    from dataclasses import asdict

    from vlingnav_cli import CommandFailed, UserError
    from vlingnav_datasets.annotate import AnnotationConfig, AnnotatorUnavailable
    from vlingnav_datasets.annotate.dataset import annotate_dataset
    from vlingnav_datasets.annotate.lexicon import read_lexicon
    from vlingnav_datasets.lerobot_v3 import DatasetError

    try:
        lexicon = read_lexicon(args.dataset)
        done = annotate_dataset(args.dataset, _who(args, lexicon), AnnotationConfig(lexicon, args.seed))
    except (DatasetError, ValueError) as error:
        raise UserError(str(error)) from error
    except AnnotatorUnavailable as error:
        raise CommandFailed(f"{error}; start the same command again, which goes on from here") from error
    share = done.thoughts / max(done.steps, 1)
    print(
        f"{args.dataset}: {done.episodes} episodes ({done.new} new), thoughts at {done.thoughts:,} of "
        f"{done.steps:,} steps ({share:.1%})"
    )
    print("reasons: " + (", ".join(f"{name} {count}" for name, count in done.reasons.items()) or "none"))
    rejected = ", ".join(f"{name} {count}" for name, count in done.rejected.items()) or "none"
    print(f"answers not taken: {rejected}; steps that go without: {done.dropped}")
    figures = {**asdict(done), "thought_share": share}
    if done.unreadable:
        raise CommandFailed(_damage(done.unreadable), figures)
    return figures


def add_dataset(parser: argparse.ArgumentParser) -> None:
    """Check a dataset and write a page of statistics about it."""
    parser.add_argument("dataset", type=Path, help="folder of the dataset")
    parser.add_argument("--page", type=Path, help="file to write (default: statistics.html in the dataset)")
    parser.add_argument("--decode", action="store_true", help="also decode every picture; takes long")
    parser.set_defaults(run=run_dataset)


def run_dataset(args: argparse.Namespace) -> dict[str, Any]:
    """Check, count, write the page; a dataset with damage is a failure."""
    from vlingnav_cli import CommandFailed, UserError
    from vlingnav_datasets.lerobot_v3 import DatasetError, check, statistics, write_page

    try:
        figures = statistics(args.dataset)
        page = write_page(args.dataset, args.page)
    except DatasetError as error:
        raise UserError(str(error)) from error
    problems = check(args.dataset, args.decode)
    print(f"{args.dataset}: {figures['episodes']} episodes, {figures['steps']:,} steps, {page}")
    for kind, of in figures["kinds"].items():
        thought = "" if of["thought_share"] is None else f", {of['thought_share']:.1%} with a thought"
        success = "" if of["success_share"] is None else f", {of['success_share']:.1%} successful"
        print(f"  {kind}: {of['episodes']} episodes, {of['steps']:,} steps{thought}{success}")
    figures |= {"problems": [problem.text for problem in problems]}
    if problems:
        texts = "\n  ".join(problem.text for problem in problems)
        raise CommandFailed(f"{args.dataset} has {len(problems)} problems:\n  {texts}", figures)
    return figures


def _who(args: argparse.Namespace, lexicon: Lexicon) -> Who:
    """The annotator that was asked for.

    Raises:
        ValueError: there is none of that name, or something is missing for it.
    """
    from vlingnav_datasets.annotate import OracleAnnotator
    from vlingnav_datasets.annotate.dataset import Who
    from vlingnav_datasets.annotate.vlm import EndpointAnnotator, EndpointConfig, TransformersAnnotator

    kind, _, rest = args.annotator.partition(":")
    if args.annotator == "oracle":
        return Who("oracle", OracleAnnotator(lexicon), looks=False)
    if kind == "openai" and rest:
        if not args.model:
            raise ValueError(f"which model at {rest}? name it with --model")
        name = f"openai {args.model}"  # the address may change from one day to the next
        return Who(name, EndpointAnnotator(EndpointConfig(rest, args.model)), looks=True)
    if kind == "transformers" and rest:
        folder = Path(rest)
        return Who(f"transformers {folder.name}", TransformersAnnotator(folder, args.device), looks=True)
    raise ValueError(
        f"there is no annotator {args.annotator!r}; take oracle, openai:URL or transformers:FOLDER"
    )


def _damage(unreadable: dict[int, str]) -> str:
    reasons = "\n  ".join(sorted(set(unreadable.values())))
    return f"{len(unreadable)} episodes cannot be read and have no labels; restore their files:\n  {reasons}"
