"""Facts hold what the robot could know at that step and nothing else, whatever the task, whoever drives."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from vlingnav_datasets.facts import StepFacts
from vlingnav_policy.types import Decision, Goal, Observation, Policy
from vlingnav_sim.episode import run_episode
from vlingnav_sim.experts import FollowingExpert, RandomWalker, RouteExpert, SearchingExpert
from vlingnav_sim.facts import FactsRecorder
from vlingnav_sim.grid import OccupancyGrid
from vlingnav_sim.house import HouseConfig, generate
from vlingnav_sim.house.model import House
from vlingnav_sim.lexicon import LEXICON, likely_rooms, stretches, target_words, tells_kind
from vlingnav_sim.simulator import Simulator
from vlingnav_sim.tasks import FollowTask, NavigationTask, RouteTask, sample_task

HERE = np.zeros((8, 3), np.float32)


class Labelled:
    """Has the expert asked about every step and the facts written down, while `driver` drives."""

    def __init__(
        self, simulator: Simulator, task: NavigationTask, expert: Policy, driver: Policy | None = None
    ):
        self.task, self.expert, self.driver = task, expert, driver
        self.recorder = FactsRecorder(simulator, expert)
        self.steps: list[StepFacts] = []
        self.found: list[int | None] = []

    def reset(self, goal: Goal) -> None:
        self.expert.reset(goal)
        self.recorder.reset(self.task)
        if self.driver is not None:
            self.driver.reset(goal)

    def act(self, observation: Observation) -> Decision:
        decision = self.expert.act(observation)
        self.steps.append(self.recorder.step(observation, decision))
        self.found.append(getattr(self.expert, "found", None))
        return decision if self.driver is None else self.driver.act(observation)


def drawn(
    seed: int, kind: str = "object", rooms: tuple[int, int] = (2, 4)
) -> tuple[House, OccupancyGrid, NavigationTask]:
    """The first house from `seed` on that has a task of this kind."""
    for number in range(seed, seed + 20):
        house = generate(number, HouseConfig(*rooms))
        grid = OccupancyGrid.from_house(house)
        try:
            return house, grid, sample_task(house, grid, task=kind)  # type: ignore[arg-type]
        except ValueError:
            continue
    raise AssertionError("no house has such a task")


def at_start(house: House, task: NavigationTask) -> StepFacts:
    with Simulator(house, people=False) as simulator:
        simulator.reset(np.array([task.start]))
        expert = SearchingExpert(simulator, targets=task.targets)
        expert.reset(task.goal)
        recorder = FactsRecorder(simulator, expert)
        recorder.reset(task)
        return recorder.step(Observation(np.zeros((1, 1, 3), np.uint8), 0.0), Decision(HERE, 0.2, 0.0))


def test_what_has_not_been_seen_changes_nothing_and_what_has_does() -> None:
    compared = 0
    for seed in range(710_100, 710_112):
        house, _, task = drawn(seed)
        before = at_start(house, task)
        seen = {item.index for item in before.items}
        known = {room.index for room in before.rooms}
        items, rooms = list(house.items), list(house.rooms)
        for item in house.items:  # everything out of sight becomes something else
            if item.index not in seen and item.index not in task.targets:
                items[item.index] = replace(item, category="piano", colour="pink")
        for room in house.rooms:
            if room.index not in known:
                rooms[room.index] = replace(room, kind="corridor")
        assert items != list(house.items)
        assert at_start(replace(house, items=tuple(items), rooms=tuple(rooms)), task) == before
        for index in seen - set(task.targets):
            items[index] = replace(items[index], colour="pink" if items[index].colour != "pink" else "red")
            assert at_start(replace(house, items=tuple(items)), task) != before
            compared += 1
    assert compared > 10


def test_a_search_is_written_down_as_it_happens() -> None:
    house, grid, task = drawn(710_000)
    with Simulator(house, seed=1) as simulator:
        labelled = Labelled(simulator, task, SearchingExpert(simulator))
        run_episode(simulator, labelled, task, grid)
    steps = labelled.steps
    assert [step.stamp for step in steps] == pytest.approx([0.4 * k for k in range(len(steps))])
    assert steps[-1].action == "stop" and steps[-1].intent.kind == "stop"
    for step, found in zip(steps, labelled.found, strict=True):
        assert step.target is not None and step.target.words in task.goal.instruction
        assert (step.target.last_seen is not None) == (found is not None)
        assert (step.intent.kind == "explore") == (found is None)
        assert all(item.share >= 0.25 for item in step.items)
        assert StepFacts.from_json(step.to_json()) == step
    new = [door.index for step in steps for door in step.doors if door.new]
    assert len(new) == len(set(new)) and set(new) == {door.index for step in steps for door in step.doors}
    for before, after in zip(steps[:-1], steps[1:], strict=True):
        assert {r.index for r in before.rooms} <= {r.index for r in after.rooms}
        assert all(a.looked >= b.looked for b, a in zip(before.rooms, after.rooms, strict=False))
        assert any(room.index == after.room and room.last == after.stamp for room in after.rooms)


def test_anything_may_drive_and_it_costs_little() -> None:
    house, grid, task = drawn(710_010, rooms=(4, 4))
    with Simulator(house, seed=1) as simulator:
        driver = RandomWalker(simulator, seed=3, targets=task.targets)
        labelled = Labelled(simulator, task, SearchingExpert(simulator), driver)
        spent, step = 0.0, labelled.recorder.step

        def timed(observation: Observation, decision: Decision) -> StepFacts:
            nonlocal spent
            begin = time.process_time()
            facts = step(observation, decision)
            spent += time.process_time() - begin
            return facts

        labelled.recorder.step = timed  # type: ignore[method-assign]
        run_episode(simulator, labelled, replace(task, time_limit_s=24.0), grid)
    assert len(labelled.steps) > 20 and len({step.action for step in labelled.steps}) > 1
    assert spent / len(labelled.steps) < 0.02


def test_where_an_expert_says_it_is_going_shows_as_the_door_it_takes() -> None:
    house, _, task = drawn(710_020, rooms=(2, 2))
    door = house.doors[0]
    into = house.rooms[door.rooms[0]]
    with Simulator(house, people=False) as simulator:
        inward = np.array([0.0, 1.0] if door.along == "x" else [1.0, 0.0])
        middle = 0.5 * np.array([into.rect[0] + into.rect[2], into.rect[1] + into.rect[3]])
        inward *= np.sign(inward @ (middle - door.position))
        x, y = np.array(door.position) + 1.0 * inward
        simulator.reset([[x, y, np.arctan2(-inward[1], -inward[0])]])
        expert = SearchingExpert(simulator, targets=task.targets)
        recorder = FactsRecorder(simulator, expert)

        def intent() -> tuple[int | None, float]:
            recorder.reset(task)
            facts = recorder.step(Observation(np.zeros((1, 1, 3), np.uint8), 0.0), Decision(HERE, 0.2, 0.0))
            assert [seen.index for seen in facts.doors] == [0] and facts.room == into.index
            return facts.intent.door, facts.intent.distance

        expert.reset(task.goal)
        expert.heading_for = np.array(door.position) - 1.0 * inward  # type: ignore[attr-defined]
        assert intent() == (0, pytest.approx(2.0, abs=0.01))
        expert.heading_for = np.array(door.position) + 2.0 * inward  # type: ignore[attr-defined]
        assert intent()[0] is None


def test_a_person_to_follow_is_the_target_by_the_words_that_were_said() -> None:
    house, grid, task = drawn(710_030, "follow")
    assert isinstance(task, FollowTask)
    with Simulator(task.populated(house), seed=1) as simulator:
        labelled = Labelled(simulator, task, FollowingExpert(simulator))
        run_episode(simulator, labelled, replace(task, time_limit_s=16.0), grid)
    leader = task.people[task.leader]
    for step in labelled.steps:
        target = step.target
        assert target is not None and target.person and target.index in (None, task.leader)
        assert set(target.words.split()) - {"person", "in", "and", "trousers"} <= {leader.top, leader.bottom}
        assert target.in_view == any(person.index == task.leader for person in step.people)
        assert step.intent.kind == ("explore" if target.last_seen is None else "follow")
    assert any(step.target is not None and step.target.in_view for step in labelled.steps)


def test_a_route_is_told_stretch_by_stretch() -> None:
    house, grid, task = drawn(710_040, "route", (3, 4))
    assert isinstance(task, RouteTask)
    with Simulator(house, seed=1) as simulator:
        labelled = Labelled(simulator, task, RouteExpert(simulator, task))
        run_episode(simulator, labelled, task, grid)
    parts = stretches(task.goal.instruction)
    clauses = [step.intent.clause for step in labelled.steps]
    assert clauses[0] == 0 and clauses[-1] == len(parts) - 1 == len(task.rooms) - 1
    assert clauses == sorted(clauses, key=lambda clause: -1 if clause is None else clause)
    assert all(step.intent.words == parts[step.intent.clause or 0] for step in labelled.steps)


@pytest.mark.parametrize("seed", range(710_050, 710_056))
def test_a_route_has_as_many_stretches_as_rooms(seed: int) -> None:
    _, _, task = drawn(seed, "route", (3, 6))
    assert isinstance(task, RouteTask)
    parts = stretches(task.goal.instruction)
    assert len(parts) == len(task.rooms) and parts[-1].rpartition(", ")[2].startswith("stop")
    left = task.goal.instruction.replace(", then ", ", ")
    assert ", ".join(parts) == left


@pytest.mark.parametrize(
    ("name", "words"),
    [("find the red sofa", "red sofa"), ("find the sofa", "sofa"), ("find the settee", "sofa")],
)
def test_a_target_is_called_by_no_more_than_was_told(name: str, words: str) -> None:
    house, _, task = drawn(710_060)
    item = replace(house.items[0], category="sofa", colour="red")
    house = replace(house, items=(item, *house.items[1:]))
    task = replace(task, goal=Goal(name), targets=(0,))
    assert target_words(house, task) == words
    shown = replace(task, goal=Goal("go to the place in the image", "image", np.zeros((2, 2, 3), np.uint8)))
    assert target_words(house, shown) in ("red sofa", LEXICON.name("red", "sofa"))
    assert "living room" in likely_rooms(house, task) and "bathroom" not in likely_rooms(house, task)


def test_things_tell_a_room() -> None:
    assert tells_kind("bathroom", {"toilet"}, 0.2) and tells_kind("bedroom", {"bed", "box"}, 0.2)
    assert not tells_kind("storage", {"toilet"}, 0.9), "what is usually elsewhere tells nothing true"
    assert not tells_kind("office", {"box"}, 0.9) and not tells_kind("kitchen", set(), 1.0)
    assert tells_kind("corridor", set(), 0.5) and not tells_kind("corridor", {"coat rack"}, 0.1)


def test_no_name_of_the_lexicon_is_held_out() -> None:
    assert not LEXICON.words & LEXICON.held_out_words
    assert {colour for colour, _ in LEXICON.held_out_pairs} <= set(LEXICON.colours)
