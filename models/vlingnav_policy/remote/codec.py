"""MessagePack with numpy arrays, in the form of openpi's `msgpack_numpy`: maps whose keys are bytes.

An array is `{b"__ndarray__": True, b"data": bytes, b"dtype": "<f4", b"shape": [8, 3]}`, a numpy scalar
`{b"__npgeneric__": True, b"data": number, b"dtype": "<f4"}`. (The package msgpack-numpy writes other keys.)
"""

from __future__ import annotations

import re
from typing import Any

import msgpack
import numpy as np

KINDS = "biuf"  # of dtypes: numbers; objects would have to be unpickled


def pack(value: Any) -> bytes:
    """`value` of maps, lists, texts, bytes, numbers and numpy arrays as MessagePack."""
    return msgpack.packb(value, default=_to_map)


def unpack(data: bytes) -> Any:
    """What `pack` packed; arrays are read-only.

    Raises:
        ValueError: `data` is no MessagePack, or an array in it is none.
    """
    try:
        return msgpack.unpackb(data, object_hook=_from_map)
    except (ValueError, TypeError, KeyError, OverflowError, msgpack.exceptions.UnpackException) as error:
        raise ValueError(f"this is no MessagePack: {str(error) or type(error).__name__}") from error


def _to_map(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.kind in KINDS:
        return {
            b"__ndarray__": True,
            b"data": value.tobytes(),
            b"dtype": value.dtype.str,
            b"shape": value.shape,
        }
    if isinstance(value, np.generic) and value.dtype.kind in KINDS:
        return {b"__npgeneric__": True, b"data": value.item(), b"dtype": value.dtype.str}
    raise TypeError(f"{type(value).__name__} cannot be sent")


def _from_map(value: dict[Any, Any]) -> Any:
    if b"__ndarray__" in value:
        return np.frombuffer(value[b"data"], _dtype(value)).reshape(value[b"shape"])
    if b"__npgeneric__" in value:
        return _dtype(value).type(value[b"data"])
    return value


def _dtype(value: dict[Any, Any]) -> np.dtype[Any]:
    name = value[b"dtype"]
    if not isinstance(name, str) or not re.fullmatch(rf"[<>|=]?[{KINDS}]\d+", name):
        raise ValueError(f"an array of {name!r}")
    return np.dtype(name)
