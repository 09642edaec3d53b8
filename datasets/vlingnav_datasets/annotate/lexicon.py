"""The names of a dataset's world, kept in the dataset: labels can then be written without that world.

They lie in meta/lexicon.json, beside LeRobot's own files, which do not mind.
"""

from __future__ import annotations

from pathlib import Path

from vlingnav_datasets.annotate.types import Lexicon
from vlingnav_datasets.lerobot_v3.files import DatasetError, read_json, write_json
from vlingnav_datasets.lerobot_v3.layout import Info

LEXICON = "meta/lexicon.json"


def write_lexicon(root: Path, lexicon: Lexicon) -> None:
    """Write the names into the dataset at `root`."""
    data = {
        "things": list(lexicon.things),
        "rooms": list(lexicon.rooms),
        "colours": list(lexicon.colours),
        "held_out_words": sorted(lexicon.held_out_words),
        "held_out_pairs": sorted(map(list, lexicon.held_out_pairs)),
    }
    write_json(root, LEXICON, data)


def read_lexicon(root: Path) -> Lexicon:
    """The names in the dataset at `root`.

    Raises:
        DatasetError: there is no dataset, or the file is missing or something else.
    """
    Info.read(root)
    if not (root / LEXICON).is_file():
        raise DatasetError(
            f"{root / LEXICON} is missing, which names what labels may speak of; collect the dataset anew"
        )
    data = read_json(root, LEXICON)
    try:
        return Lexicon(
            things=tuple(data["things"]),
            rooms=tuple(data["rooms"]),
            colours=tuple(data["colours"]),
            held_out_words=frozenset(data["held_out_words"]),
            held_out_pairs=frozenset((colour, thing) for colour, thing in data["held_out_pairs"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{root / LEXICON} cannot be used ({error}); restore it from a copy") from error
