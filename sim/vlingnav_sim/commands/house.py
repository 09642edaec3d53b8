"""`vlingnav house`."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vlingnav_cli.arguments import make_folder, rooms, seed

if TYPE_CHECKING:
    from vlingnav_sim.simulator import Simulator

RATE_HZ = 10.0
EYE_M, LOOK_DOWN_RAD, VFOV_DEG = 1.4, 0.2, 65.0


def add_house(parser: argparse.ArgumentParser) -> None:
    """Draw a house from above and film a walk through it."""
    parser.add_argument("seed", type=seed, help="seed of the house, e.g. 800003")
    parser.add_argument(
        "--max-rooms", type=rooms, default=4, help="largest number of rooms (default: %(default)s)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("."), metavar="DIR", help="where to put house_SEED (default: here)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Write house_SEED/topdown.png and tour.mp4 and say what is in the house."""
    from vlingnav_sim.film import write_film
    from vlingnav_sim.house import HouseConfig, generate
    from vlingnav_sim.pictures import draw_topdown
    from vlingnav_sim.simulator import Simulator

    house = generate(args.seed, HouseConfig(max_rooms=args.max_rooms))
    folder = args.out / f"house_{args.seed}"
    make_folder(folder)
    for room in house.rooms:
        things = Counter(f"{item.colour} {item.category}" for item in house.items if item.room == room.index)
        names = (name if count == 1 else f"{count} x {name}" for name, count in sorted(things.items()))
        x0, y0, x1, y1 = room.rect
        print(f"{room.kind} ({x1 - x0:.1f} x {y1 - y0:.1f} m): {', '.join(names) or 'empty'}")
    draw_topdown(house).save(folder / "topdown.png")
    print(f"wrote {folder / 'topdown.png'}")
    with Simulator(house) as simulator:
        frames = write_film(folder / "tour.mp4", _views(simulator), RATE_HZ)
    print(f"wrote {folder / 'tour.mp4'} ({frames / RATE_HZ:.0f} s)")
    return {
        "seed": args.seed,
        "rooms": [room.kind for room in house.rooms],
        "items": [f"{item.colour} {item.category}" for item in house.items],
        "people": len(house.people),
        "folder": str(folder),
        "frames": frames,
    }


def _views(simulator: Simulator) -> Iterator[NDArray[np.uint8]]:
    """What one sees on a walk through the house while its people walk too; the robot waits at the start."""
    from vlingnav_sim.parallel import progress
    from vlingnav_sim.tour import tour

    simulator.model.vis.global_.fovy = VFOV_DEG
    poses = list(tour(simulator.house, RATE_HZ))
    for number, pose in enumerate(progress(poses, len(poses), "filming", "frame")):
        if number == 0:
            simulator.reset(pose[None])
        simulator.step(np.zeros((1, 3)), 1.0 / RATE_HZ)
        yield simulator.render_view((pose[0], pose[1], EYE_M), pose[2], LOOK_DOWN_RAD, 640, 480)
