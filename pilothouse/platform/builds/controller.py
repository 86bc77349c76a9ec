"""Carries out Builds: makes their pods, gets the base images they wait for, and writes down how they ended."""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.client.controller import Controller, owner_key
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.model import kinds, meta
from pilothouse.model.errors import AlreadyExists, ApiError, BadRequest, Forbidden, Invalid, NotFound
from pilothouse.model.json import Object
from pilothouse.oci.registry import EMPTY, MANIFEST, Registry, digest_of
from pilothouse.platform.builds import program
from pilothouse.platform.builds.bases import BaseError, Bases
from pilothouse.platform.builds.environment.keys import may_have_credentials, number
from pilothouse.platform.builds.log import keep_log
from pilothouse.platform.builds.outcome import Outcome
from pilothouse.platform.builds.plan import DONE, Again, Create, Discard, Finish, Prepare, Wait, next_step, seconds_left
from pilothouse.platform.builds.pod import CONFIG, CREDENTIALS, ENVIRONMENT, SYSTEM, BuilderConfig, Environment, build_pod, pod_name
from pilothouse.platform.builds.resource import BUILDS
from pilothouse.platform.builds.sweeps import Sweeps

POD_KEPT_S = 30.0
"""How long the pod of a build that has ended stays for those who follow its log."""
LOOK_S = 5.0
"""How often the node of a pod that is being deleted is looked at."""


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """bases: makes the builder's image and, where no public registry is in reach, base images; None on a foreign cluster."""

    config: BuilderConfig
    bases: Bases | None


