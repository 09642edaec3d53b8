"""`learner`: when there are new episodes, learns from all of them; the policy node takes up what is better.

Learning itself is `vlingnav train rlif`, in a process of its own and of the lowest priority: nothing here
waits for it, and nobody who drives has to. Whether a new version is better is said by episodes that it did
not learn from. How much was learned from already is kept beside the versions: started again the node goes
on, and a training that was cut off begins anew.

In diagnostics: the version in use, its loss, how many episodes were learned from, and what came of the newest
training, in a sentence.
"""

from __future__ import annotations

import importlib.util
import os

from vlingnav import policies
from vlingnav.node import Fault, ManagedNode, run
from vlingnav.params import Parameter
from vlingnav.training import Lesson, Training
from vlingnav_policy.learned import Learned
from vlingnav_policy.manifest import NANO, Manifest, ManifestError
from vlingnav_policy.versions import Versions

NEEDED = ("torch", "onnx", "onnxruntime", "mujoco", "pyarrow", "av")
"""What learning imports, and the extras `train`, `sim` and `data` install."""
METHODS = ("rlif", "bc")
_NICE = 10
_PATIENCE_S = 2.0  # a runner kills what takes much longer to end


class LearnerNode(ManagedNode):
    """Adapter around `Training`."""

    PARAMETERS = (
        Parameter(
            "recordings",
            "runs/recorded",
            "Folder of what is recorded; in it is one for each robot, called as its namespace.",
        ),
        Parameter(
            "versions",
            "runs/learned",
            "Folder of the versions of the policy; in it is one for each robot, called as its namespace.",
        ),
        Parameter(
            "policy",
            "nano",
            "Policy that is edited while there is no version: a name in models/checkpoints or a folder.",
        ),
        Parameter(
            "method", "rlif", "rlif: learn from the moments of takeover; bc: imitate what people did in them."
        ),
        Parameter("new_episodes", 1, "It learns anew when there are so many more episodes.", (1, 1000)),
        Parameter("time_limit_s", 300.0, "Time that a training takes at most.", (1.0, 36000.0)),
    )

    def __init__(self) -> None:
        super().__init__("learner")
        self._training: Training | None = None
        self._known = 0  # so many episodes there were when it last learned

    def configure(self) -> None:
        """See that it can learn, and recall how much was learned from already."""
        missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
        if missing:
            raise Fault(
                f"learning needs {missing[0]}, which is not installed; run: "
                "pip install -c constraints.txt -e '.[sim,train,data]'"
            )
        self._check()
        self._dataset = self.own_folder("recordings") / "dataset"
        self._versions = Versions(self.own_folder("versions"))
        try:
            self._versions.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Fault(f"there can be no versions in {self._versions.root}: {error.strerror}") from error
        self._failure = ""  # why the newest training came to nothing
        self._recall()
        self.every(1.0, self._tick)

    def _check(self) -> None:
        name, method = self.param("policy"), self.param("method")
        if method not in METHODS:
            raise Fault(f"there is no method {method!r}; choose one of: {', '.join(METHODS)}")
        place = policies.place(name)
        try:
            editable = place is not None and Manifest.parse(place).runtime == NANO
        except ManifestError as error:
            raise Fault(str(error)) from error
        if not editable:
            raise Fault(f"only nano and folders that are run by it can be learned, not policy {name!r}")

    def halt(self) -> None:
        """End a training; the next one begins where it did."""
        if self._training is not None:
            self._training.stop(_PATIENCE_S)
            self._training = None
            self._recall()

    # What is learned.

    def _tick(self) -> None:
        if self._training is not None:
            if not self._training.running():
                self._end(self._training)
        else:
            try:
                self._begin()
                self.problem = self._failure
            except Fault as fault:
                self.problem = str(fault)
        self._note()

    def _begin(self) -> None:
        """Begin a training if there is more, or something else, to learn from; may raise `Fault`."""
        there = self._episodes()
        if there < self._known:
            self._known = 0  # they are those of a new dataset
        if there - self._known < self.param("new_episodes"):
            return
        self._known = there
        self._training = Training(
            Lesson(
                self._dataset.absolute(),
                self._versions.root.absolute(),
                self.param("policy"),
                self.param("method"),
                self.param("time_limit_s"),
            )
        )
        self.get_logger().info(f"learning from a dataset of {there} episode{'s' if there > 1 else ''}")

    def _end(self, training: Training) -> None:
        self._training = None
        training.stop(_PATIENCE_S)
        self._failure = training.said.get("problem", "")
        if self._failure:
            self.get_logger().error(self._failure)
        else:
            self._recall()
            self.get_logger().info(training.said["why"])

    def _recall(self) -> None:
        """What the newest training came to, and how many episodes it knew; by now there may be more."""
        self._learned = Learned.read(self._versions.root)
        self._known = self._learned.episodes if self._learned else 0

    def _episodes(self) -> int:
        """How many are in the dataset, 0 as long as there is none; may raise `Fault`."""
        from vlingnav_datasets.lerobot_v3.files import DatasetError
        from vlingnav_datasets.lerobot_v3.layout import INFO, Info

        if not (self._dataset / INFO).is_file():
            return 0
        try:
            return Info.read(self._dataset).total_episodes
        except DatasetError as error:
            raise Fault(str(error)) from error

    # What is said of it.

    def _note(self) -> None:
        learned, version = self._learned, self._versions.current()
        loss = learned.loss if learned is not None and learned.in_use == version else None
        said = self._training.said if self._training is not None else {}
        stage = f"{said['stage']} {said['share']:.0%}" if "stage" in said else "beginning"
        for name, value in (
            ("version", version or "none"),
            ("loss", "unknown" if loss is None else f"{loss:.3f}"),
            ("learning", "no" if self._training is None else stage),
            ("loss while learning", f"{said['error']:.3f}" if said.get("error") is not None else "unknown"),
            ("episodes learned from", str(learned.usable if learned is not None else 0)),
            ("newest training", learned.why if learned is not None else "none"),
        ):
            self.diagnostics.note(name, value)


def main() -> None:
    """Entry point of `vlingnav_learner`."""
    os.nice(_NICE)  # whoever drives goes first
    run(LearnerNode)


if __name__ == "__main__":
    main()
