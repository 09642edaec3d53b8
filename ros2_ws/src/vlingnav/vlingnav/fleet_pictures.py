"""A fleet's run to look at: a film from above, and what the filters did over time."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vlingnav.recorder import FILM_RATE_HZ, verdict

if TYPE_CHECKING:
    from vlingnav.fleet_record import Trace
    from vlingnav.recorder import World

Array = NDArray[np.float64]
Colour = tuple[int, int, int]

_COLOURS: tuple[Colour, ...] = ((25, 95, 220), (215, 95, 0), (20, 140, 85), (150, 40, 160), (190, 30, 50))
"""Of robots, in their order."""
_STATUS: dict[str, Colour] = {
    "pass": (20, 140, 85),
    "filtered": (200, 120, 0),
    "brake": (200, 30, 40),
    "override": (160, 40, 190),
}
_PAPER, _INK, _FAINT = (248, 248, 246), (40, 44, 52), (120, 124, 132)
_PLAN = (960, 720)
_PANEL_PX, _BLOCK_PX, _EDGE_PX = 380, 150, 16
_END_S = 2.0
_FAR_M2 = 1.0  # barrier values above this are of no interest


def film(
    world: World,
    traces: Mapping[str, Trace],
    people: list[tuple[float, Array]],
    robots: Mapping[str, dict[str, Any]],
) -> Iterator[NDArray[np.uint8]]:
    """Frames `(H, W, 3)`: the house with robots, people and targets, and beside it what each filter does.

    Args:
        world: where it was.
        traces: of each robot, by name.
        people: stamps [s] and rows `(P, 5)` x, y, vx, vy, radius.
        robots: instruction and outcome of each.
    """
    from PIL import Image, ImageDraw, ImageFont

    from vlingnav_sim.pictures import TopDown
    from vlingnav_sim.tasks import matching_items

    plan = TopDown(world.house, _PLAN)
    colours = _colours(traces)
    for name, trace in traces.items():
        for index in matching_items(world.house, robots[name]["instruction"]):
            plan.target(world.house.items[index], colours[name])
        plan.start(trace.pose[0], colours[name])
    name_font, font = ImageFont.load_default(19), ImageFont.load_default(15)
    begin = min(float(trace.time[0]) for trace in traces.values())
    end = max(float(trace.time[-1]) for trace in traces.values())
    drawn = dict.fromkeys(traces, 0)
    when = np.array([stamp for stamp, _ in people])
    times = [*np.arange(begin, end, 1.0 / FILM_RATE_HZ), *[end] * round(_END_S * FILM_RATE_HZ)]
    height = (max(plan.size[1], _EDGE_PX * 2 + 40 + _BLOCK_PX * len(traces)) + 1) // 2 * 2
    for now in times:
        rows = {name: trace.at(now) for name, trace in traces.items()}
        for name, row in rows.items():
            plan.path(traces[name].pose[drawn[name] : row + 1], colours[name])
            drawn[name] = row
        page = Image.new("RGB", (plan.size[0] + _PANEL_PX, height), _PAPER)
        with plan.passing():
            if len(when) and (k := int(np.searchsorted(when, now, "right")) - 1) >= 0:
                for person in people[k][1].tolist():
                    plan.person(*person)
            for name, row in rows.items():
                plan.robot(traces[name].pose[row].tolist(), world.radius, colours[name])
            page.paste(plan.picture(), (0, (height - plan.size[1]) // 2))
        pen, x = ImageDraw.Draw(page), plan.size[0] + _EDGE_PX
        pen.text((x, _EDGE_PX), f"{now - begin:.1f} s", _INK, name_font)
        for number, (name, row) in enumerate(rows.items()):
            y, trace = _EDGE_PX + 40 + number * _BLOCK_PX, traces[name]
            pen.ellipse((x, y + 2, x + 18, y + 20), colours[name])
            pen.text((x + 28, y), name, _INK, name_font)
            pen.text((x, y + 28), robots[name]["instruction"], _INK, font)
            over = now - begin >= robots[name]["elapsed_s"]
            said = verdict(robots[name]) if over else trace.status[row]
            pen.text((x, y + 50), said, _INK if over else _STATUS[trace.status[row]], font)
            if not over:
                for line, words in enumerate(textwrap.wrap(trace.reason[row], 46)[:2]):
                    pen.text((x, y + 70 + 20 * line), words, _FAINT, font)
            pen.text(
                (x, y + 112), f"h {trace.barrier[row]:.2f} m^2   gain {trace.gain[row]:.1f} /s", _FAINT, font
            )
        yield np.asarray(page)


def draw_plots(traces: Mapping[str, Trace], robots: Mapping[str, dict[str, Any]], file: Path) -> None:
    """Barrier, gain and intervention of each robot over time; a dot where it arrived."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 9), layout="constrained")
    axes = figure.subplots(4, 1, sharex=True)
    labels = (
        "barrier h [m²]",
        "class-K gain [1/s]",
        "intervention\n|v − v desired| [m/s]",
        "intervention\n|ω − ω desired| [rad/s]",
    )
    begin = min(trace.time[0] for trace in traces.values())
    colours = _colours(traces)
    for name, trace in traces.items():
        change = trace.applied - trace.desired
        rows = (
            np.clip(trace.barrier, None, _FAR_M2),
            trace.gain,
            np.hypot(change[:, 0], change[:, 1]),
            np.abs(change[:, 2]),
        )
        time, colour = trace.time - begin, tuple(part / 255.0 for part in colours[name])
        row = trace.at(begin + robots[name]["elapsed_s"])
        for axis, values in zip(axes, rows, strict=True):
            axis.plot(time, values, color=colour, linewidth=1.2, label=name)
            axis.plot(time[row], values[row], "o", color=colour, markersize=6)
    for axis, label in zip(axes, labels, strict=True):
        axis.set_ylabel(label)
        axis.grid(alpha=0.3)
    axes[0].axhline(0.0, color="black", linewidth=1.5, linestyle="--", label="contact")
    axes[0].set_ylim(min(-0.05, axes[0].get_ylim()[0]), 1.05 * _FAR_M2)
    axes[0].set_title("what the safety filters did; a dot is where a robot's goal ended")
    axes[-1].set_xlabel("time [s]")
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names))
    figure.savefig(file, dpi=110)


def _colours(traces: Mapping[str, Trace]) -> dict[str, Colour]:
    return {name: _COLOURS[k % len(_COLOURS)] for k, name in enumerate(traces)}
