"""`ph mysql` as a process of its own, by a user who may administer one namespace; the operator is played by writing status."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from pilothouse.aio.tasks import scope
from pilothouse.client import crds, kubeconfig_file
from pilothouse.client.client import Client
from pilothouse.client.kubeconfig import Kubeconfig
from pilothouse.model import meta
from pilothouse.model.errors import Conflict, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import NAMESPACES, ROLEBINDINGS
from pilothouse.model.resource import Resource
from pilothouse.platform import rights
from pilothouse.platform.databases.mysql.types import MYSQL, MYSQL_DATABASE, MYSQL_USER
from pilothouse.platform.databases.pattern.types import BACKUP, BACKUP_STORE, BINDING
from pilothouse.platform.databases.resource import BACKUPS, BINDINGS, MYSQL_DATABASES, MYSQL_USERS, MYSQLS
from pilothouse.wire.pki import CertificateAuthority
from pilothouse.wire.server import serve
from pilothouse.wire.tls import server_context
from tests.cli.pseudo_terminal import PH
from tests.engine.controllers.conftest import api_server
from tests.people import ADMIN, client_of

TEAM, ANN, EVE = "team", "ann", "eve"
"""A namespace, who may administer it, and who may view it."""
STARTED, STARTED_AGAIN = "2026-11-30T12:00:00Z", "2026-11-30T12:30:00Z"
BACKED_UP = "2026-11-30T10:00:00Z"


def member(name: str, role: str, spec: Object, **more: Any) -> Object:
    given = {"version": "10.11.18", "startedAt": STARTED, **spec.get("resources", {})}
    return {"name": name, "role": role, "ready": True, "writable": role == "primary", **given, **more}


def condition(type: str, status: str, reason: str, message: str = "") -> Object:
    return {"type": type, "status": status, "reason": reason, "message": message, "lastTransitionTime": STARTED, "observedGeneration": 0}


def online(instance: Object, **more: Any) -> Object:
    """The status of an instance that is as its spec asks for."""
    spec, name = instance["spec"], meta.name(instance)
    said = instance.get("status") or {}
    primary = (spec.get("switchover") or {}).get("to") or said.get("primary") or f"{name}-0"
    names = [f"{name}-{number}" for number in range(spec["replicas"])]
    members = [member(each, "primary" if each == primary else "replica", spec) for each in names]
    if spec.get("restartedAt"):
        members = [each | {"startedAt": STARTED_AGAIN} for each in members]
    if spec.get("suspended"):
        conditions = [condition("Ready", "False", "Suspended", "nothing runs; its volumes stay")]
        return said | _seen(instance) | {"phase": "Suspended", "members": [], "readyReplicas": 0, "conditions": conditions}
    return {
        **_seen(instance),
        "phase": "Online",
        "primary": primary,
        "seeded": f"{name}-0",
        "readyReplicas": spec["replicas"],
        "members": members,
        "conditions": [condition("Ready", "True", "Serving", f"answers at {name}.{TEAM}.svc:3306"), *_rotated(spec)],
        **more,
    }


def _rotated(spec: Object) -> list[Object]:
    return [condition("Rotated", "True", "Rotated")] if spec.get("rotatedAt") else []


def _seen(instance: Object) -> Object:
    spec, name = instance["spec"], meta.name(instance)
    asked = spec.get("switchover") or {}
    move = {"at": asked["at"], "startedAt": STARTED, "finishedAt": STARTED, "readOnlySeconds": 0.31} if asked else None
    return {
        "observedGeneration": meta.generation(instance),
        "tunedGeneration": meta.generation(instance),
        "host": f"{name}.{TEAM}.svc",
        "readHost": f"{name}-read.{TEAM}.svc",
        "port": 3306,
        "binding": {"name": name},
        "version": "10.11.18",
        "restartedAt": spec.get("restartedAt") or "",
        "rotatedAt": spec.get("rotatedAt") or "",
        **({"move": move, "switchedAt": asked["at"]} if move else {}),
    }


def failed(reason: str, message: str) -> Callable[[Object], Object]:
    """An instance that is refused."""
    return lambda instance: {
        "observedGeneration": meta.generation(instance),
        "phase": "Failed",
        "conditions": [condition("Accepted", "False", reason, message), condition("Ready", "False", reason, message)],
    }


def ready(obj: Object, **more: Any) -> Object:
    conditions = [condition("Ready", "True", "Ready")]
    return {"observedGeneration": meta.generation(obj), "conditions": conditions, "rotatedAt": obj["spec"].get("rotatedAt") or "", **more}


def taken(obj: Object) -> Object:
    verified = {"at": STARTED, "seconds": 1.5, "tables": 3, "rows": 70}
    said = {
        "phase": "Succeeded",
        "finishedAt": BACKED_UP,
        "bytes": 3 << 20,
        "seconds": 2.0,
        "verified": verified,
        "verifyAt": obj["spec"].get("verifyAt") or "",
    }
    return said | {"observedGeneration": meta.generation(obj), "conditions": [condition("Verified", "True", "Same")]}


class Played:
    """plays: by kind, the status that the operator writes for a new generation; None for nothing. client: an administrator's."""

    def __init__(self, client: Client, kubeconfigs: Mapping[str, Path]) -> None:
        self.client = client
        self._kubeconfigs = kubeconfigs
        self.plays: dict[Resource, Callable[[Object], Object | None]] = {
            MYSQLS: online,
            MYSQL_USERS: lambda obj: ready(obj, secret=f"{obj['spec']['instance']}-{obj['spec']['name']}"),
            MYSQL_DATABASES: ready,
            BACKUPS: taken,
            BINDINGS: ready,
        }

    async def run(self) -> None:
        while True:
            for resource, play in list(self.plays.items()):
                for each in (await self.client.list_all(resource, TEAM)).items:
                    if (each.get("status") or {}).get("observedGeneration") != meta.generation(each):
                        await self._write(resource, each, play(each))
            await asyncio.sleep(0.03)

    async def _write(self, resource: Resource, obj: Object, status: Object | None) -> None:
        if status is not None:
            with suppress(NotFound, Conflict):
                await self.client.update_status(resource, obj | {"status": status})

    async def ph(self, *words: str, user: str = ANN, input: str = "") -> "subprocess.CompletedProcess[str]":
        argv = [*PH, "--kubeconfig", str(self._kubeconfigs[user]), *words]
        return await asyncio.to_thread(
            subprocess.run, argv, capture_output=True, text=True, check=False, timeout=60, input=input, env=os.environ | {"COLUMNS": "200"}
        )

    async def mysql(self, *words: str, user: str = ANN, input: str = "") -> str:
        """What `ph mysql WORDS -n team` printed; fails when it did."""
        done = await self.ph("mysql", *words, "-n", TEAM, user=user, input=input)
        assert done.returncode == 0, done.stderr
        return done.stdout

    async def told(self, *words: str, user: str = ANN) -> str:
        """What `ph mysql WORDS -n team` told the person at the terminal; fails when it failed."""
        done = await self.ph("mysql", *words, "-n", TEAM, user=user)
        assert done.returncode == 0, done.stderr
        return done.stderr

    async def refused(self, *words: str, user: str = ANN, code: int = 1) -> str:
        """The last line of what `ph mysql WORDS -n team` complained of; fails when it did not."""
        done = await self.ph("mysql", *words, "-n", TEAM, user=user)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr.splitlines()[-1].removeprefix("Error: ")

    async def instance(self, name: str = "orders", **spec: Any) -> Object:
        """One that is as it should be."""
        made = await self.client.create(MYSQLS, {"metadata": {"name": name, "namespace": TEAM}, "spec": spec})
        return await self.settled(made)

    async def settled(self, instance: Object) -> Object:
        async with asyncio.timeout(10):
            while True:
                found = await self.client.get(MYSQLS, meta.name(instance), TEAM)
                if (found.get("status") or {}).get("observedGeneration") == meta.generation(found):
                    return found
                await asyncio.sleep(0.02)

    async def spec(self, name: str = "orders") -> Object:
        found: Object = (await self.client.get(MYSQLS, name, TEAM))["spec"]
        return found


