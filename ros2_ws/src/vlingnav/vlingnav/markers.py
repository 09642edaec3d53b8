"""For RViz: what the safety node saw and did, and what the policy thought."""

from __future__ import annotations

import math
import textwrap

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point
from numpy.typing import NDArray
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from vlingnav_interfaces.msg import ReasoningTrace
from vlingnav_safety.types import Obstacles, Report

Array = NDArray[np.float64]

_COLOURS = {
    "pass": ColorRGBA(r=0.2, g=0.8, b=0.3, a=1.0),
    "filtered": ColorRGBA(r=1.0, g=0.7, b=0.1, a=1.0),
    "brake": ColorRGBA(r=0.9, g=0.15, b=0.15, a=1.0),
    "override": ColorRGBA(r=0.8, g=0.2, b=0.9, a=1.0),
}
_GREY = ColorRGBA(r=0.6, g=0.6, b=0.6, a=0.8)
_BLUE = ColorRGBA(r=0.2, g=0.5, b=0.9, a=0.9)
_ANGLES = np.linspace(0.0, math.tau, 37)
_WHITE = ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0)
_PREVIEW_S = 1.0  # arrows show where a velocity leads in this time


def safety_markers(
    report: Report,
    desired: Array,
    applied: Array,
    obstacles: Obstacles | None,
    hull: Array,
    others: Array,
    stamp: Time,
    frame: str,
) -> MarkerArray:
    """All markers of one step; `hull (D, 3)` and `others (N, 3)` are discs x, y, radius [m] in `frame`."""

    def marker(number: int, kind: int, colour: ColorRGBA, width: float) -> Marker:
        m = Marker(ns="safety", id=number, type=kind, action=Marker.ADD, color=colour)
        m.header.stamp, m.header.frame_id = stamp, frame
        m.pose.orientation.w = 1.0
        m.scale.x = m.scale.y = m.scale.z = width
        return m

    colour = _COLOURS[report.status]

    def circles(number: int, shade: ColorRGBA, discs: Array) -> Marker:
        outline = marker(number, Marker.LINE_LIST, shade, 0.02)
        for x, y, radius in discs.tolist():
            corners = [Point(x=x + radius * math.cos(a), y=y + radius * math.sin(a)) for a in _ANGLES]
            outline.points += [end for side in zip(corners, corners[1:], strict=False) for end in side]
        return outline

    hits = marker(1, Marker.POINTS, _GREY, 0.03)
    hits.points = [] if obstacles is None else [Point(x=x, y=y) for x, y in obstacles.points.tolist()]
    arrows = []
    for number, shade, velocity in ((2, _GREY, desired), (3, colour, applied)):
        arrow = marker(number, Marker.ARROW, shade, 0.04)
        x, y = (float(v) * _PREVIEW_S for v in np.nan_to_num(velocity[:2]))
        arrow.points = [Point(), Point(x=x, y=y)]
        arrow.scale.y = 0.08
        arrows.append(arrow)
    text = marker(4, Marker.TEXT_VIEW_FACING, colour, 0.12)
    text.text = report.reason or report.status
    if report.gain > 0.0:
        text.text += f"\ngain {report.gain:.1f}/s, slack {report.slack:.2f} m/s"
    text.pose.position.z = 0.6
    outlines = [circles(0, colour, hull), circles(5, _BLUE, others)]
    return MarkerArray(markers=[*outlines, hits, *arrows, text])


def thought_markers(trace: ReasoningTrace) -> MarkerArray:
    """A thought and what it left in memory, as text over the robot; it stays until the next one."""
    text = Marker(ns="reasoning", type=Marker.TEXT_VIEW_FACING, action=Marker.ADD, color=_WHITE)
    text.header = trace.header
    text.frame_locked = True
    text.pose.orientation.w, text.pose.position.z, text.scale.z = 1.0, 1.1, 0.1
    text.text = "\n".join(line for part in (trace.thought, trace.summary) for line in textwrap.wrap(part, 50))
    return MarkerArray(markers=[text])
