"""What the rounds of the controller work with, and the two ways in which they write."""

from collections.abc import Callable
from dataclasses import dataclass

from pilothouse.client.client import Client
from pilothouse.client.recorder import Recorder
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql.cache import Cache
from pilothouse.platform.databases.mysql.events import Events
from pilothouse.platform.databases.mysql.images import Images
from pilothouse.platform.databases.mysql.reaching import Reaching
from pilothouse.platform.databases.mysql.stopwatch import Stopwatch
from pilothouse.platform.databases.resource import MYSQLS


@dataclass(frozen=True, slots=True)
class Parts:
    """program: of the agents, see `databases.bundle`. inside: accounts and databases of an instance, see
    `accounts.controller.AccountController.parts`. policy: who may connect to it. moves: how long the last
    change of an instance's primary has been seen as it is, and each of its members as heard or not."""

    client: Client
    cache: Cache
    recorder: Recorder
    events: Events
    images: Images
    reaching: Reaching
    program: bytes
    inside: Callable[[Object], Object]
    policy: Callable[[Object], Object]
    moves: Stopwatch

    async def write_status(self, instance: Object, new: Object) -> Object:
        """Returns the instance with it. Raises Conflict when somebody else has written since."""
        return await self.client.update_status(MYSQLS, instance | {"status": without_none(new)}, meta.namespace(instance))


def without_none(value: Object) -> Object:
    """Without fields that hold nothing, which a status does not carry."""
    return {key: without_none(each) if isinstance(each, dict) else each for key, each in value.items() if each is not None}
