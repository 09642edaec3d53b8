"""Versions of a policy: whole or not there, in use by a link, and undone by it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from vlingnav_policy import Goal, ManifestError, load_policy
from vlingnav_policy.load import CHECKPOINTS, directory_of
from vlingnav_policy.versions import Versions


def nano(folder: Path) -> None:
    shutil.copytree(CHECKPOINTS / "nano", folder, ignore=shutil.ignore_patterns("*.pt"))


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    return Versions(tmp_path / "policy")


def test_a_version_is_used_only_when_told_so_and_is_a_policy_like_any_other(versions: Versions) -> None:
    assert versions.names() == [] and versions.current() is None
    assert [versions.add(nano), versions.add(nano)] == ["0001", "0002"]
    assert versions.current() is None
    versions.use("0001")
    policy = load_policy(versions.root / "current")
    policy.reset(Goal("find the red chair"))
    assert directory_of(versions.root / "current") == (versions.root / "0001").resolve()


def test_rolling_back_undoes_a_change_and_once_more_undoes_that(versions: Versions) -> None:
    for name in (versions.add(nano), versions.add(nano)):
        versions.use(name)
    assert versions.roll_back() == versions.current() == "0001"
    assert versions.roll_back() == versions.current() == "0002"
    versions.use("0002")  # what is in use already is not its own predecessor
    assert versions.roll_back() == "0001"


def test_there_is_nothing_to_go_back_to_at_first(versions: Versions) -> None:
    versions.use(versions.add(nano))
    with pytest.raises(ManifestError, match="has no previous version"):
        versions.roll_back()


def test_what_was_not_written_whole_is_no_version(versions: Versions) -> None:
    def half(folder: Path) -> None:
        nano(folder)
        (folder / "read.onnx").write_bytes(b"")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        versions.add(half)
    assert versions.names() == []
    with pytest.raises(ManifestError, match="no model in"):
        versions.add(lambda folder: folder.mkdir())
    assert versions.names() == [] and versions.add(nano) == "0001"


def test_what_was_altered_or_is_not_there_is_refused_and_the_old_one_stays(versions: Versions) -> None:
    for name in (versions.add(nano), versions.add(nano)):
        versions.use(name)
    with (versions.root / "0001" / "write.onnx").open("ab") as file:
        file.write(b"more")
    with pytest.raises(ManifestError, match="write.onnx is not the file of its manifest"):
        versions.roll_back()
    with pytest.raises(ManifestError, match="has no version 0007; it has 0001, 0002"):
        versions.use("0007")
    assert versions.current() == "0002"
