"""Top-down pictures of a house and of what happened in it, with nothing but Pillow.

What is unusual: furniture is drawn from its own primitives, each as the outline of its projection on the
floor, low ones first, so that a chair looks like a chair from above and nothing needs a renderer.
Plan convention: x to the right, y up, as in the world.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vlingnav_sim.house.model import House, Item, Part, Rgb

Points = NDArray[np.float64]
Colour = tuple[int, int, int]

_SHARP = 2  # drawn this much larger and reduced: Pillow's lines have no anti-aliasing
_MARGIN_M = 0.35
_TEXT_PX = 16
_PAPER: Colour = (248, 248, 246)
_INK: Colour = (40, 44, 52)
WALL: Colour = (62, 66, 76)
DRIVEN: Colour = (25, 95, 220)
EXPERT: Colour = (20, 150, 85)
TARGET: Colour = (225, 30, 90)
PERSON: Colour = (120, 60, 40)


class TopDown:
    """The plan of a house, and marks upon it.

    Marks are added one after another; `picture` gives what has been drawn so far.

    Args:
        house: what to draw.
        size: width and height [px] that the picture fits into.
        targets: indices of the items that get a ring and a label.
    """

    def __init__(self, house: House, size: tuple[int, int] = (960, 720), targets: Sequence[int] = ()) -> None:
        x0, y0, x1, y1 = house.bounds
        width, height = x1 - x0 + 2 * _MARGIN_M, y1 - y0 + 2 * _MARGIN_M
        self._scale = _SHARP * min(size[0] / width, size[1] / height)
        self._corner = np.array([x0 - _MARGIN_M, y1 + _MARGIN_M])
        # Even numbers of pixels: video encoders halve the chroma.
        self.size = tuple(int(v * self._scale / _SHARP) // 2 * 2 for v in (width, height))
        self._canvas = Image.new("RGB", (self.size[0] * _SHARP, self.size[1] * _SHARP), _PAPER)
        self._pen = ImageDraw.Draw(self._canvas)
        for room in house.rooms:
            self._box(room.rect, _bytes(room.floor_rgb))
        for item in sorted(house.items, key=lambda i: i.base):
            self._item(item)
        for wall in house.walls:
            if wall.bottom == 0.0:  # a lintel would hide the door below it
                self._box(wall.rect, WALL)
        for room in house.rooms:
            self._label(((room.rect[0] + room.rect[2]) / 2, room.rect[3] - 0.32), room.kind, _INK)
        for index in targets:
            self.target(house.items[index])

    def target(self, item: Item, colour: Colour = TARGET) -> None:
        """Draw a ring round an item, and what it is."""
        radius = math.hypot(*item.half_size[:2]) + 0.15
        self._ring(item.pose[:2], radius, colour)
        self._label((item.pose[0], item.pose[1] + radius + 0.14), f"{item.colour} {item.category}", colour)

    def path(self, points: Points, colour: Colour = DRIVEN, dashed: bool = False) -> None:
        """Draw a way `(N, 2 or more)` x, y [m]."""
        pixels = self._pixels(np.asarray(points, dtype=np.float64).reshape(len(points), -1)[:, :2])
        pieces = _dashes(pixels, 0.16 * self._scale) if dashed else [pixels]
        for piece in pieces:
            if len(piece) > 1:
                self._pen.line([tuple(p) for p in piece], colour, width=self._width(0.06), joint="curve")

    def robot(self, pose: Sequence[float], radius: float = 0.18, colour: Colour = DRIVEN) -> None:
        """Draw a robot at x, y, yaw, its nose where it looks."""
        x, y, yaw = (float(v) for v in pose[:3])
        self._disc((x, y), radius, colour)
        tips = [(yaw, 0.9), (yaw + 2.5, 0.65), (yaw - 2.5, 0.65)]
        nose = [(x + share * radius * math.cos(a), y + share * radius * math.sin(a)) for a, share in tips]
        self._pen.polygon([tuple(p) for p in self._pixels(np.array(nose))], (255, 255, 255))

    def person(self, x: float, y: float, vx: float, vy: float, radius: float) -> None:
        """Draw a person at x, y [m], and whereto it gets within a second."""
        ahead = self._pixels(np.array([[x, y], [x + vx, y + vy]]))
        self._pen.line([tuple(p) for p in ahead], PERSON, width=self._width(0.05))
        self._disc((x, y), radius, PERSON)
        self._disc((x, y), 0.4 * radius, _PAPER)

    def start(self, xy: Sequence[float], colour: Colour = DRIVEN) -> None:
        """Mark where a way began."""
        self._disc(xy, 0.12, (255, 255, 255))
        self._ring(xy, 0.12, colour)

    def picture(self) -> Image.Image:
        """What has been drawn so far."""
        return self._canvas.reduce(_SHARP)

    @contextmanager
    def passing(self) -> Iterator[None]:
        """What is drawn within this context does not stay."""
        below = self._canvas.copy()
        yield
        self._canvas.paste(below)

    def _pixels(self, xy: Points) -> Points:
        return (xy - self._corner) * (self._scale, -self._scale)

    def _width(self, metres: float) -> int:
        return max(round(metres * self._scale), _SHARP)

    def _box(self, rect: Sequence[float], colour: Colour) -> None:
        (x0, y1), (x1, y0) = self._pixels(np.array([rect[:2], rect[2:]], dtype=np.float64))
        self._pen.rectangle((x0, y0, x1, y1), colour)

    def _disc(self, xy: Sequence[float], radius: float, colour: Colour) -> None:
        x, y = self._pixels(np.array([xy[:2]], dtype=np.float64))[0]
        r = radius * self._scale
        self._pen.ellipse((x - r, y - r, x + r, y + r), colour)

    def _ring(self, xy: Sequence[float], radius: float, colour: Colour) -> None:
        x, y = self._pixels(np.array([xy[:2]], dtype=np.float64))[0]
        r = radius * self._scale
        self._pen.ellipse((x - r, y - r, x + r, y + r), outline=colour, width=self._width(0.05))

    def _label(self, xy: Sequence[float], text: str, colour: Colour) -> None:
        font = ImageFont.load_default(_TEXT_PX * _SHARP)
        x, y = self._pixels(np.array([xy], dtype=np.float64))[0]
        halo = max(self._width(0.03), _SHARP)
        half = 0.5 * font.getlength(text) + halo
        x = min(max(x, half), max(self._canvas.width - half, half))
        y = min(max(y, _TEXT_PX), self._canvas.height - _TEXT_PX)
        self._pen.text((x, y), text, colour, font, anchor="mm", stroke_width=halo, stroke_fill=_PAPER)

    def _item(self, item: Item) -> None:
        x, y, yaw = item.pose
        c, s = math.cos(yaw), math.sin(yaw)
        outlines = []
        for part in item.parts:
            points = part_points(part)
            plan = points[:, :2] @ np.array([[c, s], [-s, c]]) + (x, y)
            outlines.append((float(points[:, 2].max()), convex_hull(plan), part.rgb))
        for top, outline, rgb in sorted(outlines, key=lambda o: o[0]):
            # Higher is lighter, as in a lamp-lit room.
            shade = 0.82 + 0.18 * min(top / 1.2, 1.0)
            fill = _bytes((rgb[0] * shade, rgb[1] * shade, rgb[2] * shade))
            edge = _bytes((rgb[0] * 0.5, rgb[1] * 0.5, rgb[2] * 0.5))
            self._pen.polygon([tuple(p) for p in self._pixels(outline)], fill, edge, width=_SHARP)


def draw_topdown(
    house: House,
    driven: Points | None = None,
    expert: Points | None = None,
    targets: Sequence[int] = (),
    size: tuple[int, int] = (960, 720),
    radius: float = 0.18,
) -> Image.Image:
    """A house from above, and an episode in it.

    Args:
        house: what to draw.
        driven: `(N, 2 or 3)` x, y [m] and yaw [rad] of the way the robot took.
        expert: `(M, 2)` x, y [m] of the shortest way, drawn dashed.
        targets: indices of the items that answer the instruction.
        size: width and height [px] that the picture fits into.
        radius: of the robot [m].
    """
    plan = TopDown(house, size, targets)
    if expert is not None and len(expert):
        plan.path(expert, EXPERT, dashed=True)
    if driven is not None and len(driven):
        plan.path(driven)
        plan.start(driven[0])
        if driven.shape[1] > 2:
            plan.robot(driven[-1], radius)
    ways = [("driven", DRIVEN, driven), ("shortest way", EXPERT, expert)]
    drawn = [(name, colour) for name, colour, way in ways if way is not None and len(way)]
    return _with_legend(plan.picture(), drawn)


def _with_legend(picture: Image.Image, entries: Sequence[tuple[str, Colour]]) -> Image.Image:
    """`picture` with a line below it that says what is drawn in which colour; as it is without entries."""
    if not entries:
        return picture
    line = 2 * _TEXT_PX
    page = Image.new("RGB", (picture.width, picture.height + line), _PAPER)
    page.paste(picture, (0, 0))
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(_TEXT_PX)
    x, y = _TEXT_PX, picture.height + line // 2
    for name, colour in entries:
        for begin, end in ((0, line),) if colour == DRIVEN else ((0, 12), (20, line)):
            pen.line((x + begin, y, x + end, y), colour, width=4)
        pen.text((x + line + 8, y), name, _INK, font, anchor="lm")
        x += round(2 * line + font.getlength(name))
    return page


def part_points(part: Part) -> Points:
    """Points `(N, 3)` in the item's frame whose convex hull is the primitive's, nearly."""
    a, b, c = part.size
    angles = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
    ring = np.stack([np.cos(angles), np.sin(angles), np.zeros_like(angles)], axis=-1)
    if part.shape == "box":
        points = np.array([(x, y, z) for x in (-a, a) for y in (-b, b) for z in (-c, c)])
    elif part.shape == "cylinder":
        points = np.concatenate([ring * a + (0.0, 0.0, z) for z in (-b, b)])
    else:
        turned = [ring, ring[:, [0, 2, 1]], ring[:, [2, 0, 1]]]
        ball = np.concatenate(turned)
        if part.shape == "capsule":
            points = np.concatenate([ball * a + (0.0, 0.0, z) for z in (-b, b)])
        else:
            points = ball * (part.size if part.shape == "ellipsoid" else (a, a, a))
    return points @ _rotation(part.euler).T + part.position


def convex_hull(points: Points) -> Points:
    """Corners of the convex hull of points `(N, 2)`, counter-clockwise (Andrew's monotone chain)."""
    ordered = sorted({(float(x), float(y)) for x, y in points})

    def half(chain: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
        hull: list[tuple[float, float]] = []
        for x, y in chain:
            while len(hull) > 1:
                (ax, ay), (bx, by) = hull[-2:]
                if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0.0:
                    break
                hull.pop()
            hull.append((x, y))
        return hull[:-1]

    return np.array((half(ordered) + half(ordered[::-1])) or ordered)


def _rotation(euler: Sequence[float]) -> Points:
    """Extrinsic x-y-z."""
    (cr, cp, cy), (sr, sp, sy) = np.cos(euler), np.sin(euler)
    roll = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    pitch = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    yaw = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    return yaw @ pitch @ roll


def _dashes(points: Points, length: float) -> list[Points]:
    """A polyline `(N, 2)` as every other piece of `length`."""
    steps = np.hypot(*np.diff(points, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    pieces = []
    for begin in np.arange(0.0, along[-1], 2.0 * length):
        end = min(begin + length, along[-1])
        at = np.concatenate([[begin], along[(along > begin) & (along < end)], [end]])
        pieces.append(np.stack([np.interp(at, along, points[:, k]) for k in (0, 1)], axis=-1))
    return pieces


def _bytes(rgb: Rgb) -> Colour:
    r, g, b = (int(255 * min(max(v, 0.0), 1.0)) for v in rgb)
    return r, g, b
