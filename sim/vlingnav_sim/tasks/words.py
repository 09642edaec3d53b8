"""The words of all instructions: templates, names of things and clothes, and which of them training may use.

Two kinds of word are kept from training, so that what a policy does with them says something:

- *Synonyms*, in the sense of the split of that name in HM3D-OVON (Yokoyama et al., 2024): a thing known from
  training, under a word that training never used but that is near in meaning ("couch" for the sofa).
  `HELD_OUT` has those words. What a policy knows of them it must have from elsewhere, such as a language
  model or word vectors. So that it can learn at all that one thing has several names, `SYNONYMS` has other
  words for the same things, which training may use. Every held-out expression has a word that is in no
  training text (`HELD_OUT_WORDS`).
- *Pairs of colour and category*: about 15 % of them, `UNSEEN_PAIRS`, are never named together in training,
  while each colour and each category is, in other pairs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from vlingnav_policy.tokenizer import split_words
from vlingnav_sim.house import CATALOGUE, COLOURS
from vlingnav_sim.house.layout import KINDS
from vlingnav_sim.house.people import BOTTOMS, TOPS

PHRASES = ("find the {}", "go to the {}", "look for the {}", "search for the {}", "navigate to the {}")
"""Instructions of the object task."""

IMAGE_PHRASES = (
    "go to the place in the image",
    "find the thing in the image",
    "go where the image was taken",
)
"""Instructions of the image task."""

FOLLOW_PHRASES = (
    "follow the person in {}",
    "walk behind the person in {}",
    "stay with the person in {}",
    "track the person in {}",
    "go after the person in {}",
)
"""Instructions of the following task; what is filled in are clothes."""
TOP_GARMENTS = ("jacket", "shirt", "sweater")
BOTTOM_GARMENTS = ("trousers", "pants")

SIDE_DOOR_PHRASES = (
    "go through the {} door",
    "take the {} door",
    "leave through the {} door",
    "take the door on your {}",
)
AHEAD_DOOR_PHRASES = (
    "go straight through the door",
    "take the door straight ahead",
    "leave through the door ahead",
)
ONLY_DOOR_PHRASES = ("go through the door", "leave the {}", "leave the room")
"""For the one way out; what may be filled in is the kind of the room that is left."""
ENTER_PHRASES = ("enter the {}", "go into the {}", "walk into the {}")
PASS_PHRASES = ("pass the {} on your {}", "go past the {} on your {}", "walk past the {} on your {}")
STOP_PHRASES = ("stop at the {}", "stop next to the {}", "stop in front of the {}")
JOINTS = (", ", ", then ")
"""Between the clauses of a route."""

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "office chair": ("desk chair",),
    "armchair": ("easy chair",),
    "sofa": ("settee",),
    "dining table": ("dinner table",),
    "coffee table": ("sofa table",),
    "desk": ("writing table",),
    "nightstand": ("night table",),
    "dresser": ("bureau",),
    "wardrobe": ("armoire",),
    "cabinet": ("sideboard",),
    "bookshelf": ("book rack",),
    "fridge": ("icebox",),
    "oven": ("cooker",),
    "kitchen counter": ("worktop",),
    "sink": ("basin",),
    "washing machine": ("laundry machine",),
    "bin": ("wastebasket",),
    "toilet": ("loo",),
    "bathtub": ("tub",),
    "towel rack": ("towel rail",),
    "laundry basket": ("clothes basket",),
    "tv": ("telly",),
    "plant": ("greenery",),
    "floor lamp": ("standing lamp",),
    "fireplace": ("chimney",),
    "bicycle": ("cycle",),
    "coat rack": ("coat stand",),
    "aquarium": ("fish bowl",),
    "painting": ("artwork",),
    "rocking horse": ("toy horse",),
    "suitcase": ("trunk",),
    "box": ("crate",),
    "backpack": ("knapsack",),
    "teddy bear": ("stuffed bear",),
    "umbrella stand": ("umbrella rack",),
    "toy car": ("model car",),
    "basketball hoop": ("basketball net",),
}
"""Category -> other words for it that training may use."""

HELD_OUT: Mapping[str, tuple[str, ...]] = {
    "office chair": ("swivel chair",),
    "armchair": ("recliner",),
    "sofa": ("couch",),
    "coffee table": ("cocktail table",),
    "desk": ("workstation",),
    "nightstand": ("bedside table",),
    "dresser": ("chest of drawers",),
    "wardrobe": ("closet",),
    "cabinet": ("cupboard",),
    "bookshelf": ("bookcase",),
    "fridge": ("refrigerator",),
    "oven": ("stove",),
    "kitchen counter": ("countertop",),
    "sink": ("washbasin",),
    "washing machine": ("washer",),
    "bin": ("trash can", "garbage can"),
    "toilet": ("lavatory",),
    "bathtub": ("bath",),
    "towel rack": ("towel holder",),
    "laundry basket": ("hamper",),
    "tv": ("television",),
    "plant": ("houseplant",),
    "floor lamp": ("floor light",),
    "fireplace": ("hearth",),
    "bicycle": ("bike",),
    "coat rack": ("hat rack",),
    "aquarium": ("fish tank",),
    "mirror": ("looking glass",),
    "painting": ("picture",),
    "rocking horse": ("rocking pony",),
    "suitcase": ("luggage",),
    "box": ("carton",),
    "backpack": ("rucksack",),
    "teddy bear": ("plush bear",),
    "umbrella stand": ("brolly stand",),
    "toy car": ("toy automobile",),
    "basketball hoop": ("basketball rim",),
}
"""Category -> words for it that no training text may hold."""

CATEGORY_OF: dict[str, str] = {name: name for name in CATALOGUE} | {
    word: category for words in (SYNONYMS, HELD_OUT) for category in words for word in words[category]
}
"""Every name of a thing -> its category."""


def _unseen_pairs(share: float = 0.15) -> frozenset[tuple[str, str]]:
    """In every category `share` of its colours, by a hash: a category of one or two colours keeps all."""
    pairs = []
    for name, category in CATALOGUE.items():
        hashes = {hashlib.sha256(f"{colour} {name}".encode()).digest(): colour for colour in category.colours}
        pairs += [(hashes[h], name) for h in sorted(hashes)[: round(share * len(hashes))]]
    return frozenset(pairs)


UNSEEN_PAIRS = _unseen_pairs()
"""Pairs (colour, category) that no training text names."""


def training_texts() -> list[str]:
    """Texts that together hold every word which an instruction of training may have."""
    garments = [
        f"{colour} {piece}" for colour in (*TOPS, *BOTTOMS) for piece in (*TOP_GARMENTS, *BOTTOM_GARMENTS)
    ]
    templates = (
        *PHRASES,
        *IMAGE_PHRASES,
        *FOLLOW_PHRASES,
        *SIDE_DOOR_PHRASES,
        *AHEAD_DOOR_PHRASES,
        *ONLY_DOOR_PHRASES,
        *ENTER_PHRASES,
        *PASS_PHRASES,
        *STOP_PHRASES,
        *JOINTS,
    )
    synonyms = [word for words in SYNONYMS.values() for word in words]
    names = [*CATALOGUE, *synonyms, *COLOURS, *KINDS, "corridor", "left", "right", "and"]
    return [*templates, *names, *garments]


HELD_OUT_WORDS = frozenset(
    word
    for expressions in HELD_OUT.values()
    for expression in expressions
    for word in split_words(expression)
) - {word for text in training_texts() for word in split_words(text)}
"""Single words that no training text, and no vocabulary made from training texts, may hold."""
