"""Addresses of policies, and the command that gives one an address."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from vlingnav_policy import Goal, ManifestError, Observation, Odometry, load_policy


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("warp://localhost:1", "addresses begin with vlingnav://, lightnav://"),
        ("vlingnav://localhost", "write vlingnav://HOST:PORT with both"),
        ("vlingnav://:80", "with both"),
        ("vlingnav://secret@localhost:x", "no address of a policy"),
        ("vlingnav://secret@localhost:80?speed=3", "says speed; vlingnav:// knows timeout_s"),
        ("vlingnav://localhost:80?timeout_s=0", "timeout_s=0 is no number above zero"),
        ("vlingnav://localhost:80?image=gif", "image=gif is none of png, jpeg"),
        ("lightnav://localhost:80?dt_s=nan", "dt_s=nan is no number"),
        ("openpi://localhost:80?actions=dance", "none of velocity, waypoints"),
        ("openai://localhost:80", "says no model"),
    ],
)
def test_an_address_that_is_none_is_refused_without_its_token(url: str, sentence: str) -> None:
    with pytest.raises(ManifestError) as error:
        load_policy(url)
    assert sentence in str(error.value) and "secret" not in str(error.value)


def test_the_command_serves_until_ctrl_c() -> None:
    code = (
        "import argparse; from vlingnav_policy.remote.commands import add_serve\n"
        "parser = argparse.ArgumentParser(); add_serve(parser)\n"
        "args = parser.parse_args(); args.run(args)"
    )
    environment = {k: v for k, v in os.environ.items() if k != "VLINGNAV_TOKEN"}
    serving = subprocess.Popen(
        [sys.executable, "-c", code, "--port", "0", "--threads", "1"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    try:
        assert serving.stdout is not None
        line = serving.stdout.readline()
        assert line.startswith("serving nano at vlingnav://"), line
        there = load_policy(line.split()[3].rstrip(",") + "?timeout_s=20")
        there.reset(Goal("find the red chair"))
        rgb = np.zeros((96, 128, 3), np.uint8)
        there.act(Observation(rgb, 0.0, odometry=Odometry(np.zeros(3), np.zeros(3))))
        serving.send_signal(signal.SIGINT)
        out, err = serving.communicate(timeout=30.0)
        assert (serving.returncode, out) == (0, "stopped\n"), err
        assert "Traceback" not in err
    finally:
        serving.kill()
        serving.wait()
