"""What the policy remembers in words: bounded, and the places go last."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlingnav_policy.memory import Memory, MemoryConfig, count_words, room_of, says_where

CHAT = "I have looked around a lot. I will try the next door. There is much that I do not know."


def test_it_reads_as_in_the_paper() -> None:
    memory = Memory()
    assert memory.text() == ""
    memory.write(1, "A large white wardrobe is straight ahead.")
    memory.write(16, "The\ncorridor  leads to the left.")
    assert memory.text() == (
        "The latest step for which you generated a Chain-of-Thought is: 16. "
        "The memory of the entire thinking process is: "
        "1th: A large white wardrobe is straight ahead. 16th: The corridor leads to the left."
    )
    memory.write(17, "  ")
    assert len(memory.entries) == 2


def test_a_place_is_told_from_a_plan() -> None:
    assert says_where("The red chair is left of the door.")
    assert not says_where("I will go to the door.")
    assert not says_where("The walls are white.")
    assert says_where("Still to try: the door on the left.") and says_where("Searched, no bed.")


def long_run(config: MemoryConfig, steps: int = 400) -> Memory:
    """A robot that talks at every step, in a house of 20 things."""
    memory = Memory(config)
    for step in range(1, steps + 1):
        memory.write(step, f"The thing{step % 20} is left of door {step % 20}. {CHAT}")
    return memory


def test_it_is_bounded_and_still_knows_where_everything_was() -> None:
    config = MemoryConfig(budget=300)
    memory = long_run(config)
    text = memory.text()
    assert count_words(text) <= config.budget
    for number in range(20):
        assert f"The thing{number} is left of door {number}." in text
    assert memory.entries[-1].step == 400 and text.endswith("There is much that I do not know.")
    assert [entry.step for entry in memory.entries] == sorted(entry.step for entry in memory.entries)


def test_what_is_newest_of_a_room_stands_for_all_that_was_said_of_it() -> None:
    assert room_of("Room two, a kitchen: a bed.") == "room two" and room_of("A bed is in room two.") is None
    memory = Memory(MemoryConfig(budget=70))
    for step in range(1, 61):
        number = ("one", "two", "three")[step % 3]
        memory.write(
            step, f"Room {number}, a kitchen: {step} beds. Searched, no chair. Still to try: the door."
        )
    text = memory.text()
    assert all(text.count(f"Room {number}, a kitchen") == 1 for number in ("one", "two", "three"))
    assert "58 beds" in text and "59 beds" in text and "60 beds" in text
    assert text.count("Searched, no chair. Still to try: the door.") == 3


def test_nothing_is_shortened_before_it_must_be() -> None:
    memory = long_run(MemoryConfig(budget=10_000), steps=50)
    assert memory.text().count(CHAT) == 50


@pytest.mark.parametrize("budget", [0, 5, 22, 25, 40, 100])
def test_no_budget_is_overstepped(budget: int) -> None:
    memory = long_run(MemoryConfig(budget=budget), steps=60)
    assert count_words(memory.text()) <= budget
    if budget >= 25:
        assert memory.entries[-1].step == 60


def test_the_count_is_that_of_the_reader() -> None:
    memory = Memory(MemoryConfig(budget=300), count=len)  # one token a letter
    for step in range(1, 100):
        memory.write(step, "The bed is in the room at the end.")
    assert len(memory.text()) <= 300


def test_steps_do_not_go_back() -> None:
    memory = Memory()
    memory.write(5, "The bed is left.")
    with pytest.raises(ValueError, match="step 4 comes after step 5"):
        memory.write(4, "The bed is right.")


def test_it_is_kept_for_the_next_run(tmp_path: Path) -> None:
    before = long_run(MemoryConfig(budget=240), steps=30)
    before.save(tmp_path / "memory.json")
    after = Memory.load(tmp_path / "memory.json", MemoryConfig(budget=240))
    assert after.entries == before.entries and after.text() == before.text()
    run = after.for_next_run()
    run.write(1, "A door is ahead.")
    assert {entry.step for entry in run.entries} == {0, 1}
    assert "0th: The thing" in run.text()
    tight = Memory.load(tmp_path / "memory.json", MemoryConfig(budget=60))
    assert count_words(tight.text()) <= 60


@pytest.mark.parametrize(
    "content", ["", "{}", '{"format": 7, "entries": []}', '{"format": 1, "entries": [3]}']
)
def test_a_file_that_is_no_memory_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "memory.json").write_text(content)
    with pytest.raises(ValueError, match="memory.json holds no memory that can be read"):
        Memory.load(tmp_path / "memory.json")
    with pytest.raises(ValueError, match="nowhere holds no memory"):
        Memory.load(Path("nowhere"))
