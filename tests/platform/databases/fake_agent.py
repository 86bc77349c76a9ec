"""An agent that does in memory what the real one does with a server: same protocol, same certificates, no server."""

import asyncio
import hashlib
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from pilothouse.model.json import Object

MOST_WAIT_S = 60.0


class FakeAgent:
    """One member. `state` is what it answers; `obey` what an order does to it. tls: the files of the Secret INSTANCE-tls.

    log: takes each order with the member's name. stalls: it takes orders and answers none. received: all that came as an order.
    waits_s: how long each question for its state was ready to wait. rejects: settings that its server does not take, and why.
    """

    def __init__(self, member: str, uid: str, tls: Mapping[str, bytes], folder: Path, log: list[tuple[str, Object]]) -> None:
        self.member = member
        self.term = 0
        self.wanted: Object = {}
        self.orders: list[Object] = []
        self.rejects: dict[str, str] = {}
        self.silent = False
        self.stalls = False
        self.received: list[bytes] = []
        self.waits_s: list[float] = []
        self._log = log
        self.state: Object = {
            "sequence": 1,
            "member": member,
            "uid": uid,
            "term": 0,
            "wanted": "",
            "applied": False,
            "data": "empty",
            "process": "absent",
            "role": "none",
            "writable": False,
            "answers": False,
            "disk": {"size": 1 << 30, "free": 1 << 29},
        }
        self._changed = asyncio.Event()
        self._context = _context(tls, folder)
        self.port = 0

    def change(self, **fields: Any) -> None:
        self.state |= fields | {"sequence": self.state["sequence"] + 1}
        self.answer()

    def answer(self) -> None:
        """Whoever waits, as when the time is over."""
        self._changed.set()
        self._changed = asyncio.Event()

    def die(self) -> None:
        """Its server is killed."""
        self.change(process="ended", answers=False, writable=False, role="none", applied=False, ended={"code": 137})

    def obey(self) -> None:
        """Whatever is wanted is so at once; a primary without an order for its data has none."""
        wanted = self.wanted
        data = "ready" if wanted["seed"] else self.state["data"]
        runs = wanted["role"] != "stopped" and data == "ready"
        is_primary = runs and wanted["role"] == "primary"
        source = (wanted["source"] or {}).get("host", "")
        self.change(
            term=wanted["term"],
            applied=runs or wanted["role"] == "stopped",
            data=data,
            process="running" if runs else "absent",
            answers=runs,
            role=wanted["role"] if runs else "none",
            writable=is_primary and not wanted["drain"],
            gate=wanted["gate"],
            drained=wanted["drain"],
            version=wanted["server"]["version"],
            gtid={"executed": "0-1-5" if data == "ready" else "", "received": ""},
            replication={
                "source": source,
                "io": bool(source) and runs,
                "sql": bool(source) and runs,
                "lag_s": 0.0,
                "intact": runs,
                "stopped_io_at_term": 0 if source else wanted["term"],
                "account": wanted["replication"]["version"] if source and runs else "",
            },
            semi_sync={"on": wanted["semi_sync"], "acknowledges": wanted["acknowledges"], "acknowledging": 1},
            told={"acknowledges": wanted["acknowledges"], "step": wanted["step"]},
            objects=self._objects() if is_primary else {},
            rejected={name: why for name, why in self.rejects.items() if name in wanted["server"]["parameters"]},
            limits={key: wanted["server"][key] for key in ("memory_bytes", "cpu_millis")},
        )

    def _objects(self) -> Object:
        """Accounts and databases are as they are wanted at once."""
        kinds = {"account": "accounts", "database": "databases"}
        made = {f"{kind}/{each['name']}": each for kind, key in kinds.items() for each in self.wanted[key]}
        made |= {f"{each['kind']}/{each['name']}": each for each in self.wanted["dropped"]}
        return {key: {"version": each["version"], "error": ""} for key, each in made.items()}

    async def _state(self, request: web.Request) -> web.Response:
        _only(request, "operator", "job")
        after, wait_s = int(request.query.get("after", -1)), float(request.query.get("wait", 0))
        self.waits_s.append(wait_s)
        while self.silent:
            await asyncio.sleep(0.05)
        if self.state["sequence"] <= after:
            changed = self._changed
            try:
                async with asyncio.timeout(min(wait_s, MOST_WAIT_S)):
                    await changed.wait()
            except TimeoutError:
                pass
        return web.json_response(self.state)

    async def _wanted(self, request: web.Request) -> web.Response:
        _only(request, "operator")
        text = await request.read()
        self.received.append(text)
        while self.stalls:
            await asyncio.sleep(0.05)
        document = json.loads(text)
        if document["term"] < self.term:
            return web.json_response({"term": self.term}, status=409)
        self.term, self.wanted = document["term"], document
        self.orders.append(document)
        self._log.append((self.member, document))
        canonical = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
        self.state["wanted"] = hashlib.sha256(canonical).hexdigest()
        self.obey()
        return web.json_response(self.state)

    @asynccontextmanager
    async def serving(self, address: str = "127.0.0.1", port: int = 0) -> AsyncIterator["FakeAgent"]:
        app = web.Application()
        app.add_routes([web.get("/v1/state", self._state), web.put("/v1/wanted", self._wanted)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, address, port, ssl_context=self._context)
            await site.start()
            self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
            yield self
        finally:
            await runner.cleanup()


def _context(tls: Mapping[str, bytes], folder: Path) -> ssl.SSLContext:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("tls.crt", "tls.key", "ca.crt"):
        (folder / name).write_bytes(tls[name])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    context.load_verify_locations(folder / "ca.crt")
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _only(request: web.Request, *allowed: str) -> None:
    """By the common name of the certificate that the client has shown."""
    assert request.transport is not None
    shown = request.transport.get_extra_info("peercert") or {}
    names = [value for part in shown.get("subject", ()) for key, value in part if key == "commonName"]
    if not set(names) & set(allowed):
        raise web.HTTPForbidden(text=f"for {' and '.join(allowed)} only")
