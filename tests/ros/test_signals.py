"""Ctrl-C while rclpy is at work."""

from __future__ import annotations

import signal

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
