"""A WebSocket of aiohttp as the client's `Socket`."""

from typing import TYPE_CHECKING

from pilothouse.client.failures import ConnectionLost

if TYPE_CHECKING:
    import aiohttp


class HttpSocket:
    def __init__(self, upgraded: "aiohttp.ClientWebSocketResponse") -> None:
        self._upgraded = upgraded

    @property
    def subprotocol(self) -> str:
        return self._upgraded.protocol or ""

    async def send(self, data: bytes | str) -> None:
        try:
            await (self._upgraded.send_str(data) if isinstance(data, str) else self._upgraded.send_bytes(data))
        except ConnectionError as error:
            raise ConnectionLost("the session was closed by the other side") from error

    async def receive(self) -> bytes | None:
        import aiohttp

        message = await self._upgraded.receive()
        if message.type is aiohttp.WSMsgType.BINARY:
            return bytes(message.data)
        if message.type is aiohttp.WSMsgType.TEXT:
            return str(message.data).encode()
        if message.type is aiohttp.WSMsgType.ERROR:
            raise ConnectionLost(f"the session broke off: {message.data}")
        return None

    async def close(self) -> None:
        await self._upgraded.close()
