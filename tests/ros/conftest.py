"""The robot graph for tests: real processes, real DDS, a ROS domain of this test process's own."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


def _free_domain() -> int:
    """A ROS domain that no other test process has, for as long as this one lives."""
    for domain in range(20, 100):
        lock = os.open(
            f"{tempfile.gettempdir()}/vlingnav-test-{os.getuid()}-{domain}.lock", os.O_CREAT | os.O_RDWR
        )
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return domain
        except BlockingIOError:
            os.close(lock)
    raise RuntimeError("80 test processes at once have all ROS domains; end some")


# Read when rclpy starts, here and in every process that a test starts.
os.environ["ROS_DOMAIN_ID"] = str(_free_domain())
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))

for module in ("rclpy", "vlingnav_interfaces"):
    pytest.importorskip(module, reason="the ROS packages are not installed (make install)")

import numpy as np  # noqa: E402
import rclpy  # noqa: E402
from geometry_msgs.msg import TwistStamped  # noqa: E402
from lifecycle_msgs.msg import Transition  # noqa: E402
from lifecycle_msgs.srv import ChangeState  # noqa: E402
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue  # noqa: E402
from rcl_interfaces.srv import SetParameters  # noqa: E402
from rclpy.action import ActionClient  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402

from vlingnav import convert, graph, topics  # noqa: E402
from vlingnav.lifecycle import bring_up, wait_until  # noqa: E402
from vlingnav.params import Value  # noqa: E402
from vlingnav.supervision import Supervisor  # noqa: E402
from vlingnav.up import command, running  # noqa: E402
from vlingnav_interfaces.action import Navigate  # noqa: E402
from vlingnav_interfaces.msg import SafetyState  # noqa: E402


class Robot:
    """One running graph and everything it says, as lists of (steady arrival time, message)."""

    def __init__(self, node: Node, executor: SingleThreadedExecutor, supervisor: Supervisor) -> None:
        self.node, self.executor, self.supervisor = node, executor, supervisor
        self.heard: dict[str, list[tuple[float, Any]]] = {}
        for topic in (
            topics.IMAGE,
            topics.GROUND_TRUTH,
            topics.PLAN,
            topics.REASONING,
            topics.CMD_VEL_DESIRED,
            topics.CMD_VEL,
            topics.SAFETY_STATE,
            topics.DIAGNOSTICS,
        ):
            log = self.heard[topic.name] = []
            node.create_subscription(
                topic.type, topic.name, lambda m, log=log: log.append((time.monotonic(), m)), topic.qos
            )
        self.navigate = ActionClient(node, Navigate, "navigate")
        self.feedback: list[Any] = []
        self.wait(lambda: self.navigate.server_is_ready() and bool(self.heard["image"]), 10.0, "the graph")

    def wait(self, condition: Callable[[], bool], timeout_s: float = 15.0, what: str = "it") -> None:
        """Spin until `condition` holds; a failed test when it does not in time."""
        met = wait_until(self.executor, condition, timeout_s, self.supervisor.check)
        assert met, f"waited {timeout_s} s for {what}"

    def send(self, instruction: str, time_limit_s: float = 0.0, image: bytes = b"") -> Any:
        """Send a goal, with a goal image where one is given as a file's bytes; returns its handle."""
        goal = Navigate.Goal(instruction=instruction, time_limit_s=time_limit_s)
        goal.image = convert.encode(image)
        sent = self.navigate.send_goal_async(
            goal, feedback_callback=lambda m: self.feedback.append(m.feedback)
        )
        self.wait(sent.done, what="the goal to be accepted")
        assert sent.result().accepted
        return sent.result()

    def result(self, handle: Any, timeout_s: float = 20.0) -> Navigate.Result:
        """The result of a goal."""
        answer = handle.get_result_async()
        self.wait(answer.done, timeout_s, "the result")
        return answer.result().result

    def speed(self) -> float:
        """How fast the robot moves, in truth."""
        if not self.heard["ground_truth"]:
            return 0.0
        return float(np.abs(convert.odometry(self.heard["ground_truth"][-1][1])[1].velocity).max())

    def wait_moving(self) -> None:
        self.wait(lambda: self.speed() > 0.1, what="the robot to move")

    def wait_standing(self, timeout_s: float = 15.0) -> None:
        self.wait(lambda: self.speed() < 0.01, timeout_s, "the robot to stand")

    def last_state(self) -> SafetyState:
        """The newest `safety_state`."""
        return self.heard["safety_state"][-1][1]

    def set(self, node: str, name: str, value: str | float) -> None:
        """Set a parameter of a node."""
        client = self.node.create_client(SetParameters, f"{node}/set_parameters")
        self.wait(client.service_is_ready, what=f"the parameters of {node}")
        if isinstance(value, str):
            typed = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=value)
        else:
            typed = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=value)
        parameter = Parameter(name=name, value=typed)
        answer = client.call_async(SetParameters.Request(parameters=[parameter]))
        self.wait(answer.done, what=f"{node} to take {name}")
        assert answer.result().results[0].successful, answer.result().results[0].reason
        self.node.destroy_client(client)

    def change(self, node: str, *transitions: int) -> None:
        """Walk a lifecycle node through transitions."""
        client = self.node.create_client(ChangeState, f"{node}/change_state")
        self.wait(client.service_is_ready, what=f"the lifecycle of {node}")
        for transition in transitions:
            answer = client.call_async(ChangeState.Request(transition=Transition(id=transition)))
            self.wait(answer.done, what=f"transition {transition} of {node}")
            assert answer.result().success
        self.node.destroy_client(client)

    def use_policy(self, name: str) -> None:
        """Have the policy node run another policy, without a new process."""
        self.set("policy", "policy", name)
        self.change(
            "policy",
            Transition.TRANSITION_DEACTIVATE,
            Transition.TRANSITION_CLEANUP,
            Transition.TRANSITION_CONFIGURE,
            Transition.TRANSITION_ACTIVATE,
        )


