"""Houses from a seed: the data set of everything that is trained here.

The stages (plan, furniture, people, light) draw from streams of their own, so that asking for other
people does not move the furniture. All numbers are rounded before they are stored: the same seed and
configuration give the same bytes of `House.to_json()` on any machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vlingnav_sim.house.colours import CARPET_RGB, TILE_FLOOR_RGB, WALL_RGB, WOOD_FLOOR_RGB, shade
from vlingnav_sim.house.furnish import furnish
from vlingnav_sim.house.layout import draw_plan
from vlingnav_sim.house.model import House, Item, Light, Rgb, Room
from vlingnav_sim.house.people import send_out
from vlingnav_sim.house.walls import build_walls, cut_doors

_FLOORS: dict[str, tuple[Rgb, ...]] = {
    "kitchen": TILE_FLOOR_RGB,
    "bathroom": TILE_FLOOR_RGB,
    "bedroom": CARPET_RGB,
    "playroom": CARPET_RGB,
}


@dataclass(frozen=True)
class HouseConfig:
    """What houses are drawn.

    Attributes:
        min_rooms, max_rooms: how many rooms, both included, 1 to 8.
        people: how many people walk about, from and to, both included.
        density: furniture relative to the usual amount; 0 for empty rooms.
        loops: chance of a further door between neighbours that are joined already.
        variant: another number draws another house from the same seed.
    """

    min_rooms: int = 1
    max_rooms: int = 8
    people: tuple[int, int] = (0, 3)
    density: float = 1.0
    loops: float = 0.25
    variant: int = 0

    def __post_init__(self) -> None:
        """Refuses what cannot be drawn."""
        if not 1 <= self.min_rooms <= self.max_rooms <= 8:
            raise ValueError(
                f"min_rooms={self.min_rooms} and max_rooms={self.max_rooms} must satisfy "
                "1 <= min_rooms <= max_rooms <= 8."
            )
        if not (len(self.people) == 2 and 0 <= self.people[0] <= self.people[1]):
            raise ValueError(f"people={self.people} must be two numbers (from, to) with 0 <= from <= to.")
        if not 0.0 <= self.density <= 2.0:
            raise ValueError(f"density={self.density} must lie between 0 and 2.")
        if not 0.0 <= self.loops <= 1.0:
            raise ValueError(f"loops={self.loops} is a chance and must lie between 0 and 1.")
        if self.variant < 0:
            raise ValueError(f"variant={self.variant} is negative; use 0 or a larger number.")


def generate(seed: int, config: HouseConfig = HouseConfig()) -> House:
    """Makes the house of `seed`.

    Args:
        seed: 0 or more. Below 700 000 for training, 700 000 to 799 999 for validation, 800 000 to
            899 999 for published results; nothing is ever trained or chosen on 900 000 and above.
        config: what kinds of houses are drawn.

    Raises:
        ValueError: if the seed is negative.
    """
    if seed < 0:
        raise ValueError(f"House seed {seed} is negative; use 0 or a larger number.")
    streams = np.random.SeedSequence([seed, config.variant]).spawn(4)
    plan, furniture, people, light = (np.random.Generator(np.random.PCG64(s)) for s in streams)

    rects, kinds = draw_plan(plan, int(plan.integers(config.min_rooms, config.max_rooms + 1)))
    rooms = tuple(
        Room(i, kind, rect, _pick(plan, _FLOORS.get(kind, WOOD_FLOOR_RGB)), _pick(plan, WALL_RGB))
        for i, (rect, kind) in enumerate(zip(rects, kinds, strict=True))
    )
    doors = cut_doors(plan, rooms, config.loops)
    walls = build_walls(rooms, doors)
    items: list[Item] = []
    for room in rooms:
        own = [door for door in doors if room.index in door.rooms]
        items += [
            p.item(len(items) + k, room.index)
            for k, p in enumerate(furnish(furniture, room, own, config.density))
        ]
    walkers = send_out(
        people, int(people.integers(config.people[0], config.people[1] + 1)), rooms, doors, walls, items
    )
    return House(seed, rooms, doors, walls, tuple(items), walkers, _light(light))


def _pick(rng: np.random.Generator, colours: tuple[Rgb, ...]) -> Rgb:
    return shade(colours[int(rng.integers(len(colours)))], rng, spread=0.06)


def _light(rng: np.random.Generator) -> Light:
    """From above, up to 50 degrees off the vertical."""
    azimuth, tilt = rng.uniform(0, 2 * math.pi), rng.uniform(math.radians(15), math.radians(50))
    direction = (math.sin(tilt) * math.cos(azimuth), math.sin(tilt) * math.sin(azimuth), -math.cos(tilt))
    x, y, z = (round(v, 4) + 0.0 for v in direction)
    return Light((x, y, z), round(rng.uniform(0.30, 0.55), 3), round(rng.uniform(0.10, 0.25), 3))
