"""What one robot has of its own on a server that many share: a policy in the middle of an episode."""

from __future__ import annotations

from collections.abc import Callable

from vlingnav_policy.load import LearnedPolicy
from vlingnav_policy.manifest import ManifestError
from vlingnav_policy.memory import Entry, Memory
from vlingnav_policy.remote import wire
from vlingnav_policy.types import Decision, Observation, Policy, RemembersInWords

REFUSALS = (ValueError, ManifestError)
"""What a session raises when the request is at fault."""


class Session:
    """A policy of one robot; it is made when it is first told a goal.

    Args:
        name: of the policy, for sentences.
        make: a new one for each session; what they share must bear to be called from many threads.
    """

    def __init__(self, name: str, make: Callable[[], Policy]) -> None:
        self._name, self._make = name, make
        self._policy: Policy | None = None
        self._ready = False

    def reset(self, request: wire.Reset) -> None:
        """Take on a goal.

        Raises:
            ValueError: the policy cannot.
            ManifestError: the policy was made for another camera.
        """
        self._ready = False
        self._policy = policy = self._policy or self._make()
        if isinstance(policy, LearnedPolicy) and request.camera is not None:
            policy.manifest.check_camera(request.camera)
        if request.memory is None:
            policy.reset(request.goal)
        elif isinstance(policy, RemembersInWords):
            # Steps are counted anew from here on, also where an episode goes on.
            policy.reset(request.goal, Memory(wire.AS_WRITTEN, entries=request.memory).for_next_run())
        else:
            raise ValueError(f"policy {self._name!r} keeps no memory in words; give it none")
        self._ready = True

    def act(self, observation: Observation) -> tuple[Decision, tuple[Entry, ...] | None]:
        """A decision, and all that is remembered in words where that has changed.

        Raises:
            ValueError: there is no goal, or the observation is not one for this policy.
        """
        if self._policy is None or not self._ready:
            raise ValueError("there is no goal; send a reset before the first act")
        decision = self._policy.act(observation)
        if decision.thought is None or not isinstance(self._policy, RemembersInWords):
            return decision, None
        return decision, tuple(self._policy.memory.entries)
