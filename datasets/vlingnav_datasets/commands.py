"""`vlingnav annotate`, `vlingnav dataset check` and `vlingnav replay`."""

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


def add_dataset_check(parser: argparse.ArgumentParser) -> None:
    """Check a dataset and write a page of statistics about it."""
    parser.add_argument("dataset", type=Path, help="folder of the dataset")
    parser.add_argument("--page", type=Path, help="file to write (default: statistics.html in the dataset)")
    parser.add_argument("--decode", action="store_true", help="also decode every picture; takes long")
    parser.set_defaults(run=run_dataset_check)


def run_dataset_check(args: argparse.Namespace) -> dict[str, Any]:
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


def add_replay(parser: argparse.ArgumentParser) -> None:
    """Run recorded episodes through a policy, and show where it differs from what was driven."""
    parser.add_argument("dataset", type=Path, help="folder of the dataset, or of what a robot recorded")
    parser.add_argument(
        "--policy", default="nano", help="name, folder or address of the policy (default: %(default)s)"
    )
    parser.add_argument("--engine", default="cpu", help="what it runs on (default: %(default)s)")
    parser.add_argument(
        "--episode", type=int, action="append", metavar="N", help="this one alone; again for more of them"
    )
    parser.add_argument("--plot", type=Path, help="picture to write (default: replay.png in the dataset)")
    parser.set_defaults(run=run_replay)


def run_replay(args: argparse.Namespace) -> dict[str, Any]:
    """Replay, print figures and the largest differences, draw them."""
    from tqdm import tqdm

    from vlingnav_cli import CommandFailed, UserError
    from vlingnav_datasets.lerobot_v3 import DatasetError
    from vlingnav_datasets.replay import find_dataset, replay, summary, table
    from vlingnav_datasets.replay_plot import draw
    from vlingnav_policy import ManifestError, PolicyUnavailable
    from vlingnav_policy.load import load_policy, version_of
    from vlingnav_policy.remote.address import without_token

    try:
        root = find_dataset(args.dataset)
        policy = load_policy(args.policy, engine=args.engine)
        with tqdm(unit="episode", desc=root.name) as bar:
            done = replay(root, policy, args.episode, lambda index: bar.update())
    except (DatasetError, ManifestError) as error:
        raise UserError(str(error)) from error
    except PolicyUnavailable as error:
        raise CommandFailed(str(error)) from error
    name = version_of(without_token(args.policy), policy)
    figures = {"dataset": str(root), "policy": name, **summary(done)}
    for index, reason in done.skipped.items():
        print(f"episode {index} is left out: {reason}")
    if not done.steps:
        raise CommandFailed(f"{name} could be asked nothing of {root}", figures)
    apart, stops, thoughts = figures["distance_m"], figures["stops"], figures["thoughts"]
    plot = args.plot or root / "replay.png"
    draw(done, root, plot, f"{name} on {root}")
    print(f"{root}: {figures['episodes']} episodes, {figures['steps']:,} steps by {name}, {plot}")
    if apart["median"] is not None:
        print(f"apart: median {apart['median']:.2f} m, 95 % below {apart['p95']:.2f} m")
    print(f"stops: {_agreement(stops)}; thoughts: {_agreement(thoughts)}")
    print(table(done))
    return figures


def _agreement(counts: dict[str, int]) -> str:
    return f"{counts['both']} then and now, {counts['then']} then only, {counts['now']} now only"


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
