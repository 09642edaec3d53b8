"""Who drives: the table and its properties without ROS; then the node as a process, heard over DDS."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifecycle_msgs.msg import Transition
from std_msgs.msg import Bool

from vlingnav import topics
from vlingnav.arbitration import (
    HELD,
    STAND,
    TRANSITIONS,
    Arbiter,
    ArbiterConfig,
    Event,
    Phase,
    Request,
    Velocity,
    Word,
)
from vlingnav_interfaces.msg import Intervention, Takeover

CONFIG = ArbiterConfig()
HUMAN, POLICY = (0.0, 0.0, 1.0), (0.5, 0.0, 0.0)
NOBODY, JOYSTICK = Word(), Word("joystick")
TICK = 0.05


class Run:
    """An arbiter that is asked 20 times a second; policy and people go on as they were last told."""

    def __init__(self, config: ArbiterConfig = CONFIG, word: Word | None = NOBODY) -> None:
        self.arbiter, self.now = Arbiter(config), 100.0
        self.human: Velocity | None = HUMAN
        self.policy: Velocity | None = POLICY
        self.silent_since: float | None = None
        self.commands: list[Velocity] = []
        if word is not None:
            self.hear(word)

    @property
    def phase(self) -> Phase:
        return self.arbiter.phase

    def hear(self, word: Word, seconds: float = 0.0) -> Velocity:
        self.arbiter.hear(word)
        return self.go(seconds)

    def go(self, seconds: float = 0.0) -> Velocity:
        for _ in range(max(round(seconds / TICK), 1)):
            self.now += TICK
            silence = 0.0 if self.silent_since is None else self.now - self.silent_since
            self.commands.append(self.arbiter.command(self.now, silence, self.human, self.policy))
        return self.commands[-1]

    def reasons(self) -> list[str]:
        return [change.reason for change in self.arbiter.changes]


def asking(request: Request, holder: str = "", source: str = "keyboard") -> Word:
    return Word(holder, request, source)


# The table.


def test_the_numbers_are_those_of_the_messages() -> None:
    assert {p.name: int(p) for p in Phase} == {p.name: getattr(Intervention, p.name) for p in Phase}
    assert {r.name: int(r) for r in Request} == {r.name: getattr(Takeover, r.name) for r in Request}


def test_every_phase_can_be_reached_and_left() -> None:
    assert set(TRANSITIONS) == set(Phase)
    reached = {phase for row in TRANSITIONS.values() for phase in row.values()}
    assert reached == set(Phase)


def test_what_the_table_promises() -> None:
    for phase, row in TRANSITIONS.items():
        if phase != Phase.STOPPED:
            assert row[Event.STOP] == Phase.STOPPED, "a stop is heard in every phase"
        assert row.get(Event.LOST, Phase.PAUSED) == Phase.PAUSED, "what dies pauses, it does not hand back"
        assert row.get(Event.PAUSE, Phase.PAUSED) == Phase.PAUSED
    assert TRANSITIONS[Phase.STOPPED] == {Event.RELEASE: Phase.PAUSED}, "only a release ends a stop"
    pairs = {(phase, event): to for phase, row in TRANSITIONS.items() for event, to in row.items()}
    into_autonomy = {pair for pair, to in pairs.items() if to == Phase.AUTONOMOUS}
    assert into_autonomy == {(Phase.HANDING_BACK, Event.FADED)}


# One by one.


def test_a_person_takes_the_robot_and_gives_it_back() -> None:
    run = Run()
    assert run.go(0.2) == POLICY and run.phase == Phase.AUTONOMOUS
    run.hear(JOYSTICK)
    assert run.phase == Phase.TAKING_OVER
    assert run.go(0.3) == HUMAN and run.phase == Phase.HUMAN
    run.hear(NOBODY)
    assert run.phase == Phase.HANDING_BACK
    assert run.go(0.6) == POLICY and run.phase == Phase.AUTONOMOUS
    assert [(c.phase.name, c.source, c.takeovers) for c in run.arbiter.changes] == [
        ("AUTONOMOUS", "arbiter", 0),
        ("TAKING_OVER", "joystick", 1),
        ("HUMAN", "joystick", 1),
        ("HANDING_BACK", "joystick", 1),
        ("AUTONOMOUS", "joystick", 1),
    ]


@pytest.mark.parametrize("back", [False, True], ids=["taking over", "handing back"])
def test_the_command_changes_hands_smoothly(back: bool) -> None:
    run = Run()
    run.go(0.2)
    if back:
        run.hear(JOYSTICK, 0.5)
    run.commands = run.commands[-1:]
    run.hear(NOBODY if back else JOYSTICK, 1.0)
    steps = [math.dist(a, b) for a, b in itertools.pairwise(run.commands)]
    fade = CONFIG.hand_back if back else CONFIG.take_over
    assert max(steps) <= math.dist(HUMAN, POLICY) * TICK / fade + 1e-9
    assert run.commands[-1] == (POLICY if back else HUMAN)


def test_without_fading_it_would_jump() -> None:
    """That the durations are what makes it smooth in the test above."""
    run = Run(ArbiterConfig(take_over=0.0))
    run.go(0.2)
    assert run.hear(JOYSTICK) == HUMAN


def test_who_takes_it_again_before_the_policy_has_it_has_taken_it_once() -> None:
    run = Run()
    run.hear(JOYSTICK, 0.5)
    run.hear(NOBODY, 0.1)
    run.hear(JOYSTICK, 0.5)
    assert run.phase == Phase.HUMAN and run.arbiter.takeovers == 1
    run.hear(NOBODY, 1.0)
    run.hear(JOYSTICK)
    assert run.arbiter.takeovers == 2


def test_a_second_person_gets_it_from_the_first() -> None:
    run = Run()
    run.hear(Word("keyboard"), 0.5)
    run.human = (-0.3, 0.0, 0.0)
    first = run.hear(JOYSTICK)
    assert run.phase == Phase.TAKING_OVER and first not in (HUMAN, run.human), "smoothly too"
    assert run.go(0.5) == run.human
    assert run.arbiter.takeovers == 1, "the policy did not drive"
    assert "joystick has the robot from keyboard" in run.reasons()


def test_a_stick_that_is_held_at_the_start_pauses_and_moves_nothing() -> None:
    run = Run(word=None)
    assert run.hear(JOYSTICK, 1.0) == STAND
    assert run.phase == Phase.PAUSED and "let go of it first" in run.reasons()[-1]
    run.hear(NOBODY)
    assert run.hear(JOYSTICK, 0.5) == HUMAN, "taken anew, it counts"


@pytest.mark.parametrize("at", ["taking over", "human"])
def test_a_source_that_dies_in_the_middle_leaves_the_robot_standing(at: str) -> None:
    run = Run()
    run.go(0.2)
    run.hear(JOYSTICK, 0.1 if at == "taking over" else 0.5)
    assert run.phase.words == at
    run.human = None
    assert run.go() == STAND
    assert run.phase == Phase.PAUSED
    assert run.go(5.0) == STAND, "and the policy does not get it"


def test_silence_is_dying() -> None:
    run = Run()
    run.hear(JOYSTICK, 0.5)
    run.silent_since = run.now
    assert run.go(0.3) == HUMAN
    assert run.go(0.1) == STAND and run.phase == Phase.PAUSED
    assert "joystick has not been heard" in run.reasons()[-1]
    run.silent_since = None
    assert run.hear(JOYSTICK, 1.0) == STAND, "back, and still held: to be let go of first"


def test_a_policy_that_nobody_can_take_the_robot_from_is_paused() -> None:
    run = Run()
    run.silent_since = run.now
    assert run.go(1.9) == POLICY
    assert run.go(0.2) == STAND and run.phase == Phase.PAUSED


def test_without_teleop_the_policy_drives() -> None:
    run = Run(word=None)
    run.silent_since = -math.inf
    assert run.go(10.0) == POLICY


def test_a_missing_policy_is_zero_at_once_and_fades_in_from_there() -> None:
    run = Run()
    run.hear(JOYSTICK, 0.5)
    run.policy = None
    assert run.hear(NOBODY) == STAND
    run.policy = POLICY
    back = run.go()
    assert 0.0 < back[0] < POLICY[0] and back[2] == 0.0
    run.policy = None
    assert run.go(1.0) == STAND and run.phase == Phase.AUTONOMOUS


def test_a_pause_lasts_until_someone_says_so_through_takeovers_too() -> None:
    run = Run()
    run.go(0.2)
    assert run.hear(asking(Request.PAUSE)) == STAND and run.phase == Phase.PAUSED
    assert run.hear(NOBODY, 2.0) == STAND
    assert run.hear(JOYSTICK, 0.5) == HUMAN
    assert run.hear(NOBODY, 2.0) == STAND and run.phase == Phase.PAUSED
    assert run.arbiter.takeovers == 0, "it was nobody's"
    run.hear(asking(Request.RESUME))
    assert run.phase == Phase.HANDING_BACK
    assert run.go(0.6) == POLICY


def test_who_holds_a_paused_robot_can_give_it_to_the_policy() -> None:
    run = Run()
    run.hear(asking(Request.PAUSE))
    run.hear(JOYSTICK, 0.5)
    run.hear(asking(Request.RESUME), 1.0)
    assert run.phase == Phase.AUTONOMOUS


@pytest.mark.parametrize("phase", list(Phase), ids=lambda p: p.name.lower())
def test_emergency_stop_is_heard_in_every_phase_and_latched(phase: Phase) -> None:
    run = Run()
    run.go(0.2)
    words = {
        Phase.AUTONOMOUS: [],
        Phase.TAKING_OVER: [(JOYSTICK, 0.1)],
        Phase.HUMAN: [(JOYSTICK, 0.5)],
        Phase.HANDING_BACK: [(JOYSTICK, 0.5), (NOBODY, 0.1)],
        Phase.PAUSED: [(asking(Request.PAUSE), 0.1)],
        Phase.STOPPED: [(asking(Request.STOP), 0.1)],
    }
    for word, seconds in words[phase]:
        run.hear(word, seconds)
    assert run.phase == phase
    assert run.hear(asking(Request.STOP)) == STAND
    for word in (NOBODY, JOYSTICK, NOBODY, asking(Request.RESUME), asking(Request.PAUSE)):
        assert run.hear(word, 0.5) == STAND and run.phase == Phase.STOPPED
    assert run.hear(asking(Request.RELEASE), 1.0) == STAND
    assert run.phase == Phase.PAUSED, "released is not yet moving"


def test_a_grip_of_before_a_stop_does_not_count_after_it() -> None:
    run = Run()
    run.hear(JOYSTICK, 0.5)
    run.hear(asking(Request.STOP, "joystick"))
    run.hear(asking(Request.RELEASE, "joystick"))
    assert run.hear(JOYSTICK, 1.0) == STAND and run.phase == Phase.PAUSED


def test_a_button_that_is_in_cannot_be_released_from_elsewhere() -> None:
    run = Run()
    run.arbiter.press("emergency_stop", True)
    assert run.hear(asking(Request.RELEASE)) == STAND and run.phase == Phase.STOPPED
    run.hear(NOBODY)
    run.arbiter.press("emergency_stop", False)
    assert run.phase == Phase.PAUSED
    run.hear(asking(Request.STOP))
    run.arbiter.press("emergency_stop", False)
    assert run.phase == Phase.STOPPED, "that was not a release: the button was out"


def test_a_release_or_resume_that_is_held_counts_once() -> None:
    run = Run()
    run.hear(asking(Request.RESUME))
    run.arbiter.press("emergency_stop", True)
    run.arbiter.press("emergency_stop", False)
    assert run.hear(asking(Request.RESUME), 1.0) == STAND and run.phase == Phase.PAUSED
    run.silent_since = run.now
    run.go(3.0)
    run.silent_since = None
    assert run.hear(asking(Request.RESUME), 1.0) == STAND, "held when first heard again: when did it begin?"
    run.hear(NOBODY)
    assert run.hear(asking(Request.RESUME), 1.0) == POLICY


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_are_no_command(bad: float) -> None:
    run = Run()
    run.policy = (0.1, bad, 0.0)
    assert run.go() == STAND and run.phase == Phase.AUTONOMOUS
    run.hear(JOYSTICK, 0.5)
    run.human = (bad, 0.0, 0.0)
    assert run.go() == STAND and run.phase == Phase.PAUSED


def test_a_clock_that_jumps_makes_nothing_fast() -> None:
    run = Run()
    run.go(0.2)
    run.hear(JOYSTICK)
    middle = run.commands[-1]
    run.now -= 1000.0
    assert run.go() == middle, "it fades no further"
    assert run.go(0.3) == HUMAN, "and then goes on"
    run.now += 1000.0
    run.silent_since = run.now - 1000.0
    assert run.go() == STAND and run.phase == Phase.PAUSED
    backwards = Run()
    backwards.hear(JOYSTICK, 0.5)
    backwards.silent_since = backwards.now + 1000.0
    assert backwards.go() == STAND, "a silence that is less than none is one"


# Whatever happens.

VELOCITIES = st.none() | st.tuples(*[st.floats(allow_nan=True, allow_infinity=True)] * 3)
WORDS = st.builds(
    Word, st.sampled_from(["", "joystick", "keyboard"]), st.sampled_from(Request), st.just("somebody")
)
HAPPENINGS = st.one_of(
    st.tuples(st.just("word"), WORDS),
    st.tuples(st.just("button"), st.booleans()),
    st.tuples(
        st.just("command"),
        st.tuples(st.floats(-5.0, 5.0), st.floats(-0.1, 3.0) | st.just(math.nan), VELOCITIES, VELOCITIES),
    ),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(HAPPENINGS, max_size=40))
def test_whatever_happens(happenings: list[tuple[str, Any]]) -> None:
    """Commands are finite and no larger than those given; a stopped robot stands; changes are the table's."""
    arbiter, now = Arbiter(CONFIG), 0.0
    largest, pressed = [0.0, 0.0, 0.0], False
    for kind, what in happenings:
        before = arbiter.phase
        count = len(arbiter.changes)
        if kind == "word":
            arbiter.hear(what)
            if what.request == Request.STOP:
                assert arbiter.phase == Phase.STOPPED
        elif kind == "button":
            pressed = what
            arbiter.press("emergency_stop", pressed)
        else:
            step, silence, human, policy = what
            now += step
            output = arbiter.command(now, silence, human, policy)
            assert all(map(math.isfinite, output))
            if arbiter.phase in (Phase.PAUSED, Phase.STOPPED):
                assert output == STAND
            given = [v for v in (human, policy) if v is not None and all(map(math.isfinite, v))]
            largest = [max(values) for values in zip(largest, *(map(abs, v) for v in given), strict=True)]
            assert all(abs(v) <= high * (1.0 + 1e-9) for v, high in zip(output, largest, strict=True))
            if (human if arbiter.phase in HELD else policy) not in given:
                assert output == STAND
        if pressed:
            assert arbiter.phase == Phase.STOPPED
        for change in arbiter.changes[count:]:
            assert change.previous == before
            assert change.phase in TRANSITIONS[before].values()
            assert change.source and change.reason
            before = change.phase
        assert before == arbiter.phase, "nothing changes unsaid"


