"""The policy node runs the engine it was told to run, or does not come up; and says what it waits for."""

from __future__ import annotations

from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from vlingnav import topics
from vlingnav.lifecycle import wait_until
from vlingnav.policy_node import PolicyNode


@pytest.fixture
def node(ros: SingleThreadedExecutor) -> Any:
    node = PolicyNode()
    ros.add_node(node)
    yield node
    node.trigger_cleanup()
    node.destroy_node()


def test_a_gpu_that_is_not_there_keeps_the_node_down(node: PolicyNode, capfd: Any) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime was built for GPUs")
    node.set_parameters([Parameter("engine", value="cuda")])
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    logged = capfd.readouterr().err
    assert "cannot run policy 'nano': engine 'cuda' needs CUDAExecutionProvider" in logged
    assert "Traceback" not in logged
    node.set_parameters([Parameter("engine", value="cpu")])
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS


def test_loading_is_reported_while_it_goes_on(node: PolicyNode, ros: SingleThreadedExecutor) -> None:
    reports: list[dict[str, str]] = []

    def receive(message: DiagnosticArray) -> None:
        reports.extend({v.key: v.value for v in status.values} for status in message.status)

    diagnostics = topics.DIAGNOSTICS
    node.create_subscription(diagnostics.type, diagnostics.name, receive, diagnostics.qos)
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS

    def progress() -> set[str]:
        return {report.get("progress", "") for report in reports}

    assert wait_until(ros, lambda: progress() >= {"loading read.onnx with engine 'cpu'", "loaded"}, 30.0)
    assert any(report.get("provider") == "CPUExecutionProvider" for report in reports)
