"""`policy`: takes goals and images, publishes plans; holds anything that fulfils the `Policy` contract.

The policy runs in one worker thread; the newest image wins, and nothing here waits for it. A goal ends
with an outcome and a sentence. When an input that it needs is lost the robot stands at once; the goal is
aborted when the input does not come back in `sensor_patience_s`. A policy that runs elsewhere and cannot be
reached is such an input.
"""

from __future__ import annotations

import math
from pathlib import Path
from queue import SimpleQueue

import numpy as np
from rclpy.action import ActionServer, CancelResponse
from rclpy.action.server import ServerGoalHandle

from vlingnav import convert, policies, topics
from vlingnav.episode import Episode, Look
from vlingnav.markers import thought_markers
from vlingnav.node import Fault, ManagedNode, run
from vlingnav.odometry import OdometryBuffer
from vlingnav.params import Parameter
from vlingnav.worker import Worker
from vlingnav_interfaces.action import Navigate
from vlingnav_policy import LearnedPolicy
from vlingnav_policy.chunks import Replanner
from vlingnav_policy.load import version_of
from vlingnav_policy.manifest import CameraSpec
from vlingnav_policy.memory import Memory
from vlingnav_policy.remote.address import without_token
from vlingnav_policy.types import (
    Decision,
    Goal,
    Observation,
    Odometry,
    PolicyUnavailable,
    RemembersInWords,
)
from vlingnav_policy.versions import CURRENT, Versions

NO_MOTION = Decision(np.zeros((0, 3), np.float32), dt=0.0, stamp=0.0)