# The node, a process of its own.


@pytest.fixture
def graph(arbiter: Any) -> Any:
    """An arbiter that has just been activated, with a policy that drives and people who want nothing."""
    arbiter.say(topics.TAKEOVER, None)
    arbiter.say(topics.CMD_VEL_POLICY, arbiter.twist(0.4))
    arbiter.say(topics.CMD_VEL_TELEOP, arbiter.twist(0.0, 1.0))
    arbiter.restart("arbiter")
    arbiter.say(topics.TAKEOVER, Takeover())
    arbiter.wait_desired(0.4)
    return arbiter


def test_takeover_and_back_over_dds(graph: Any) -> None:
    graph.say(topics.TAKEOVER, Takeover(holder="joystick"))
    graph.wait_desired(0.0, 1.0)
    graph.say(topics.TAKEOVER, Takeover())
    graph.wait_desired(0.4)
    graph.wait_phase(Intervention.AUTONOMOUS)
    said = [m for _, m in graph.heard["intervention"]]
    assert [m.phase for m in said] == [0, 1, 2, 3, 0]
    assert [m.previous for m in said] == [0, 0, 1, 2, 3]
    assert [m.takeovers for m in said] == [0, 1, 1, 1, 1]
    assert all(m.source and m.reason and m.header.stamp.sec > 0 for m in said)


