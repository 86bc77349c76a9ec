"""Where every record counts: nothing is done, and nothing answered, that is not on disk."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pilothouse.engine.apiserver.audit.files import CURRENT
from pilothouse.engine.apiserver.audit.log import AuditLog
from pilothouse.engine.store.store import Store
from tests.engine.apiserver.api import CONFIGMAPS, Api, configmap
from tests.engine.apiserver.audit.trail import Trail, recorded

WRITES = "omitStages: [RequestReceived]\nrules: [{level: Metadata, verbs: [create]}]"


@pytest.fixture
async def trail(store: Store, state: Path, tmp_path: Path) -> AsyncIterator[Trail]:
    async with recorded(store, state, tmp_path, WRITES, is_strict=True) as trail:
        yield trail


def spoil(log: AuditLog) -> None:
    """A folder stands where the log's file belongs."""
    (log.folder / CURRENT).rename(log.folder / "moved")
    (log.folder / CURRENT).mkdir()


async def test_an_answer_comes_when_arrival_and_outcome_are_on_disk(api: Api, trail: Trail) -> None:
    await api.post(CONFIGMAPS, configmap("a"))
    logged = (trail.auditor.log.folder / CURRENT).read_text()
    assert [f'"stage":"{stage}"' in logged for stage in ("RequestReceived", "ResponseComplete")] == [True, True]


async def test_what_cannot_be_recorded_is_not_done(api: Api, trail: Trail) -> None:
    spoil(trail.auditor.log)
    failure = await api.refused("POST", CONFIGMAPS, configmap("a"))
    assert (failure.code, "failed to store audit event: the audit log in" in failure.message) == (500, True)
    assert await api.names(CONFIGMAPS) == []


async def test_what_the_policy_leaves_out_is_done_all_the_same(api: Api, trail: Trail) -> None:
    spoil(trail.auditor.log)
    assert await api.names(CONFIGMAPS) == []


async def test_it_goes_on_when_the_log_can_be_written_again(api: Api, trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilothouse.engine.apiserver.audit.log.RETRY_S", 0.01)
    spoil(trail.auditor.log)
    await api.refused("POST", CONFIGMAPS, configmap("a"))
    (trail.auditor.log.folder / CURRENT).rmdir()
    assert [event["responseStatus"]["code"] for event in await _recovered(trail)] == [500]
    await api.post(CONFIGMAPS, configmap("a"))


async def _recovered(trail: Trail) -> list[dict[str, dict[str, int]]]:
    """The outcomes that are in the new file, once there is one."""
    async with asyncio.timeout(5):
        while trail.auditor.log.trouble:
            await asyncio.sleep(0.01)
    return await trail.events()
