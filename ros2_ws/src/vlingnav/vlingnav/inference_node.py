"""`inference`: one policy, on one engine, for several robots, each as if it had the policy to itself.

Robots ask in one of three ways, and get the same decisions:

- by the service `~/decide`; a policy node does so when its policy is `ros://inference`;
- by topics, for robots of the parameter `robots` that run no policy node: the camera's compressed images, the
  odometry and an instruction in (an empty one for none), plans and reasoning out;
- over the WebSocket protocol of `vlingnav serve`, for those off the ROS network, at `websocket_port`.

Nothing here can make a robot move that does not ask: a plan is an answer to an image, and who gets none
stands by the deadlines of its own controller.
"""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.task import Future

from vlingnav import asking, policies, topics
from vlingnav.desk import Desk, Question
from vlingnav.endpoint import Endpoint, token_of_environment
from vlingnav.node import Fault, ManagedNode, run
from vlingnav.params import Parameter
from vlingnav.ward import Ward
from vlingnav_interfaces.srv import Decide
from vlingnav_policy.remote.address import without_token
from vlingnav_policy.remote.server import PolicyServer, ServerConfig


class InferenceNode(ManagedNode):
    """Adapter between robots and a `Desk`."""

    PARAMETERS = (
        Parameter(
            "policy",
            "nano",
            "Policy to serve: a name in models/checkpoints, a folder, an address, or module:factory.",
        ),
        Parameter("engine", "cpu", "What an exported policy runs on: cpu, cuda, onnx-tensorrt or tensorrt."),
        Parameter("threads", 2, "Cores that one run of the engine may take on the CPU.", (1, 256)),
        Parameter("max_robots", 32, "Robots that are served at once; more are refused.", (1, 256)),
        Parameter(
            "idle_timeout_s", 60.0, "A robot that asks nothing for this long is forgotten.", (1.0, 3600.0)
        ),
        Parameter("robots", "", "Namespaces, separated by commas, of robots that are served by topics."),
        Parameter("rate_hz", 2.5, "Decisions per second for each robot served by topics.", (0.2, 30.0)),
        Parameter("base_frame", "base_link", "Frame of the plans: the robot's body at the image's stamp."),
        Parameter(
            "websocket_port", 0, "Port of the WebSocket endpoint, whose token is in VLINGNAV_TOKEN; 0: none.",
            (0, 65535),
        ),
        Parameter("websocket_host", "127.0.0.1", "Where it listens; 0.0.0.0 lets in others, unencrypted."),
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__("inference")
        self._endpoint: Endpoint | None = None
        self._desk: Desk | None = None
        # Outlives transitions, so that who asks too early is told so. Of a group of its own: in the node's, a
        # request that waits for its answer would keep everything else waiting.
        self.create_service(
            Decide,
            f"~/{topics.DECIDE[0]}",
            self._decide,
            qos_profile=topics.REQUESTS,
            callback_group=ReentrantCallbackGroup(),
        )

    def configure(self) -> None:
        """Load the policy; its absence or a mismatch is a fault of one sentence."""
        self._name = without_token(self.param("policy"))
        try:
            self._make = policies.load_shared(
                self.param("policy"), self.param("threads"), self.param("engine"), self.progress
            )
        except policies.ManifestError as error:
            raise Fault(f"cannot serve policy {self._name!r}: {error}") from error
        self.diagnostics.note("progress", "loaded")
        self.diagnostics.note("policy", self._name)
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._ready = self.own(self.create_guard_condition(self._call), self.destroy_guard_condition)
        names = [name.strip().strip("/") for name in self.param("robots").split(",") if name.strip()]
        self._wards = [Ward(self, name, self._name, self._ask) for name in names]
        self.every(1.0, self._look_after)

    def activate(self) -> None:
        """Begin to serve."""
        self._desk = Desk(
            self._name,
            self._make,
            self._later,
            self.param("base_frame"),
            self.steady,
            self.param("max_robots"),
        )
        if self.param("websocket_port"):
            config = ServerConfig(self.param("websocket_host"), self.param("websocket_port"))
            server = PolicyServer(self._name, self._make, token_of_environment(), config)
            self._endpoint = Endpoint(server, f"{config.host}:{config.port}")

    def halt(self) -> None:
        """Tell all that wait that nothing will come."""
        for ward in self._wards:
            ward.stand()
        if self._endpoint is not None:
            self._endpoint.close()
            self._endpoint = None
        if self._desk is not None:
            self._desk.close("the inference node was deactivated")
            self._desk = None

    async def _decide(self, request: Any, _response: Any) -> Any:
        answered = Future()
        self._ask(request, answered.set_result)
        return await answered

    def _ask(self, request: Any, then: Callable[[Any], None]) -> None:
        """Have the desk answer; `then` gets the response, in this thread."""
        if self._desk is None:
            reason = f"{self.get_fully_qualified_name()} is not active; activate it first"
            then(asking.refusal(Decide.Response.UNAVAILABLE, reason))
            return
        robot = request.robot

        def answered(response: Any) -> None:
            if response.status == Decide.Response.DECIDED:
                self.diagnostics.count("decision")
                self.diagnostics.latency("decision", response.latency_s)
            else:
                self.diagnostics.count("refusal")
                self.get_logger().warning(f"{robot!r}: {response.message}", throttle_duration_sec=5.0)
            then(response)

        self._desk.ask(Question(request, self.steady(), answered))

    # What other threads hand over to this one.

    def _later(self, call: Callable[[], None]) -> None:
        self._calls.put(call)
        self._ready.trigger()

    def _call(self) -> None:
        while not self._calls.empty():
            self._calls.get()()

    def _look_after(self) -> None:
        assert self._desk is not None
        self._desk.forget(self.steady() - self.param("idle_timeout_s"))
        self.diagnostics.note("robots", ", ".join(self._desk.robots) or "none")
        for ward in self._wards:
            self.diagnostics.note(ward.name, ward.state())


def main() -> None:
    """Entry point of `vlingnav_inference`."""
    run(InferenceNode)


if __name__ == "__main__":
    main()
