"""Runs in a mount namespace of its own, on a file system of a few megabytes: fills it, frees it, and prints what the store did.

Prints one word a line; the test reads them.
"""

import asyncio
import subprocess
import sys
from pathlib import Path

from pilothouse.engine.store import Change, StorageFull, Store


def value(text: str) -> dict[str, object]:
    return {"metadata": {"name": "n"}, "text": text}


def tell(word: object) -> None:
    sys.stdout.write(f"{word}\n")


async def fill(store: Store) -> StorageFull:
    for round_ in range(1000):
        writes = (store.create(f"/secrets/a/{round_}-{n}", value("x" * 4000)) for n in range(8))
        for result in await asyncio.gather(*writes, return_exceptions=True):
            if isinstance(result, StorageFull):
                return result
    raise AssertionError("the disk took everything")


async def check(store: Store, directory: Path) -> None:
    changes: list[Change] = []
    store.watch("/", store.revision, changes.append)
    tell(await fill(store))
    stored = store.scan("/")
    tell("told-only-what-is-stored" if {change.record for change in changes} == set(stored) else "lost-track")
    tell("nothing-pending" if all(store.latest(record.key) is record for record in stored) else "leftovers")
    highest = store.revision
    (directory / "ballast").unlink()
    record = await store.create("/secrets/a/after", value("y"))
    tell("writes-again" if record.revision > highest else "revision-reused")


async def main(directory: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "pht-store", str(directory)], check=True)
    (directory / "ballast").write_bytes(b"b" * (2 << 20))
    path = directory / "state.db"
    async with Store.open(path) as store:
        await check(store, directory)
        raws = [record.raw for record in store.scan("/")]
    async with Store.open(path) as store:
        tell("survives" if [record.raw for record in store.scan("/")] == raws else "differs")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
