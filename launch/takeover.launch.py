"""`navigate` with teleop and an arbiter: a policy drives, and a person may take the robot from it.

    ros2 launch vlingnav takeover.launch.py
    ros2 run joy joy_node --ros-args -r __ns:=/robot              # elsewhere, for a joystick
    ros2 launch vlingnav takeover.launch.py simulation:=false namespace:=''    # on a robot

Then: vlingnav go "find the red chair". `ros2 topic echo /robot/intervention` says who has the robot, and why.
"""

from launch import LaunchDescription
from vlingnav.launching import describe


def generate_launch_description() -> LaunchDescription:
    """What `ros2 launch` runs; the nodes are those of `vlingnav.graph`."""
    return describe("takeover")
