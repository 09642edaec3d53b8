"""A small real dataset: experts in three small houses."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("av")
pytest.importorskip("pyarrow")

from vlingnav_train.collecting.dataset import collect
from vlingnav_train.collecting.houses import CollectionConfig

EPISODES = 4


@pytest.fixture(scope="session")
def config() -> CollectionConfig:
    return CollectionConfig(first_seed=3, max_rooms=1)


@pytest.fixture(scope="session")
def collected(tmp_path_factory: pytest.TempPathFactory, config: CollectionConfig) -> Path:
    """Collected at one go by this very process; to be copied by who changes it."""
    root = tmp_path_factory.mktemp("collected")
    collect(root, EPISODES, config, progress=False)
    return root


@pytest.fixture(scope="session")
def fingerprints() -> Callable[[Path], dict[str, str]]:
    """A digest of every file of a dataset."""

    def of(root: Path) -> dict[str, str]:
        files = sorted(path for path in root.rglob("*") if path.is_file())
        return {str(f.relative_to(root)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}

    return of
