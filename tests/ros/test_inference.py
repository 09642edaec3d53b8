"""One inference node and two robots over DDS: each has the policy to itself, whatever others send."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from PIL import Image
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CompressedImage

from vlingnav import asking, convert, graph, topics
from vlingnav.lifecycle import bring_up, wait_until
from vlingnav.shared_policy import SharedPolicy
from vlingnav.supervision import Supervisor
from vlingnav.up import command
from vlingnav_interfaces.srv import Decide
from vlingnav_policy import Goal, ManifestError, Observation, Odometry, PolicyUnavailable
from vlingnav_policy.load import load_exported
from vlingnav_policy.manifest import CameraSpec
from vlingnav_policy.remote.client import WirePolicy
from vlingnav_policy.types import Underway

CAMERA = CameraSpec(128, 96, 1.5708, 0.70, 0.15)
GOAL = Goal("find the red chair")
TOKEN = "a token"


def observation(stamp: float, x: float = 0.0) -> Observation:
    rgb = np.random.default_rng(int(10 * stamp)).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    return Observation(rgb, stamp, odometry=Odometry(np.array([x, 0.0, 0.0]), np.zeros(3)))


def picture(kind: str = "JPEG", mode: str = "RGB", size: tuple[int, int] = (128, 96)) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, kind)
    return buffer.getvalue()


class House:
    """An inference node, and nodes for robots, which a thread of their own spins."""

    def __init__(self, node: Node, executor: SingleThreadedExecutor, check: Callable[[], None]) -> None:
        self.node, self._executor, self._check = node, executor, check
        self._others = SingleThreadedExecutor()
        self._nodes: dict[str, Node] = {}
        self._threads = threading.Thread(target=self._others.spin, daemon=True)
        self._threads.start()

    def robot(self, name: str, options: str = "?timeout_s=5") -> SharedPolicy:
        """What the policy node of a robot has for a policy."""
        if name not in self._nodes:
            self._nodes[name] = rclpy.create_node("policy", namespace=name)
            self._others.add_node(self._nodes[name])
        policy = SharedPolicy(f"ros://inference{options}", self._nodes[name], CAMERA)
        self.wait(policy._client.service_is_ready, "the service")
        return policy

    def raw(self, count: int = 1, **changes: Any) -> list[Any]:
        """The responses to one request sent so many times without waiting; its sender knows no manners."""
        request = Decide.Request(robot="bad", instruction=GOAL.instruction)
        request.image = convert.encode(picture())
        asking.put_motion(request, Odometry(np.zeros(3), np.zeros(3)), None, 1.0)
        for name, value in changes.items():
            setattr(request, name, value)
        client = self.node.create_client(Decide, "/inference/decide", qos_profile=topics.REQUESTS)
        self.wait(client.service_is_ready, "the service")
        answers = [client.call_async(request) for _ in range(count)]
        self.wait(lambda: all(answer.done() for answer in answers), "an answer to every request")
        self.node.destroy_client(client)
        return [answer.result() for answer in answers]

    def wait(self, condition: Callable[[], bool], what: str, timeout_s: float = 20.0) -> None:
        assert wait_until(self._executor, condition, timeout_s, self._check), f"waited for {what}"

    def change(self, *transitions: int) -> None:
        """Walk the inference node through transitions."""
        client = self.node.create_client(ChangeState, "/inference/change_state")
        self.wait(client.service_is_ready, "its lifecycle")
        for transition in transitions:
            answer = client.call_async(ChangeState.Request(transition=Transition(id=transition)))
            self.wait(answer.done, "the transition")
            assert answer.result().success
        self.node.destroy_client(client)

    def use(self, policy: str) -> None:
        """Have the node serve another policy."""
        client = self.node.create_client(SetParameters, "/inference/set_parameters")
        self.wait(client.service_is_ready, "its parameters")
        value = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=policy)
        answer = client.call_async(SetParameters.Request(parameters=[Parameter(name="policy", value=value)]))
        self.wait(answer.done, "the parameter")
        self.node.destroy_client(client)
        self.change(
            Transition.TRANSITION_DEACTIVATE,
            Transition.TRANSITION_CLEANUP,
            Transition.TRANSITION_CONFIGURE,
            Transition.TRANSITION_ACTIVATE,
        )

    def close(self) -> None:
        self._others.shutdown()
        self._threads.join()
        for node in self._nodes.values():
            node.destroy_node()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


PORT = free_port()


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    values = {a.name: a.default for a in graph.ARGUMENTS}
    values |= {"simulation": False, "policy": "policy_doubles:patient"}
    parameters = (("robots", "ward0,ward1"), ("max_robots", 6), ("websocket_port", PORT))
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    supervisor, executor = Supervisor(), SingleThreadedExecutor()
    node = rclpy.create_node("test")
    executor.add_node(node)
    try:
        placed = graph.Placed(graph.NODES["inference"], "", parameters)
        supervisor.start("inference", command(placed, "fleet", values), {"VLINGNAV_TOKEN": TOKEN})
        bring_up(node, executor, [placed.name], supervisor.check)
        house = House(node, executor, supervisor.check)
        yield house
        house.close()
    finally:
        supervisor.stop()
        node.destroy_node()
        rclpy.try_shutdown()


def test_each_robot_has_an_episode_of_its_own(house: House) -> None:
    one, other = house.robot("robot0"), house.robot("robot1")
    one.reset(Goal("find the red chair"))
    other.reset(Goal("find the bed"))
    thoughts = []
    for k in range(4):
        decision = one.act(observation(0.1 * k))
        assert decision.trajectory.shape == (8, 3) and decision.dt == pytest.approx(0.2)
        assert decision.stamp == 0.1 * k and not decision.stop
        np.testing.assert_allclose(decision.trajectory[-1], [0.64, 0.0, 0.0], atol=1e-6)
        thoughts.append(decision.thought)
        if k < 2:
            thoughts.append(other.act(observation(0.1 * k)).thought)
    assert thoughts == [
        *(None, None, "look 2 for 'find the red chair'", "look 2 for 'find the bed'"),
        *(None, "look 4 for 'find the red chair'"),
    ]
    one.reset(Goal("find the red chair"))
    assert one.act(observation(1.0)).thought is None, "a new goal, also where it is the same, begins anew"


MISDEEDS: dict[str, tuple[dict[str, Any], int, str]] = {
    "a truncated JPEG": (
        {"image": convert.encode(picture()[:-200])},
        Decide.Response.REFUSED,
        "the image is damaged",
    ),
    "another encoding": (
        {"image": CompressedImage(format="gif", data=picture("GIF"))},
        Decide.Response.REFUSED,
        "neither a JPEG nor a PNG",
    ),
    "no image": ({"image": CompressedImage()}, Decide.Response.REFUSED, "an image of 0 bytes"),
    "a grey image": ({"image": convert.encode(picture(mode="L"))}, Decide.Response.REFUSED, "not RGB"),
    "too many pixels": (
        {"image": convert.encode(picture("PNG", size=(3000, 3000)))},
        Decide.Response.REFUSED,
        "9000000 pixels, and 4194304 are the most",
    ),
    "an odometry that is none": (
        {"odometry": convert.odometry_message(Odometry(np.full(3, np.nan), np.zeros(3)), 1.0, "", "")},
        Decide.Response.REFUSED,
        "NaN",
    ),
    "a blank goal": ({"instruction": " "}, Decide.Response.REFUSED, "the instruction is empty"),
    "an unknown task": ({"task": "cook"}, Decide.Response.REFUSED, "unknown task 'cook'"),
    "a broken goal image": (
        {"instruction": "go there", "goal_image": convert.encode(b"no picture")},
        Decide.Response.REFUSED,
        "the goal image is neither",
    ),
    "no name": ({"robot": ""}, Decide.Response.REFUSED, "has 1 to 64 characters"),
    "a long name": ({"robot": "a" * 65}, Decide.Response.REFUSED, "this one has 65"),
    "a policy that fails": ({"instruction": "fail"}, Decide.Response.FAILED, "RuntimeError: out of ideas"),
}


@pytest.mark.parametrize("misdeed", MISDEEDS)
def test_a_bad_request_is_answered_in_words_and_harms_nobody(house: House, misdeed: str) -> None:
    changes, status, sentence = MISDEEDS[misdeed]
    good = house.robot("robot0")
    good.reset(GOAL)
    good.act(observation(0.0))
    (answer,) = house.raw(**changes)
    assert answer.status == status and sentence in answer.message, answer.message
    (after,) = house.raw()
    assert after.status == Decide.Response.DECIDED, after.message
    assert good.act(observation(0.4)).thought == "look 2 for 'find the red chair'"


def test_who_asks_too_often_waits_for_itself_alone(house: House) -> None:
    """A look takes 0.25 s; of 50 requests at once the first and the last are decided on."""
    good = house.robot("robot0")
    good.reset(GOAL)
    with ThreadPoolExecutor(1) as pool:
        spent = pool.submit(lambda: [_timed(good, 0.1 * k) for k in range(6)])
        answers = house.raw(50)
        assert max(spent.result()) < 1.0
    decided = [a for a in answers if a.status == Decide.Response.DECIDED]
    displaced = [a for a in answers if "a newer request of the same robot" in a.message]
    assert 1 <= len(decided) <= 5
    assert len(decided) + len(displaced) == 50
    assert all(a.status == Decide.Response.UNAVAILABLE for a in displaced)
    assert answers[-1] in decided


def _timed(policy: SharedPolicy, stamp: float) -> float:
    begin = time.monotonic()
    policy.act(observation(stamp))
    return time.monotonic() - begin


def test_there_is_room_for_so_many_robots_and_no_more(house: House) -> None:
    answers = [house.raw(robot=f"crowd{k}")[0] for k in range(6)]
    assert answers[-1].status == Decide.Response.UNAVAILABLE
    assert "6 robots are served already, and there is no room for 'crowd5'" in answers[-1].message
    house.change(Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVATE)
    assert house.raw(robot="crowd5")[0].status == Decide.Response.DECIDED
    house.change(Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVATE)


def test_a_node_that_is_not_active_says_so_and_robots_find_it_again(house: House) -> None:
    robot = house.robot("robot0")
    robot.reset(GOAL)
    robot.act(observation(0.0))
    house.change(Transition.TRANSITION_DEACTIVATE)
    with pytest.raises(PolicyUnavailable, match="/inference is not active"):
        robot.act(observation(0.1))
    house.change(Transition.TRANSITION_ACTIVATE)
    assert robot.act(observation(0.2)).thought is None, "it was told the goal anew"


def test_who_is_late_is_unavailable_and_nobody_is_kept_waiting(house: House) -> None:
    hasty = house.robot("robot1", "?timeout_s=0.05")
    hasty.reset(GOAL)
    begin = time.monotonic()
    with pytest.raises(PolicyUnavailable, match="no answer within 0.05 s; a slow one needs a larger"):
        hasty.act(observation(0.0))
    assert time.monotonic() - begin < 0.2
    nobody = SharedPolicy("ros://nobody", house.node, CAMERA)
    nobody.reset(GOAL)
    with pytest.raises(PolicyUnavailable, match="nothing answers at /nobody/decide"):
        nobody.act(observation(0.0))
    nobody.close()


@pytest.mark.parametrize(
    "url", ["ros://", "ros://a b", "ros://x?timeout_s=0", "ros://x?image=gif", "ros://x?y=1"]
)
def test_an_address_that_is_none_is_refused(house: House, url: str) -> None:
    with pytest.raises(ManifestError, match="is no address of an inference node"):
        SharedPolicy(url, house.node, CAMERA)


def test_the_websocket_endpoint_serves_the_same_policy(house: House) -> None:
    there = WirePolicy(f"vlingnav://{TOKEN}@127.0.0.1:{PORT}?timeout_s=5")
    there.reset(GOAL)
    assert [there.act(observation(0.1 * k)).thought for k in range(2)] == [
        None,
        "look 2 for 'find the red chair'",
    ]
    there.close()


class Ward:
    """A robot with a camera and odometry at 10 Hz that runs no policy node."""

    def __init__(self, house: House, name: str) -> None:
        self.plans: list[Any] = []
        self.traces: list[Any] = []
        self.jpeg = picture()
        node = house.node

        def heard(topic: topics.Topic, log: list[Any]) -> None:
            node.create_subscription(topic.type, f"/{name}/{topic.name}", log.append, topic.qos)

        def out(topic: topics.Topic) -> Any:
            return node.create_publisher(topic.type, f"/{name}/{topic.name}", topic.qos)

        heard(topics.PLAN, self.plans)
        heard(topics.REASONING, self.traces)
        self._image, self._odom = out(topics.IMAGE_COMPRESSED), out(topics.ODOM)
        self._instruction = out(topics.INSTRUCTION)
        node.create_timer(0.1, self._see)
        house.wait(lambda: self._instruction.get_subscription_count() > 0, "the node to listen")

    def tell(self, instruction: str) -> None:
        self.plans.clear()
        self.traces.clear()
        self._instruction.publish(topics.INSTRUCTION.type(data=instruction))

    def _see(self) -> None:
        now = 1000.0 + time.monotonic() % 1000.0
        self._odom.publish(
            convert.odometry_message(Odometry(np.zeros(3), np.zeros(3)), now, "odom", "base_link")
        )
        image = convert.encode(self.jpeg)
        image.header.stamp = convert.stamp(now)
        self._image.publish(image)


def test_robots_without_a_policy_node_are_served_by_topics(house: House) -> None:
    one, other = Ward(house, "ward0"), Ward(house, "ward1")
    one.tell("find the red chair")
    other.tell("find the bed")
    house.wait(lambda: len(one.traces) > 2 and len(other.traces) > 2, "decisions for both")
    assert any(t.thought == "look 2 for 'find the bed'" for t in other.traces)
    assert len(other.plans[-1].poses) == 8 and other.plans[-1].header.frame_id == "base_link"
    # One sends broken images: it stands, and the other goes on.
    one.jpeg = one.jpeg[:-200]
    house.wait(lambda: not one.plans[-1].poses, "the robot to stand")
    seen = len(other.plans)
    house.wait(lambda: len(other.plans) > seen + 2, "the other to go on")
    assert all(plan.poses for plan in other.plans[seen:])
    one.jpeg = picture()
    house.wait(lambda: bool(one.plans[-1].poses), "the robot to go on when it sees again")
    one.tell("stop")
    house.wait(lambda: bool(one.traces) and one.traces[-1].stop, "the policy to be there")
    house.wait(lambda: not one.plans[-1].poses, "the robot to stand")
    other.tell("")
    house.wait(lambda: bool(other.plans) and not other.plans[-1].poses, "the robot to stand")
    told = len(other.traces)
    wait_until(house._executor, lambda: False, 1.0)
    assert len(other.traces) <= told + 1, "who is told nothing is not decided for"


def test_what_the_robot_goes_on_with_arrives(house: House) -> None:
    house.use("policy_doubles:aware")
    robot = house.robot("robot0")
    robot.reset(GOAL)
    assert robot.act(observation(0.0)).thought == "nothing"
    underway = Underway(np.zeros((5, 3), np.float32), 0.2, 2)
    assert robot.act(replace(observation(0.4), underway=underway)).thought == "5 rows, 2 behind"


@pytest.fixture
def nano(house: House) -> Iterator[House]:
    """The same node with another policy."""
    house.use("nano")
    yield house
    house.use("policy_doubles:patient")


def test_nano_decides_as_it_would_on_the_robots(nano: House) -> None:
    model = load_exported("nano", threads=1)
    here = [model.another(), model.another()]
    there = [nano.robot(f"robot{k}") for k in range(2)]
    goals = [Goal("find the red chair"), Goal("find the bed")]
    for policy, goal in zip([*here, *there], goals * 2, strict=True):
        policy.reset(goal)
    with ThreadPoolExecutor(2) as pool:
        for step in range(6):
            seen = [observation(0.4 * step + k, 0.1 * step) for k in range(2)]
            far = list(pool.map(lambda policy, what: policy.act(what), there, seen))
            for policy, what, theirs in zip(here, seen, far, strict=True):
                mine = policy.act(what)
                np.testing.assert_allclose(theirs.trajectory, mine.trajectory, atol=1e-4)
                assert (theirs.stop, theirs.thought) == (mine.stop, mine.thought)
                assert (theirs.summary, theirs.memory) == (mine.summary, mine.memory)
    assert there[0].memory.entries and there[0].memory.entries == here[0].memory.entries


def test_what_nano_cannot_do_is_refused_in_its_words(nano: House) -> None:
    robot = nano.robot("robot0")
    robot.reset(Goal("suche einen Stuhl"))
    with pytest.raises(ValueError, match="knows none of the words"):
        robot.act(observation(0.0))
    robot.reset(GOAL)
    with pytest.raises(ValueError, match="takes uint8 images of 96x128x3, got uint8 4x4x3"):
        robot.act(replace(observation(0.0), rgb=np.zeros((4, 4, 3), np.uint8)))
    robot._camera = replace(CAMERA, hfov_rad=0.9)
    robot.reset(GOAL)
    with pytest.raises(ValueError, match=r"expects camera hfov_rad 1\.5\d+, the robot has 0\.9"):
        robot.act(observation(0.0))
