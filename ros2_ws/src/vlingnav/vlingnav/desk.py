"""The desk at which robots ask one policy: each has its own turn, and nobody can take another's.

What is unusual: there is no queue. A robot has at most one request that is decided on and one that waits,
and a newer one takes the place of the one that waits, which is answered at once by saying so. Each robot has
a thread and a policy of its own; what the policies share is the engine, where those who wait are served in
order and together (`engines.batching`). So what one robot sends, however often and whatever it is, takes from
the others no more than its share of the engine: its images, too, are unpacked in its own thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from vlingnav import asking
from vlingnav.worker import Worker
from vlingnav_interfaces.srv import Decide
from vlingnav_policy.remote.session import REFUSALS, Session
from vlingnav_policy.types import Policy, PolicyUnavailable

log = logging.getLogger(__name__)

LONGEST_NAME = 64
Response: TypeAlias = Any  # Decide.Response, which type checkers cannot see into
Later: TypeAlias = Callable[[Callable[[], None]], None]


@dataclass(eq=False)
class Question:
    """One request on its way to an answer.

    Attributes:
        request: a `Decide.Request`.
        arrival: when it came [s, steady].
        then: called with the response, once.
    """

    request: Any
    arrival: float
    then: Callable[[Response], None]


class Desk:
    """Serves a policy to robots; all methods are to be called in one thread, and all answers are given there.

    Args:
        name: of the policy, for sentences.
        make: a policy for one more robot.
        later: may be called in any thread, and calls what it is given in that of the desk.
        frame: of the plans: the robots' bodies.
        clock: steady time [s].
        most: robots at once.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], Policy],
        later: Later,
        frame: str,
        clock: Callable[[], float],
        most: int,
    ) -> None:
        self._name, self._make, self._later = name, make, later
        self._frame, self._clock, self._most = frame, clock, most
        self._robots: dict[str, _Robot] = {}

    @property
    def robots(self) -> list[str]:
        """Names of those that are being served."""
        return sorted(self._robots)

    def ask(self, question: Question) -> None:
        """Have a question answered: at once when nothing needs to be decided for that."""
        name = question.request.robot
        if not 0 < len(name) <= LONGEST_NAME:
            reason = f"the name of a robot has 1 to {LONGEST_NAME} characters, and this one has {len(name)}"
            question.then(asking.refusal(Decide.Response.REFUSED, reason))
        elif name not in self._robots and len(self._robots) >= self._most:
            reason = f"{self._most} robots are served already, and there is no room for {name!r}"
            question.then(asking.refusal(Decide.Response.UNAVAILABLE, reason))
        else:
            if name not in self._robots:
                session = Session(self._name, self._make)
                self._robots[name] = _Robot(session, self._later, self._frame, self._clock)
            self._robots[name].ask(question)

    def forget(self, before: float) -> None:
        """Let go of the robots that have not asked since `before` [s, steady]."""
        for name, robot in list(self._robots.items()):
            if robot.last < before and not robot.open:
                robot.worker.end()
                del self._robots[name]

    def close(self, reason: str) -> None:
        """Answer all that is open with `reason`, and let go of all robots."""
        for robot in self._robots.values():
            robot.answer_all(reason)
        for robot in self._robots.values():
            robot.worker.end()
        self._robots = {}


class _Robot:
    """What one robot has of its own.

    Attributes:
        last: when it last asked [s, steady].
        open: its questions that are not answered yet.
    """

    def __init__(self, session: Session, later: Later, frame: str, clock: Callable[[], float]) -> None:
        self._session, self._later, self._frame, self._clock = session, later, frame, clock
        self._goal: object = None  # what the policy was last told
        self.last = 0.0
        self.open: set[Question] = set()
        self.worker = Worker(self._decide, self._deliver)

    def ask(self, question: Question) -> None:
        self.last = question.arrival
        self.open.add(question)
        if (displaced := self.worker.put(question)) is not None:
            reason = "a newer request of the same robot took its place; send the next when one is answered"
            self._answer(displaced, asking.refusal(Decide.Response.UNAVAILABLE, reason))

    def answer_all(self, reason: str) -> None:
        for question in list(self.open):
            self._answer(question, asking.refusal(Decide.Response.UNAVAILABLE, reason))

    def _answer(self, question: Question, response: Response) -> None:
        if question in self.open:
            self.open.remove(question)
            question.then(response)

    # In the robot's thread, the only one that touches its policy.

    def _decide(self, question: Question) -> Response:
        request = question.request
        goal = (request.episode, request.instruction, request.task)
        observation = asking.observation_of(request)
        if goal != self._goal:
            self._goal = None
            self._session.reset(asking.reset_of(request))
            self._goal = goal
        decision, memory = self._session.act(observation)
        return asking.answer(decision, memory, self._frame, self._clock() - question.arrival)

    def _deliver(self, question: Question, answer: Response | Exception) -> None:
        response = _failure(answer) if isinstance(answer, Exception) else answer
        self._later(lambda: self._answer(question, response))


def _failure(error: Exception) -> Response:
    if isinstance(error, PolicyUnavailable):
        return asking.refusal(Decide.Response.UNAVAILABLE, str(error))
    if isinstance(error, REFUSALS):
        return asking.refusal(Decide.Response.REFUSED, str(error))
    log.error("a policy failed", exc_info=error)
    return asking.refusal(Decide.Response.FAILED, f"the policy failed: {type(error).__name__}: {error}")
