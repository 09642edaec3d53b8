"""ONNX files of any size: what is too large for one file has its weights in a second one beside it.

A protobuf holds 2 GB at most. The weights of `NAME.onnx` are then in `NAME.onnx.data`, which ONNX Runtime
finds by itself as long as both lie in one folder.
"""

from __future__ import annotations

import os
from pathlib import Path

import onnx

LARGEST = 2**31 - 2**26
"""Bytes of weights that are kept in one file; the rest of a graph takes a few megabytes."""


def data_of(path: Path) -> Path:
    """Where the weights of a large graph are."""
    return path.with_name(f"{path.name}.data")


def is_large(model: onnx.ModelProto) -> bool:
    """Whether the weights of `model`, which were loaded with it, need a file of their own."""
    return sum(len(weight.raw_data) for weight in model.graph.initializer) > LARGEST


def save(model: onnx.ModelProto, path: Path) -> None:
    """Write `model` to `path`, in the place of what was there; a large one has no weights after that."""
    data = data_of(path)
    data.unlink(missing_ok=True)  # weights would be added to those that are there
    if is_large(model):
        onnx.save(model, str(path), save_as_external_data=True, location=data.name)
    else:
        onnx.save(model, str(path))


def move(path: Path, to: Path) -> None:
    """Move a graph to another folder under the same name, and its weights with it."""
    data_of(to).unlink(missing_ok=True)
    for file, place in ((data_of(path), data_of(to)), (path, to)):
        if file.exists():
            os.replace(file, place)