@asynccontextmanager
async def played(folder: Path) -> AsyncIterator[Played]:
    """A cluster with the kinds of databases, the namespace `team`, and its people."""
    known = {"cluster_roles": rights.cluster_roles(), "cluster_role_bindings": rights.cluster_role_bindings()}
    authority = CertificateAuthority.create(folder / "pki")
    own = authority.issue_server(["localhost"], ["127.0.0.1"])
    async with api_server(folder, folder / "keys", **known) as server:
        admin = client_of(server, ADMIN)
        await crds.install(admin, [MYSQL, MYSQL_USER, MYSQL_DATABASE, BACKUP, BACKUP_STORE, BINDING])
        await _people(admin)
        tls = server_context(own.certificate, own.key, authority.certificate)
        async with await serve(server.handle, tls=tls) as listening, scope() as tasks:
            url = f"https://127.0.0.1:{listening.port}"
            made = Played(admin, {name: _kubeconfig(folder / name, url, authority, name) for name in (ANN, EVE)})
            tasks.spawn(made.run())
            yield made
            tasks.cancel()


async def _people(admin: Client) -> None:
    await admin.create(NAMESPACES, {"metadata": {"name": TEAM}})
    for name, role in ((ANN, "admin"), (EVE, "view")):
        subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
        bound = {"metadata": {"name": name, "namespace": TEAM}, "subjects": [subject], "roleRef": reference}
        await admin.create(ROLEBINDINGS, bound)


def _kubeconfig(path: Path, url: str, authority: CertificateAuthority, name: str) -> Path:
    pair = authority.issue_client(name, ())
    config = Kubeconfig(server=url, certificate_authority=authority.certificate, client_certificate=pair.certificate, client_key=pair.key)
    kubeconfig_file.write(path, kubeconfig_file.document(config, "test"))
    return path
