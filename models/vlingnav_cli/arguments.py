"""Types of arguments that several subcommands take; what is wrong with one is said before anything starts."""

from __future__ import annotations

import argparse
from pathlib import Path

from vlingnav_cli.errors import UserError


def count(text: str) -> int:
    """A whole number of at least one."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def rooms(text: str) -> int:
    """How many rooms a house may have."""
    if text not in tuple("12345678"):
        raise argparse.ArgumentTypeError(f"{text!r} rooms are not possible; houses have 1 to 8")
    return int(text)


def seed(text: str) -> int:
    """The seed of a house."""
    if not text.isdecimal() or len(text) > 9:
        raise argparse.ArgumentTypeError(f"{text!r} is no seed of a house; they are 0 to 999999999")
    return int(text)


def house_range(text: str) -> range:
    """A range of seeds "FIRST:END", END excluded."""
    first, _, end = text.partition(":")
    if not (first.isdecimal() and end.isdecimal() and int(first) < int(end) <= 10**9):
        raise argparse.ArgumentTypeError(
            f'{text!r} is no range of house seeds; write FIRST:END, e.g. "800000:800100"'
        )
    return range(int(first), int(end))


def make_folder(path: Path) -> None:
    """Make a folder for results, with its parents, if it is not there.

    Raises:
        UserError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {path}: {error.strerror}; choose another") from error
