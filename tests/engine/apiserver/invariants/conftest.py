"""A server that also serves the custom kind of these tests, and a connection to it."""

import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from tests.engine.apiserver.api import Api
from tests.engine.apiserver.invariants.life import Life
from tests.engine.apiserver.invariants.objects import DEFINITION
from tests.engine.apiserver.invariants.shapes import Shapes
from tests.engine.apiserver.test_content_types import Raw
from tests.engine.apiserver.test_crds import CRDS
from tests.engine.apiserver.test_http import connected

_numbers = itertools.count(1)


class Setting:
    def __init__(self, raw: Raw, shapes: Shapes) -> None:
        self.raw = raw
        self.shapes = shapes

    def life(self, path: str, random: Random) -> Life:
        """Of an object with a name of its own."""
        return Life(self.raw, self.shapes, random, path, f"o{next(_numbers)}")


@pytest.fixture
async def setting(kubeconfig: Path, tmp_path: Path, api: Api) -> AsyncIterator[Setting]:
    await api.post(CRDS, DEFINITION)
    async with connected(kubeconfig, tmp_path) as streams:
        yield Setting(Raw(*streams), Shapes(await api.get("/openapi/v2")))
