"""`vlingnav eval`: any task, split and policy; the figures of the task with their intervals."""

from __future__ import annotations

import argparse
import json
import threading
import time
from typing import Any

import numpy as np
import pytest
from websockets.sync.server import ServerConnection, serve

from vlingnav_cli import UserError
from vlingnav_cli.main import to_json
from vlingnav_policy import Decision, Observation, PolicyUnavailable
from vlingnav_sim import episode
from vlingnav_sim.commands import evaluate as command
from vlingnav_sim.evaluate import EvaluationConfig, Outcome, evaluate_house, summarise
from vlingnav_sim.measures import FollowMeasures
from vlingnav_sim.tasks import SPLITS
from vlingnav_sim.tasks import TASKS as ALL_TASKS


def ran(*words: str) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    command.add_eval(parser)
    args = parser.parse_args([*words, "--processes", "1"])
    return json.loads(json.dumps(to_json(args.run(args)), allow_nan=False))


@pytest.mark.parametrize(
    ("words", "split", "figures"),
    [
        (["--task", "object", "--split", "synonym"], "synonym", {"spl", "spl_ci95", "distance_to_goal_m"}),
        (["--task", "image"], "plain", {"spl", "soft_spl"}),
        (["--task", "follow"], "alone", {"tracking_rate", "tracking_rate_ci95", "in_view"}),
        (["--task", "route"], "plain", {"spl", "ndtw", "ndtw_ci95", "doors_passed"}),
    ],
)
def test_every_task_has_its_figures(
    words: list[str], split: str, figures: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    result = ran(*words, "--houses", "750000:750002", "--policy", "expert", "--max-rooms", "3")
    always = {"success_rate", "ci95", "collision_rate", "collisions_per_100m", "think_rate", "stopped_rate"}
    assert always | figures <= set(result) and result["split"] == split
    assert result["episodes"] == len(result["outcomes"]) >= 1 and 0.0 <= result["success_rate"] <= 1.0
    assert f"{words[1]} ({split}): success " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--task", "route", "--split", "unseen"], "has no split 'unseen'; choose one of plain"),
        (["--task", "follow", "--policy", "shortest-path"], "take --policy expert"),
        (["--policy", "no/such/model"], "no/such/model"),
        (["--task", "route", "--policy", "expert", "--max-rooms", "1"], "has anything for this task"),
    ],
)
def test_what_cannot_be_evaluated_is_one_sentence(words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        ran(*words, "--houses", "750000:750001")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--max-rooms", "9"], "'9' rooms are not possible; houses have 1 to 8"),
        (["--processes", "0"], "'0' is not a whole number of at least 1"),
        (["--houses", "9:3"], "'9:3' is no range of house seeds"),
    ],
)
def test_numbers_that_make_no_sense_are_refused_at_once(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        ran(*words)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("policy", ["random", "wall-follower", "shortest-path"])
def test_baselines_run_by_name(policy: str) -> None:
    outcome = evaluate_house(750_003, EvaluationConfig(policy, max_rooms=2))
    assert outcome is not None and outcome.decisions > 0 == outcome.thoughts


def test_the_command_offers_the_tasks_that_there_are() -> None:
    assert command.TASKS == ALL_TASKS == tuple(SPLITS)


def outcome(success: bool, collisions: int, tracking_rate: float, thoughts: int) -> Outcome:
    measures = FollowMeasures(success, collisions, 5.0, 20.0, tracking_rate, 2.0, success)
    return Outcome(1, "follow the person in the red jacket", 10.0, False, 50, thoughts, measures)


def test_figures_are_means_and_shares() -> None:
    figures = summarise([outcome(True, 0, 1.0, 3), outcome(False, 3, 0.5, 0)])
    assert figures["success_rate"] == 0.5 and figures["tracking_rate"] == 0.75
    assert figures["collision_rate"] == 0.5 and figures["collisions_per_100m"] == 30.0
    assert figures["think_rate"] == 0.03 and figures["stopped_rate"] == 0.0
    assert figures["tracking_rate_ci95"] == pytest.approx((0.75 - 1.96 * 0.25, 0.75 + 1.96 * 0.25))
    with pytest.raises(ValueError, match="anything for this task"):
        summarise([])


def test_a_policy_elsewhere_is_evaluated_by_its_address(capsys: pytest.CaptureFixture[str]) -> None:
    class Forward:
        """Answers as the server of LightNav-0: twice straight on, then stop."""

        looks = 0

        def __call__(self, connection: ServerConnection) -> None:
            for message in connection:
                request = json.loads(message)
                data: dict[str, Any] = {"rc": 0}
                if request["action"] == "next":
                    self.looks += 1
                    rows = [[0.04 * k, 0.0, 0.0] for k in range(1, 11)]
                    data |= {
                        "seq": request["data"]["seq"],
                        "actions": {"actions": rows},
                        "stop": self.looks == 3,
                    }
                connection.send(json.dumps({"action": request["action"], "data": data}))

    with serve(Forward(), "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"lightnav://127.0.0.1:{server.socket.getsockname()[1]}"
        result = ran("--houses", "750003:750004", "--max-rooms", "2", "--policy", f"{address}?timeout_s=30")
        server.shutdown()
        thread.join()
    assert result["outcomes"][0]["decisions"] == 3 and result["stopped_rate"] == 1.0
    assert result["outcomes"][0]["measures"]["path_length_m"] > 0.1
    with pytest.raises(UserError, match=f"{address} cannot be reached"):
        ran("--houses", "750003:750004", "--max-rooms", "2", "--policy", address)


class Elsewhere:
    """A policy on a bad line: it answers every third time it is asked about a frame."""

    def __init__(self, outage_s: float = 0.0) -> None:
        self.asked, self._until = 0, time.monotonic() + outage_s

    def act(self, observation: Observation) -> Decision:
        self.asked += 1
        if self.asked % 3 or time.monotonic() < self._until:
            raise PolicyUnavailable("no answer within 1 s")
        return Decision(np.zeros((1, 3), np.float32), 0.2, observation.stamp)


def test_a_policy_that_is_elsewhere_is_waited_for_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(episode, "ASK_AGAIN_S", 0.01)
    seen, policy = Observation(np.zeros((1, 1, 3), np.uint8), 2.0), Elsewhere()
    assert episode.decided(policy, seen).stamp == 2.0 and policy.asked == 3
    with pytest.raises(PolicyUnavailable, match="no answer within 1 s"):
        episode.decided(Elsewhere(outage_s=60.0), seen, patience_s=0.05)
