"""The robot graph: each node once, and what may be said when it is started.

`launch/*.launch.py` make `launch_ros` nodes of this table (`launching.py`); `vlingnav up` makes plain
processes of it (`up.py`). A node `x` is class and module `vlingnav.x_node`, executable `vlingnav_x`,
parameter file `config/x.yaml`.
"""

from __future__ import annotations

import sysconfig
from dataclasses import dataclass, replace
from pathlib import Path

from vlingnav.params import Value


@dataclass(frozen=True)
class Node:
    """One node of the graph.

    Attributes:
        name: its name at run time.
        remaps: topic names as it knows them, and as graphs without an arbiter call them.
        simulates: it stands for the world: it makes the time the others follow, and no robot runs it.
        records: it only listens, and runs where that is asked for.
        serves: the node for which it works, where one serves that node of all robots; it takes that one's
            arguments.
    """

    name: str
    remaps: tuple[tuple[str, str], ...] = ()
    simulates: bool = False
    records: bool = False
    serves: str = ""

    @property
    def module(self) -> str:
        """Python module, to be run with `python -m`."""
        return f"vlingnav.{self.name}_node"

    @property
    def executable(self) -> str:
        """Console script, as `ros2 run vlingnav <executable>` names it."""
        return f"vlingnav_{self.name}"


@dataclass(frozen=True)
class Argument:
    """Something that may be set when a graph is started: a launch argument, and an option of `vlingnav up`.

    Attributes:
        name: as launch files have it; the option has dashes for underscores.
        default: its type is the type of the argument.
        description: one sentence for `--show-args` and `--help`.
        sets: each "node.parameter" that receives the value.
    """

    name: str
    default: Value
    description: str
    sets: tuple[str, ...] = ()

    def on(self, node: Node) -> list[str]:
        """The parameters of `node` that receive the value."""
        targets = (target.partition(".") for target in self.sets)
        return [parameter for name, _, parameter in targets if name == (node.serves or node.name)]


# Where nothing arbitrates between a policy and people, what the policy wants is what is desired.
NODES = {
    node.name: node
    for node in (
        Node("sim", simulates=True),
        Node("safety"),
        Node("controller", remaps=(("cmd_vel_policy", "cmd_vel_desired"),)),
        Node("policy"),
        Node("teleop"),
        Node("arbiter"),
        Node("recorder", records=True),
        Node("learner"),
        Node("inference", serves="policy"),
    )
}

DEMOS: dict[str, tuple[str, ...]] = {
    "navigate": ("recorder", "sim", "safety", "controller", "policy"),
    "multi_robot": ("recorder", "sim", "safety", "controller", "policy"),
    "fleet": ("recorder", "sim", "inference", "safety", "controller", "policy"),
    "takeover": ("recorder", "sim", "safety", "arbiter", "teleop", "controller", "policy"),
    "learn": ("recorder", "learner", "sim", "safety", "arbiter", "teleop", "controller", "policy"),
    "teleop": ("recorder", "sim", "safety", "arbiter", "teleop"),
    "sim": ("sim",),
    "safety": ("safety",),
}
"""Nodes of each demo, in the order they are started; they are stopped in the reverse order."""

FLEET = {"multi_robot": 4, "fleet": 2}
"""Demos with more than one robot, and how many; their namespaces are numbered: robot0, robot1, ..."""

DEFAULTS: dict[str, dict[str, Value]] = {
    "multi_robot": {"house": 800_018, "max_rooms": 4, "policy": "vlingnav.missions:pilot"},
    "fleet": {"house": 800_018, "max_rooms": 4},
    "learn": {"record": True, "versions": "runs/learned"},
}
"""Arguments whose defaults are others in a demo. The scripted policy knows that house and no other."""

ARGUMENTS = (
    Argument("robot", "diff", "Kind of robot: a file in config/robots.", ("sim.robot",)),
    Argument("namespace", "robot", "Namespace of the robot's topics; empty for none."),
    Argument(
        "simulation",
        True,
        "Run the simulator; false on a robot, whose own drivers give image, scan and odom.",
    ),
    Argument("use_sim_time", False, "Follow /clock, which something else publishes."),
    Argument("house", 800003, "Seed of the simulated house.", ("sim.house",)),
    Argument("max_rooms", 4, "Largest number of rooms of the simulated house.", ("sim.max_rooms",)),
    Argument(
        "contains",
        "",
        "What the simulated house must hold; with `vlingnav up --goal`, the goal.",
        ("sim.contains",),
    ),
    Argument("headless", False, "Open no window on the simulation.", ("sim.headless",)),
    Argument(
        "stamped",
        True,
        "Give cmd_vel as TwistStamped; false for bases that take Twist.",
        ("safety.stamped",),
    ),
    Argument(
        "desired_stamped",
        True,
        "Take cmd_vel_desired as TwistStamped; false for senders of Twist.",
        ("safety.desired_stamped",),
    ),
    Argument("record", False, "Record every episode, as a bag and in a dataset."),
    Argument(
        "recordings",
        "runs/recorded",
        "Folder of what is recorded.",
        ("recorder.folder", "learner.recordings"),
    ),
    Argument(
        "missions",
        True,
        "Tell each robot of a simulated fleet what to do, and end with them; false to tell them yourself.",
    ),
    Argument(
        "policy",
        "nano",
        "Policy: a name in models/checkpoints, a folder, an address, or module:factory.",
        ("policy.policy", "learner.policy"),
    ),
    Argument(
        "versions",
        "",
        "Folder of the versions that were learned of the policy; the one in use there drives.",
        ("policy.versions", "learner.versions"),
    ),
    Argument(
        "engine",
        "cpu",
        "What the policy runs on: cpu, cuda, onnx-tensorrt or tensorrt.",
        ("policy.engine",),
    ),
)


