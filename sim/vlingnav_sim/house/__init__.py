"""Houses without end, each made from one integer.

`generate(seed)` gives a `House`, which is plain data; see `model` for what it holds.
"""

from __future__ import annotations

from vlingnav_sim.house.catalogue import CATALOGUE
from vlingnav_sim.house.category import Category
from vlingnav_sim.house.colours import COLOURS
from vlingnav_sim.house.generator import HouseConfig, generate
from vlingnav_sim.house.model import Door, House, Item, Light, Part, Person, Room, Wall

__all__ = [
    "CATALOGUE",
    "COLOURS",
    "Category",
    "Door",
    "House",
    "HouseConfig",
    "Item",
    "Light",
    "Part",
    "Person",
    "Room",
    "Wall",
    "generate",
]
