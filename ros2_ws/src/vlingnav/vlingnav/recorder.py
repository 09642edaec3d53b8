"""What a goal leaves behind: runs/<time>/ with result, path, memory in words, map and film.

In simulation the map is drawn from the house that the sim node's parameters name; on a robot, where
nobody has a map, there is no topdown.png and the film shows the camera alone.
"""

from __future__ import annotations

import json
import math
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from nav_msgs.msg import Odometry
from numpy.typing import NDArray
from rclpy.node import Node
from sensor_msgs.msg import Image

from vlingnav import convert, topics
from vlingnav_interfaces.msg import ReasoningTrace

if TYPE_CHECKING:
    from vlingnav_sim.house import House

FILM_RATE_HZ = 5.0
_VIEW = (640, 480)
_CAPTION_PX, _LINE_PX = 32, 20
_THOUGHT_LINES = 3
_END_S = 2.0


@dataclass(frozen=True)
class World:
    """The simulated world an episode is in.

    Attributes:
        house: it.
        radius: of the robot [m].
        targets: items that answer the instruction.
    """

    house: House
    radius: float
    targets: tuple[int, ...]

    @classmethod
    def of(cls, seed: int, max_rooms: int, contains: str, robot: str, instruction: str) -> World:
        """The world that a sim node with these parameters simulates."""
        from vlingnav_sim.house import HouseConfig
        from vlingnav_sim.robots import ROBOTS
        from vlingnav_sim.tasks import house_holding, matching_items

        house = house_holding(seed, contains, HouseConfig(max_rooms=max_rooms))
        return cls(house, ROBOTS[robot].radius, matching_items(house, instruction))

    def expert_path(self, start: NDArray[np.float64]) -> NDArray[np.float64]:
        """The shortest way `(N, 2)` from `start` to where a target counts as found; empty without one."""
        from vlingnav_sim.grid import OccupancyGrid
        from vlingnav_sim.tasks import SUCCESS_DISTANCE_M, goal_region

        grid = OccupancyGrid.from_house(self.house, radius=self.radius)
        region = goal_region(self.house, grid, self.targets, SUCCESS_DISTANCE_M)
        return grid.descend(grid.distance_field(region), start[:2]) if region.any() else np.zeros((0, 2))


def verdict(result: dict[str, Any]) -> str:
    """How a goal ended, and in simulation how well."""
    if "success" not in result:
        return str(result["outcome"])
    found = "the target is found" if result["success"] else "the target is not found"
    return f"{result['outcome']}: {found}, SPL {result['spl']:.2f}"


class Way:
    """Where one robot is and was: by ground truth where there is one, else by odometry.

    Attributes:
        poses: x, y [m], yaw [rad] since `begin`.
        stamps: when it was there [s].
    """

    def __init__(self, node: Node) -> None:
        self.poses: list[NDArray[np.float64]] = []
        self.stamps: list[float] = []
        self._speed, self._heard, self._true = math.inf, 0.0, False
        for topic, callback in ((topics.ODOM, self._on_odometry), (topics.GROUND_TRUTH, self._on_truth)):
            node.create_subscription(topic.type, topic.name, callback, topic.qos)

    def begin(self) -> None:
        """Start with the pose of now."""
        self.poses, self.stamps = self.poses[-1:], self.stamps[-1:]

    def standing(self) -> bool:
        """Whether the robot, by odometry that is fresh, does not move."""
        return self._speed < 0.02 and time.monotonic() - self._heard < 0.5

    def _on_odometry(self, message: Odometry) -> None:
        try:
            stamp, odometry = convert.odometry(message)
        except ValueError:
            return
        self._heard = time.monotonic()
        self._speed = float(np.abs(odometry.velocity).max())
        if not self._true:
            self._add(stamp, odometry.pose)

    def _on_truth(self, message: Odometry) -> None:
        if not self._true:
            self._true, self.poses, self.stamps = True, [], []
        stamp, odometry = convert.odometry(message)
        self._add(stamp, odometry.pose)

    def _add(self, stamp: float, pose: NDArray[np.float64]) -> None:
        self.poses.append(pose)
        self.stamps.append(stamp)


