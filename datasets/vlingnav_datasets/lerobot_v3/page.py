"""One HTML page about a dataset, in a single file: figures, a histogram, pictures with their thoughts."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vlingnav_datasets.lerobot_v3.files import DatasetError
from vlingnav_datasets.lerobot_v3.reader import DatasetReader, Episode
from vlingnav_datasets.lerobot_v3.schema import FRONT, GOAL
from vlingnav_datasets.lerobot_v3.summary import statistics
from vlingnav_datasets.lerobot_v3.video import Picture

PAGE = "statistics.html"
_SAMPLES = 18
_TASKS = 15
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #282c34; background: #f8f8f6; margin: 2rem auto;
       max-width: 1080px; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; }
.figures { display: flex; flex-wrap: wrap; gap: .8rem; }
.figure { background: #fff; border: 1px solid #ddd; border-radius: 6px; padding: .6rem 1rem; }
.figure b { display: block; font-size: 1.35rem; }
.figure span, .dim, figcaption small { color: #6a6f7a; }
table { border-collapse: collapse; } td, th { text-align: left; padding: .2rem 1.2rem .2rem 0; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
.bar { background: #195fdc; height: .7rem; border-radius: 2px; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(250px, 1fr)); gap: 1rem; }
figure { margin: 0; background: #fff; border: 1px solid #ddd; border-radius: 6px; overflow: hidden; }
figure .views { display: flex; gap: 2px; } figure img { display: block; min-width: 0; flex: 1; }
figcaption { padding: .5rem .7rem .7rem; } figcaption p { margin: .3rem 0 0; }
.warning { background: #fff3d6; border: 1px solid #e6c878; border-radius: 6px; padding: .5rem 1rem; }
"""


def write_page(root: Path, file: Path | None = None) -> Path:
    """Write the page about the dataset at `root`; returns where.

    Args:
        root: folder of the dataset.
        file: to write, `statistics.html` in the dataset if not given.

    Raises:
        DatasetError: the dataset cannot be opened.
    """
    root = Path(root)
    file = root / PAGE if file is None else file
    figures = statistics(root)
    name = html.escape(root.resolve().name)
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{name}</title><style>{_STYLE}</style>",
        f"<h1>{name}</h1>",
        *_warning(figures["unreadable"]),
        '<div class="figures">',
        *_boxes(figures),
        "</div><h2>Kinds of task</h2>",
        _kinds(figures["kinds"]),
        "<h2>Lengths</h2>",
        _histogram(figures["lengths"]),
        "<h2>Instructions</h2>",
        _tasks(figures["tasks"]),
        '<h2>Samples</h2><div class="grid">',
        *_samples(DatasetReader(root)),
        "</div></html>",
    ]
    file.write_text("\n".join(parts), encoding="utf-8")
    return file


def _warning(unreadable: Mapping[int, str]) -> Iterator[str]:
    if unreadable:
        reasons = "<br>".join(html.escape(reason) for reason in sorted(set(unreadable.values())))
        episodes = "1 episode" if len(unreadable) == 1 else f"{len(unreadable)} episodes"
        what = f"{episodes} cannot be read and left out."
        yield f'<p class="warning"><b>{what}</b><br>{reasons}</p>'


def _boxes(figures: Mapping[str, Any]) -> Iterator[str]:
    values = {
        "episodes": f"{figures['episodes']:,}",
        "steps": f"{figures['steps']:,}",
        "hours": f"{figures['hours']:.2f}",
        "houses": f"{figures['houses']:,}",
        "instructions": f"{len(figures['tasks']):,}",
        "steps with a thought": _percent(figures["thought_share"]),
        "successful episodes": _percent(figures["success_share"]),
    }
    for name, value in values.items():
        yield f'<div class="figure"><b>{value}</b><span>{name}</span></div>'


def _kinds(kinds: Mapping[str, Mapping[str, Any]]) -> str:
    head = "<tr><th>kind<th class=n>episodes<th class=n>steps<th class=n>success"
    rows = [
        f"<tr><td>{html.escape(kind)}<td class=n>{of['episodes']:,}<td class=n>{of['steps']:,}"
        f"<td class=n>{_percent(of['success_share'])}"
        for kind, of in kinds.items()
    ]
    return f"<table>{head}{''.join(rows)}</table>"


