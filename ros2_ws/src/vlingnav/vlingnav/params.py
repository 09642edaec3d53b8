"""Parameters of a node, declared once: name with its unit, default, range, description.

What is unusual: everything else about a parameter (its ROS descriptor, the table in the README, the
keys a `config/*.yaml` may hold) is made from this declaration, so none of them can drift.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rclpy.node import Node

Value = bool | int | float | str | tuple[float, ...]


@dataclass(frozen=True)
class Parameter:
    """One ROS parameter.

    Attributes:
        name: ends in its unit where it has one, e.g. `stop_distance_m`, `rate_hz`.
        default: its type is the parameter's type.
        description: one sentence, as shown by `ros2 param describe` and in the README.
        range: smallest and largest value allowed; ROS refuses the rest.
        read_only: fixed once the node runs.
    """

    name: str
    default: Value
    description: str
    range: tuple[float, float] | None = None
    read_only: bool = False


def declare(node: Node, parameters: Iterable[Parameter]) -> None:
    """Declare `parameters` on `node`; a value of the wrong type or out of range raises here."""
    from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

    for p in parameters:
        descriptor = ParameterDescriptor(description=p.description, read_only=p.read_only)
        if p.range is not None:
            low, high = p.range
            if isinstance(p.default, int):
                descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high))]
            else:
                descriptor.floating_point_range = [
                    FloatingPointRange(from_value=float(low), to_value=float(high))
                ]
        default = list(p.default) if isinstance(p.default, tuple) else p.default
        node.declare_parameter(p.name, default, descriptor)


def markdown(parameters: Iterable[Parameter]) -> str:
    """The parameters as a Markdown table, as the README holds it."""
    rows = ["| parameter | default | range | what it is |", "| --- | --- | --- | --- |"]
    for p in parameters:
        bounds = f"{p.range[0]} to {p.range[1]}" if p.range else ""
        note = " Read-only." if p.read_only else ""
        rows.append(f"| `{p.name}` | `{literal(p.default)}` | {bounds} | {p.description}{note} |")
    return "\n".join(rows) + "\n"


def literal(value: Value) -> str:
    """A value as YAML has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return str(list(value))
    return value or '""' if isinstance(value, str) else str(value)
