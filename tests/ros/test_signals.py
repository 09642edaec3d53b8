"""Ctrl-C while rclpy is at work."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys

import pytest

from vlingnav.signals import signals_as_interrupt, signals_put_off


def test_an_interrupt_waits_for_the_end_of_the_block() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), signals_as_interrupt():
        with signals_put_off():
            signal.raise_signal(signal.SIGTERM)
            done.append("block")
        done.append("more")
    assert done == ["block"]


def test_without_that_it_does_not() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), signals_as_interrupt():
        signal.raise_signal(signal.SIGINT)
        done.append("block")
    assert not done


def test_a_node_that_is_ending_is_not_killed_by_more_signals() -> None:
    program = """
from vlingnav.arbiter_node import ArbiterNode
from vlingnav.node import run

def made():
    node = ArbiterNode()
    print("up", flush=True)
    return node

run(made)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as node:
        assert node.stdout is not None and node.stdout.readline() == "up\n"
        code = None
        while code is None:  # `ros2 launch` repeats it once, anywhere on the way
            node.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = node.wait(timeout=0.01)
    assert code == 0