class PolicyNode(ManagedNode):
    """Adapter between the `navigate` action and a `Policy`."""

    PARAMETERS = (
        Parameter(
            "policy",
            "nano",
            "Policy to run: a name in models/checkpoints, a folder, an address (ros://NODE, "
            "vlingnav://HOST:PORT), or module:factory.",
        ),
        Parameter(
            "versions",
            "",
            "Folder of the versions that were learned of the policy; in it is one for each robot, called as "
            "its namespace. The one in use there takes the policy's place from the next goal on.",
        ),
        Parameter(
            "engine",
            "cpu",
            "What an exported policy runs on, or not at all: cpu, cuda, onnx-tensorrt or tensorrt.",
        ),
        Parameter(
            "rate_hz",
            2.5,
            "Decisions per second asked of the policy, counted by image stamps; more where its plans are too "
            "short for that.",
            (0.2, 30.0),
        ),
        Parameter("image_timeout_s", 0.4, "The robot stands when no image came for this long.", (0.05, 5.0)),
        Parameter(
            "odometry_timeout_s", 0.4, "The robot stands when no odometry came for this long.", (0.05, 5.0)
        ),
        Parameter(
            "sensor_patience_s",
            2.0,
            "A goal is aborted when a lost sensor or policy server stays away for this long.",
            (0.0, 60.0),
        ),
        Parameter(
            "memory_file",
            "",
            "File in which what the policy remembers in words is kept from goal to goal; empty: it forgets.",
        ),
        Parameter("time_limit_s", 240.0, "Time limit of goals that bring none.", (1.0, 3600.0)),
        Parameter("base_frame", "base_link", "Frame of the plan: the robot's body at the image's stamp."),
        Parameter("camera_width_px", 128, "Width of the camera's images.", (16, 8192)),
        Parameter("camera_height_px", 96, "Height of the camera's images.", (16, 8192)),
        Parameter("camera_hfov_rad", 1.5708, "Horizontal field of view of the camera.", (0.1, 3.1)),
        Parameter("camera_height_m", 0.70, "Height of the camera above the floor.", (0.0, 5.0)),
        Parameter("camera_pitch_rad", 0.15, "How far the camera looks down.", (-1.6, 1.6)),
    )

    def __init__(self) -> None:
        super().__init__("policy")
        self._episode: Episode | None = None
        self._worker: Worker[Look, Decision] | None = None
        # Outlives transitions, so that a goal they end still gets its result, and a refused one a sentence.
        self._server = ActionServer(
            self, topics.NAVIGATE[1], topics.NAVIGATE[0], self._execute, cancel_callback=self._cancel
        )

    def configure(self) -> None:
        """Load the policy; its absence or a mismatch is a fault of one sentence."""
        name = self._name = without_token(self.param("policy"))
        self._place = policies.place(in_use := self._in_use())
        try:
            self._policy = policies.load(in_use, self._camera(), self, self.param("engine"), self.progress)
        except policies.ManifestError as error:
            raise Fault(f"cannot run policy {name!r}: {error}") from error
        if hasattr(self._policy, "close"):  # it runs elsewhere
            self.own(self._policy, lambda policy: policy.close())
        self._memory_file = (
            Path(self.param("memory_file")).expanduser() if self.param("memory_file") else None
        )
        if self._memory_file is not None:
            self._check_memory(name, self._memory_file)
        self.diagnostics.note("progress", "loaded")
        self._note_version()
        self.diagnostics.note("provider", getattr(self._policy, "provider", "none"))
        self._history = OdometryBuffer()
        self._stamps_fault = self._away = ""
        self._current: Episode | None = None
        self._answers: SimpleQueue[tuple[Look, Decision | Exception]] = SimpleQueue()
        ready = self.own(self.create_guard_condition(self._take_answers), self.destroy_guard_condition)

        def deliver(look: Look, answer: Decision | Exception) -> None:
            self._answers.put((look, answer))
            ready.trigger()

        self._worker = Worker(self._decide, deliver)
        self._goals = self.output(topics.GOAL)
        self._results = self.output(topics.RESULT)
        self._plan = self.output(topics.PLAN)
        self._reasoning = self.output(topics.REASONING)
        self._thoughts = self.output(topics.REASONING_MARKERS)
        self._image = self.input(
            topics.IMAGE,
            lambda message: (convert.seconds(message.header.stamp), convert.rgb(message)),
            self.param("image_timeout_s"),
            self._on_image,
        )
        self._odometry = self.input(
            topics.ODOM, convert.odometry, self.param("odometry_timeout_s"), self._on_odometry
        )
        self.every(0.05, self._watch)
        self.every(0.2, self._feedback)

    def _check_memory(self, name: str, file: Path) -> None:
        if not isinstance(self._policy, RemembersInWords):
            raise Fault(f"policy {name!r} keeps no memory in words; leave memory_file empty")
        if not file.parent.is_dir():
            raise Fault(f"memory_file {file} lies in a folder that does not exist; make it first")
        try:
            _remembered(file)
        except ValueError as error:
            raise Fault(f"{error}; move it away or leave memory_file empty") from error

    def _camera(self) -> CameraSpec:
        return CameraSpec(
            width=self.param("camera_width_px"),
            height=self.param("camera_height_px"),
            hfov_rad=self.param("camera_hfov_rad"),
            mount_height_m=self.param("camera_height_m"),
            pitch_rad=self.param("camera_pitch_rad"),
        )

    def halt(self) -> None:
        """End a running goal; the empty plan leaves the robot standing."""
        self._end(Navigate.Result.CANCELED, "the policy node was deactivated")
        self._stand()

    def release(self) -> None:
        """Join the worker."""
        if self._worker is not None:
            self._worker.end()
            self._worker = None

    # The action.

    async def _execute(self, handle: ServerGoalHandle) -> Navigate.Result:
        request = handle.request
        refusal = "" if self.active else "the policy node is not active; activate it first"
        try:
            picture = convert.decode(request.image)
            if picture is not None:
                camera = self._camera()
                picture = convert.fit(picture, camera.width, camera.height)
            goal = Goal(request.instruction, request.task or "object", picture)
            if not refusal:
                self._check(goal)
        except ValueError as error:
            refusal = refusal or str(error)
        if request.time_limit_s < 0.0 or not math.isfinite(request.time_limit_s):
            refusal = (
                refusal
                or f"a time limit of {request.time_limit_s} s makes no sense; give seconds, 0 for none"
            )
        if refusal:
            handle.abort()
            return Navigate.Result(outcome=Navigate.Result.REFUSED, message=refusal)
        self._end(Navigate.Result.PREEMPTED, f'a newer goal took its place: "{goal.instruction}"')
        self._away = ""
        replanner = Replanner(1.0 / self.param("rate_hz"))
        episode = Episode(goal, request.time_limit_s or self.param("time_limit_s"), self.now(), replanner)
        self._episode, self._handle = episode, handle
        self._goals.publish(request)
        self.get_logger().info(f'goal: "{goal.instruction}"')
        result = await episode.ended
        self.get_logger().info(f'goal "{goal.instruction}" ended: {result.message}')
        if result.outcome == Navigate.Result.ARRIVED:
            handle.succeed()
        elif handle.is_cancel_requested:
            handle.canceled()
        else:
            handle.abort()
        return result

    def _check(self, goal: Goal) -> None:
        """Ask a policy that can tell whether it can take on `goal`; raises ValueError if it cannot."""
        if isinstance(self._policy, LearnedPolicy):
            self._policy.check(goal)
            for note in self._policy.wording(goal.instruction).notes:
                self.get_logger().info(note)
            unknown = self._policy.unknown_words(goal.instruction)
            if unknown:
                self.get_logger().warning(f"the policy ignores words it never learned: {', '.join(unknown)}")

    def _cancel(self, handle: ServerGoalHandle) -> CancelResponse:
        if self._episode is not None and handle == self._handle:
            self._end(Navigate.Result.CANCELED, "cancelled by its sender")
        return CancelResponse.ACCEPT

    def _end(self, outcome: int, message: str) -> None:
        if self._episode is None:
            return
        episode, self._episode = self._episode, None
        self._stand()
        result = Navigate.Result(
            outcome=outcome,
            message=message,
            elapsed_s=self.now() - episode.started,
            path_length_m=episode.path_length_m,
        )
        self._results.publish(result)
        self._goals.publish(Navigate.Goal())
        episode.ended.set_result(result)

    # Sensors in, plans out.

    def _on_odometry(self) -> None:
        stamp, odometry = self._odometry.value
        self._history.add(stamp, odometry.pose)
        if self._episode is not None:
            self._episode.moved_to(odometry.pose[:2])

    def _on_image(self) -> None:
        self.diagnostics.count("image")
        episode = self._episode
        stamp, rgb = self._image.value
        if episode is None or not episode.replanner.due(stamp) or self.first_problem():
            return
        try:
            pose = self._history.at(stamp)
        except LookupError as error:
            self._stamps_fault = str(error)
            return
        self._stamps_fault = ""
        episode.replanner.asked(stamp)
        odometry = Odometry(pose, self._odometry.value[1].velocity)
        underway = episode.replanner.underway(stamp, pose)
        observation = Observation(rgb, stamp, odometry=odometry, underway=underway)
        assert self._worker is not None
        if self._worker.put(Look(episode, observation, self.steady())):
            self.diagnostics.count("skipped image")

    def _decide(self, look: Look) -> Decision:
        """In the worker thread: the only place that touches the policy."""
        if look.episode is not self._current:
            self._take_up()
        policy, file, goal = self._policy, self._memory_file, look.episode.goal
        if file is None or not isinstance(policy, RemembersInWords):
            if look.episode is not self._current:
                policy.reset(goal)
            self._current = look.episode
            return policy.act(look.observation)
        if look.episode is not self._current:
            policy.reset(goal, _remembered(file))
        self._current = look.episode
        decision = policy.act(look.observation)
        if decision.thought is not None:
            policy.memory.for_next_run().save(file)
        return decision

    def _take_up(self) -> None:
        """Between two goals, in the worker thread: the version that is in use by now, of one that learns."""
        place = policies.place(self._in_use())
        if place is None or place == self._place:
            return
        try:
            self._policy = policies.load(str(place), self._camera(), self, self.param("engine"))
        except policies.ManifestError as error:
            self.get_logger().error(f"going on with the policy in {self._place}, not with {place}: {error}")
            return
        self._place = place
        self._note_version()
        self.get_logger().info(f"policy: {place}")

    def _in_use(self) -> str:
        """What the policy is by now: a version that was learned, or as it was given."""
        versions = Versions(self.own_folder("versions"))
        learned = self.param("versions") and versions.current()
        return str(versions.root / CURRENT) if learned else str(self.param("policy"))

    def _note_version(self) -> None:
        self._version = version_of(self._name, self._policy)
        self.diagnostics.note("policy", self._version)
        if self._place is not None:
            self.diagnostics.note("version", self._place.name)

    def _take_answers(self) -> None:
        while not self._answers.empty():
            self._on_answer(*self._answers.get())

    def _on_answer(self, look: Look, answer: Decision | Exception) -> None:
        episode = self._episode
        if look.episode is not episode:
            return
        self._away = str(answer) if isinstance(answer, PolicyUnavailable) else ""
        if self._away or episode.lost_since is not None:
            return
        if isinstance(answer, Exception):
            self._end(Navigate.Result.FAILED, f"the policy failed: {type(answer).__name__}: {answer}")
            return
        latency = self.steady() - look.arrival
        self.diagnostics.latency("decision", latency)
        self.diagnostics.count("decision")
        episode.thought, episode.summary = answer.thought or "", answer.summary or episode.summary
        episode.memory = answer.memory or episode.memory
        episode.distance_m = math.nan if answer.distance is None else answer.distance
        trace = convert.reasoning(answer, episode.memory, latency, self._version, self.param("base_frame"))
        self._reasoning.publish(trace)
        if trace.thinking:
            self._thoughts.publish(thought_markers(trace))
        if answer.stop:
            self._end(Navigate.Result.ARRIVED, f'the policy says it is there: "{episode.goal.instruction}"')
            return
        assert look.observation.odometry is not None
        try:
            episode.replanner.answered(answer, look.observation.odometry.pose, latency)
        except ValueError as error:
            self._end(Navigate.Result.FAILED, f"the policy answered with {error}")
            return
        self._plan.publish(convert.path(answer, self.param("base_frame")))

    def _stand(self) -> None:
        self._plan.publish(convert.path(NO_MOTION, self.param("base_frame")))

    # Deadlines.

    def _watch(self) -> None:
        problem = self.first_problem() or self._stamps_fault or self._away
        episode = self._episode
        if episode is None:
            return
        episode.started = episode.started or self.now()
        now = self.steady()
        if problem:
            if episode.lost_since is None:
                episode.lost_since = now
            if now - episode.lost_since > 0.5:  # a goal may come before the first image does
                self.get_logger().warning(f"standing: {problem}", throttle_duration_sec=5.0)
            self._stand()
            if now - episode.lost_since >= self.param("sensor_patience_s"):
                self._end(Navigate.Result.SENSOR_LOST, problem)
            return
        episode.lost_since = None
        if self.now() - episode.started >= episode.time_limit_s:
            self._end(Navigate.Result.TIMED_OUT, f"not found within {episode.time_limit_s:.0f} s")

    def _feedback(self) -> None:
        if self._episode is None:
            return
        self._handle.publish_feedback(
            Navigate.Feedback(
                elapsed_s=self.now() - self._episode.started,
                path_length_m=self._episode.path_length_m,
                distance_to_stop_m=self._episode.distance_m,
                thought=self._episode.thought,
                summary=self._episode.summary,
            )
        )


def _remembered(file: Path) -> Memory | None:
    """What an earlier run wrote to `file`; raises as `Memory.load`."""
    return Memory.load(file) if file.exists() else None


def main() -> None:
    """Entry point of `vlingnav_policy`."""
    run(PolicyNode)


if __name__ == "__main__":
    main()
