"""Looks into the pods of a scene that do not serve: on which ports they listen, and what the crashed ones printed last."""

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from pilothouse.cli.why.answer_causes import is_shut
from pilothouse.cli.why.inside import Inside, Listener, listeners
from pilothouse.cli.why.scene import Scene, restarts
from pilothouse.client.session import STDOUT, Session
from pilothouse.model import meta
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object

if TYPE_CHECKING:
    from pilothouse.client.client import Client

LINES, MANY_LINES = 40, 400
_MOST_BYTES = 256 * 1024
_DEADLINE_S = 5.0
_MOST_PODS = 2
"""So many pods of a process are looked into: their replicas are alike."""


async def peek(client: "Client", scene: Scene) -> Scene:
    """The scene with what is inside; of a pod that cannot be looked into nothing is known."""
    parts = [scene, *scene.processes]
    seen = await asyncio.gather(*(_inside_of(client, each) for each in parts))
    own, others = seen[0], [replace(each, inside=found) for each, found in zip(scene.processes, seen[1:], strict=True)]
    return replace(scene, inside=own, processes=others)


async def _inside_of(client: "Client", scene: Scene) -> dict[str, Inside]:
    found: dict[str, Inside] = {}
    for pod in sorted(scene.current_pods, key=restarts, reverse=True)[:_MOST_PODS]:
        if _has_crashed(pod):
            found[meta.name(pod)] = Inside(lines=await last_lines(client, pod, LINES))
        elif is_shut(pod):
            found[meta.name(pod)] = Inside(lines=await last_lines(client, pod, MANY_LINES))
        elif any(note.reason == "Unhealthy" and "refused" in note.message for note in scene.notes_of(pod)):
            found[meta.name(pod)] = Inside(await _listeners(client, pod))
    return found


def _container(pod: Object) -> Object:
    found: list[Object] = (pod.get("status") or {}).get("containerStatuses") or [{}]
    return found[0]


def _has_crashed(pod: Object) -> bool:
    status = _container(pod)
    ended = (status.get("state") or {}).get("terminated") or (status.get("lastState") or {}).get("terminated") or {}
    return bool(ended.get("exitCode"))


async def last_lines(client: "Client", pod: Object, number: int) -> list[str]:
    """Of the container's last run that has ended, or else of the one that runs; [] when they cannot be read."""
    previous = bool((_container(pod).get("lastState") or {}).get("terminated"))
    for is_previous in (previous, False):
        try:
            async with (
                asyncio.timeout(_DEADLINE_S),
                client.logs(
                    meta.name(pod),
                    meta.namespace(pod),
                    container=_container(pod).get("name"),
                    tail_lines=number,
                    previous=is_previous,
                ) as pieces,
            ):
                text = b"".join([piece async for piece in pieces]).decode(errors="replace")
        except (ApiError, TimeoutError):
            continue
        if text.strip():
            return text.splitlines()
    return []


async def _listeners(client: "Client", pod: Object) -> list[Listener] | None:
    """By the pod's own `cat`; None for an image without one."""
    command = ["cat", "/proc/net/tcp", "/proc/net/tcp6"]
    text = b""
    try:
        async with (
            asyncio.timeout(_DEADLINE_S),
            client.exec(meta.name(pod), meta.namespace(pod), command, container=_container(pod).get("name"), stderr=False) as socket,
        ):
            session = Session(socket)
            while (piece := await session.receive()) is not None and len(text) < _MOST_BYTES:
                text += piece.data if piece.channel == STDOUT else b""
    except (ApiError, TimeoutError):
        return None
    return listeners(text.decode(errors="replace")) if text else None
