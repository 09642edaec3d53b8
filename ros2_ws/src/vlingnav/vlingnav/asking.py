"""`Decide` and the contract's types: what a robot asks of a shared policy, and what it is answered."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from sensor_msgs.msg import CompressedImage

from vlingnav import convert
from vlingnav_interfaces.msg import Camera, Note
from vlingnav_interfaces.srv import Decide
from vlingnav_policy.manifest import CameraSpec
from vlingnav_policy.memory import Entry
from vlingnav_policy.remote import images, wire
from vlingnav_policy.types import Decision, Goal, Observation, Odometry, Underway

LARGEST_IMAGE = 8 << 20  # bytes: what `vlingnav serve` takes in one message


def compressed(pixels: np.ndarray, kind: str, time: float = 0.0) -> CompressedImage:
    """An image `(H, W, 3)` of `time` [s] as a file of `kind`, one of `images.FORMATS`."""
    message = convert.encode(images.encode(pixels, kind))
    message.header.stamp = convert.stamp(time)
    return message


def put_goal(request: Any, goal: Goal, camera: CameraSpec | None, memory: Iterable[Entry], kind: str) -> None:
    """Say in a request what the robot is to do, with which camera and knowing what."""
    request.instruction, request.task = goal.instruction, goal.task
    if goal.image is not None:
        request.goal_image = compressed(goal.image, kind)
    request.memory = [Note(step=entry.step, summary=entry.summary) for entry in memory]
    if camera is not None:
        request.camera = Camera(
            width=camera.width,
            height=camera.height,
            hfov_rad=camera.hfov_rad,
            height_m=camera.mount_height_m,
            pitch_rad=camera.pitch_rad,
        )


def put_motion(request: Any, odometry: Odometry, underway: Underway | None, stamp: float) -> None:
    """Say in a request where the robot was at the image's `stamp` [s], and what it goes on with."""
    request.odometry = convert.odometry_message(odometry, stamp, "", "")
    if underway is not None:
        request.underway = convert.path(Decision(underway.rows, underway.dt, stamp), "")
        request.underway_delay = underway.delay


def reset_of(request: Any) -> wire.Reset:
    """What a request says of the goal.

    Raises:
        ValueError: it is none.
    """
    image, camera = bytes(request.goal_image.data), request.camera
    goal = Goal(
        request.instruction,
        request.task or "object",
        images.decode(image, "the goal image") if image else None,
    )
    spec = CameraSpec(camera.width, camera.height, camera.hfov_rad, camera.height_m, camera.pitch_rad)
    notes = tuple(Entry(note.step, note.summary) for note in request.memory)
    return wire.Reset(goal, spec if camera.width else None, notes or None)


def observation_of(request: Any) -> Observation:
    """What a request says that the robot sees.

    Raises:
        ValueError: the image or the odometry cannot be used.
    """
    size = len(request.image.data)
    if not 0 < size <= LARGEST_IMAGE:
        raise ValueError(f"an image of {size} bytes; send a JPEG or PNG of {LARGEST_IMAGE} at most")
    rgb = images.decode(bytes(request.image.data), "the image")
    _, odometry = convert.odometry(request.odometry)
    underway = None
    if request.underway.poses:
        _, dt, rows = convert.plan(request.underway)
        underway = Underway(rows, dt, request.underway_delay)
    return Observation(rgb, convert.seconds(request.image.header.stamp), odometry=odometry, underway=underway)


def answer(decision: Decision, memory: Iterable[Entry] | None, frame: str, latency_s: float) -> Any:
    """A decision as a response; `memory` where it has changed."""
    return Decide.Response(
        status=Decide.Response.DECIDED,
        plan=convert.path(decision, frame),
        stop=decision.stop,
        thinking=decision.thought is not None,
        thought=decision.thought or "",
        summary=decision.summary or "",
        memory_text=decision.memory or "",
        memory=[Note(step=entry.step, summary=entry.summary) for entry in memory or ()],
        distance_m=math.nan if decision.distance is None else decision.distance,
        latency_s=latency_s,
    )


def decision_of(response: Any, stamp: float) -> Decision:
    """The decision on an observation of `stamp` [s].

    Raises:
        ValueError: its numbers are not finite.
    """
    _, dt, waypoints = convert.plan(response.plan)
    return Decision(
        waypoints,
        dt,
        stamp,
        stop=response.stop,
        thought=response.thought if response.thinking else None,
        summary=response.summary or None,
        memory=response.memory_text or None,
        distance=None if math.isnan(response.distance_m) else float(response.distance_m),
        timings={"server": float(response.latency_s)},
    )


def memory_of(response: Any) -> tuple[Entry, ...] | None:
    """All that the policy remembers in words, where that has changed."""
    if not response.thinking:
        return None
    return tuple(Entry(note.step, note.summary) for note in response.memory)


def refusal(status: int, message: str) -> Any:
    """A response without a decision."""
    return Decide.Response(status=status, message=message, distance_m=math.nan)
