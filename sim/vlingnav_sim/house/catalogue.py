"""Everything that can stand in a house: what it looks like, where it belongs, how it is placed.

A dict is the registry: to add a category, write a builder in `furniture/` and an entry here. What the
placement words mean is said in `category`; room weights are relative chances.
"""

from __future__ import annotations

from vlingnav_sim.house.category import Category
from vlingnav_sim.house.colours import BRIGHT
from vlingnav_sim.house.furniture import bathroom, kitchen, living, seating, small, tables

MACHINE = ("white", "grey", "black", "red", "blue", "yellow", "green")
CERAMIC = ("white", "pink", "cyan", "grey", "black", "green")

_EVERYWHERE = {
    "living room": 0.5,
    "bedroom": 0.5,
    "office": 0.5,
    "dining room": 0.3,
    "storage": 0.5,
    "playroom": 0.5,
    "corridor": 0.3,
}


CATALOGUE: dict[str, Category] = {
    # Seats and beds.
    "chair": Category(
        seating.chair,
        "around",
        {"dining room": 3.0, "kitchen": 1.5, "office": 0.6, "living room": 0.4},
        anchors=("dining table", "desk"),
        most=4,
    ),
    "office chair": Category(
        seating.office_chair,
        "around",
        {"office": 3.0, "bedroom": 1.0, "living room": 0.4},
        anchors=("desk",),
        most=2,
    ),
    "armchair": Category(
        seating.armchair, "wall", {"living room": 2.0, "bedroom": 0.6, "office": 0.6}, most=2
    ),
    "sofa": Category(seating.sofa, "wall", {"living room": 2.0, "office": 0.5, "playroom": 0.5}, most=2),
    "stool": Category(
        seating.stool,
        "wall",
        {"kitchen": 1.5, "bathroom": 0.6, "storage": 0.6, "living room": 0.4, "playroom": 0.8},
        most=2,
    ),
    "bench": Category(
        seating.bench, "wall", {"corridor": 1.5, "dining room": 1.0, "kitchen": 0.4, "storage": 0.4}
    ),
    "bed": Category(seating.bed, "wall", {"bedroom": 1.0}, most=2),
    # Tables and storage.
    "dining table": Category(
        tables.dining_table, "centre", {"dining room": 1.0, "kitchen": 0.8, "living room": 0.3}
    ),
    "coffee table": Category(tables.coffee_table, "before", {"living room": 2.0}, anchors=("sofa",)),
    "desk": Category(tables.desk, "wall", {"office": 2.0, "bedroom": 0.8, "living room": 0.3}, most=2),
    "nightstand": Category(tables.nightstand, "beside", {"bedroom": 2.0}, anchors=("bed",), most=2),
    "dresser": Category(tables.dresser, "wall", {"bedroom": 1.5, "corridor": 0.5, "living room": 0.3}),
    "wardrobe": Category(tables.wardrobe, "wall", {"bedroom": 1.5, "storage": 0.8, "corridor": 0.3}),
    "cabinet": Category(
        tables.cabinet,
        "wall",
        {
            "living room": 1.0,
            "dining room": 1.5,
            "office": 0.8,
            "corridor": 0.6,
            "kitchen": 0.4,
            "storage": 0.6,
        },
    ),
    "bookshelf": Category(
        tables.bookshelf,
        "wall",
        {"living room": 1.2, "office": 1.5, "bedroom": 0.5, "storage": 0.5, "playroom": 1.0},
        most=2,
    ),
    # Kitchen and laundry.
    "fridge": Category(kitchen.fridge, "wall", {"kitchen": 1.0}, colours=MACHINE),
    "oven": Category(kitchen.oven, "wall", {"kitchen": 1.0}, colours=MACHINE),
    "kitchen counter": Category(kitchen.kitchen_counter, "wall", {"kitchen": 1.5}, most=2),
    "sink": Category(kitchen.sink, "wall", {"kitchen": 0.8, "bathroom": 1.0}),
    "washing machine": Category(
        kitchen.washing_machine, "wall", {"bathroom": 0.8, "storage": 1.0, "kitchen": 0.4}, colours=MACHINE
    ),
    "bin": Category(
        kitchen.bin_,
        "wall",
        {"kitchen": 1.2, "office": 0.8, "bathroom": 0.7, "corridor": 0.3, "storage": 0.4},
    ),
    "microwave": Category(
        kitchen.microwave,
        "on",
        {"kitchen": 1.2},
        colours=MACHINE,
        searchable=False,
        anchors=("kitchen counter", "cabinet"),
    ),
    # Bathroom.
    "toilet": Category(bathroom.toilet, "wall", {"bathroom": 1.0}, colours=CERAMIC),
    "bathtub": Category(bathroom.bathtub, "wall", {"bathroom": 1.0}, colours=CERAMIC),
    "shower": Category(bathroom.shower, "corner", {"bathroom": 1.0}),
    "towel rack": Category(bathroom.towel_rack, "wall", {"bathroom": 1.2, "bedroom": 0.2}),
    "laundry basket": Category(
        bathroom.laundry_basket, "corner", {"bathroom": 0.8, "bedroom": 0.6, "storage": 0.8}
    ),
    # Living room, hall, leisure.
    "tv": Category(living.tv, "wall", {"living room": 1.5, "bedroom": 0.5, "playroom": 0.5}),
    "plant": Category(
        living.plant,
        "corner",
        {
            "living room": 1.5,
            "dining room": 1.2,
            "office": 1.2,
            "corridor": 1.0,
            "bedroom": 0.8,
            "kitchen": 0.4,
        },
        colours=("green",),
        most=2,
    ),
    "floor lamp": Category(
        living.floor_lamp, "corner", {"living room": 1.5, "bedroom": 0.8, "office": 0.8, "dining room": 0.6}
    ),
    "piano": Category(
        living.piano,
        "wall",
        {"living room": 0.5, "dining room": 0.4},
        colours=("black", "brown", "white", "red", "blue"),
    ),
    "fireplace": Category(
        living.fireplace,
        "wall",
        {"living room": 0.7, "dining room": 0.3},
        colours=("red", "white", "grey", "brown", "orange"),
    ),
    "guitar": Category(
        living.guitar, "wall", {"living room": 0.5, "bedroom": 0.6, "office": 0.3, "playroom": 0.6}
    ),
    "bicycle": Category(
        living.bicycle,
        "wall",
        {"storage": 1.5, "corridor": 0.8, "living room": 0.2, "office": 0.2},
        colours=BRIGHT,
    ),
    "coat rack": Category(
        living.coat_rack, "corner", {"corridor": 2.0, "bedroom": 0.5, "office": 0.5, "living room": 0.3}
    ),
    "aquarium": Category(living.aquarium, "wall", {"living room": 0.6, "office": 0.4, "dining room": 0.4}),
    "mirror": Category(living.mirror, "wall", {"bedroom": 0.8, "corridor": 1.0, "bathroom": 0.8}),
    "painting": Category(
        living.painting,
        "hung",
        {"living room": 0.8, "dining room": 0.8, "bedroom": 0.6, "corridor": 0.8, "office": 0.6},
        colours=(*BRIGHT, "brown", "black"),
    ),
    "clock": Category(
        living.clock,
        "hung",
        {"kitchen": 0.8, "office": 0.6, "living room": 0.4, "dining room": 0.4},
        colours=(*BRIGHT, "black"),
        searchable=False,
    ),
    "table lamp": Category(
        living.table_lamp,
        "on",
        {"bedroom": 1.2, "living room": 0.5, "office": 0.6},
        searchable=False,
        anchors=("nightstand", "dresser", "cabinet", "desk"),
    ),
    "rocking horse": Category(
        living.rocking_horse, "wall", {"playroom": 2.0, "bedroom": 0.3, "storage": 0.3}
    ),
    "globe": Category(
        living.globe, "corner", {"office": 0.8, "playroom": 0.8, "living room": 0.3}, colours=("blue", "cyan")
    ),
    # Small things.
    "suitcase": Category(small.suitcase, "wall", {"bedroom": 0.8, "storage": 1.2, "corridor": 0.6}, most=2),
    "box": Category(small.box_, "wall", _EVERYWHERE | {"storage": 3.0}, most=3),
    "ball": Category(small.ball_, "corner", _EVERYWHERE | {"playroom": 2.0}, colours=BRIGHT),
    "backpack": Category(
        small.backpack, "wall", {"bedroom": 0.8, "corridor": 0.8, "office": 0.6, "playroom": 0.8}
    ),
    "teddy bear": Category(
        small.teddy_bear,
        "wall",
        {"bedroom": 0.8, "playroom": 2.0, "living room": 0.3},
        colours=(*BRIGHT, "brown", "white"),
    ),
    "vase": Category(
        small.vase,
        "on",
        {"living room": 0.8, "dining room": 1.0, "bedroom": 0.4, "corridor": 0.5},
        searchable=False,
        anchors=("coffee table", "dining table", "cabinet", "dresser"),
    ),
    "laptop": Category(
        small.laptop,
        "on",
        {"office": 1.5, "bedroom": 0.5, "living room": 0.6},
        colours=("grey", "black", "white", "red", "blue", "pink"),
        searchable=False,
        anchors=("desk", "coffee table"),
        most=2,
    ),
    "fruit bowl": Category(
        small.fruit_bowl,
        "on",
        {"kitchen": 1.0, "dining room": 1.0},
        searchable=False,
        anchors=("dining table", "kitchen counter"),
    ),
    "umbrella stand": Category(small.umbrella_stand, "corner", {"corridor": 1.5}),
    "toy car": Category(
        small.toy_car, "wall", {"playroom": 2.0, "bedroom": 0.3, "corridor": 0.2}, colours=BRIGHT
    ),
    "basketball hoop": Category(
        small.basketball_hoop, "wall", {"playroom": 1.0, "storage": 0.4}, colours=(*BRIGHT, "black")
    ),
}
"""Name -> category. The order is part of the generator: it decides what a seed gives."""