def graph_values(**changes: Value) -> dict[str, Value]:
    """Values of the graph's arguments for a test."""
    values: dict[str, Value] = {a.name: a.default for a in graph.ARGUMENTS}
    return {**values, "headless": True, "policy": "policy_doubles:spin", **changes}


@pytest.fixture(scope="module")
def navigation() -> Iterator[Robot]:
    """The whole graph, turning on the spot when it has a goal."""
    with running("navigate", graph_values()) as (node, executor, supervisor):
        yield Robot(node, executor, supervisor)


@pytest.fixture
def robot(navigation: Robot) -> Robot:
    """The whole graph with a standing robot and nothing heard yet."""
    navigation.wait_standing()
    for log in (*navigation.heard.values(), navigation.feedback):
        log.clear()
    navigation.wait(lambda: bool(navigation.heard["ground_truth"] and navigation.heard["image"]))
    return navigation


@pytest.fixture
def ros() -> Iterator[SingleThreadedExecutor]:
    """rclpy in this process, and an executor."""
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    executor = SingleThreadedExecutor()
    yield executor
    executor.shutdown()
    rclpy.try_shutdown()


HEARD = (
    topics.CMD_VEL_DESIRED,
    topics.CMD_VEL_TELEOP,
    topics.TAKEOVER,
    topics.INTERVENTION,
    topics.SAFETY_STATE,
    topics.RVIZ_TARGET,
)


