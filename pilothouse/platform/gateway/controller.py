"""Keeps Envoy's configuration as the routing table says, and tells the node which endpoints have left it.

A change is written file by file (each moved into place whole), endpoints before the clusters and routes that name them.
What Envoy has really taken is asked of Envoy: only then does the endpoint barrier hear that an address is free, and a
draining endpoint counts as in use until its last request is answered.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from pilothouse.aio.backoff import Backoff
from pilothouse.aio.liveness import EVERY_S, until_silent
from pilothouse.aio.periodic import every
from pilothouse.aio.tasks import scope
from pilothouse.barrier.endpoints import EndpointBarrier
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.client.watched import Reference, WatchedObjects
from pilothouse.model import kinds, meta
from pilothouse.model.errors import AlreadyExists, ApiError, Unavailable
from pilothouse.model.ingresses import DEFAULT_CLASS
from pilothouse.model.json import Object
from pilothouse.platform.gateway import envoy
from pilothouse.platform.gateway.admin import Hosts
from pilothouse.platform.gateway.authority import FALLBACK, LocalAuthority
from pilothouse.platform.gateway.certificates import CertificateChecks
from pilothouse.platform.gateway.classes import CONTROLLER, served, tls_secrets
from pilothouse.platform.gateway.envoy import Files, Listening
from pilothouse.platform.gateway.process import EnvoyProcess
from pilothouse.platform.gateway.program import GatewayError
from pilothouse.platform.gateway.routes import Certificate, Endpoint, Problem, Table, World, table
from pilothouse.wire.pki import Now

log = structlog.get_logger("platform.gateway")
SERVICE_LABEL = "kubernetes.io/service-name"
POLL_S = (0.01, 0.25)
"""How often Envoy is asked what it has taken: at first, and when a draining endpoint has requests that go on (a WebSocket for hours)."""
TAKEN_DEADLINE_S = 3.0
FIRST_CHECKS_S = 10.0
"""How long a start waits for certificates to be checked, so that a running Envoy keeps them; routes must not wait for all of anybody's."""
WATCHDOG_S = 2.0
MANY = ("endpoints", "certificates")
"""Folders with a file for each of something."""


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """folder: for the configuration. ingress_class: made as the cluster's default one when `is_default`.

    domain: under which hosts get a certificate of the gateway's own authority that clients believe, beside private names.
    ask_every_s: how often Envoy is asked whether it answers. renewal_s: how often its own certificates are looked at.
    """

    folder: Path
    log: Path
    listening: Listening
    instance: str
    ingress_class: str = "pilothouse"
    is_default: bool = True
    domain: str = "localhost"
    ask_every_s: float = EVERY_S
    renewal_s: float = 6 * 3600.0


