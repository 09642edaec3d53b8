"""When a thought is due, what is written, what passes, what is remembered; and each property off."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from vlingnav_datasets.annotate import (
    TRIGGERS,
    AnnotationConfig,
    BadAnswer,
    Label,
    Lexicon,
    OracleAnnotator,
    Request,
    annotate_episode,
)
from vlingnav_datasets.annotate.filters import FILTERS, mentions, stated_action
from vlingnav_datasets.annotate.knowledge import Knowledge
from vlingnav_datasets.annotate.triggers import triggered
from vlingnav_datasets.annotate.wording import direction, distance
from vlingnav_datasets.facts import (
    DoorSeen,
    Intent,
    ItemSeen,
    Motion,
    RoomKnown,
    StepFacts,
    Target,
    action_word,
)
from vlingnav_policy.types import Goal

LEXICON = Lexicon(
    ("chair", "office chair", "bed", "fridge", "plant", "box"),
    ("kitchen", "bedroom"),
    ("red", "blue", "green", "white"),
    held_out_words=frozenset({"couch"}),
    held_out_pairs=frozenset({("white", "box")}),
)
GOAL = Goal("find the red chair")
BED = ItemSeen(3, "bed", "blue", 2.0, 0.0, 0.8, 0)
CHAIR = ItemSeen(5, "chair", "red", 3.0, 0.4, 0.6, 0)
BOX = ItemSeen(7, "box", "white", 4.0, 0.1, 0.5, 0)
HIDDEN = Target("red chair", False, ("kitchen",), False, None, None, None, None, None)
GOOD = Label("I see a blue bed ahead. No red chair yet. I go forward.", "Room one: blue bed, no red chair.")


def facts(number: int = 0, room: int = 0, **changes: Any) -> StepFacts:
    """One step in a bedroom with a bed and a box in view, 0.4 s after the one before."""
    stamp = round(0.4 * number, 3)
    plain = StepFacts(
        stamp=stamp,
        pose=(round(0.2 * number, 3), 0.0, 0.0),
        room=room,
        items=(BED, BOX),
        people=(),
        doors=(),
        rooms=tuple(RoomKnown(index, "bedroom", 0.0, stamp, 0.5) for index in range(room + 1)),
        target=HIDDEN,
        intent=Intent("explore", 2.0, 0.0),
        action="forward",
        motion=Motion(min(stamp, 6.0), round(0.2 * number, 3), round(0.2 * number, 3), 0.0, 0.0),
    )
    return dataclasses.replace(plain, **changes)


def seen(stamp: float, in_view: bool = True) -> Target:
    return Target("red chair", False, ("kitchen",), in_view, stamp, 5, 0, 3.0, 0.4)


class Says:
    """Answers what it is told to, one answer after the other, and keeps the requests."""

    def __init__(self, *answers: Label | Exception) -> None:
        self.answers, self.requests = list(answers), list[Request]()

    def annotate(self, request: Request) -> Label:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def request(step: StepFacts) -> Request:
    knowledge = Knowledge()
    knowledge.add(step)
    return Request(GOAL, knowledge, "", None, "start", (), (0,))


def faults(label: Label, step: StepFacts | None = None) -> list[str]:
    """The filters that reject a label."""
    asked = request(facts() if step is None else step)
    return [test.name for test in FILTERS if test.fault(label, asked, LEXICON) is not None]


def without(name: str) -> AnnotationConfig:
    return AnnotationConfig(LEXICON, filters=tuple(test for test in FILTERS if test.name != name))


# --- facts


def test_facts_come_back_from_json_as_they_were() -> None:
    door = DoorSeen(1, 2.0, 0.3, 0, True, None, False)
    step = facts(3, doors=(door,), target=seen(1.2), intent=Intent("route", 1.0, 0.0, clause=1, words="go"))
    assert StepFacts.from_json(step.to_json()) == step


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"pose":[0,0,0]}', facts().to_json().replace("room", "rom")]
)
def test_other_text_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="no facts of a step"):
        StepFacts.from_json(text)


@pytest.mark.parametrize(
    ("end", "stop", "word"),
    [
        ((0.5, 0.0, 0.1), False, "forward"),
        ((0.4, 0.2, 0.8), False, "forward left"),
        ((0.4, -0.2, -0.8), False, "forward right"),
        ((0.0, 0.0, 1.2), False, "turn left"),
        ((0.05, 0.0, -1.2), False, "turn right"),
        ((0.02, 0.0, 0.1), False, "wait"),
        ((-0.4, 0.0, 0.1), False, "back"),
        ((0.5, 0.0, 0.0), True, "stop"),
    ],
)
def test_a_trajectory_has_a_word(end: tuple[float, float, float], stop: bool, word: str) -> None:
    assert action_word(np.array([(0.0, 0.0, 0.0), end]), stop) == word


# --- triggers

SCENES: dict[str, list[StepFacts]] = {
    "start": [facts(0)],
    "stop": [facts(n, target=seen(0.4 * n)) for n in range(20)]
    + [facts(20, target=seen(8.0), intent=Intent("stop", 0.5, 0.0), action="stop")],
    "clause done": [facts(n, intent=Intent("route", 1.0, 0.0, clause=n // 15)) for n in range(20)],
    "target seen": [facts(n) for n in range(15)] + [facts(15, target=seen(6.0))],
    "target lost": [
        facts(n, target=seen(0.4 * min(n, 14), n < 15), intent=Intent("approach", 1.0, 0.0))
        for n in range(20)
    ],
    "person lost": [
        facts(n, target=dataclasses.replace(seen(0.4 * min(n, 14), n < 15), person=True)) for n in range(20)
    ],
    "room entered": [facts(n, room=n // 15) for n in range(20)],
    "stuck": [facts(n, motion=Motion(6.0, 0.05, 0.03, 0.1, 0.1)) for n in range(20)],
    "oscillating": [facts(n, motion=Motion(6.0, 0.5, 0.2, 4.0, 0.2)) for n in range(20)],
    "new door": [facts(n, doors=(DoorSeen(1, 2.0, 0.0, 0, n == 15, None, False),)) for n in range(20)],
    "other way": [facts(n, intent=Intent("explore", 1.0, 0.0, door=n // 15)) for n in range(20)],
}


@pytest.mark.parametrize("name", [trigger.name for trigger in TRIGGERS])
def test_each_rule_fires_where_it_should_and_not_when_it_is_taken_out(name: str) -> None:
    with_it = [trigger.name for trigger in triggered(SCENES[name]) if trigger]
    assert name in with_it and set(with_it) <= {"start", name}
    rest = [trigger for trigger in TRIGGERS if trigger.name != name]
    assert name not in [trigger.name for trigger in triggered(SCENES[name], rest) if trigger]


def test_a_reason_that_lasts_rests_between_thoughts() -> None:
    stuck = [facts(n, motion=Motion(6.0, 0.05, 0.03, 0.1, 0.1)) for n in range(100)]
    eager = [dataclasses.replace(trigger, refractory_s=0.0) for trigger in TRIGGERS]

    def count(triggers: Sequence[Any], pause_s: float) -> int:
        return sum(trigger is not None for trigger in triggered(stuck, triggers, pause_s))

    assert count(TRIGGERS, 4.0) <= 4
    assert count(eager, 0.0) == 100


def test_what_matters_more_need_not_wait() -> None:
    steps = [facts(0), facts(1), facts(2, target=seen(0.8)), facts(3, room=1, target=seen(1.2))]
    assert [trigger and trigger.name for trigger in triggered(steps)] == ["start", None, "target seen", None]


# --- the oracle


def test_the_oracle_says_what_is_seen_sought_and_done() -> None:
    label = OracleAnnotator(LEXICON).annotate(
        request(facts(items=(BED, CHAIR), target=seen(0.0), action="turn left"))
    )
    assert (
        "blue bed" in label.thought and "red chair" in label.thought and "three metres away" in label.thought
    )
    assert stated_action(label.thought) == {"left"}
    assert "Room one, a bedroom" in label.summary and "The red chair" in label.summary


def test_an_expert_that_stops_or_drives_without_having_seen_the_target_is_written_about_too() -> None:
    for step in (
        facts(action="stop", intent=Intent("stop", 0.0, 0.0)),
        facts(target=None),
        facts(items=(), rooms=(RoomKnown(0, None, 0.0, 0.0, 0.0),), action="back"),
    ):
        labels, report = annotate_episode(GOAL, [step], OracleAnnotator(LEXICON), AnnotationConfig(LEXICON))
        assert labels[0] is not None and not report.rejections


def test_a_pair_held_out_from_training_is_named_without_its_colour() -> None:
    label = OracleAnnotator(LEXICON).annotate(request(facts()))
    assert {("", "box"), ("blue", "bed")} <= set(mentions(label.thought, LEXICON))
    free = dataclasses.replace(LEXICON, held_out_pairs=frozenset())
    assert "white box" in OracleAnnotator(free).annotate(request(facts())).thought


def test_a_room_is_recognised_when_it_is_entered_again() -> None:
    door = DoorSeen(0, 0.5, 0.0, 0, True, None, False)
    rooms = (RoomKnown(0, "bedroom", 0.0, 4.0, 0.9), RoomKnown(1, "kitchen", 4.0, 8.0, 0.9))
    steps = [facts(n, doors=(door,), rooms=rooms[:1]) for n in range(10)]
    steps += [facts(n, room=1, rooms=rooms, items=()) for n in range(10, 20)]
    steps += [facts(n, rooms=rooms) for n in range(20, 24)]
    labels, report = annotate_episode(GOAL, steps, OracleAnnotator(LEXICON), AnnotationConfig(LEXICON))
    came, back = (labels[number] for number in (10, 20))
    assert came is not None and "new to me" in came.thought or "not been here" in came.thought
    assert back is not None and ("been here before" in back.thought or "back in room one" in back.thought)
    assert "leads to room two" in back.summary, "the door that was gone through is known from both sides"


@pytest.mark.parametrize("turns", range(8))
def test_directions_are_eighths_of_a_turn(turns: int) -> None:
    words = direction(turns * math.pi / 4 + 0.3)
    assert ("left" in words) == (turns in (1, 2, 3)) and ("right" in words) == (turns in (5, 6, 7))
    assert ("ahead" in words) == (turns in (0, 1, 7)) and ("behind" in words) == (turns in (3, 4, 5))
    assert (
        distance(0.3) == "close" and distance(1.2) == "one metre away" and distance(1.6) == "two metres away"
    )


# --- filters


@pytest.mark.parametrize(
    ("thought", "claims"),
    [
        ("I see a chair on the right. I turn left.", {"left"}),
        ("The door is ahead on the left, so I go forward.", {"forward"}),
        ("I go to the door on the left.", {"move"}),
        ("I will keep moving straight ahead towards the door.", {"forward"}),
        ("I go forward and to the left.", {"left"}),
        ("I should not stop here. I continue forward, bearing right.", {"forward", "right"}),
        ("I have reached the chair, so I stop.", {"stop"}),
        ("The bed is ahead.", set()),
        ("They come towards me, so I back away.", {"back"}),
        ("I turn around.", {"turn"}),
    ],
)
def test_the_action_that_a_thought_states_is_read(thought: str, claims: set[str]) -> None:
    assert stated_action(thought) == claims


BAD: dict[str, list[Label]] = {
    "format": [
        dataclasses.replace(GOOD, thought="Go forward."),
        dataclasses.replace(GOOD, thought=GOOD.thought * 12),
        dataclasses.replace(GOOD, thought=f"<think>{GOOD.thought}</think>"),
        dataclasses.replace(GOOD, thought="Veo una cama azul, no veo la silla roja, go forward."),
        dataclasses.replace(GOOD, thought=f"{GOOD.thought} 我往前走"),
        dataclasses.replace(GOOD, summary="```nothing here so far```"),
        dataclasses.replace(GOOD, thought=f"There is no couch here. {GOOD.thought}"),
        dataclasses.replace(GOOD, summary="No white box in room one."),
    ],
    "agreement": [
        dataclasses.replace(GOOD, thought="I see a blue bed ahead. I turn left."),
        dataclasses.replace(GOOD, thought="I see a blue bed ahead and stop."),
        dataclasses.replace(GOOD, thought="I see a blue bed ahead. There is nothing else."),
        dataclasses.replace(GOOD, thought="I see a blue bed. I go forward, then I turn left and turn right."),
    ],
    "hidden": [
        dataclasses.replace(GOOD, thought="I see a blue bed and a fridge. I go forward."),
        dataclasses.replace(GOOD, thought="I see a green bed. I go forward to the end."),
        dataclasses.replace(GOOD, thought="The red chair is behind the door. I go forward."),
        dataclasses.replace(GOOD, thought="I see a blue bed. The kitchen is next. I go forward."),
        dataclasses.replace(GOOD, thought="The expert goes this way, so I go forward too."),
        dataclasses.replace(GOOD, thought="I see a bed at (1.5, 2.0). I go forward to it."),
        dataclasses.replace(GOOD, summary="The office chair is in room one."),
    ],
}


@pytest.mark.parametrize(("name", "label"), [(name, label) for name in BAD for label in BAD[name]])
def test_a_bad_label_is_rejected_for_what_is_wrong_with_it_and_passes_without_that_filter(
    name: str, label: Label
) -> None:
    assert faults(label) == [name]
    labels, report = annotate_episode(GOAL, [facts()], Says(label), AnnotationConfig(LEXICON))
    assert labels == (None,) and report.rejected == {name: 3} and report.dropped == (0,)
    labels, report = annotate_episode(GOAL, [facts()], Says(label), without(name))
    assert labels == (label,) and not report.rejections


@pytest.mark.parametrize(
    "thought",
    [
        "A red chair may be in the kitchen, and this may lead to a kitchen. I go forward.",
        "I see no red chair, only two blue beds. I go forward.",
        "I have not seen the red chair, so I keep going forward.",
    ],
)
def test_suppositions_and_what_is_sought_may_be_named(thought: str) -> None:
    assert faults(dataclasses.replace(GOOD, thought=thought)) == []


def test_what_has_once_been_seen_may_be_named_later() -> None:
    label = dataclasses.replace(GOOD, thought="I remember the blue bed behind me. I go forward.")
    steps = [facts(0), *(facts(n, items=()) for n in range(1, 16)), facts(16, items=(), room=1)]
    labels, _ = annotate_episode(GOAL, steps, Says(label), AnnotationConfig(LEXICON))
    assert labels[16] == label
    empty = [dataclasses.replace(step, items=()) for step in steps]
    labels, report = annotate_episode(GOAL, empty, Says(label), AnnotationConfig(LEXICON))
    assert labels[16] is None and report.rejected["hidden"] == 6


# --- the engine

THREE = [facts(0), *(facts(n) for n in range(1, 15)), *(facts(n, room=1) for n in range(15, 30)), facts(30)]


def test_memory_holds_summaries_of_thinking_steps_and_of_no_others() -> None:
    asked = Says(
        *(dataclasses.replace(GOOD, summary=f"Room one: bed, {word}.") for word in ("open", "shut", "old"))
    )
    labels, report = annotate_episode(GOAL, THREE, asked, AnnotationConfig(LEXICON))
    assert [number for number, label in enumerate(labels) if label] == [0, 15, 30] == list(report.reasons)
    assert [r.memory.count("bed") for r in asked.requests] == [0, 1, 2]
    assert asked.requests[2].memory.endswith("1th: Room one: bed, open. 16th: Room one: bed, shut.")
    assert [r.since for r in asked.requests] == [None, 0.0, 6.0]


def test_a_dropped_label_is_reported_and_not_remembered() -> None:
    wrong = dataclasses.replace(GOOD, thought="I see a blue bed ahead. I turn left.")
    asked = Says(GOOD, wrong, BadAnswer("no JSON"), wrong, GOOD)
    labels, report = annotate_episode(GOAL, THREE, asked, AnnotationConfig(LEXICON))
    assert [number for number, label in enumerate(labels) if label] == [0, 30] and report.dropped == (15,)
    assert report.rejected == {"agreement": 2, "answer": 1}
    assert [(r.step, r.attempt, r.by) for r in report.rejections] == [
        (15, 0, "agreement"),
        (15, 1, "answer"),
        (15, 2, "agreement"),
    ]
    assert asked.requests[-1].memory.count("th: ") == 1, "only the first thought is remembered"
    assert len(asked.requests[3].complaints) == 2 and "turn left" not in asked.requests[-1].memory
    assert report.thought_share == pytest.approx(2 / len(THREE))


def test_a_second_answer_is_taken_where_the_first_was_bad() -> None:
    labels, report = annotate_episode(
        GOAL, [facts()], Says(BadAnswer("no JSON"), GOOD), AnnotationConfig(LEXICON)
    )
    assert labels == (GOOD,) and report.rejected == {"answer": 1} and report.dropped == ()


def test_the_same_seed_gives_the_same_labels_and_another_other_words() -> None:
    def run(seed: int, episode: int = 0) -> Any:
        config = AnnotationConfig(LEXICON, seed=seed)
        return annotate_episode(GOAL, THREE, OracleAnnotator(LEXICON), config, episode=episode)[0]

    assert run(1) == run(1)
    assert len({run(seed) for seed in range(6)}) > 3 and len({run(1, episode) for episode in range(6)}) > 3


def test_an_annotator_is_shown_the_latest_images_only() -> None:
    frames = [np.full((2, 2, 3), number, np.uint8) for number in range(len(THREE))]
    asked = Says(GOOD)
    annotate_episode(GOAL, THREE, asked, AnnotationConfig(LEXICON), frames=frames)
    shown = [[int(frame[0, 0, 0]) for frame in r.frames] for r in asked.requests]
    assert shown == [[0], list(range(6, 16)), list(range(21, 31))]
    with pytest.raises(ValueError, match="one for each step"):
        annotate_episode(GOAL, THREE, asked, AnnotationConfig(LEXICON), frames=frames[:-1])
