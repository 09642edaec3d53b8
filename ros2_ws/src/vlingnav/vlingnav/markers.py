"""What the safety node did, for RViz: hull, hits, desired and applied velocity, and the reason in words."""

from __future__ import annotations

import math

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point
from numpy.typing import NDArray
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from vlingnav_safety.types import Obstacles, Report

Array = NDArray[np.float64]

_COLOURS = {
    "pass": ColorRGBA(r=0.2, g=0.8, b=0.3, a=1.0),
    "filtered": ColorRGBA(r=1.0, g=0.7, b=0.1, a=1.0),
    "brake": ColorRGBA(r=0.9, g=0.15, b=0.15, a=1.0),
}
_GREY = ColorRGBA(r=0.6, g=0.6, b=0.6, a=0.8)
_ANGLES = np.linspace(0.0, math.tau, 37)
_PREVIEW_S = 1.0  # arrows show where a velocity leads in this time


def safety_markers(
    report: Report,
    desired: Array,
    applied: Array,
    obstacles: Obstacles | None,
    hull: Array,
    stamp: Time,
    frame: str,
) -> MarkerArray:
    """All markers of one filter step in the body frame; `hull (D, 3)` is its discs x, y, radius [m]."""

    def marker(number: int, kind: int, colour: ColorRGBA, width: float) -> Marker:
        m = Marker(ns="safety", id=number, type=kind, action=Marker.ADD, color=colour)
        m.header.stamp, m.header.frame_id = stamp, frame
        m.pose.orientation.w = 1.0
        m.scale.x = m.scale.y = m.scale.z = width
        return m

    colour = _COLOURS[report.status]
    outline = marker(0, Marker.LINE_LIST, colour, 0.02)
    for x, y, radius in hull.tolist():
        corners = [Point(x=x + radius * math.cos(a), y=y + radius * math.sin(a)) for a in _ANGLES]
        outline.points += [end for side in zip(corners, corners[1:], strict=False) for end in side]
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
    text.pose.position.z = 0.6
    return MarkerArray(markers=[outline, hits, *arrows, text])
