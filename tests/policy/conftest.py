"""What the tests of policies that run elsewhere share."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from vlingnav_policy import Decision, Observation, Policy, PolicyUnavailable

Eventually = Callable[[Policy, Observation], Decision]


@pytest.fixture
def eventually() -> Eventually:
    """What a policy decides as soon as it can, asked over and over as a robot does."""

    def ask(policy: Policy, seen: Observation) -> Decision:
        deadline = time.monotonic() + 20.0
        while True:
            try:
                return policy.act(seen)
            except PolicyUnavailable:
                assert time.monotonic() < deadline
                time.sleep(0.01)

    return ask
