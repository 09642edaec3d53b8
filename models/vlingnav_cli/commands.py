"""Finding the subcommands, which are entry points, without importing any of them.

Help lines are read from the source text of the registered function, so `vlingnav --help` costs no import of
numpy, mujoco or torch, and lists a subcommand even where what it needs is not installed.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from vlingnav_cli.errors import UserError

GROUP = "vlingnav.commands"

# The extras of `vlingnav-core` that bring what the subcommands of a room need.
EXTRAS = {
    "vlingnav": "ros",
    "vlingnav_policy": "sim",
    "vlingnav_sim": "sim",
    "vlingnav_datasets": "data",
    "vlingnav_train": "sim,data,train",
}


@dataclass(frozen=True)
class Command:
    """One subcommand.

    Attributes:
        words: what is typed after `vlingnav`: `("bench", "sim")`.
        module: where it is: "vlingnav_sim.commands.bench".
        function: what adds its arguments to a parser: "add_bench_sim".
    """

    words: tuple[str, ...]
    module: str
    function: str

    @property
    def room(self) -> str:
        """The package that brings it."""
        return self.module.partition(".")[0]

    def load(self) -> Callable[[argparse.ArgumentParser], None]:
        """Import the function that adds the arguments."""
        return getattr(importlib.import_module(self.module), self.function)

    def help(self) -> str:
        """First line of the function's docstring; empty when there is none to be found."""
        path = _source(self.module)
        if path is None:
            return ""
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name == self.function:
                return (ast.get_docstring(node) or "").partition("\n")[0]
        return ""

    def without(self, error: ModuleNotFoundError) -> Exception:
        """What to raise when a module is missing: a sentence, unless the fault is not the user's to mend."""
        name = f"vlingnav {' '.join(self.words)}"
        if error.name == "vlingnav_interfaces":
            return UserError(f"`{name}` needs vlingnav_interfaces, which are not built; run: make install")
        if self.room not in EXTRAS or str(error.name).partition("_")[0] == "vlingnav":
            return error
        extra = f"pip install -c constraints.txt -e '.[{EXTRAS[self.room]}]'"
        return UserError(f"`{name}` needs {error.name}, which is not installed; run: {extra}")


def discover() -> list[Command]:
    """All registered subcommands, sorted by name."""
    entries = {tuple(entry.name.split(".")): entry for entry in entry_points(group=GROUP)}
    return [Command(words, entry.module, entry.attr) for words, entry in sorted(entries.items())]


def _source(module: str) -> Path | None:
    """The file of a module, found from the place of its top-level package alone, which imports nothing."""
    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin)
    if rest:
        path = path.parent.joinpath(*rest)
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return path if path.is_file() else None