def default(argument: Argument, demo: str) -> Value:
    """What an argument is in a demo where nobody sets it."""
    return DEFAULTS.get(demo, {}).get(argument.name, argument.default)


def members(demo: str, simulation: bool = True, record: bool = False) -> tuple[Node, ...]:
    """Nodes of a demo: on a real robot without those that simulate, with those that record if asked for."""
    nodes = tuple(NODES[name] for name in DEMOS[demo])
    if "arbiter" in DEMOS[demo]:
        nodes = tuple(replace(node, remaps=()) for node in nodes)
    return tuple(n for n in nodes if (simulation or not n.simulates) and (record or not n.records))


def namespaces(demo: str, namespace: str) -> tuple[str, ...]:
    """Namespace of each robot of a demo, without slashes; "" for a robot that has none."""
    name = namespace.strip("/")
    return tuple(f"{name}{k}" for k in range(FLEET[demo])) if demo in FLEET else (name,)


@dataclass(frozen=True)
class Placed:
    """A node where it runs: in which namespace, and with the parameters that its place gives it."""

    node: Node
    namespace: str
    parameters: tuple[tuple[str, Value], ...] = ()

    @property
    def name(self) -> str:
        """Absolute name."""
        return f"/{self.namespace}/{self.node.name}" if self.namespace else f"/{self.node.name}"


def placed(demo: str, namespace: str, simulation: bool = True, record: bool = False) -> tuple[Placed, ...]:
    """All nodes of a demo: those of each robot in its namespace, and what robots share in none.

    Who shares a world is told of the others: `sim.robots`, the namespaces it simulates, and
    `safety.neighbours`, those whose odometry is listened to. Robots that a policy drives keep to the right of
    one another. Where one engine serves all, their policies are reached by its node's address.
    """
    robots, nodes = namespaces(demo, namespace), members(demo, simulation, record)
    if len(robots) == 1:
        return tuple(Placed(node, robots[0]) for node in nodes)
    manners: tuple[tuple[str, Value], ...] = (("right_of_way", True),) if "policy" in DEMOS[demo] else ()
    worlds = [
        Placed(n, "", (("robots", ",".join(robots)), ("publish_people", True))) for n in nodes if n.simulates
    ]
    servers = {node.serves: node for node in nodes if node.serves}

    def told(node: Node, mine: str) -> tuple[tuple[str, Value], ...]:
        if node.name == "safety":
            return ("neighbours", ",".join(f"/{robot}" for robot in robots if robot != mine)), *manners
        if node.name in servers:
            return (("policy", f"ros://{servers[node.name].name}"),)
        return ()

    own = [node for node in nodes if not (node.simulates or node.serves)]
    return (
        *worlds,
        *(Placed(node, "") for node in servers.values()),
        *(Placed(node, mine, told(node, mine)) for mine in robots for node in own),
    )


def arguments(demo: str) -> tuple[Argument, ...]:
    """Those arguments that mean something to a demo."""
    simulates = {NODES[name].simulates for name in DEMOS[demo]}
    unused = set()
    if simulates != {True, False}:
        unused.add("simulation")
    if True in simulates:
        unused.add("use_sim_time")
    if demo not in FLEET:
        unused.add("missions")
    if "recorder" not in DEMOS[demo]:
        unused.add("record")
    if any(NODES[name].serves for name in DEMOS[demo]):
        unused.add("versions")
    if len(DEMOS[demo]) > 1:  # our own nodes give and take TwistStamped
        unused |= {"stamped", "desired_stamped"}
    nodes = [NODES[name] for name in DEMOS[demo]]
    return tuple(
        a
        for a in ARGUMENTS
        if a.name not in unused and (not a.sets or a.name == "robot" or any(a.on(node) for node in nodes))
    )


def follows_clock(node: Node, demo: str, values: dict[str, Value]) -> bool:
    """Whether a node's ROS time is `/clock`."""
    if node.simulates:
        return False
    return bool(values["simulation"] if "sim" in DEMOS[demo] else values["use_sim_time"])


def share() -> Path:
    """Folder that holds `config/` and `launch/`: the source tree, the colcon or the pip installation."""
    source = Path(__file__).resolve().parents[1]
    if (source / "package.xml").is_file():
        return source
    try:
        from ament_index_python.packages import get_package_share_directory

        return Path(get_package_share_directory("vlingnav"))
    except (LookupError, OSError):  # OSError: no AMENT_PREFIX_PATH, as in a plain pip installation
        return Path(sysconfig.get_path("data")) / "share" / "vlingnav"


def robots() -> list[str]:
    """Names of the robots there are parameters for."""
    return sorted(file.stem for file in (share() / "config" / "robots").glob("*.yaml"))


def parameter_files(node: Node, robot: str) -> list[Path]:
    """Parameter files of a node, the later winning: its own, then those of the kind of robot."""
    config = share() / "config"
    return [config / f"{node.name}.yaml", config / "robots" / f"{robot}.yaml"]


def overrides(node: Node, values: dict[str, Value]) -> dict[str, Value]:
    """Parameters that the arguments' values set on a node."""
    return {parameter: values[a.name] for a in ARGUMENTS if a.name in values for parameter in a.on(node)}
