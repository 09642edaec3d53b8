"""Labels of forty real searches: how often, in which words, and nothing that the robot could not know."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence

import pytest

from vlingnav_datasets.annotate import (
    AnnotationConfig,
    Label,
    OracleAnnotator,
    Report,
    Request,
    annotate_episode,
)
from vlingnav_datasets.annotate.filters import FILTERS
from vlingnav_datasets.annotate.wording import VOCABULARY
from vlingnav_datasets.facts import StepFacts
from vlingnav_policy.tokenizer import split_words
from vlingnav_policy.types import Decision, Goal, Observation
from vlingnav_sim.episode import Rates, run_episode
from vlingnav_sim.experts import SearchingExpert
from vlingnav_sim.facts import FactsRecorder
from vlingnav_sim.grid import OccupancyGrid
from vlingnav_sim.house import HouseConfig, generate
from vlingnav_sim.lexicon import LEXICON
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks import sample_task

EPISODES = 40
LONGEST_S = 60.0
Recorded = tuple[Goal, list[StepFacts]]
Labelled = tuple[Goal, list[StepFacts], tuple[Label | None, ...], Report]


def search(seed: int) -> Recorded:
    """One search in a training house; the safety filter, which costs most, has no part in what is said."""
    house = generate(seed, HouseConfig(max_rooms=4))
    grid = OccupancyGrid.from_house(house)
    task = dataclasses.replace(sample_task(house, grid), time_limit_s=LONGEST_S)
    steps: list[StepFacts] = []
    with Simulator(house, seed=seed, people=False) as simulator:
        expert = SearchingExpert(simulator)
        recorder = FactsRecorder(simulator, expert)

        def note(observation: Observation, decision: Decision) -> Decision:
            if not steps:
                recorder.reset(task)
            steps.append(recorder.step(observation, decision))
            return decision

        rates = Rates(control_s=0.1)
        run_episode(simulator, expert, task, grid, safety=False, rates=rates, on_decision=note)
    return task.goal, steps


@pytest.fixture(scope="module")
def episodes() -> list[Recorded]:
    return [search(seed) for seed in range(210_000, 210_000 + EPISODES)]


def annotated(episodes: Sequence[Recorded], config: AnnotationConfig) -> list[Labelled]:
    oracle = OracleAnnotator(LEXICON)
    return [
        (goal, steps, *annotate_episode(goal, steps, oracle, config, episode=number))
        for number, (goal, steps) in enumerate(episodes)
    ]


@pytest.fixture(scope="module")
def labelled(episodes: list[Recorded]) -> list[Labelled]:
    return annotated(episodes, AnnotationConfig(LEXICON))


def texts(labelled: Sequence[Labelled]) -> list[str]:
    return [
        text for *_, labels, _ in labelled for label in labels if label for text in dataclasses.astuple(label)
    ]


def test_a_few_per_cent_of_the_steps_are_thought_about(labelled: list[Labelled]) -> None:
    steps = sum(report.steps for *_, report in labelled)
    reasons = Counter(reason for *_, report in labelled for reason in report.reasons.values())
    assert 0.03 <= sum(reasons.values()) / steps <= 0.10
    assert reasons["start"] == EPISODES and {"stop", "target seen", "room entered", "new door"} <= set(
        reasons
    )


def test_every_word_is_in_the_vocabulary_or_a_name(labelled: list[Labelled]) -> None:
    words = {word for text in texts(labelled) for word in split_words(text)}
    assert words <= set(VOCABULARY) | LEXICON.words
    assert len(VOCABULARY) <= 200 and len(set(VOCABULARY) | LEXICON.words) <= 400
    assert not (set(VOCABULARY) | LEXICON.words) & LEXICON.held_out_words
    assert len(words - LEXICON.words) > 0.6 * len(VOCABULARY), "most of the vocabulary is really used"


def test_thoughts_are_short_and_differ(labelled: list[Labelled]) -> None:
    thoughts = [label.thought for *_, labels, _ in labelled for label in labels if label]
    assert max(len(split_words(text)) for text in thoughts) <= 75
    assert all(2 <= text.count(". ") + 1 <= 4 for text in thoughts)
    assert len({text.split(". ")[-1] for text in thoughts}) > 12, "even the action is not always said alike"


def test_the_oracle_passes_the_filters_that_a_leaky_one_does_not(
    episodes: list[Recorded], labelled: list[Labelled]
) -> None:
    assert not any(report.rejections for *_, report in labelled)

    class Leaky(OracleAnnotator):
        """Knows what the episode will bring."""

        def __init__(self, steps: Sequence[StepFacts]) -> None:
            super().__init__(LEXICON)
            self._later = {
                LEXICON.name(item.colour, item.category): item.index for step in steps for item in step.items
            }

        def annotate(self, request: Request) -> Label:
            label, seen = super().annotate(request), request.knowledge.items
            names = {LEXICON.name(item.seen.colour, item.seen.category) for item in seen.values()}
            hidden = next((n for n, i in self._later.items() if i not in seen and n not in names), None)
            if hidden is None or hidden in request.goal.instruction or any(n in hidden for n in names):
                return label
            return dataclasses.replace(label, thought=f"There is a {hidden} somewhere. {label.thought}")

    checked, leaked = 0, 0
    for goal, steps in episodes[:10]:
        leaky, told = Leaky(steps), AnnotationConfig(LEXICON)
        _, report = annotate_episode(goal, steps, leaky, told)
        open_filters = tuple(test for test in FILTERS if test.name != "hidden")
        labels, unfiltered = annotate_episode(
            goal, steps, leaky, dataclasses.replace(told, filters=open_filters)
        )
        said = {number for number, label in enumerate(labels) if label and "somewhere" in label.thought}
        assert set(report.dropped) == said and not unfiltered.rejections
        checked, leaked = checked + len(report.reasons), leaked + len(said)
    assert 0 < leaked < checked


def test_a_thought_that_turns_the_other_way_is_rejected(episodes: list[Recorded]) -> None:
    class Contrary(OracleAnnotator):
        """Says the opposite of what is done."""

        def annotate(self, request: Request) -> Label:
            label = super().annotate(request)
            head, _, tail = label.thought.rpartition(". ")
            swapped = tail.replace("left", "L").replace("right", "left").replace("L", "right")
            return dataclasses.replace(label, thought=f"{head}. {swapped}")

    turns = 0
    for goal, steps in episodes[:10]:
        labels, report = annotate_episode(goal, steps, Contrary(LEXICON), AnnotationConfig(LEXICON))
        sides = {number for number in report.reasons if steps[number].action.endswith(("left", "right"))}
        assert set(report.dropped) == sides
        turns += len(sides)
    assert turns > 5


def test_labels_depend_on_the_seed_alone(episodes: list[Recorded], labelled: list[Labelled]) -> None:
    again = annotated(episodes[:5], AnnotationConfig(LEXICON))
    assert texts(again) == texts(labelled[:5])
    assert texts(annotated(episodes[:5], AnnotationConfig(LEXICON, seed=1))) != texts(again)
    read_back = [
        (goal, [StepFacts.from_json(step.to_json()) for step in steps]) for goal, steps in episodes[:5]
    ]
    assert texts(annotated(read_back, AnnotationConfig(LEXICON))) == texts(again), (
        "as a dataset gives them back"
    )
