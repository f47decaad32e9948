"""Two workers of this machine, as processes, for all tests of a run that need some."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from oneclass.cluster import connected


@pytest.fixture(scope="session")
def client() -> Iterator[Any]:
    with connected("local:2") as client:
        yield client
