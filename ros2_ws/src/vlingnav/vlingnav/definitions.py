"""Message types by name: their Python classes, and their definitions as text, which bags carry.

What is unusual: the text is made from the class and not read from the .msg file, which an installation by pip
need not have where ROS looks for it. Comments and constants are not in it.
"""

from __future__ import annotations

import importlib
import re
from typing import Any

_RULE = "=" * 80
# What IDL calls differently.
_PRIMITIVES = {"boolean": "bool", "octet": "byte", "float": "float32", "double": "float64"}


def message_class(name: str) -> type[Any]:
    """The class of "nav_msgs/msg/Odometry", or of a part of an action, ".../action/Navigate_Goal".

    Raises:
        LookupError: it is not installed, or no message.
    """
    package, kind, short = name.split("/")
    try:
        found: Any = importlib.import_module(f"{package}.{kind}")
        for part in short.split("_") if kind == "action" else [short]:
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise LookupError(f"message type {name} is not installed ({error})") from error
    return found


def definition(name: str) -> str:
    """The definition of a message type, and after it those of all types in it (ros2msg).

    Raises:
        LookupError: see `message_class`.
    """
    texts: dict[str, str] = {}
    waiting = [name]
    for each in waiting:  # which grows meanwhile
        if each in texts:
            continue
        fields = message_class(each).get_fields_and_field_types()
        texts[each] = "".join(f"{_as_in_msg(kind)} {field}\n" for field, kind in fields.items())
        nested = [pair for kind in fields.values() for pair in re.findall(r"(\w+)/(\w+)", kind)]
        waiting += [f"{package}/msg/{short}" for package, short in nested]
    (_, first), *others = texts.items()
    return first + "".join(f"{_RULE}\nMSG: {n.replace('/msg/', '/')}\n{text}" for n, text in others)


def _as_in_msg(kind: str) -> str:
    """`sequence<double, 3>` as `float64[<=3]`, and so on."""
    if match := re.fullmatch(r"sequence<(.+), (\d+)>", kind):
        return f"{_as_in_msg(match[1])}[<={match[2]}]"
    if match := re.fullmatch(r"sequence<(.+)>", kind):
        return f"{_as_in_msg(match[1])}[]"
    if match := re.fullmatch(r"(.+)\[(\d+)\]", kind):
        return f"{_as_in_msg(match[1])}[{match[2]}]"
    if match := re.fullmatch(r"(w?string)<(\d+)>", kind):
        return f"{match[1]}<={match[2]}"
    return _PRIMITIVES.get(kind, kind)
