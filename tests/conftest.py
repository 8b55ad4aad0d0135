"""What every test may ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def captures() -> Path:
    """Recorded venue data, kept beside the checkout because it is not ours to publish."""
    path = REPOSITORY.parent / "shared" / "captures"
    if not path.is_dir():
        pytest.skip("no recorded venue data beside the checkout (../shared/captures)")
    return path
