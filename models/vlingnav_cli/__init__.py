"""The program `vlingnav`, and the little that every subcommand shares.

A subcommand is a function `add_<name>(parser: argparse.ArgumentParser) -> None`, registered as an entry point
of the group `vlingnav.commands`. Its docstring's first line is the help line. It adds its arguments and sets
`parser.set_defaults(run=function)`, where `run(args: argparse.Namespace) -> dict | None` does the work and
returns its figures, which `--json FILE` keeps. The module that holds it must be light to import.
"""

from __future__ import annotations

from vlingnav_cli.errors import CommandFailed, UserError

__all__ = ["CommandFailed", "UserError"]