def _tasks(tasks: Mapping[str, int]) -> str:
    most = max(tasks.values(), default=1)
    rows = [
        f"<tr><td>{html.escape(task)}<td class=n>{count:,}"
        f'<td style="width:300px"><div class="bar" style="width:{100 * count / most:.1f}%"></div>'
        for task, count in list(tasks.items())[:_TASKS]
    ]
    more = f'<p class="dim">and {len(tasks) - _TASKS:,} more</p>' if len(tasks) > _TASKS else ""
    return f"<table>{''.join(rows)}</table>{more}"


def _histogram(lengths: Mapping[str, Any]) -> str:
    counts, edges = lengths["counts"], lengths["edges"]
    if not counts:
        return '<p class="dim">no episode yet</p>'
    width, height, most = 640, 160, max(counts)
    step = width / len(counts)
    bars = []
    for k, count in enumerate(counts):
        tall = height * count / most
        title = f"{edges[k]} to {edges[k + 1] - 1} steps: {count} episodes"
        bars.append(
            f'<rect x="{k * step + 1:.1f}" y="{height - tall + 16:.1f}" width="{step - 2:.1f}" '
            f'height="{tall:.1f}" fill="#195fdc"><title>{title}</title></rect>'
        )
    labels = (
        f'<text x="0" y="{height + 34}">{edges[0]}</text>'
        f'<text x="{width}" y="{height + 34}" text-anchor="end">{edges[-1] - 1} steps</text>'
        f'<text x="0" y="11">{most} episodes</text>'
    )
    line = f'<path d="M0 {height + 16.5}H{width}" stroke="#999"/>'
    svg = f'<svg viewBox="0 0 {width} {height + 40}" width="{width}" font-size="12" fill="#6a6f7a">'
    said = f"shortest {lengths['min']}, median {lengths['median']:g}, longest {lengths['max']} steps"
    return f'{svg}{"".join(bars)}{line}{labels}</svg><p class="dim">{said}</p>'


def _samples(reader: DatasetReader) -> Iterator[str]:
    """Moments of episodes evenly spread over the dataset, those with a thought first."""
    spread = np.unique(np.linspace(0, max(len(reader) - 1, 0), min(_SAMPLES, len(reader))).astype(int))
    for turn, index in enumerate(spread):
        try:
            reader.check_videos(index)
            episode = reader.episode(index)
            step = _moment(episode, turn)
            views = [episode.picture(FRONT, step)] if FRONT in episode.meta.videos else []
            if GOAL in episode.meta.videos and (goal := episode.picture(GOAL, step)).max() > 32:
                views.append(goal)  # a black one says that the goal is in words
        except DatasetError:
            continue  # the warning above names it
        yield _sample(episode, step, views)


def _moment(episode: Episode, turn: int) -> int:
    """A step with a thought, another one each turn; the middle if there is none."""
    thoughts = [k for k, text in enumerate(episode.texts.get("thought", [])) if text]
    return thoughts[turn % len(thoughts)] if thoughts else len(episode) // 2


def _sample(episode: Episode, step: int, views: Sequence[Picture]) -> str:
    meta = episode.meta
    said = {name: episode.texts[name][step] for name in ("thought", "summary") if name in episode.texts}
    lines = [f"<p><i>{name}</i> {html.escape(text)}</p>" for name, text in said.items() if text]
    where = f"episode {meta.index}, step {step} of {len(episode)}"
    facts = [f"{name} {value}" for name, value in meta.extras.items()]
    images = "".join(f'<img src="{_data_uri(view)}" alt="{where}">' for view in views)
    return (
        f'<figure><div class="views">{images}</div><figcaption><b>{html.escape(meta.task)}</b><br>'
        f"<small>{html.escape(', '.join([where, *facts]))}</small>{''.join(lines)}</figcaption></figure>"
    )


def _data_uri(picture: Picture) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"
