"""The simulated house alone: sensors, `/clock`, and a base that follows `cmd_vel`.

ros2 launch vlingnav sim.launch.py house:=800003 robot:=omni
"""

from launch import LaunchDescription
from vlingnav.launching import describe


def generate_launch_description() -> LaunchDescription:
    """What `ros2 launch` runs; the nodes are those of `vlingnav.graph`."""
    return describe("sim")
