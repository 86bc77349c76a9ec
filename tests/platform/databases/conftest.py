from collections.abc import Callable, Iterator

import pytest

from tests.platform.databases.lab import Lab

MakeLab = Callable[[int], Lab]


@pytest.fixture
def make_lab() -> Iterator[MakeLab]:
    """Labs of so many members, ended and removed after the test."""
    labs: list[Lab] = []

    def make(count: int) -> Lab:
        labs.append(Lab(count))
        return labs[-1]

    yield make
    for lab in labs:
        lab.close()
