"""Spreads units of work over a Ray cluster; the same as `vlingnav_sim.parallel`, on many machines.

Every machine of the cluster needs this package with its extras `sim`, `data` and `ray`. Pictures are drawn
where the work is done, so datasets are equal to the byte only if the machines draw alike (same Mesa or GPU).
"""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import Any

from vlingnav_sim.parallel import AHEAD, Result, Unit, WorkersLost


def over_ray(
    function: Callable[[Unit], Result], units: Iterable[Unit], address: str
) -> Generator[Result, None, None]:
    """Yield `function(unit)` for all `units`, in order.

    Args:
        function: can be imported on all machines.
        units: perhaps without end.
        address: what `ray.init` takes: "auto" for the cluster that this machine is of, "local" for one that
            is this machine alone, "HOST:PORT", or "ray://HOST:PORT".

    Raises:
        WorkersLost: Ray is not installed, there is no such cluster, or too much of it was lost.
    """
    try:
        ray: Any = importlib.import_module("ray")
    except ModuleNotFoundError:
        raise WorkersLost(
            "a Ray cluster needs the extra `ray`; run: pip install -c constraints.txt -e '.[sim,data,ray]'"
        ) from None
    alone = {"env_vars": {"OMP_NUM_THREADS": "1"}}
    try:
        ray.init(address=address, runtime_env=alone, log_to_driver=False, configure_logging=False)
    except ConnectionError as error:
        raise WorkersLost(f"there is no Ray cluster at {address}: {error}") from error
    waiting: deque[Any] = deque()
    try:
        # A lost machine is Ray's to replace: a unit needs nothing but itself and may be done again.
        task = ray.remote(_call).options(num_cpus=1, max_retries=3)
        most = AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
        for unit in units:
            waiting.append(task.remote(function, unit))
            if len(waiting) == most:
                yield ray.get(waiting.popleft())
        while waiting:
            yield ray.get(waiting.popleft())
    except (ray.exceptions.RaySystemError, ray.exceptions.WorkerCrashedError) as error:
        raise WorkersLost(f"the Ray cluster at {address} lost its work ({error}); start again") from error
    finally:
        for reference in waiting:
            ray.cancel(reference, force=True)
        ray.shutdown()


def _call(function: Callable[[Unit], Result], unit: Unit) -> Result:
    """Ray takes plain functions, and `function` may be a partial."""
    return function(unit)
