"""The robot graph for `ros2 launch`: ordinary `launch_ros` nodes out of the table in `graph.py`.

Each node is configured when its process has started and activated when it is inactive, by events; a node
that ends takes the launch with it, as `vlingnav up` does.
"""

from __future__ import annotations

from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
    Shutdown,
)
from launch.conditions import IfCondition
from launch.event import Event
from launch.event_handlers import OnProcessStart
from launch.events import matches_action
from launch.launch_context import LaunchContext
from launch.launch_description import LaunchDescription
from launch.substitutions import EnvironmentVariable, LaunchConfiguration
from launch_ros.actions import LifecycleNode
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from launch_ros.parameter_descriptions import ParameterFile, ParameterValue
from lifecycle_msgs.msg import Transition

from vlingnav import graph

_NAMESPACE = "@"  # stands for a namespace that is known only when the launch runs


def describe(demo: str) -> LaunchDescription:
    """The launch description of one of `graph.DEMOS`; `ros2 launch … --show-args` lists its arguments."""
    description = LaunchDescription(
        [
            SetEnvironmentVariable(
                "ROS_AUTOMATIC_DISCOVERY_RANGE",
                EnvironmentVariable("ROS_AUTOMATIC_DISCOVERY_RANGE", default_value="LOCALHOST"),
            )
        ]
    )
    for argument in graph.arguments(demo):
        choices = graph.robots() if argument.name == "robot" else None
        value = graph.default(argument, demo)
        default = str(value).lower() if isinstance(value, bool) else str(value)
        description.add_action(
            DeclareLaunchArgument(
                argument.name, default_value=default, description=argument.description, choices=choices
            )
        )
    nodes = graph.placed(demo, _NAMESPACE, record=True)
    # The missions begin once every node is active; nobody waits for a recorder, which need not run.
    waited_for = {placed.name for placed in nodes if not placed.node.records}
    for placed in nodes:

        def begin(_context: LaunchContext, name: str = placed.name) -> list:
            waited_for.discard(name)
            return [] if waited_for else [_missions()]

        for action in _lifecycle_node(
            placed, demo, [OpaqueFunction(function=begin)] if demo in graph.FLEET else []
        ):
            description.add_action(action)
    return description


def _missions() -> ExecuteProcess:
    """Sends each robot of the simulated fleet somewhere, and ends the launch with them."""
    return ExecuteProcess(
        cmd=["vlingnav", "go", "--missions"],
        output="screen",
        condition=IfCondition(LaunchConfiguration("missions")),
        on_exit=Shutdown(reason="the missions ended"),
    )


def _named(text: str) -> list:
    """`text` with the launch argument `namespace` wherever `_NAMESPACE` stands."""
    parts: list = [text.split(_NAMESPACE)[0]]
    for part in text.split(_NAMESPACE)[1:]:
        parts += [LaunchConfiguration("namespace"), part]
    return parts


def _lifecycle_node(placed: graph.Placed, demo: str, once_active: list) -> list:
    """The node, the two events that walk it to ACTIVE, and what is done then."""
    node = placed.node
    names = {argument.name for argument in graph.arguments(demo)}
    simulation = LaunchConfiguration("simulation") if "simulation" in names else "true"
    clock = LaunchConfiguration("use_sim_time") if "use_sim_time" in names else simulation
    config = graph.share() / "config"
    parameters = [
        str(config / f"{node.name}.yaml"),
        ParameterFile([str(config / "robots"), "/", LaunchConfiguration("robot"), ".yaml"]),
        {"use_sim_time": False if node.simulates else ParameterValue(clock, value_type=bool)},
    ]
    for argument in graph.arguments(demo):
        for parameter in argument.on(node):
            value = ParameterValue(LaunchConfiguration(argument.name), value_type=type(argument.default))
            parameters.append({parameter: value})
    for name, value in placed.parameters:
        text = ParameterValue(_named(value), value_type=str) if isinstance(value, str) else value
        parameters.append({name: text})
    condition = IfCondition(simulation) if node.simulates else None
    if node.records:
        condition = IfCondition(LaunchConfiguration("record"))

    def end_with_it(_event: Event, context: LaunchContext) -> Shutdown | None:
        # Every node ends in a shutdown, and a second one would be an error.
        return None if context.is_shutdown else Shutdown(reason=f"node {node.name} ended")

    action = LifecycleNode(
        package="vlingnav",
        executable=node.executable,
        name=node.name,
        namespace=_named(placed.namespace),
        parameters=parameters,
        remappings=list(node.remaps),
        output="screen",
        condition=condition,
        on_exit=end_with_it,
    )

    def change(transition: int) -> EmitEvent:
        return EmitEvent(
            event=ChangeState(lifecycle_node_matcher=matches_action(action), transition_id=transition)
        )

    configure = OnProcessStart(target_action=action, on_start=[change(Transition.TRANSITION_CONFIGURE)])
    activate = OnStateTransition(
        target_lifecycle_node=action,
        start_state="configuring",
        goal_state="inactive",
        entities=[change(Transition.TRANSITION_ACTIVATE)],
    )
    handlers = [configure, activate]
    if once_active:
        handlers.append(
            OnStateTransition(target_lifecycle_node=action, goal_state="active", entities=once_active)
        )
    return [*map(RegisterEventHandler, handlers), action]
