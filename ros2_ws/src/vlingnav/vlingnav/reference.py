"""Parameter files and the README's parameter tables, made from the nodes' declarations.

`python -m vlingnav.reference` prints the tables and writes `config/*.yaml`; a test compares both with
what is checked in.
"""

from __future__ import annotations

import importlib
import textwrap

from vlingnav import graph, params
from vlingnav.params import Parameter


def declarations(node: graph.Node) -> tuple[Parameter, ...]:
    """The parameters of a node; imports its module."""
    module = importlib.import_module(node.module)
    node_class = getattr(module, f"{node.name.capitalize()}Node")
    return tuple(node_class.PARAMETERS)


def tables() -> str:
    """One Markdown table per node, each under a heading."""
    parts = [f"#### `{node.name}`\n\n{params.markdown(declarations(node))}" for node in graph.NODES.values()]
    return "\n".join(parts)


def parameter_file(node: graph.Node) -> str:
    """A complete ROS parameter file with every default, each under its description."""
    lines = [
        f"# Parameters of the node `{node.name}`, in any namespace; made by `python -m vlingnav.reference`."
    ]
    lines += [f"/**/{node.name}:", "  ros__parameters:"]
    for p in declarations(node):
        bounds = f" ({p.range[0]} to {p.range[1]})" if p.range else ""
        lines += textwrap.wrap(
            p.description + bounds, 100, initial_indent="    # ", subsequent_indent="    # "
        )
        lines.append(f"    {p.name}: {params.literal(p.default)}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the files, print the tables."""
    for node in graph.NODES.values():
        (graph.share() / "config" / f"{node.name}.yaml").write_text(parameter_file(node), encoding="utf-8")
    print(tables())


if __name__ == "__main__":
    main()
