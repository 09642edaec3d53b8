from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vlingnav_datasets.lerobot_v3 import Limits, statistics, write_page


def test_statistics_count_what_was_recorded(tmp_path: Path, record) -> None:
    record(tmp_path, [3, 4, 5, 8])
    figures = statistics(tmp_path)
    assert (figures["episodes"], figures["steps"], figures["houses"]) == (4, 20, 4)
    assert figures["thought_share"] == 5 / 20
    assert figures["success_share"] == 3 / 4
    assert figures["kinds"] == {
        "image": {"episodes": 2, "steps": 12, "success_share": 1.0},
        "object": {"episodes": 2, "steps": 8, "success_share": 0.5},
    }
    assert figures["tasks"] == {"find chair 0": 2, "find chair 1": 1, "find chair 2": 1}
    lengths = figures["lengths"]
    assert (lengths["min"], lengths["median"], lengths["max"]) == (3, 4.5, 8)
    assert lengths["counts"] == [1, 1, 1, 0, 0, 1] and lengths["edges"] == [3, 4, 5, 6, 7, 8, 9]


def test_the_page_needs_nothing_else_and_shows_what_was_seen(tmp_path: Path, record, number) -> None:
    record(tmp_path, [3, 4, 5, 8])
    page = write_page(tmp_path).read_text()
    assert not re.search(r"https?://|<link|<script|url\(", page)
    sources = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert sources and len(sources) == page.count("src=")
    shown = {number(np.array(Image.open(io.BytesIO(base64.b64decode(source))))) for source in sources}
    assert {7} < shown <= {7, *range(0, 20, 4)}  # the goal, and moments with a thought
    assert "Step 4: I see a “chair”, 3 m." in page and "find chair 1" in page
    assert "25.0 %" in page and "75.0 %" in page


def test_text_from_a_dataset_stays_text(tmp_path: Path, open_writer, frame) -> None:
    with open_writer(tmp_path) as writer:
        writer.add_frame({**frame(0), "thought": "<script>alert(1)</script>"})
        writer.end_episode("find <b>it</b>", {"house": 0, "kind": "<i>", "success": True})
    page = write_page(tmp_path).read_text()
    assert "<script>" not in page and "&lt;script&gt;alert(1)" in page
    assert "<b>it</b>" not in page and "<td><i>" not in page


@pytest.mark.parametrize("lengths", [[], [1]])
def test_a_dataset_may_be_almost_empty(tmp_path: Path, record, lengths: list[int]) -> None:
    record(tmp_path, lengths)
    assert f"<b>{len(lengths)}</b><span>episodes" in write_page(tmp_path).read_text()


def test_what_cannot_be_read_is_counted_and_said(tmp_path: Path, record) -> None:
    record(tmp_path, [3, 4, 5], Limits(data_mb=1e-3))
    (tmp_path / "data/chunk-000/file-001.parquet").unlink()
    figures = statistics(tmp_path)
    assert (figures["episodes"], figures["steps"], list(figures["unreadable"])) == (2, 8, [1])
    page = write_page(tmp_path, tmp_path / "other.html").read_text()
    assert "1 episode cannot be read" in page and "file-001.parquet is missing" in page
