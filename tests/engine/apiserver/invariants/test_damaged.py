"""Bodies that were well formed, and of which some bytes are not what they were: refused or taken, but nothing fails over them."""

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given, settings

from pilothouse.client.transport import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH
from pilothouse.model.json import Object
from tests.engine.apiserver.invariants.conftest import Setting
from tests.engine.apiserver.invariants.drawn import DRAWN, PATHS, SEEDS
from tests.engine.apiserver.invariants.life import ENCODED, failed
from tests.engine.apiserver.invariants.objects import CUSTOM, OBJECTS

KEYED: Object = {"containers": [{"name": "c", "image": "z", "$patch": "delete"}], "$setElementOrder/containers": [{"name": "c"}]}
OPERATIONS: list[Object] = [
    {"op": "add", "path": "/metadata/labels/z", "value": "1"},
    {"op": "copy", "from": "/metadata", "path": "/spec"},
    {"op": "test", "path": "/kind", "value": "x"},
    {"op": "move", "from": "/metadata/labels", "path": "/metadata/annotations"},
]
PATCHES: list[tuple[str, object]] = [
    (MERGE_PATCH, {"metadata": {"labels": {"q": "r"}}, "spec": {"x": [1]}}),
    (STRATEGIC_PATCH, {"metadata": {"finalizers": ["a.b/c"], "$deleteFromPrimitiveList/finalizers": ["a.b/d"]}, "spec": KEYED}),
    (JSON_PATCH, OPERATIONS),
]


def damaged(data: bytes, random: Random) -> bytes:
    found = bytearray(data)
    for _ in range(random.choice([1, 1, 2, 5])):
        at, there = random.randrange(len(found) + 1), random.randrange(len(data))
        match random.choice(["change", "cut", "insert", "repeat"]):
            case "change":
                found[at : at + 1] = bytes([random.randrange(256)])
            case "cut":
                del found[at : at + random.choice([1, 2, 10])]
            case "insert":
                found[at:at] = bytes([random.randrange(256)])
            case "repeat":
                found[at:at] = data[there : there + 20]
    return bytes(found)


def requests(setting: Setting, path: str, name: str) -> Iterator[tuple[str, str, str, bytes]]:
    """Method, target, media type and sound body."""
    body = {**setting.shapes.type_of(path), "metadata": {"name": name, "labels": {"a": "b"}}, **OBJECTS[path]}
    for media, encoded in ENCODED.items():
        if path != CUSTOM or media in ("application/json", "application/yaml"):
            yield "POST", f"{path}?dryRun=All", media, encoded(body)
    for media, patch in PATCHES:
        yield "PATCH", f"{path}/{name}?dryRun=All", media, ENCODED["application/json"](patch)
    yield "PATCH", f"{path}/{name}?dryRun=All&fieldManager=m&force=true", APPLY_PATCH, ENCODED["application/yaml"](body)


async def sent(setting: Setting, path: str, random: Random) -> None:
    life = setting.life(path, random)
    made = await life.ask("POST", path, {**setting.shapes.type_of(path), "metadata": {"name": life.name}, **OBJECTS[path]})
    assert made.code == 201, made
    for method, target, media, data in requests(setting, path, life.name):
        for _ in range(3):
            body = damaged(data, random)
            answer = await setting.raw.ask(method, target, body, media)
            assert not failed(answer), (method, target, media, body, answer)
    await life.ask("DELETE", life.target, {"gracePeriodSeconds": 0, "propagationPolicy": "Background"})


@settings(DRAWN, max_examples=8)
@given(path=PATHS, seed=SEEDS)
async def test_a_damaged_body_is_refused_or_taken(setting: Setting, path: str, seed: int) -> None:
    await sent(setting, path, Random(seed))


@pytest.mark.slow
@pytest.mark.timeout(400)
@settings(DRAWN, max_examples=600)
@given(path=PATHS, seed=SEEDS)
async def test_any_damaged_body_is_refused_or_taken(setting: Setting, path: str, seed: int) -> None:
    await sent(setting, path, Random(seed))