def test_a_late_listener_is_told_who_has_the_robot(graph: Any) -> None:
    graph.say(topics.TAKEOVER, Takeover(request=Takeover.PAUSE, source="keyboard"))
    graph.wait_phase(Intervention.PAUSED)
    late: list[Any] = []
    subscription = graph.node.create_subscription(
        Intervention, "intervention", late.append, topics.INTERVENTION.qos
    )
    graph.wait(lambda: bool(late) and late[-1] == graph.intervention())
    assert late[-1].source == "keyboard"
    graph.node.destroy_subscription(subscription)


def test_silent_controls_stop_the_robot(graph: Any) -> None:
    graph.say(topics.TAKEOVER, Takeover(holder="joystick"))
    graph.wait_desired(0.0, 1.0)
    graph.say(topics.TAKEOVER, None)
    graph.say(topics.CMD_VEL_TELEOP, None)
    graph.wait_phase(Intervention.PAUSED)
    assert graph.intervention().source == "joystick"
    graph.wait_desired(0.0)
    graph.heard["cmd_vel_desired"].clear()
    graph.spin(0.5)
    said = {graph.velocity(m) for _, m in graph.heard["cmd_vel_desired"]}
    assert said == {(0.0, 0.0)}, "nor does the policy get it"


def test_nan_from_the_controls_stops_the_robot_at_once(graph: Any) -> None:
    graph.say(topics.TAKEOVER, Takeover(holder="joystick"))
    graph.wait_desired(0.0, 1.0)
    graph.say(topics.CMD_VEL_TELEOP, graph.twist(math.nan))
    graph.wait_phase(Intervention.PAUSED)
    graph.wait_desired(0.0)


