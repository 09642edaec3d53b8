"""`vlingnav://`: a policy behind `vlingnav serve`, memory in words included.

Where the served policy remembers in words, what it wrote comes back with its decisions: it can be kept from
run to run as if the policy ran here, and a server that was restarted in the middle of an episode gets it
back with the goal. Frames that a lost server had seen are lost.

`?image=jpeg` sends images compressed with loss, for cameras and radios that need it; without it a decision
is the very one that the policy would have made here.
"""

from __future__ import annotations

from typing import Any

from vlingnav_policy.manifest import CameraSpec
from vlingnav_policy.memory import Memory
from vlingnav_policy.remote import codec, images, wire
from vlingnav_policy.remote.address import Address
from vlingnav_policy.remote.base import BadAnswer, RemotePolicy
from vlingnav_policy.remote.link import Link
from vlingnav_policy.types import Decision, Goal, Observation, PolicyUnavailable

TOKEN_VARIABLE = "VLINGNAV_TOKEN"


class WirePolicy(RemotePolicy):
    """A `Policy` on another machine; it `RemembersInWords` what the served one does.

    Args:
        url: `vlingnav://[TOKEN@]HOST:PORT[?timeout_s=1&image=png&tls=0]`.

    Attributes:
        camera: the robot's, if the server is to refuse one that its policy was not made for.
        memory: what the served policy wrote.

    Raises:
        ManifestError: `url` is no such address.
    """

    def __init__(self, url: str) -> None:
        address = Address.parse(url, {"image": "png"}, TOKEN_VARIABLE)
        self._kind = address.one_of("image", *images.FORMATS)
        self.camera: CameraSpec | None = None
        self.memory = Memory(wire.AS_WRITTEN)
        super().__init__(
            Link(address, {"Authorization": f"Bearer {address.token}"}, subprotocol=wire.SUBPROTOCOL)
        )

    def reset(self, goal: Goal, memory: Memory | None = None) -> None:
        """Take on `goal`, remembering what an earlier run did."""
        super().reset(goal)
        self.memory = Memory(wire.AS_WRITTEN, entries=memory.entries if memory else ())

    def _tell(self, goal: Goal) -> None:
        request = wire.Reset(goal, self.camera, tuple(self.memory.entries) or None)
        self._ask(wire.pack_reset(request, self._kind), "ready")

    def _decide(self, goal: Goal, observation: Observation) -> Decision:
        fields = self._ask(wire.pack_act(observation, self._kind), "decision")
        decision, entries = wire.read_decision(fields)
        if entries is not None:
            self.memory = Memory(wire.AS_WRITTEN, entries=entries)
        return decision

    def _ask(self, message: bytes, expected: str) -> dict[str, Any]:
        answer = self._link.ask(message)
        try:
            fields: dict[str, Any] = dict(codec.unpack(answer)) if isinstance(answer, bytes) else {}
        except (ValueError, TypeError) as error:
            raise BadAnswer(str(error)) from error
        kind = fields.get("type")
        if kind == "refused":
            raise ValueError(str(fields.get("reason")))
        if kind == "failed":
            raise PolicyUnavailable(f"{self._link.address}: {fields.get('reason')}")
        if kind != expected:
            raise BadAnswer(f"{kind!r} where {expected!r} was due")
        return fields
