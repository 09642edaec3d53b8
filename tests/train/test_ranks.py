"""Several processes: one gradient."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch

from vlingnav_train import ranks

SCRIPT = """
import sys
from pathlib import Path
import torch
from vlingnav_train import ranks

ranks.start()
network = torch.nn.Linear(2, 1)
torch.nn.init.zeros_(network.weight)
(network(torch.full((1, 2), float(ranks.rank() + 1))).sum()).backward()
ranks.average(network.parameters())
said = f"{ranks.rank()} {ranks.count()} {network.weight.grad.tolist()}"
Path(sys.argv[1], f"{ranks.rank()}.txt").write_text(said)  # lines on one stdout would mix
ranks.wait()
"""


def test_gradients_are_averaged_over_processes(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run([*command, str(script), str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    said = [(tmp_path / f"{rank}.txt").read_text() for rank in range(2)]
    assert said == ["0 2 [[1.5, 1.5]]", "1 2 [[1.5, 1.5]]"]


def test_alone_nothing_happens() -> None:
    weight = torch.nn.Parameter(torch.zeros(2))
    weight.sum().backward()
    ranks.start()
    ranks.average([weight])
    ranks.wait()
    assert (ranks.rank(), ranks.count()) == (0, 1)
    assert weight.grad is not None and weight.grad.tolist() == [1.0, 1.0]