def test_a_policy_that_falls_silent_is_zero_and_named(graph: Any) -> None:
    graph.say(topics.CMD_VEL_POLICY, None)
    graph.wait_desired(0.0)
    assert graph.intervention().phase == Intervention.AUTONOMOUS
    graph.say(topics.CMD_VEL_POLICY, graph.twist(0.4))
    graph.wait_desired(0.4)


def test_an_emergency_stop_outlives_deactivation_and_cleanup(graph: Any) -> None:
    graph.publisher(topics.EMERGENCY_STOP).publish(Bool(data=True))
    graph.wait_phase(Intervention.STOPPED)
    assert graph.intervention().source == "emergency_stop"
    graph.restart("arbiter")
    graph.wait_phase(Intervention.STOPPED)
    graph.change(
        "arbiter",
        Transition.TRANSITION_DEACTIVATE,
        Transition.TRANSITION_CLEANUP,
        Transition.TRANSITION_CONFIGURE,
        Transition.TRANSITION_ACTIVATE,
    )
    graph.heard["cmd_vel_desired"].clear()
    graph.wait_desired(0.0)
    assert graph.intervention().phase == Intervention.STOPPED
    graph.say(topics.TAKEOVER, Takeover(request=Takeover.RELEASE, source="keyboard"))
    graph.publisher(topics.EMERGENCY_STOP).publish(Bool(data=False))
    graph.wait_phase(Intervention.PAUSED)


def test_a_request_that_is_none_is_refused(graph: Any) -> None:
    graph.publisher(topics.TAKEOVER).publish(Takeover(holder="joystick", request=77))
    graph.spin(0.3)
    assert graph.desired() == (0.4, 0.0)


def test_an_arbiter_that_is_not_active_says_zero_once_and_is_silent(graph: Any) -> None:
    graph.change("arbiter", Transition.TRANSITION_DEACTIVATE)
    graph.wait_desired(0.0)
    count = len(graph.heard["cmd_vel_desired"])
    graph.spin(0.3)
    assert len(graph.heard["cmd_vel_desired"]) == count
    graph.change("arbiter", Transition.TRANSITION_ACTIVATE)
