"""The two controllers of MySQL as one part of the platform: what one has accounts be, the other tells the primary."""

import asyncio

from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.platform.databases.mysql.accounts.controller import AccountController
from pilothouse.platform.databases.mysql.controller import InstanceController
from pilothouse.platform.databases.mysql.images import Ensure


class MySQLPart:
    """ensure_image: see `images`. program: of the agents."""

    def __init__(self, client: Client, informers: Informers, recorder: Recorder, ensure_image: Ensure, program: bytes) -> None:
        self.accounts = AccountController(client, informers, recorder)
        self.instances = InstanceController(client, informers, recorder, ensure_image, program, self.accounts)

    async def run(self, ready: asyncio.Event) -> None:
        async with scope() as tasks:
            await tasks.start(self.accounts.run, name="accounts")
            await tasks.start(self.instances.run, name="instances")
            ready.set()
            await tasks.wait()