class Gateway:
    def __init__(
        self,
        client: Client,
        informers: Informers,
        recorder: Recorder,
        config: GatewayConfig,
        barrier: EndpointBarrier | None = None,
        now: Now = time.time,
    ) -> None:
        """now: seconds of the epoch, by which its own certificates are renewed."""
        self.client = client
        self.recorder = recorder
        self.config = config
        self.files = Files(config.folder)
        self.envoy = EnvoyProcess(self.files, config.log)
        self.authority = LocalAuthority(config.folder / "authority", config.instance, config.domain, now=now)
        self._checks = CertificateChecks(config.folder)
        self._unchecked = asyncio.Event()
        self._consumer = (barrier or EndpointBarrier()).join("gateway")
        self._changed = asyncio.Event()
        self._written: dict[Path, bytes] = {}
        self._told: set[Problem] = set()
        self._is_settled = False
        self._not_taken: dict[str, tuple[Endpoint, ...]] = {}
        self._watched = [
            informers.of(resource, indexes={"service": _service_of} if resource is kinds.ENDPOINTSLICES else None)
            for resource in (kinds.INGRESSES, kinds.INGRESSCLASSES, kinds.SERVICES, kinds.ENDPOINTSLICES)
        ]
        self.ingresses, self.classes, self.services, self.slices = self._watched
        self._secrets = WatchedObjects(client, lambda _: self._changed.set())
        self._ingresses: list[Object] = []
        self._named: frozenset[Reference] = frozenset()
        for informer in self._watched:
            informer.on_change(lambda old, new: self._changed.set())

    async def run(self, ready: asyncio.Event) -> None:
        """Serve until cancelled; then Envoy is stopped. When this fails, Envoy goes on with what it has and is taken over by the next."""
        for informer in self._watched:
            await informer.wait_synced()
        await self._ensure_class()
        self._prepare()
        try:
            await self._look()
            await self._check_first()
            await self._apply()
            await self.envoy.ensure()
            await self._settle(table(self._world()))
            await self._require_listening()
            ready.set()
            async with scope() as tasks:
                tasks.spawn(self._keep_checking(), name="certificate checks")
                tasks.spawn(self._end_silent(), name="envoy liveness")
                tasks.spawn(every(self.config.renewal_s, self._look_again), name="certificate renewal")
                await self._keep_applying()
        except asyncio.CancelledError:
            self._consumer.leave()
            await self.envoy.stop()
            raise
        finally:
            await self._secrets.close()

    async def _require_listening(self) -> None:
        """Raises GatewayError when Envoy, which runs all the same, does not have a port that it is to serve."""
        wanted = {(address, port) for address in self.config.listening.addresses for port in self.config.listening.ports}
        end = time.monotonic() + TAKEN_DEADLINE_S
        while missing := sorted(wanted - await self.envoy.admin.listening()):
            if time.monotonic() > end:
                places = ", ".join(f"{address}:{port}" for address, port in missing)
                raise GatewayError(f"envoy cannot listen on {places}, which another program has perhaps: see {self.config.log}")
            await asyncio.sleep(POLL_S[1])

    async def _keep_applying(self) -> None:
        while True:
            await self._next_change()
            await self._apply()

    async def _keep_checking(self) -> None:
        """Beside the routing, which does not wait for a certificate: it is served once it has been found good."""
        while True:
            await self._unchecked.wait()
            self._unchecked.clear()
            await self._check_certificates()
            self._changed.set()

    async def _look_again(self) -> None:
        """A round without a change in the cluster: it renews what is due."""
        self._changed.set()

    async def _check_first(self) -> None:
        """What is left is checked beside the routing."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_CHECKS_S):
                await self._check_certificates()

    async def _check_certificates(self) -> None:
        pairs = table(self._world()).pairs
        self._checks.forget_others(pairs)
        await self._checks.check(pairs)

    async def _next_change(self) -> None:
        """Until something changed; meanwhile an Envoy that has died is started again, and one that lagged behind asked again."""
        while True:
            if self.envoy.running_pid() is None:
                log.warning("envoy has ended; starting it again")
                await self.envoy.ensure()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WATCHDOG_S):
                    await self._changed.wait()
                    return
            if not self._is_settled:
                await self._settle(table(self._world()))

    async def _end_silent(self) -> None:
        """An Envoy that does not answer any more is ended, and so started again."""
        while True:
            await until_silent(self.envoy.admin.is_ready, every_s=self.config.ask_every_s, answer_s=self.config.ask_every_s)
            if self.envoy.running_pid() is not None:
                log.warning("envoy does not answer; ending it")
                await self.envoy.stop()

    async def _apply(self) -> None:
        self._changed.clear()
        await self._look()
        wanted = table(self._world())
        if any(pair.digest not in self._checks.verdicts for pair in wanted.pairs):
            self._unchecked.set()
        own = await asyncio.to_thread(self._own_certificates, wanted)
        # Before Envoy hears of them: it may send to them before it has been asked what it has taken.
        self._consumer.routes(self._consumer.addresses | coming(wanted))
        changed = self._write(wanted, (*wanted.certificates, *own))
        if (changed or not self._is_settled) and self.envoy.running_pid() is not None:
            await self._settle(wanted)
        await self._tell(wanted)

    async def _look(self) -> None:
        """Take in the Ingresses as they are, and wait for what their Secrets hold: none may be served without it, be it for a moment.

        The Secrets that these name are all that the gateway may read.
        """
        ingresses = served(self.ingresses.items(), self.classes.items())
        named = frozenset(Reference(kinds.SECRETS, meta.namespace(i), name) for i in ingresses for name in tls_secrets(i))
        self._secrets.hold("gateway", named)
        await self._secrets.synced(named)
        self._ingresses, self._named = ingresses, named

    def _world(self) -> World:
        slices: dict[str, list[Object]] = {}
        for piece in self.slices.items():
            for key in _service_of(piece):
                slices.setdefault(key, []).append(piece)
        return World(
            ingresses=self._ingresses,
            classes=self.classes.items(),
            services={meta.key(s): s for s in self.services.items()},
            slices=slices,
            secrets={f"{ref.namespace}/{ref.name}": found for ref in self._named if (found := self._secrets.known(ref)) is not None},
            verdicts=self._checks.verdicts,
        )

    def _own_certificates(self, wanted: Table) -> list[Certificate]:
        """For each host that brings none; and for whoever asks for no host at all."""
        brought = {host for certificate in wanted.certificates for host in certificate.hosts}
        lacking = [host for host in wanted.hosts if host not in brought and host != "*"]
        pairs = self.authority.pairs(dict.fromkeys((*lacking, FALLBACK)))
        own = [Certificate((host,), pairs[host]) for host in lacking]
        return own if "*" in brought else [*own, Certificate(("*",), pairs[FALLBACK])]

    def _prepare(self) -> None:
        for name in MANY:
            (self.files.folder / name).mkdir(parents=True, exist_ok=True)
        self.files.folder.chmod(0o700)
        self._put(self.files.bootstrap, envoy.bootstrap(self.files, self.config.instance))

    def _write(self, wanted: Table, certificates: Sequence[Certificate]) -> bool:
        """Bring the files up to date, in the order that never names what is not there yet; True when one changed."""
        changed = False
        for name, endpoints in wanted.endpoints.items():
            changed |= self._put(self.files.endpoints(name), envoy.resources([envoy.assignment(name, endpoints)]))
        changed |= self._put(self.files.clusters, envoy.resources(envoy.clusters(wanted, self.files)))
        changed |= self._put(self.files.routes, envoy.resources([envoy.route_configuration(wanted)]))
        for certificate in certificates:
            secret = envoy.resources([envoy.secret(certificate, self.files)])
            changed |= self._put(self.files.certificate(certificate.hosts), secret)
        changed |= self._put(self.files.listeners, envoy.resources(envoy.listeners(certificates, self.config.listening, self.files)))
        self._keep({*map(self.files.endpoints, wanted.endpoints), *(self.files.certificate(each.hosts) for each in certificates)})
        return changed

    def _keep(self, paths: set[Path]) -> None:
        """Of the files of which there are many, these alone."""
        present = {path for name in MANY for path in (self.files.folder / name).iterdir()}
        for path in {*self._written, *present}:
            if path.parent.name in MANY and path not in paths:
                path.unlink(missing_ok=True)
                self._written.pop(path, None)

    def _put(self, path: Path, content: Object) -> bool:
        encoded = json.dumps(content).encode()
        if self._written.get(path) == encoded:
            return False
        draft = path.with_name(f".{path.name}.new")
        draft.touch(mode=0o600)
        draft.write_bytes(encoded)
        draft.replace(path)
        self._written[path] = encoded
        return True

    async def _settle(self, wanted: Table) -> None:
        """Until Envoy has taken the table and draining endpoints are idle; a newer change takes over.

        Clusters that it has not taken in time are not waited for again until they change: what is wrong with one delays no other.
        """
        self._is_settled = False
        deadline = time.monotonic() + TAKEN_DEADLINE_S
        polls = Backoff(POLL_S[0], factor=1.2, cap_s=POLL_S[1])
        while True:
            try:
                has = await self.envoy.admin.hosts()
            except Unavailable:
                return
            self._consumer.routes(in_use(wanted, has))
            missing = not_taken(wanted, has)
            is_late = time.monotonic() > deadline
            if is_late and any(self._not_taken.get(name) != endpoints for name, endpoints in missing.items()):
                log.warning("envoy has not taken the configuration", clusters=sorted(missing)[:5], log=str(self.config.log))
            if is_late or not missing:
                self._not_taken = missing
            is_taken = all(self._not_taken.get(name) == endpoints for name, endpoints in missing.items())
            if is_taken and not is_draining(has):
                self._is_settled = not missing
                return
            if is_taken and self._changed.is_set():
                return
            await asyncio.sleep(polls.next_s())

    async def _ensure_class(self) -> None:
        """Looked for first: a server that takes no writes just then is no reason not to serve."""
        if self.classes.get(self.config.ingress_class) is not None:
            return
        annotations = {DEFAULT_CLASS: "true"} if self.config.is_default else {}
        wanted = {"metadata": {"name": self.config.ingress_class, "annotations": annotations}, "spec": {"controller": CONTROLLER}}
        try:
            await self.client.create(kinds.INGRESSCLASSES, wanted)
        except AlreadyExists:
            return

    async def _tell(self, wanted: Table) -> None:
        """Problems as events, once each; and the address under which an Ingress can be reached as its status."""
        for problem in wanted.problems:
            ingress = self.ingresses.get(problem.ingress)
            if problem not in self._told and ingress is not None:
                self.recorder.say(ingress, "Warning", problem.reason, problem.message)
        self._told = set(wanted.problems)
        places = [{"ip": address} for address in self.config.listening.shown]
        for key in wanted.ingresses:
            ingress = self.ingresses.get(key)
            if ingress is not None and ((ingress.get("status") or {}).get("loadBalancer") or {}).get("ingress") != places:
                await self._write_status(ingress, places)

    async def _write_status(self, ingress: Object, places: list[Object]) -> None:
        status = {"status": {"loadBalancer": {"ingress": places}}}
        try:
            await self.client.patch(kinds.INGRESSES, meta.name(ingress), status, namespace=meta.namespace(ingress), subresource="status")
        except ApiError as error:
            log.info("ingress status not written", ingress=meta.key(ingress), error=error.message)


def _service_of(piece: Object) -> list[str]:
    name = meta.labels(piece).get(SERVICE_LABEL)
    return [f"{meta.namespace(piece)}/{name}"] if name else []


def in_use(wanted: Table, has: Hosts) -> frozenset[str]:
    """Addresses that Envoy may still send to: those that get new requests, and draining ones with a request in work."""
    used = {address for hosts in has.values() for (address, _), state in hosts.items() if not state.is_draining or state.active_requests}
    return frozenset(used | coming(wanted))


def coming(wanted: Table) -> frozenset[str]:
    """Addresses that are to get new requests."""
    return frozenset(e.address for endpoints in wanted.endpoints.values() for e in endpoints if e.health == "HEALTHY")


def not_taken(wanted: Table, has: Hosts) -> dict[str, tuple[Endpoint, ...]]:
    """The clusters of the table whose endpoints are not Envoy's."""
    return {name: endpoints for name, endpoints in wanted.endpoints.items() if not _same(endpoints, has.get(name))}


def _same(endpoints: Iterable[Any], hosts: Any) -> bool:
    if hosts is None:
        return False
    return {(e.address, e.port): e.health == "DRAINING" for e in endpoints} == {place: state.is_draining for place, state in hosts.items()}


def is_draining(has: Hosts) -> bool:
    return any(state.is_draining and state.active_requests for hosts in has.values() for state in hosts.values())
