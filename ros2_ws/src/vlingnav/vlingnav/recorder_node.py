"""`recorder`: keeps every episode as a bag and as an episode of a dataset; `episode_folder.py` says where.

An episode is a goal of `navigate` from its start to its end, and between goals what a person drives. The
node hears messages as bytes and hands them on; one thread writes the bag, another makes an episode of it once
it is complete. What they cannot take is dropped, and counted in /diagnostics: nobody waits for the recorder.

Topics are subscribed to once somebody publishes them, with the type and quality of service they then have.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message

from vlingnav import topics
from vlingnav.arbitration import HELD
from vlingnav.definitions import definition, message_class
from vlingnav.node import Fault, ManagedNode, run
from vlingnav.params import Parameter
from vlingnav.stretches import Stretches

if TYPE_CHECKING:
    from vlingnav.bag_thread import BagThread
    from vlingnav.episode_folder import EpisodeThread

RECORDED = (
    topics.GOAL,
    topics.RESULT,
    topics.IMAGE,
    topics.CAMERA_INFO,
    topics.SCAN,
    topics.ODOM,
    topics.GROUND_TRUTH,
    topics.PEOPLE,
    topics.PLAN,
    topics.REASONING,
    topics.CMD_VEL_POLICY,
    topics.CMD_VEL_TELEOP,
    topics.CMD_VEL_DESIRED,
    topics.CMD_VEL,
    topics.SAFETY_STATE,
    topics.JOY,
    topics.KEYBOARD,
    topics.EMERGENCY_STOP,
    topics.TAKEOVER,
    topics.INTERVENTION,
    topics.CLOCK,
    topics.DIAGNOSTICS,
)
_DEPTH = 50  # messages that may wait for this node's one thread
_NICE = 10
_PATIENCE_S = 2.0  # a runner kills what takes much longer to end


class RecorderNode(ManagedNode):
    """Adapter around `Stretches`, `BagThread` and `EpisodeThread`."""

    PARAMETERS = (
        Parameter(
            "folder",
            "runs/recorded",
            "Folder of what is recorded; in it is one for each robot, called as its namespace.",
        ),
        Parameter(
            "rate_hz",
            5.0,
            "Frames per second of the dataset; at least as many as the policy decides.",
            (0.5, 30.0),
        ),
        Parameter(
            "topics",
            "",
            'Topics in the bags besides those of the robot graph, separated by commas: "depth,/tf".',
        ),
        Parameter("robot_type", "unknown", "Kind of robot, as the dataset names it."),
        Parameter("camera_width_px", 128, "Width of the camera's images.", (16, 8192)),
        Parameter("camera_height_px", 96, "Height of the camera's images.", (16, 8192)),
        Parameter(
            "keep_free_mb",
            1024,
            "Nothing is recorded while the disk has less room than this.",
            (0, 1_000_000),
        ),
    )

    def __init__(self) -> None:
        super().__init__("recorder")
        self._bags: BagThread | None = None
        self._episodes: EpisodeThread | None = None

    def configure(self) -> None:
        """Make or check the folder, start the threads, and look for topics from now on."""
        try:
            from vlingnav.bag_thread import BagThread, BagThreadConfig
            from vlingnav.episode_bag import NEEDED
            from vlingnav.episode_folder import EpisodeFolder, EpisodeThread, FolderRefused
        except ModuleNotFoundError as error:
            raise Fault(
                f"recording needs {error.name}, which is not installed; run: "
                "pip install -c constraints.txt -e '.[data]'"
            ) from error
        self._folder = EpisodeFolder(
            self.own_folder("folder"),
            {topic.name: self.resolve_topic_name(topic.name) for topic in NEEDED},
            self.param("rate_hz"),
            self.param("camera_width_px"),
            self.param("camera_height_px"),
            self.param("robot_type"),
        )
        keep_free = self.param("keep_free_mb") << 20
        self._bags = bags = BagThread(definition, self._bag_is_complete, BagThreadConfig(keep_free))
        try:
            self._episodes = EpisodeThread(self._folder, lambda: bags.file, keep_free)
        except FolderRefused as error:
            raise Fault(str(error)) from error
        self._stretches, self._recorded = Stretches(), 0
        self._goal = self.resolve_topic_name(topics.GOAL.name)
        self._intervention = self.resolve_topic_name(topics.INTERVENTION.name)
        further = [name.strip() for name in self.param("topics").split(",") if name.strip()]
        names = [*(topic.name for topic in RECORDED), *further]
        self._missing = {self.resolve_topic_name(name) for name in names}
        self._kept: dict[str, tuple[str, bytes]] = {}  # newest of each topic that is published once and kept
        self.own(self.create_timer(0.5, self._look_for_topics, clock=self._steady), self.destroy_timer)
        self._look_for_topics()
        self.every(0.1, self._tick)

    def halt(self) -> None:
        """Complete what is being recorded."""
        if self._recorded and self._bags is not None:
            self._bags.end()
        self._recorded = 0

    def release(self) -> None:
        """End the threads; what is not in the dataset in time will be at the next start."""
        if self._bags is not None:
            self._bags.stop(_PATIENCE_S)
        if self._episodes is not None:
            self._episodes.stop(_PATIENCE_S)
        self._bags = self._episodes = None

    # What is heard.

    def _look_for_topics(self) -> None:
        there = {name for name, _ in self.get_topic_names_and_types()}
        for name in sorted(self._missing & there):
            offers = self.get_publishers_info_by_topic(name)
            if offers:
                self._missing.remove(name)
                self._subscribe(name, offers[0].topic_type, [offer.qos_profile for offer in offers])
        if not self.count_publishers(self._goal):
            self._stretches.finish(self.steady())  # whoever pursued it can no longer say so

    def _subscribe(self, name: str, kind: str, offers: list[QoSProfile]) -> None:
        try:
            message = message_class(kind)
        except LookupError as error:
            self.get_logger().warning(f"{name} is not recorded: {error}")
            return
        reliable = all(offer.reliability == ReliabilityPolicy.RELIABLE for offer in offers)
        latched = all(offer.durability == DurabilityPolicy.TRANSIENT_LOCAL for offer in offers)
        qos = QoSProfile(
            depth=_DEPTH,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        )

        def hear(data: bytes) -> None:
            if latched:
                self._kept[name] = kind, data
            begun = self._notice(name, data)
            if self._recorded and not (begun and latched):  # a new bag has what is kept already
                self._put(name, kind, data)

        self.own(self.create_subscription(message, name, hear, qos, raw=True), self.destroy_subscription)

    def _notice(self, name: str, data: bytes) -> bool:
        """Take note of goals and of who has the robot; whether that has begun a bag."""
        if name == self._intervention:
            phase = deserialize_message(data, topics.INTERVENTION.type).phase
            self._stretches.hold(phase in HELD, self.steady())
        elif name == self._goal:
            if deserialize_message(data, topics.GOAL.type).instruction:
                self._stretches.pursue()
                return self.active and self._change()
            self._stretches.finish(self.steady())
        return False

    # What is recorded.

    def _tick(self) -> None:
        assert self._bags is not None and self._episodes is not None
        self._change()
        problem = self._bags.problem or self._episodes.problem
        if problem and problem != self.problem:
            self.get_logger().error(problem)
        self.problem = problem
        for name, value in (
            ("recording", self._bags.file.name if self._bags.file else "nothing"),
            ("episodes", str(self._episodes.episodes)),
            ("dropped messages", str(self._bags.dropped)),
            ("waiting to be written [MB]", f"{self._bags.waiting / 1e6:.1f}"),
        ):
            self.diagnostics.note(name, value)

    def _change(self) -> bool:
        """Begin or end a bag where one is due; whether one was begun."""
        assert self._bags is not None
        stretch = self._stretches.recorded(self.steady())
        if stretch == self._recorded:
            return False
        self._recorded = stretch
        if not stretch:
            self._bags.end()
            return False
        self._bags.begin(self._folder.new_bag())
        for name, (kind, data) in self._kept.items():
            self._put(name, kind, data)
        return True

    def _put(self, name: str, kind: str, data: bytes) -> None:
        assert self._bags is not None
        self._bags.put(name, kind, self.get_clock().now().nanoseconds, data)

    def _bag_is_complete(self) -> None:
        if self._episodes is not None:
            self._episodes.wake()


def main() -> None:
    """Entry point of `vlingnav_recorder`."""
    os.nice(_NICE)  # whoever drives goes first
    run(RecorderNode)


if __name__ == "__main__":
    main()
