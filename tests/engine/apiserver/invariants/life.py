"""One object from its creation to its end, asked at every step whether it is still what the answers said."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import yaml

from pilothouse.client.transport import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH
from pilothouse.engine.apiserver.request.negotiate import JSON, PROTOBUF, YAML
from pilothouse.model import protobuf
from pilothouse.model.json import Object, dumps
from tests.engine.apiserver.invariants.objects import CUSTOM, OBJECTS, STATUSES
from tests.engine.apiserver.invariants.shapes import Shapes
from tests.engine.apiserver.test_content_types import Answer, Raw

ENCODED: dict[str, Callable[[Any], bytes]] = {
    JSON: dumps,
    YAML: lambda value: yaml.safe_dump(value).encode(),
    PROTOBUF: protobuf.encoded,
}
CHOSEN = re.compile(r'[0-9a-f]{8}-[0-9a-f-]{27}|10\.96\.\d+\.\d+|(?<="nodePort": )\d+|(?<="healthCheckNodePort": )\d+')
"""What the server chooses anew for each object: identifiers, addresses and ports of services."""


def failed(answer: Answer) -> bool:
    """Whether the server itself failed. What upstream answers with 500 for want of a better code states no reason."""
    return answer.code >= 500 and b'"reason"' in answer.body


@dataclass
class Life:
    raw: Raw
    shapes: Shapes
    random: Random
    path: str
    name: str

    @property
    def target(self) -> str:
        return f"{self.path}/{self.name}"

    @property
    def is_custom(self) -> bool:
        return self.path == CUSTOM

    async def ask(self, method: str, path: str, value: Any = None, media: str = JSON, **options: str) -> Answer:
        """The answer, which must not be a failure of the server's own."""
        query = "&".join(f"{name}={option}" for name, option in options.items())
        data = b"" if value is None else ENCODED.get(media, dumps)(value)
        answer = await self.raw.ask(method, f"{path}?{query}", data, media)
        assert not failed(answer), (method, path, value, answer)
        return answer

    async def read(self, accept: str = JSON) -> Any:
        answer = await self.raw.ask("GET", self.target, accept=accept)
        assert answer.code == 200, answer
        return answer.value

    async def lived(self) -> None:
        body = {**self.shapes.type_of(self.path), "metadata": {"name": self.name}}
        body |= self.shapes.near(OBJECTS[self.path], self.path, self.random)
        await self.every_encoding_is_the_same(body)
        made = await self.ask("POST", self.path, body)
        if made.code != 201:
            assert made.code in (400, 403, 422), made
            return
        assert await self.read() == made.value
        await self.what_changes_nothing_leaves_the_version()
        await self.an_apply_of_what_is_there_changes_no_field()
        for _ in range(2):
            await self.a_change_is_there_or_it_is_not()
        await self.a_deletion_asks_for_its_conditions()

    async def had_a_status(self) -> None:
        """Whatever is written to it, the spec and its generation stay, and what is answered is what is there."""
        body = {**self.shapes.type_of(self.path), "metadata": {"name": self.name}, **OBJECTS[self.path]}
        made = (await self.ask("POST", self.path, body)).value
        for _ in range(3):
            there = await self.read()
            wanted = self.shapes.near_status(there.get("status") or STATUSES[self.path], self.path, self.random)
            answer = await self.writes_status(there, wanted)
            if answer.code != 200:
                assert await self.read() == there, answer
                continue
            assert await self.read() == answer.value
            assert answer.value["spec"] == made["spec"]
            assert answer.value["metadata"].get("generation") == made["metadata"].get("generation")
            for path in (self.target, f"{self.target}/status"):
                again = await self.ask("PUT", path, answer.value)
                assert (again.code, again.value) == (200, answer.value), (path, wanted, again)
        await self.a_deletion_asks_for_its_conditions()

    async def writes_status(self, there: Object, wanted: Object) -> Answer:
        path, media = f"{self.target}/status", self.random.choice([JSON, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH])
        if media == JSON:
            return await self.ask("PUT", path, {**there, "status": wanted})
        if media == APPLY_PATCH:
            config = {**self.shapes.type_of(self.path), "metadata": {"name": self.name}, "status": wanted}
            return await self.ask("PATCH", path, config, media, fieldManager="m", force="true")
        return await self.ask("PATCH", path, {"status": wanted}, media)

    async def every_encoding_is_the_same(self, body: Object) -> None:
        wanted = await self.ask("POST", self.path, body, dryRun="All")
        for media in self.encodings():
            if media == PROTOBUF and (wanted.code == 400 or _has_null(body) or '"unknown"' in json.dumps(body)):
                continue  # Go has no value for it, so no client can say it.
            answer = await self.ask("POST", self.path, body, media, dryRun="All")
            assert answer.code == wanted.code, (media, body, answer, wanted)
            if answer.code == 201:
                assert _anonymous(answer.value, media) == _anonymous(wanted.value, media), media

    def encodings(self) -> list[str]:
        return [YAML] if self.is_custom else [YAML, PROTOBUF]

    async def what_changes_nothing_leaves_the_version(self) -> None:
        there = await self.read()
        for accept in self.encodings():
            assert _plain(await self.read(accept), accept) == _plain(there, accept), accept
        ways = [("PUT", there, JSON), ("PUT", there, YAML), ("PATCH", {}, MERGE_PATCH), ("PATCH", [], JSON_PATCH)]
        ways += [] if self.is_custom else [("PATCH", {}, STRATEGIC_PATCH)]
        ways += [("PUT", there, PROTOBUF)] if not self.is_custom and _plain(there, PROTOBUF) == there else []
        for method, value, media in ways:
            answer = await self.ask(method, self.target, value, media)
            assert (answer.code, answer.value) == (200, there), (method, media, answer)
        await self.ask("PATCH", self.target, {"metadata": {"labels": {"dry": "run"}}}, MERGE_PATCH, dryRun="All")
        assert await self.read() == there

    async def an_apply_of_what_is_there_changes_no_field(self) -> None:
        there = await self.read()
        config = there | {"metadata": {key: value for key, value in there["metadata"].items() if key in ("name", "labels")}}
        first = await self.ask("PATCH", self.target, config, APPLY_PATCH, fieldManager="m", force="true")
        if first.code == 500:
            return  # Elements without their keys can be stored, and not applied.
        assert first.code == 200, first
        assert _anonymous(first.value, JSON) == _anonymous(there, JSON)
        again = await self.ask("PATCH", self.target, config, APPLY_PATCH, fieldManager="m")
        assert again.value == first.value == await self.read()

    async def a_change_is_there_or_it_is_not(self) -> None:
        there = await self.read()
        spec = {key: value for key, value in there.items() if key not in ("metadata", "status")}
        wanted = self.shapes.near(spec, self.path, self.random)
        media = self.random.choice([JSON, MERGE_PATCH, APPLY_PATCH] + ([] if self.is_custom else [STRATEGIC_PATCH]))
        match media:
            case "application/json":
                answer = await self.ask("PUT", self.target, {**there, **wanted})
            case "application/apply-patch+yaml":
                config = {**wanted, "metadata": {"name": self.name}}
                answer = await self.ask("PATCH", self.target, config, media, fieldManager="m", force="true")
            case _:
                answer = await self.ask("PATCH", self.target, wanted, media)
        if answer.code != 200:
            assert await self.read() == there, answer
            return
        assert await self.read() == answer.value
        repeated = await self.ask("PUT", self.target, answer.value)
        assert (repeated.code, repeated.value) == (200, answer.value), (media, wanted, repeated)

    async def a_deletion_asks_for_its_conditions(self) -> None:
        there = await self.read()
        wrong = await self.ask("DELETE", self.target, {"preconditions": {"resourceVersion": "1"}})
        assert (wrong.code, await self.read()) == (409, there)
        known = {name: there["metadata"][name] for name in ("uid", "resourceVersion")}
        options = {"preconditions": known, "gracePeriodSeconds": 0, "propagationPolicy": "Background"}
        assert (await self.ask("DELETE", self.target, options)).code == 200
        assert (await self.ask("GET", self.target)).code == 404


def _plain(value: Any, media: str) -> Any:
    """Protobuf does not tell what is empty from what is not there."""
    return _bare(value) if media == PROTOBUF else value


def _bare(value: Any) -> Any:
    if isinstance(value, list):
        return [_bare(each) for each in value]
    if not isinstance(value, dict):
        return value
    found = {key: _bare(each) for key, each in value.items()}
    return {key: each for key, each in found.items() if each or each is True}


def _anonymous(value: Object, media: str) -> str:
    """Its labels, and all but its metadata, without what the server chooses."""
    return CHOSEN.sub("0", json.dumps(_plain(value | {"metadata": value["metadata"].get("labels")}, media), sort_keys=True))


def _has_null(value: Any) -> bool:
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return value is None or any(map(_has_null, below))
