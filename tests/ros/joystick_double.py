"""A joystick's driver as a process: says 25 times a second what the last line on its standard input said.

A line is the deflection forward, in [-1, 1], and the numbers of the buttons that are pressed.
"""

from __future__ import annotations

import sys
import threading

import rclpy
from sensor_msgs.msg import Joy

from vlingnav import topics


def main() -> None:
    """Until it is killed."""
    rclpy.init(args=[])
    node = rclpy.create_node("joy_node", namespace="robot")
    publisher = node.create_publisher(Joy, topics.JOY.name, 10)
    message = Joy(axes=[0.0] * 6, buttons=[0] * 11)
    node.create_timer(0.04, lambda: publisher.publish(message))
    threading.Thread(target=rclpy.spin, args=(node,), daemon=True).start()
    for line in sys.stdin:
        forward, *pressed = line.split()
        message.axes = [0.0, float(forward), 0.0, 0.0, 0.0, 0.0]
        message.buttons = [int(str(k) in pressed) for k in range(11)]
        publisher.publish(message)


if __name__ == "__main__":
    main()