class BuildController:
    def __init__(self, client: Client, informers: Informers, recorder: Recorder, settings: BuildSettings) -> None:
        self.client = client
        self.recorder = recorder
        self.settings = settings
        self.builds = informers.of(BUILDS)
        self.pods = informers.of(kinds.PODS)
        self.provided = {
            name: informers.of(kinds.SECRETS, namespace=SYSTEM, field_selector=f"metadata.name={name}")
            for name in (ENVIRONMENT, CREDENTIALS)
        }
        self.configured = informers.of(kinds.CONFIGMAPS, namespace=SYSTEM, field_selector=f"metadata.name={CONFIG}")
        self._prepared: set[str] = set()
        self._making: dict[str, asyncio.Task[list[str] | Exception]] = {}
        self.controller = Controller("builds", self.reconcile, workers=4, deadline_s=1800)
        self.controller.watches(self.builds)
        self.controller.watches(self.pods, owner_key(BUILDS))
        self.sweeps = Sweeps(client, informers, self._sweep_config)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await asyncio.to_thread(program.name)  # packed here, not on the event loop when the first build comes
        async with scope() as self._tasks:
            self._tasks.spawn(self.sweeps.run(), name="build sweeps")
            await self.controller.run(ready)

    async def reconcile(self, key: str) -> float | None:
        build = self.builds.get(key)
        if build is None or meta.is_deleting(build):
            self._making.pop(key, None)
            return None
        pod = self.pods.get(f"{meta.namespace(build)}/{pod_name(build)}")
        timeout_s = self._config().timeout_s
        step = next_step(
            build,
            pod,
            prepared=meta.uid(build) in self._prepared,
            now=time.time(),
            timeout_s=timeout_s,
            is_node_away=await self._is_node_away(pod),
        )
        if isinstance(step, Create):
            await self._create(build)
        elif isinstance(step, Again):
            await self._begin_again(build, pod, step)
        elif isinstance(step, Discard) and pod is not None:
            await self._delete_pod(pod, by_force=step.by_force)
        elif isinstance(step, Prepare):
            await self._prepare(build, step.images)
        elif isinstance(step, Finish):
            await self._finish(build, pod, step)
            return POD_KEPT_S
        elif isinstance(step, Wait) and step.running and _phase(build) == "Pending":
            await self._write(build, phase="Running", startedAt=meta.rfc3339(time.time()), pod=pod_name(build))
        if _phase(build) in DONE:
            return await self._tidy(build, pod)
        if pod is not None and meta.is_deleting(pod):
            return LOOK_S
        return max(seconds_left(build, time.time(), timeout_s), 1.0) if isinstance(step, Wait | Prepare) else None

    async def _is_node_away(self, pod: Object | None) -> bool:
        """Whether a pod that is being deleted waits for a node that does not answer. Who may not read Nodes takes them to answer."""
        name = ((pod or {}).get("spec") or {}).get("nodeName", "")
        if pod is None or not name or not meta.is_deleting(pod):
            return False
        try:
            node = await self.client.get_or_none(kinds.NODES, name)
        except Forbidden:
            return False
        return node is None or not meta.is_true(node, "Ready")

    async def _begin_again(self, build: Object, pod: Object | None, step: Again) -> None:
        """Written before the pod goes: what is done twice after a crash says the same number."""
        message = f"{step.why}: the build begins anew"
        self.recorder.say(build, "Warning", "Interrupted", message)
        node = ((pod or {}).get("spec") or {}).get("nodeName", "")
        self.sweeps.due(meta.uid(build), node)
        await self._write(
            build, phase="Pending", reason="Interrupted", message=message, interruptions=step.interruptions, startedAt=None, pod=None
        )

    async def _tidy(self, build: Object, pod: Object | None) -> float | None:
        """The pod of a build that has ended is removed once its log is kept and nobody follows it any more."""
        self._prepared.discard(meta.uid(build))
        self._making.pop(meta.key(build), None)
        ended = (build.get("status") or {}).get("finishedAt")
        if pod is None or meta.is_deleting(pod):
            return None
        left_s = POD_KEPT_S - (time.time() - meta.parse_rfc3339(ended)) if ended else 0.0
        if left_s > 0:
            return max(left_s, 1.0)
        await keep_log(self.client, build, pod_name(build))
        await self._delete_pod(pod)
        if f"{meta.namespace(pod)}/{program.name()}" not in program.mounted(pod):
            await self._collect_programs()
        return None

    def _config(self) -> BuilderConfig:
        """With what `ph config` says; a mirror takes the place of stand-ins."""
        config = self.settings.config
        values = self._settings()
        mirror = values.get("registry.mirror", "")
        return replace(
            config,
            mirror=mirror,
            stand_ins=config.stand_ins and not mirror,
            timeout_s=number(values, "build.timeout", config.timeout_s),
            storage_limit_bytes=number(values, "build.store", config.storage_limit_bytes >> 30) << 30,
        )

    def _sweep_config(self) -> BuilderConfig:
        config, bases = self._config(), self.settings.bases
        return replace(config, image=bases.place(config.image)) if bases is not None else config

    def _settings(self) -> Mapping[str, str]:
        """What `ph config` says."""
        found: Mapping[str, str] = (self.configured.get(f"{SYSTEM}/{CONFIG}") or {}).get("data") or {}
        return found

    async def _create(self, build: Object) -> None:
        config = self._config()
        if self.settings.bases is not None:
            try:
                images = self._made(self.settings.bases, build, (config.image,))
            except BaseError as error:
                await self._fail(build, "BuilderMissing", str(error))
                return
            if images is None:
                return
            config = replace(config, image=images[0])
        if not config.image:
            message = "there is no builder: run the platform with --builder-image and an image that has buildah, git, curl and python3"
            await self._fail(build, "BuilderMissing", message)
            return
        if missing := await self._missing_secret(build):
            await self._fail(build, "SourceFailed", missing)
            return
        environment = await self._environment(meta.namespace(build))
        await self._provide_program(meta.namespace(build))
        try:
            await self.client.create(kinds.PODS, build_pod(build, config, environment))
        except AlreadyExists:
            return
        except (BadRequest, Forbidden, Invalid) as error:
            await self._fail(build, "PodRefused", _refusal(error, meta.namespace(build)))

    async def _missing_secret(self, build: Object) -> str:
        """Why the source's credentials cannot be had, "" when they can or none are named: a pod would wait for them without end."""
        name, namespace = (build["spec"]["source"].get("git") or {}).get("secret"), meta.namespace(build)
        if not name or await self.client.get_or_none(kinds.SECRETS, name, namespace) is not None:
            return ""
        return (
            f"the Secret {name} with the repository's credentials is not in namespace {namespace}: make it with `kubectl -n {namespace} "
            f"create secret generic {name} --type=kubernetes.io/basic-auth --from-literal=username=git --from-file=password=FILE`"
        )

    async def _fail(self, build: Object, reason: str, message: str) -> None:
        pod = self.pods.get(f"{meta.namespace(build)}/{pod_name(build)}")
        await self._finish(build, pod, Finish("Failed", Outcome(reason, message)))

    async def _environment(self, namespace: str) -> Environment:
        """Bring the build environment into the namespace, with credentials where the operator gave it those."""
        may = may_have_credentials(self._settings(), namespace)
        return Environment(
            await self._provided(ENVIRONMENT, namespace), await self._provided(CREDENTIALS, namespace) if may else frozenset()
        )

    async def _provided(self, name: str, namespace: str) -> frozenset[str]:
        """The keys of a Secret of the platform's namespace, which is copied."""
        source = self.provided[name].get(f"{SYSTEM}/{name}")
        if source is None:
            return frozenset()
        data: Mapping[str, str] = source.get("data") or {}
        if namespace != SYSTEM:
            await self._copy_secret(name, namespace, data)
        return frozenset(data)

    async def _provide_program(self, namespace: str) -> None:
        current = await self.client.get_or_none(kinds.CONFIGMAPS, program.name(), namespace)
        if current is not None and program.is_unaltered(current):
            return
        if current is not None:
            with contextlib.suppress(NotFound):
                await self.client.delete(kinds.CONFIGMAPS, program.name(), namespace, uid=meta.uid(current))
        with contextlib.suppress(AlreadyExists):
            await self.client.create(kinds.CONFIGMAPS, program.config_map(namespace))
        await self._collect_programs()

    async def _collect_programs(self) -> None:
        """Remove the programs of other versions that no build needs any more."""
        programs = (await self.client.list_all(kinds.CONFIGMAPS, label_selector=program.LABEL)).items
        for each in program.unneeded(programs, self.pods.items()):
            with contextlib.suppress(NotFound):
                await self.client.delete(kinds.CONFIGMAPS, meta.name(each), meta.namespace(each), uid=meta.uid(each))

    async def _copy_secret(self, name: str, namespace: str, data: Mapping[str, str]) -> None:
        wanted = {"metadata": {"name": name, "namespace": namespace}, "data": dict(data)}
        current = await self.client.get_or_none(kinds.SECRETS, name, namespace)
        if current is None:
            await self.client.create(kinds.SECRETS, wanted)
        elif current.get("data") != data:
            await self.client.update(kinds.SECRETS, wanted)

    async def _prepare(self, build: Object, images: tuple[str, ...]) -> None:
        bases = self.settings.bases
        if bases is not None and self._config().stand_ins:
            try:
                if self._made(bases, build, images) is None:
                    return
            except BaseError as error:
                await self._fail(build, "NoBaseImage", str(error))
                return
            await mark_ready(self.settings.config.registry, meta.uid(build))
        self._prepared.add(meta.uid(build))

    def _made(self, bases: Bases, build: Object, images: tuple[str, ...]) -> list[str] | None:
        """Where the images are; None while they are being made, after which the build is reconciled again.

        It takes minutes, in which the build can be cancelled. Raises BaseError for one that cannot be had.
        """
        key = meta.key(build)
        if key not in self._making:
            self._making[key] = self._tasks.spawn(self._make(bases, build, images), name="base images")
        if not self._making[key].done():
            return None
        made = self._making.pop(key).result()
        if isinstance(made, Exception):
            raise made
        return made

    async def _make(self, bases: Bases, build: Object, images: tuple[str, ...]) -> list[str] | Exception:
        try:
            return [await self._ensure(bases, build, image) for image in images]
        except (BaseError, ApiError, OSError) as error:
            return error
        finally:
            self.controller.queue.add(meta.key(build))

    async def _ensure(self, bases: Bases, build: Object, image: str) -> str:
        """As `Bases.ensure`; says of the build what is being made for it, and when that is there."""
        told: list[str] = []

        def tell(text: str) -> None:
            told.append(text)
            self.recorder.say(build, "Normal", "Preparing", text)

        found = await bases.ensure(image, tell)
        if told:
            self.recorder.say(build, "Normal", "Prepared", f"{image} is there")
        return found

    async def _finish(self, build: Object, pod: Object | None, step: Finish) -> None:
        found = step.outcome
        if step.phase != "Succeeded":
            self.recorder.say(build, "Warning", found.reason, found.message)
        await self._write(
            build,
            phase=step.phase,
            reason=found.reason,
            message=found.message,
            digest=found.digest,
            exposedPorts=list(found.ports),
            image=dict(found.image) or None,
            steps=[asdict(each) for each in found.steps],
            finishedAt=meta.rfc3339(time.time()),
            pod=pod_name(build),
        )
        if pod is not None and not meta.is_deleting(pod) and _must_stop(step, pod):
            await keep_log(self.client, build, pod_name(build))
            await self._delete_pod(pod)

    async def _delete_pod(self, pod: Object, *, by_force: bool = False) -> None:
        try:
            await self.client.delete(kinds.PODS, meta.name(pod), meta.namespace(pod), uid=meta.uid(pod), grace_s=0 if by_force else None)
        except NotFound:
            return

    async def _write(self, build: Object, **status: Any) -> None:
        await self.client.patch(BUILDS, meta.name(build), {"status": status}, namespace=meta.namespace(build), subresource="status")


def _must_stop(step: Finish, pod: Object) -> bool:
    """A build that ended by itself has no container that runs; one that was given up or cancelled may have."""
    return step.phase != "Succeeded" and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def _phase(build: Object) -> str:
    return (build.get("status") or {}).get("phase") or "Pending"


async def mark_ready(address: str, uid: str) -> None:
    """Tell a waiting build pod that its base images are there: an empty manifest under its uid."""
    async with Registry(address) as registry:
        await registry.put_blob("bases/ready", b"{}", digest_of(b"{}"))
        empty = {"mediaType": EMPTY, "digest": digest_of(b"{}"), "size": 2}
        await registry.put_manifest("bases/ready", uid, {"schemaVersion": 2, "mediaType": MANIFEST, "config": empty, "layers": [empty]})


def _refusal(error: ApiError, namespace: str) -> str:
    """What the cluster says against a build's pod, with the way out where the level of the namespace is what forbids it."""
    said = f"the cluster refuses the build's pod: {error.message}"
    if "violates PodSecurity" not in error.message:
        return said
    way = f"kubectl label --overwrite namespace {namespace} pod-security.kubernetes.io/enforce=privileged"
    return f"{said}; builds need the level privileged: `{way}`"