class Relay:
    """The nodes between a policy and people, and a test that speaks for both.

    Attributes:
        heard: by topic name, what was said, as lists of (steady arrival time, message).
        saying: by topic name, what makes the messages that are published many times a second.
    """

    def __init__(self, node: Node, executor: SingleThreadedExecutor, supervisor: Supervisor) -> None:
        self.node, self.executor, self.supervisor = node, executor, supervisor
        self.heard: dict[str, list[tuple[float, Any]]] = {topic.name: [] for topic in HEARD}
        for topic in HEARD:
            log = self.heard[topic.name]
            node.create_subscription(
                topic.type, topic.name, lambda m, log=log: log.append((time.monotonic(), m)), topic.qos
            )
        self.saying: dict[str, Callable[[], Any]] = {}
        self._publishers: dict[str, Any] = {}
        node.create_timer(0.04, self._say)

    @staticmethod
    def twist(vx: float, wz: float = 0.0) -> TwistStamped:
        """A command as a message."""
        return TwistStamped(twist=convert.twist(np.array([vx, 0.0, wz])))

    @staticmethod
    def velocity(message: TwistStamped) -> tuple[float, float]:
        """vx [m/s] and wz [rad/s] of a message."""
        return message.twist.linear.x, message.twist.angular.z

    def publisher(self, topic: topics.Topic) -> Any:
        """A publisher that a node listens to already."""
        if topic.name not in self._publishers:
            made = self.node.create_publisher(topic.type, topic.name, topic.qos)
            self.wait(lambda: made.get_subscription_count() > 0, f"somebody to listen to {topic.name}")
            self._publishers[topic.name] = made
        return self._publishers[topic.name]

    def say(self, topic: topics.Topic, message: Any) -> None:
        """Publish a message, or what a function makes, now and go on with it; None for silence."""
        publisher = self.publisher(topic)
        self.saying.pop(topic.name, None)
        if message is not None:
            self.saying[topic.name] = message if callable(message) else lambda: message
            publisher.publish(self.saying[topic.name]())

    def wait(self, condition: Callable[[], bool], what: str = "it", timeout_s: float = 30.0) -> None:
        """Spin until `condition` holds; a failed test when it does not in time."""
        met = wait_until(self.executor, condition, timeout_s, self.supervisor.check)
        assert met, f"waited {timeout_s} s for {what}"

    def spin(self, seconds: float) -> None:
        """Let this much time pass: for what must not happen."""
        wait_until(self.executor, lambda: False, seconds, self.supervisor.check)

    def intervention(self) -> Any:
        """The newest `intervention`."""
        return self.heard["intervention"][-1][1] if self.heard["intervention"] else None

    def wait_phase(self, phase: int) -> None:
        """Wait until that is who drives."""

        def reached() -> bool:
            return self.intervention() is not None and self.intervention().phase == phase

        self.wait(reached, f"phase {phase}, not {self.intervention()}")

    def desired(self) -> tuple[float, float]:
        """The newest command that came out."""
        log = self.heard["cmd_vel_desired"]
        return self.velocity(log[-1][1]) if log else (np.nan, np.nan)

    def wait_desired(self, vx: float, wz: float = 0.0) -> None:
        """Wait until that is what comes out."""
        self.wait(lambda: np.allclose(self.desired(), (vx, wz)), f"command {vx}, {wz}, not {self.desired()}")

    def change(self, name: str, *transitions: int) -> None:
        """Walk a node through transitions."""
        client = self.node.create_client(ChangeState, f"{name}/change_state")
        self.wait(client.service_is_ready, f"the lifecycle of {name}")
        for transition in transitions:
            answer = client.call_async(ChangeState.Request(transition=Transition(id=transition)))
            self.wait(answer.done, f"transition {transition} of {name}")
            assert answer.result().success
        self.node.destroy_client(client)

    def restart(self, name: str) -> None:
        """Deactivate and activate a node, with nothing heard."""
        self.change(name, Transition.TRANSITION_DEACTIVATE)
        for log in self.heard.values():
            log.clear()
        self.change(name, Transition.TRANSITION_ACTIVATE)

    def _say(self) -> None:
        for name, make in self.saying.items():
            self._publishers[name].publish(make())


@contextmanager
def relaying(names: Sequence[str]) -> Iterator[Relay]:
    """Nodes of the graph `takeover` as processes, all ACTIVE."""
    values = {a.name: a.default for a in graph.ARGUMENTS} | {"simulation": False}
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    supervisor, executor = Supervisor(), SingleThreadedExecutor()
    node = rclpy.create_node("test", namespace="robot")
    executor.add_node(node)
    try:
        placed = [graph.Placed(n, "robot") for n in graph.members("takeover") if n.name in names]
        for each in placed:
            supervisor.start(each.node.name, command(each, "takeover", values))
        bring_up(node, executor, [each.name for each in placed], supervisor.check)
        relay = Relay(node, executor, supervisor)
        # What it said when it was activated comes late to who was not there yet.
        relay.wait(lambda: relay.intervention() is not None, "the arbiter's first word")
        yield relay
    finally:
        supervisor.stop()
        node.destroy_node()
        rclpy.try_shutdown()


class Stick:
    """A joystick's driver as a process of its own, which can be told what its person does, and killed."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "joystick_double"], stdin=subprocess.PIPE, text=True
        )

    def set(self, vx: float, *buttons: int) -> None:
        """Deflect the stick, press buttons and hold on."""
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join(map(str, (vx, *buttons))) + "\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def arbiter() -> Iterator[Relay]:
    """An arbiter; the test is the teleop node."""
    with relaying(["arbiter"]) as relay:
        yield relay


@pytest.fixture(scope="module")
def controller() -> Iterator[Relay]:
    """A controller and the arbiter after it; the test is the policy and the odometry."""
    with relaying(["arbiter", "controller"]) as relay:
        yield relay


@pytest.fixture(scope="module")
def teleop() -> Iterator[Relay]:
    """An arbiter and a teleop node; the test is RViz, `stick` the joystick."""
    with relaying(["arbiter", "teleop"]) as relay:
        yield relay


@pytest.fixture
def stick(teleop: Relay) -> Iterator[Stick]:
    """A joystick that nobody holds."""
    stick = Stick()
    stick.set(0.0)
    teleop.wait(lambda: teleop.node.count_publishers(topics.JOY.name) > 0, "the joystick")
    yield stick
    stick.kill()


@pytest.fixture(scope="module")
def guarded() -> Iterator[Relay]:
    """An arbiter, a teleop node and the safety node after them; the test is the base and its lidar."""
    with relaying(["safety", "arbiter", "teleop"]) as relay:
        yield relay
