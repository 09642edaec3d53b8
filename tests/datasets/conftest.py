"""A small real dataset: experts in two small houses."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four episodes, collected at one go by this very process; to be copied by who changes them."""
    from vlingnav_train.collecting.dataset import collect
    from vlingnav_train.collecting.houses import CollectionConfig

    root = tmp_path_factory.mktemp("collected")
    collect(root, 4, CollectionConfig(first_seed=3, max_rooms=1), progress=False)
    return root


@pytest.fixture(scope="session")
def fingerprints() -> Callable[[Path], dict[str, str]]:
    """A digest of every file of a dataset."""

    def of(root: Path) -> dict[str, str]:
        files = sorted(path for path in root.rglob("*") if path.is_file())
        return {str(f.relative_to(root)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}

    return of
