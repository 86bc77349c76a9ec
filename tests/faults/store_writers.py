"""The victim of the kill test: writers that store as fast as they can and print a line for each acknowledged write.

Each object's data is its writer's counter and a filling made from it, so that a half-written one shows.
"""

import asyncio
import os
import sys

from pilothouse.engine.store import Limits, Store
from pilothouse.model.json import Object

WRITERS = 8


def filling(counter: int) -> str:
    return f"{counter}." * (20 + counter % 400)


def value(counter: int) -> Object:
    return {"metadata": {"name": "n"}, "counter": counter, "filling": filling(counter)}


def acknowledge(verb: str, key: str, revision: int, counter: int) -> None:
    os.write(1, f"{verb} {key} {revision} {counter}\n".encode())


async def write(store: Store, key: str) -> None:
    current = store.get(key)
    counter = 0 if current is None else current.value["counter"]
    while True:
        counter += 1
        if current is None:
            current = await store.create(key, value(counter))
            acknowledge("put", key, current.revision, counter)
        elif counter % 7 == 0:
            tombstone = await store.delete(key, expected=current.revision)
            acknowledge("delete", key, tombstone.revision, counter)
            current = None
        else:
            current = await store.update(key, value(counter), expected=current.revision)
            acknowledge("put", key, current.revision, counter)


async def main(path: str) -> None:
    async with Store.open(path, limits=Limits(changes=300)) as store, asyncio.TaskGroup() as group:
        acknowledge("open", "-", store.revision, 0)
        for number in range(WRITERS):
            group.create_task(write(store, f"/pods/default/{number}"))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
