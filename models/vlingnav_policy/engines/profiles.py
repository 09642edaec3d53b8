"""For which shapes TensorRT builds an engine: it wants to know before it sees the first input."""

from __future__ import annotations

from collections.abc import Sequence

from vlingnav_policy.engines import BATCH, EngineError, Graph

RANGES = {BATCH: (1, 1, 8), "read": (1, 256, 512)}
"""Least, best and greatest length of axes that may have any: robots at once, and tokens read and written."""

Shape = tuple[int, ...]


def profile(shape: Sequence[int | str]) -> tuple[Shape, Shape, Shape]:
    """Least, best and greatest shape of an input or output.

    Raises:
        EngineError: an axis may have any length, and it is not known which ones are to be expected.
    """
    strange = [axis for axis in shape if isinstance(axis, str) and axis not in RANGES]
    if strange:
        raise EngineError(
            f"TensorRT must know what lengths the axis {strange[0]!r} has; export the model again"
        )
    ranges = [RANGES[axis] if isinstance(axis, str) else (axis,) * 3 for axis in shape]
    least, best, greatest = (tuple(limits[i] for limits in ranges) for i in range(3))
    return least, best, greatest


def shapes(graph: Graph) -> tuple[str, ...]:
    """The shapes that an engine is built for, as `PlanKey` holds them."""
    return tuple(
        " ".join((name, *map(_text, profile(shape)))) for name, (_, shape) in sorted(graph["inputs"].items())
    )


def options(graph: Graph) -> dict[str, str]:
    """The same as ONNX Runtime's TensorRT provider is told it: of those inputs that may have any length."""
    ranges = {
        name: profile(shape)
        for name, (_, shape) in graph["inputs"].items()
        if any(isinstance(axis, str) for axis in shape)
    }
    return {
        f"trt_profile_{which}_shapes": ",".join(f"{name}:{_text(r[i])}" for name, r in ranges.items())
        for i, which in enumerate(("min", "opt", "max"))
        if ranges
    }


def _text(shape: Shape) -> str:
    return "x".join(map(str, shape))
