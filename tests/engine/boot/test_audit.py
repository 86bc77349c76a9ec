"""A log that cannot be written is named until it can be again."""

import asyncio
from pathlib import Path

import pytest

from pilothouse.engine.apiserver.audit.files import Bounds
from pilothouse.engine.apiserver.audit.log import AuditLog, Unwritten
from pilothouse.engine.boot.audit import LogHealth
from tests.engine.apiserver.audit.trail import Mark


async def test_a_log_that_cannot_be_written_is_named_until_it_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilothouse.engine.apiserver.audit.log.RETRY_S", 0.01)
    place = tmp_path / "audit"
    place.touch()
    async with AuditLog.open(place, Bounds()) as log:
        with pytest.raises(Unwritten):
            await log.written(Mark())
        with pytest.raises(Unwritten, match=r"the audit log in .* cannot be written: Not a directory"):
            await LogHealth(log).run(asyncio.Event())
        place.unlink()
        async with asyncio.timeout(5):
            while log.trouble:
                await asyncio.sleep(0.01)
        ready = asyncio.Event()
        working = asyncio.ensure_future(LogHealth(log).run(ready))
        await ready.wait()
        working.cancel()


async def test_a_trouble_that_lasts_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilothouse.engine.boot.audit.LOOKED_AT_EVERY_S", 0.001)
    async with AuditLog.open(tmp_path, Bounds()) as log:
        health, ready = LogHealth(log), asyncio.Event()
        log.trouble = "no room"
        with pytest.raises(Unwritten, match="no room"):
            await health.run(ready)
        working = asyncio.ensure_future(health.run(ready))
        await asyncio.sleep(0.01)
        assert not working.done()
        assert not ready.is_set()
        log.trouble = ""
        async with asyncio.timeout(5):
            await ready.wait()
        log.trouble = "no room"
        with pytest.raises(Unwritten, match="no room"):
            await working
