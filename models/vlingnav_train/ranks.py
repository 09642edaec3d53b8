"""One training in several processes, as `torchrun` starts them: each has its own batches, all one gradient.

Without `torchrun` there is one process, and everything here does nothing. Small networks need no sharding, so
gradients are averaged by hand after each backward pass; nothing has to be wrapped.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterable
from datetime import timedelta

import torch
from torch import distributed, nn


def start() -> None:
    """Join the other processes, if `torchrun` started any."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not distributed.is_initialized():
        # One collects episodes for hours while the others wait.
        distributed.init_process_group("cpu:gloo,cuda:nccl" if _gpu() else "gloo", timeout=timedelta(days=1))
        # One whose threads are still at work when Python ends aborts the process, now and then.
        atexit.register(distributed.destroy_process_group)


def rank() -> int:
    """Number of this process, from 0; it is number 0 that collects, prints and saves."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def count() -> int:
    """How many processes there are."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def device() -> torch.device:
    """Where this process computes: its own GPU, or the CPU where there is none."""
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if _gpu() else torch.device("cpu")


def wait() -> None:
    """Until all processes are here."""
    if distributed.is_initialized():
        distributed.all_reduce(torch.zeros(1))


def average(parameters: Iterable[nn.Parameter]) -> None:
    """Replace gradients by their means over all processes."""
    if not distributed.is_initialized():
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient) / count())


def _gpu() -> bool:
    return torch.cuda.is_available()
