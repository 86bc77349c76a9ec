"""Official images that are to be run as they are, where no image registry is in reach: the platform builds what stands in for them."""

import tempfile
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pilothouse.cli import output
from pilothouse.cli.apps.wish import Wish

if TYPE_CHECKING:
    from pilothouse.client.client import Client


async def built_instead(client: "Client", wish: Wish, stack: AsyncExitStack) -> Wish:
    """The same wish with a source of one line, `FROM IMAGE`, for an official image that cannot be pulled; any other as it is.

    stack: keeps the source's folder until it has been uploaded.
    """
    from pilothouse.platform.builds.stand_ins.reference import Reference

    if not wish.image or not Reference.parse(wish.image).family or not await _stands_in(client):
        return wish
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pilothouse-")))
    (folder / "Dockerfile").write_text(f"FROM {wish.image}\n")
    output.note(f"no image registry is in reach: a stand-in for {wish.image} is made from distribution packages")
    return replace(wish, where=str(folder), image=None)


async def _stands_in(client: "Client") -> bool:
    from pilothouse.cli.daemon.platform import INFO
    from pilothouse.model import kinds
    from pilothouse.platform.builds.pod import SYSTEM

    info = await client.get_or_none(kinds.CONFIGMAPS, INFO, SYSTEM)
    return ((info or {}).get("data") or {}).get("stand-ins") == "yes"