class Recorder:
    """Listens to one robot while a goal runs."""

    def __init__(self, node: Node) -> None:
        self.way = Way(node)
        self._frames: list[tuple[int, NDArray[np.uint8]]] = []
        self._last_frame = -math.inf
        self._thoughts: list[tuple[int, str]] = []  # from which frame on
        self.memory = ""
        self._recording = False
        for topic, callback in (
            (topics.IMAGE, self._on_image),
            (topics.REASONING, self._on_reasoning),
        ):
            node.create_subscription(topic.type, topic.name, callback, topic.qos)

    def begin(self) -> None:
        """Start an episode with the pose of now."""
        self.way.begin()
        self._frames, self._recording = [], True
        self._thoughts, self.memory = [], ""

    def write(self, folder: Path, result: dict[str, Any], world: World | None) -> None:
        """Write everything there is to `folder`."""
        folder.mkdir(parents=True)
        (folder / "result.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        way = np.array(self.way.poses).reshape(-1, 3)
        if self.memory:
            (folder / "memory.txt").write_text(self.memory + "\n", encoding="utf-8")
        np.savetxt(folder / "path.csv", way, "%.3f", ",", header="x_m,y_m,yaw_rad", comments="")
        if world is not None and len(way):
            from vlingnav_sim.pictures import draw_topdown

            expert = world.expert_path(way[0])
            picture = draw_topdown(world.house, way, expert, world.targets, radius=world.radius)
            picture.save(folder / "topdown.png")
        if self._frames:
            from vlingnav_sim.film import write_film

            write_film(folder / "episode.mp4", self._film(result, world), FILM_RATE_HZ)

    def _on_image(self, message: Image) -> None:
        stamp = convert.seconds(message.header.stamp)
        if self._recording and abs(stamp - self._last_frame) > 0.95 / FILM_RATE_HZ:
            self._last_frame = stamp
            self._frames.append((len(self.way.poses), convert.rgb(message)))

    def _on_reasoning(self, message: ReasoningTrace) -> None:
        if self._recording and message.thinking:
            self._thoughts.append((len(self._frames), message.thought))
            self.memory = message.memory

    def _film(self, result: dict[str, Any], world: World | None) -> Iterator[NDArray[np.uint8]]:
        """Camera and map side by side, the instruction and the last thought below; at the end the outcome."""
        from PIL import Image as Picture
        from PIL import ImageDraw, ImageFont

        from vlingnav_sim.pictures import TopDown

        plan = TopDown(world.house, _VIEW, world.targets) if world is not None else None
        width = _VIEW[0] * (2 if plan is not None else 1)
        font, small = ImageFont.load_default(18), ImageFont.load_default(15)
        below = _CAPTION_PX + (_THOUGHT_LINES * _LINE_PX if self._thoughts else 0)
        drawn = 0
        end = [self._frames[-1]] * round(_END_S * FILM_RATE_HZ)
        for number, (count, rgb) in enumerate([*self._frames, *end]):
            page = Picture.new("RGB", (width, _VIEW[1] + below), (248, 248, 246))
            camera = Picture.fromarray(rgb)
            share = min(_VIEW[0] / camera.width, _VIEW[1] / camera.height)
            size = (round(camera.width * share), round(camera.height * share))
            page.paste(camera.resize(size, Picture.Resampling.BICUBIC), (0, 0))
            if plan is not None and world is not None and count:
                plan.path(np.array(self.way.poses[max(drawn - 1, 0) : count]))
                drawn = count
                with plan.passing():
                    plan.robot(self.way.poses[count - 1].tolist(), world.radius)
                    picture = plan.picture()
                page.paste(
                    picture, (_VIEW[0] + (_VIEW[0] - picture.width) // 2, (_VIEW[1] - picture.height) // 2)
                )
            seconds = min(number, len(self._frames) - 1) / FILM_RATE_HZ
            text = f"{result['instruction']}    {seconds:.1f} s"
            if number >= len(self._frames):
                text += f"    {verdict(result)}"
            draw = ImageDraw.Draw(page)
            draw.text((12, _VIEW[1] + 6), text, (40, 44, 52), font)
            thought = next((words for since, words in reversed(self._thoughts) if since <= number), "")
            for k, line in enumerate(textwrap.wrap(thought, width // 8)[:_THOUGHT_LINES]):
                draw.text((12, _VIEW[1] + _CAPTION_PX + k * _LINE_PX), line, (30, 90, 160), small)
            yield np.asarray(page)
