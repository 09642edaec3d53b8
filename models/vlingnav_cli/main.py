"""The program: build the parser, import the one subcommand that was asked for, run it.

Exit codes: 0 done, 1 the outcome is a failure (or a fault of ours, with its traceback), 2 wrong use,
130 interrupted with Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import math
import signal
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from vlingnav_cli.commands import Command, discover
from vlingnav_cli.errors import CommandFailed, UserError

DESCRIPTION = "Tell a robot in plain language where to go, and measure how well it does."
GROUPS = {
    "bench": "Measure how fast a part is.",
    "dataset": "Look into a dataset.",
    "train": "Train a network.",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `vlingnav` with `argv` (default: what was typed) and return its exit code."""
    # A shell starts background jobs with SIGINT ignored, and Python leaves it so.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    words = list(sys.argv[1:] if argv is None else argv)
    commands = discover()
    chosen = next((c for c in commands if tuple(words[: len(c.words)]) == c.words), None)
    try:
        try:
            args = build_parser(commands, chosen).parse_args(words)
            return run(args)
        except ModuleNotFoundError as error:
            raise (chosen.without(error) if chosen else error) from None
    except CommandFailed as error:
        print(f"vlingnav: {error}", file=sys.stderr)
        return 1
    except UserError as error:
        print(f"vlingnav: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nvlingnav: interrupted", file=sys.stderr)
        return 130


def build_parser(commands: Sequence[Command], chosen: Command | None) -> argparse.ArgumentParser:
    """The whole tree of subcommands, of which `chosen` alone is imported and has its arguments."""
    root = argparse.ArgumentParser(prog="vlingnav", description=DESCRIPTION)
    root.add_argument("--version", action="version", version=f"vlingnav {version('vlingnav-core')}")
    top = root.add_subparsers(metavar="COMMAND", required=True)
    groups: dict[str, argparse._SubParsersAction[argparse.ArgumentParser]] = {}
    for command in commands:
        *group, name = command.words
        parent = top
        if group:
            if group[0] not in groups:
                text = GROUPS.get(group[0], "")
                branch = top.add_parser(group[0], help=text, description=text)
                groups[group[0]] = branch.add_subparsers(metavar="COMMAND", required=True)
            parent = groups[group[0]]
        text = command.help()
        leaf = parent.add_parser(name, help=text, description=text)
        if command is chosen:
            command.load()(leaf)
            leaf.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    return root


def run(args: argparse.Namespace) -> int:
    """Run the chosen subcommand and keep its figures where `--json` says."""
    if args.json and not args.json.parent.is_dir():
        raise UserError(f"--json {args.json}: there is no folder {args.json.parent}; make it first")
    try:
        figures = args.run(args)
    except CommandFailed as error:
        write(error.figures, args.json)
        raise
    write(figures, args.json)
    return 0


def write(figures: Mapping[str, Any] | None, path: Path | None) -> None:
    """Write the figures as JSON, if there are any and a place for them."""
    if figures is not None and path is not None:
        path.write_text(json.dumps(to_json(figures), indent=2, allow_nan=False) + "\n", encoding="utf-8")


def to_json(value: Any) -> Any:
    """The value in JSON's own types: numpy's become numbers and lists, NaN and infinity become null."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
