"""The protocol of `vlingnav serve`, version 1: `Observation`, `Goal` and `Decision` as MessagePack.

A client opens a WebSocket with the subprotocol `vlingnav.1` and the header `Authorization: Bearer TOKEN`.
Every message is binary and one MessagePack map with the key `type`; arrays are written as in `codec`, images
are the bytes of a PNG or JPEG file. Every request has one answer, in order; a client waits for it before
it sends the next. A connection is a session with a policy of its own, which is forgotten when it ends.

    reset     instruction, task; image: of the goal, or nil
              camera: {width, height, hfov_rad, mount_height_m, pitch_rad} of the robot, or nil: a policy
                that was made for another camera refuses it
              memory: [[step, summary], ...] of the episode so far or of an earlier run, or nil
    act       image; stamp [s]; odometry: {pose: [x, y, yaw], velocity: [vx, vy, wz]} or nil;
              depth: (H, W) float32 [m] or nil; proprioception: (P,) float32 or nil
              underway: {rows: (R, 3) float32, dt [s], delay} or nil; may be left out

    ready     policy: its name                                                           (to a reset)
    decision  trajectory: (T, 3) float32; dt, stamp [s]; stop; thought, summary, memory: text or nil;
              distance [m] or nil; timings: {part: seconds};
              entries: [[step, summary], ...], the memory to resume with, where it has changed  (to an act)
    refused   reason: a sentence: the request is wrong, and the same one will be again
    failed    reason: a sentence: the policy raised an error

All else is as in `vlingnav_policy.types`: frames, units, shapes.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlingnav_policy.manifest import CameraSpec
from vlingnav_policy.memory import Entry, MemoryConfig
from vlingnav_policy.remote import codec, images
from vlingnav_policy.remote.base import BadAnswer, rows
from vlingnav_policy.types import Decision, Goal, Observation, Odometry, Underway

SUBPROTOCOL = "vlingnav.1"
AS_WRITTEN = MemoryConfig(budget=1 << 20)
"""Of memories on their way: only the policy that wrote one may shorten it."""


@dataclass(frozen=True)
class Reset:
    """A request to take on `goal` with what is remembered, on a robot with `camera`."""

    goal: Goal
    camera: CameraSpec | None
    memory: tuple[Entry, ...] | None


def pack_reset(request: Reset, kind: str) -> bytes:
    """A reset; its goal image goes as `kind`, one of `images.FORMATS`."""
    goal = request.goal
    return codec.pack(
        {
            "type": "reset",
            "instruction": goal.instruction,
            "task": goal.task,
            "image": None if goal.image is None else images.encode(goal.image, kind),
            "camera": None if request.camera is None else dataclasses.asdict(request.camera),
            "memory": None if request.memory is None else _from_entries(request.memory),
        }
    )


def pack_act(observation: Observation, kind: str) -> bytes:
    """An observation; its image goes as `kind`, one of `images.FORMATS`."""
    odometry, underway = observation.odometry, observation.underway
    return codec.pack(
        {
            "type": "act",
            "image": images.encode(observation.rgb, kind),
            "stamp": float(observation.stamp),
            "odometry": None
            if odometry is None
            else {"pose": odometry.pose.tolist(), "velocity": odometry.velocity.tolist()},
            "depth": observation.depth,
            "proprioception": observation.proprioception,
            "underway": None if underway is None else dataclasses.asdict(underway),
        }
    )


def read_request(message: str | bytes) -> Reset | Observation:
    """What a client asks.

    Raises:
        ValueError: it is no request of this protocol; the message says what is wrong with it.
    """
    if isinstance(message, str):
        raise ValueError("this is text; send MessagePack in binary messages")
    fields = codec.unpack(message)
    kind = fields.get("type") if isinstance(fields, dict) else None
    if kind not in ("reset", "act"):
        raise ValueError(f"a request of type {kind!r}; send a map whose type is reset or act")
    try:
        return _read_reset(fields) if kind == "reset" else _read_act(fields)
    except KeyError as error:
        raise ValueError(f"this {kind} has no {error.args[0]!r}; send nil where there is nothing") from error
    except (TypeError, OverflowError) as error:
        raise ValueError(f"this {kind} has a field of the wrong type: {error}") from error


def pack_decision(decision: Decision, entries: Iterable[Entry] | None) -> bytes:
    """A decision, and the memory in words where it has changed."""
    fields = {field.name: getattr(decision, field.name) for field in dataclasses.fields(decision)}
    return codec.pack(
        {
            "type": "decision",
            **fields,
            "trajectory": np.asarray(decision.trajectory, np.float32),
            "timings": dict(decision.timings),
            "entries": None if entries is None else _from_entries(entries),
        }
    )


def read_decision(fields: dict[str, Any]) -> tuple[Decision, tuple[Entry, ...] | None]:
    """What `pack_decision` packed.

    Raises:
        BadAnswer: it is none.
    """
    try:
        stop = bool(fields["stop"])
        decision = Decision(
            trajectory=rows(fields["trajectory"], (3,), "waypoints", least=0 if stop else 1),
            dt=_number(fields["dt"], "dt"),
            stamp=_number(fields["stamp"], "stamp"),
            stop=stop,
            **{name: _text(fields[name], name) for name in ("thought", "summary", "memory")},
            distance=None if fields["distance"] is None else _number(fields["distance"], "distance"),
            timings={str(part): _number(spent, "timings") for part, spent in fields["timings"].items()},
        )
        return decision, None if fields["entries"] is None else _to_entries(fields["entries"])
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise BadAnswer(f"a decision that is none: {error}") from error


def _read_reset(fields: dict[str, Any]) -> Reset:
    image, camera, memory = fields["image"], fields["camera"], fields["memory"]
    goal = Goal(
        _text(fields["instruction"], "instruction") or "",
        fields["task"],
        None if image is None else images.decode(image, "the goal image"),
    )
    return Reset(
        goal,
        None if camera is None else _camera(camera),
        None if memory is None else _to_entries(memory),
    )


def _read_act(fields: dict[str, Any]) -> Observation:
    odometry, depth, proprioception = fields["odometry"], fields["depth"], fields["proprioception"]
    rgb = images.decode(fields["image"], "the image")
    if depth is not None:
        depth = _array(depth, "depth")
        if depth.shape != rgb.shape[:2]:
            raise ValueError(
                f"the depth is of shape {depth.shape} and the image {rgb.shape[:2]}; send one as large"
            )
    return Observation(
        rgb,
        _number(fields["stamp"], "stamp"),
        depth,
        None if odometry is None else Odometry(_triple(odometry, "pose"), _triple(odometry, "velocity")),
        None if proprioception is None else _array(proprioception, "proprioception").reshape(-1),
        _underway(fields.get("underway")),
    )


def _underway(value: Any) -> Underway | None:
    if value is None:
        return None
    rows = _array(value["rows"], "rows") if isinstance(value, dict) else None
    if rows is None or rows.shape[1:] != (3,) or not len(rows):
        raise ValueError("underway has no rows of three numbers; send a map that has some, or nil")
    return Underway(rows, _number(value["dt"], "dt"), int(_number(value["delay"], "delay")))


def _camera(value: Any) -> CameraSpec:
    if not isinstance(value, dict):
        raise ValueError("camera is no map; send one, or nil")
    return CameraSpec(**{name: _number(number, name) for name, number in value.items()})


def _triple(odometry: Any, name: str) -> NDArray[np.float64]:
    values = odometry[name] if isinstance(odometry, dict) else None
    if not isinstance(values, list) or len(values) != 3:
        raise ValueError(f"the odometry has no {name} of three numbers; send one, or nil for the odometry")
    return np.array([_number(value, name) for value in values], np.float64)


def _array(value: Any, name: str) -> NDArray[np.float32]:
    if not isinstance(value, np.ndarray):
        raise ValueError(f"{name} is no array; send one of float32")
    return value.astype(np.float32)


def _number(value: Any, name: str) -> Any:
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise ValueError(f"{name} is {value!r}; send a finite number")
    return value


def _text(value: Any, name: str) -> Any:
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name} is {type(value).__name__}; send text")
    return value


def _from_entries(entries: Iterable[Entry]) -> list[list[Any]]:
    return [[entry.step, entry.summary] for entry in entries]


def _to_entries(values: Any) -> tuple[Entry, ...]:
    try:
        pairs = [(step, summary) for step, summary in values]
    except (TypeError, ValueError) as error:
        raise ValueError("a memory that is no list of [step, summary]; send one, or nil") from error
    return tuple(
        Entry(int(_number(step, "step")), _text(summary, "summary") or "") for step, summary in pairs
    )
