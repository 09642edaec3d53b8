"""What is recorded, and from when to when."""

from __future__ import annotations

from vlingnav.arbitration import HELD, Phase
from vlingnav.stretches import TAIL_S, Stretches
from vlingnav_datasets import recorded


def test_a_goal_is_recorded_to_its_end_and_a_little_longer() -> None:
    stretches = Stretches()
    assert stretches.recorded(0.0) == 0
    stretches.pursue()
    assert stretches.recorded(1.0) == 1
    stretches.finish(2.0)
    assert stretches.recorded(2.0 + 0.9 * TAIL_S) == 1
    assert stretches.recorded(2.0 + 1.1 * TAIL_S) == 0
    stretches.finish(9.0)
    assert stretches.recorded(9.0) == 0, "it was over already"


def test_a_newer_goal_is_another_stretch_at_once() -> None:
    stretches = Stretches()
    stretches.pursue()
    stretches.pursue()
    assert stretches.recorded(0.0) == 2
    stretches.finish(1.0)
    stretches.pursue()
    assert stretches.recorded(1.0) == 3


def test_what_was_over_before_it_was_recorded_is_not() -> None:
    """Who comes late is told at once of all that was."""
    stretches = Stretches()
    stretches.hold(True, 0.0)
    stretches.hold(False, 0.0)
    stretches.pursue()
    stretches.finish(0.0)
    assert stretches.recorded(0.1) == 0


def test_people_are_recorded_between_goals_and_within_them_with_the_goal() -> None:
    stretches = Stretches()
    stretches.hold(True, 0.0)
    assert stretches.recorded(0.0) == 1
    stretches.hold(True, 1.0)
    assert stretches.recorded(1.0) == 1, "from hand to hand"
    stretches.pursue()
    assert stretches.recorded(2.0) == 2
    stretches.hold(False, 3.0)
    stretches.hold(True, 4.0)
    assert stretches.recorded(4.0) == 2
    stretches.finish(5.0)
    assert stretches.recorded(5.0) == 3, "whoever has it when the goal ends goes on without it"
    stretches.hold(False, 6.0)
    assert stretches.recorded(6.0) == 3 and stretches.recorded(7.0) == 0


def test_the_dataset_calls_phases_as_the_arbiter_does() -> None:
    assert tuple(phase.words for phase in Phase) == recorded.PHASES
    assert recorded.HELD == HELD
