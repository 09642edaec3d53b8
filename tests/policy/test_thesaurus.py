"""Words that a policy never learned are said with those it did; what it learned keeps its meaning."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vlingnav_policy import ManifestError
from vlingnav_policy.thesaurus import Thesaurus

NAMES = {
    "sofa": "sofa",
    "couch": "sofa",
    "bookshelf": "bookshelf",
    "bin": "bin",
    "trash can": "bin",
    "can": "box",
    "trash can lid": "box",
    "red": "red",
    "crimson": "red",
    "dressing table": "dresser",
    "watchman": "person",
    "berry": "plant",
}
KNOWN = {"find", "the", "red", "sofa", "book", "table", "bin", "dresser", "box", "pass", "on", "your", "left"}
THESAURUS = Thesaurus(NAMES)


def reworded(instruction: str) -> str:
    return THESAURUS.reword(instruction, KNOWN.__contains__).text


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("find the couch", "find the sofa"),
        ("Find the COUCH!", "Find the sofa!"),
        ("find the crimson couch, then the couch.", "find the red sofa, then the sofa."),
        ("find the trash can", "find the bin"),  # the longest expression first
        ("find the trash can lid", "find the box"),
        ("find the can", "find the box"),
        ("find the dressing table", "find the dresser"),  # a part of it may be known
        ("find the trash, can", "find the trash, box"),  # a comma parts expressions
        ("find the couchette", "find the couchette"),  # whole words only
        ("find the gramophone", "find the gramophone"),
        ("", ""),
    ],
)
def test_what_is_not_known_is_said_otherwise(said: str, read: str) -> None:
    assert reworded(said) == read


@pytest.mark.parametrize("said", ["trash-can", "trashcan", "trash  can", "trash cans", "Trash Can"])
def test_spelling_does_not_matter(said: str) -> None:
    assert reworded(f"find the {said}") == "find the bin"


@pytest.mark.parametrize(
    ("many", "one"),
    [
        ("couches", "sofa"),
        ("sofas", "sofa"),
        ("bookshelves", "bookshelf"),
        ("book shelf", "bookshelf"),
        ("book shelves", "bookshelf"),
        ("watchmen", "person"),
        ("berries", "plant"),
    ],
)
def test_plurals_and_compounds_of_what_is_known_are_known(many: str, one: str) -> None:
    assert reworded(f"find the {many}") == f"find the {one}"


def test_what_a_policy_learned_keeps_its_meaning() -> None:
    assert THESAURUS.reword("find the couch", {*KNOWN, "couch"}.__contains__).taken == ()
    assert THESAURUS.reword("find the trash can", {"trash", "can"}.__contains__).text == "find the trash can"


def test_who_asked_is_told() -> None:
    wording = THESAURUS.reword("pass the Trash-can on your left, find the couches", KNOWN.__contains__)
    assert wording.text == "pass the bin on your left, find the sofa"
    assert wording.notes == ['"Trash-can" is taken for "bin"', '"couches" is taken for "sofa"']


def test_without_a_table_all_stays_as_it_is() -> None:
    assert Thesaurus({}).reword("find the couches", KNOWN.__contains__).text == "find the couches"


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"names": 3}'])
def test_what_is_no_table_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "thesaurus.json"
    file.write_text(content)
    with pytest.raises(ManifestError, match=r"thesaurus.json is no thesaurus.*export the model again"):
        Thesaurus.read(file)
    file.write_text(json.dumps({"names": NAMES}))
    assert Thesaurus.read(file).reword("the couch", KNOWN.__contains__).text == "the sofa"
