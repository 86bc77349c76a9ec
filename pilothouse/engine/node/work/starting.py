"""Bringing a pod up: sandbox, volumes, images, containers, hooks. What fails is noted with the time of the next attempt."""

import asyncio
from dataclasses import replace
from functools import partial

import structlog

from pilothouse.engine.node.check.failure import CheckFailed
from pilothouse.engine.node.check.probes import Probing
from pilothouse.engine.node.check.run import hook
from pilothouse.engine.node.images.credentials import credentials
from pilothouse.engine.node.images.reference import is_reference, not_pulled, pull_policy
from pilothouse.engine.node.local_volumes import limiting
from pilothouse.engine.node.pod import allocation, environment, podspec
from pilothouse.engine.node.pod.environment import ConfigMissing, Facts
from pilothouse.engine.node.pod.restarts import restarts
from pilothouse.engine.node.pod.state import Tracked, Waiting
from pilothouse.engine.node.pod.steps import MountVolumes
from pilothouse.engine.node.request import container, sandbox
from pilothouse.engine.node.runtime.seam import CREATED, RUNNING, WANTED_IMAGE, Container, Image, RuntimeFailure
from pilothouse.engine.node.streams.log_links import log_link, make_links
from pilothouse.engine.node.volumes import mounts
from pilothouse.engine.node.volumes.devices import container_devices
from pilothouse.engine.node.volumes.env_files import named_files, read_files
from pilothouse.engine.node.volumes.volumes import Prepared, VolumeFailure
from pilothouse.engine.node.work.context import Handle
from pilothouse.engine.node.work.image_volumes import ImageVolumes
from pilothouse.engine.node.work.sandboxing import SandboxMaker
from pilothouse.engine.node.work.unanswered import container_made
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object

log = structlog.get_logger("node.starting")

RETRY_FIRST_S, RETRY_MOST_S = 1.0, 60.0
REFRESH_LEAST_S = 10.0
PULL_FIRST_S, PULL_MOST_S = 10.0, 300.0
HOOK_LIMIT_S = 3600.0
SEEN_S = 5.0
"""How long an image that was seen counts as being here: longer than a sandbox takes to make, and much shorter than images stay unused."""
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


class Starter:
    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._context = handle.context
        self._state = handle.state
        self.prepared: Prepared | None = None
        self._files = asyncio.Lock()
        self._seen_images: dict[str, tuple[Image, float]] = {}
        self._sandboxes = SandboxMaker(handle)
        self._image_volumes = ImageVolumes(handle, self._pull_secrets)

    async def make_sandbox(self, attempt: int) -> None:
        """Sandbox, volumes and a look for the images at once: none needs the others. Raises RuntimeFailure; a failure of the volumes is
        noted, one of the look is met again by the start.
        """
        wanted = await self._sandboxes.prepare(attempt)
        if wanted is None:
            return
        works = self._sandboxes.run(wanted), self.mount_volumes(), self._look_for_images()
        made, mounted, _ = await asyncio.gather(*works, return_exceptions=True)
        if isinstance(mounted, VolumeFailure):
            self._state.step_failed(MountVolumes(), self._context.now())
        elif isinstance(mounted, BaseException):
            raise mounted
        if isinstance(made, BaseException):
            raise made

    async def _look_for_images(self) -> None:
        """So that the first start of each container need not wait for it. Raises RuntimeFailure."""
        names = {each["image"] for each in podspec.all_containers(self._handle.object) if is_reference(each["image"])}
        for name in sorted(names):
            found = await self._context.images.present(name)
            if found is not None:
                self._seen_images[name] = found, self._context.now()

    async def _present(self, name: str) -> Image | None:
        """The image, if it is here: as it was seen a moment ago, or is now. What has been seen serves one start."""
        found, seen_at = self._seen_images.pop(name, (None, 0.0))
        if found is not None and self._context.now() - seen_at < SEEN_S:
            return found
        return await self._context.images.present(name)

    async def mount_volumes(self) -> None:
        """Makes the volumes, or brings them up to date. Raises VolumeFailure."""
        state = self._state
        # What is asked for while they are looked at is asked for again.
        state.refresh_wanted = False
        images = await self._image_volumes.prepare()
        self.prepared = prepared = await self._context.volumes.prepare(self._handle.object, state.ips)
        prepared.paths |= images.paths
        prepared.failures += images.failures
        waits = [*prepared.pending, *images.missing]
        prepared.is_complete = prepared.is_complete and not images.failures and not waits
        state.volumes_ready = state.volumes_ready or prepared.is_complete
        state.refresh_at = max(prepared.refresh_at, self._context.now() + REFRESH_LEAST_S) if prepared.refresh_at else 0.0
        for note in prepared.notes:
            self._handle.say(*note)
        for failure in prepared.failures:
            self._handle.say("Warning", "FailedMount", failure)
        if prepared.failures:
            state.refresh_wanted = state.volumes_ready
            raise VolumeFailure("; ".join(prepared.failures))
        if waits:
            raise VolumeFailure("; ".join(waits))

    async def start(self, spec: Object, attempt: int) -> None:
        """One container, from image to running process; a pull that is needed goes on in the background."""
        tracked = self._state.of(spec)
        image = await self._image(spec, tracked)
        if image is None:
            return
        try:
            refusal = container.runs_as_root(self._handle.object, spec, image.uid, image.username)
            if refusal:
                raise ConfigMissing(refusal)
            await self._create_and_start(spec, tracked, attempt, image)
        except ConfigMissing as error:
            self._fails(tracked, "CreateContainerConfigError", str(error), f"Error: {error}")
        except (RuntimeFailure, OSError, ValueError) as error:
            why = error.why if isinstance(error, RuntimeFailure) else str(error)
            stage = "RunContainerError" if tracked.latest is not None and tracked.latest.state == CREATED else "CreateContainerError"
            self._fails(tracked, stage, why, f"Error: {why}")
            await self._learn(spec, tracked, attempt)

    async def _learn(self, spec: Object, tracked: Tracked, attempt: int) -> None:
        """What the runtime makes of a container whose creation or start failed."""
        try:
            if tracked.latest is None or tracked.latest.state != CREATED:
                if made := await container_made(self._context.runtime, self._handle.uid, tracked.name, attempt):
                    tracked.previous, tracked.latest = tracked.latest or tracked.previous, made
                return
            found = await self._context.runtime.container(tracked.latest.id)
        except RuntimeFailure:
            return
        # The sandbox is told by lists alone.
        found = replace(found, sandbox_id=tracked.latest.sandbox_id)
        tracked.latest, tracked.ended_at = found, self._context.clock.of(found.finished_at or found.created_at)
        if tracked.alive:
            tracked.waiting = None
            self.runs(spec, tracked)
        elif not restarts(self._handle.object, spec, tracked):
            tracked.waiting = None

    def _fails(self, tracked: Tracked, reason: str, message: str, said: str) -> None:
        retry_s = min(RETRY_MOST_S, RETRY_FIRST_S * 2 ** min(tracked.failures, 16))
        tracked.fails(Waiting(reason, message), self._context.now(), retry_s)
        self._handle.say("Warning", "Failed", said, tracked.name)

    async def _image(self, spec: Object, tracked: Tracked) -> Image | None:
        """The container's image when it is here and may be used as it is; else None, and its pull is under way or refused."""
        name = spec["image"]
        if not is_reference(name):
            why = f'Failed to apply default image tag "{name}": couldn\'t parse image name "{name}": invalid reference format'
            self._pull_fails(tracked, "InvalidImageName", why, why)
            return None
        policy = pull_policy(spec)
        present = await self._present(name)
        if present is not None and tracked.pulled:
            return present
        if present is not None and policy != "Always" and await self._context.images.may_use(name, present, self._pull_secrets):
            said = f'Container image "{name}" already present on machine and can be accessed by the pod'
            self._handle.say("Normal", "Pulled", said, tracked.name)
            return present
        if policy == "Never":
            why = not_pulled(f'Container image "{name}"', is_here=present is not None)
            self._pull_fails(tracked, "ErrImageNeverPull", why, f"Error: ErrImageNeverPull: {why}")
            return None
        tracked.busy = True
        self._handle.spawn(self._pull(spec, tracked), f"pulling the image of container {tracked.name}")
        return None

    def _pull_fails(self, tracked: Tracked, reason: str, message: str, said: str) -> None:
        delay_s = min(PULL_MOST_S, PULL_FIRST_S * 2 ** min(tracked.failures, 16))
        tracked.fails(Waiting(reason, message), self._context.now(), delay_s)
        self._handle.say("Warning", "Failed", said, tracked.name)

    async def _pull(self, spec: Object, tracked: Tracked) -> None:
        name = spec["image"]
        if tracked.failures:
            self._handle.say("Normal", "BackOff", f'Back-off pulling image "{name}"', tracked.name)
        self._handle.say("Normal", "Pulling", f'Pulling image "{name}"', tracked.name)
        try:
            pulled = await self._context.images.pull(name, credentials(name, await self._pull_secrets()))
        except (RuntimeFailure, ApiError) as error:
            why = error.why if isinstance(error, RuntimeFailure) else error.message
            self._pull_fails(tracked, "ErrImagePull", why, f'Failed to pull image "{name}": {why}')
        else:
            took = f"{pulled.took_s * 1000:.0f}ms" if pulled.took_s < 1 else f"{pulled.took_s:.3f}s"
            said = f'Successfully pulled image "{name}" in {took} ({took} including waiting). Image size: {pulled.image.size_bytes} bytes.'
            self._handle.say("Normal", "Pulled", said, tracked.name)
            tracked.waiting, tracked.failures, tracked.retry_at = None, 0, 0.0
            # It may be another image that is wanted by now.
            wanted = podspec.container_named(self._handle.object, tracked.name)
            tracked.pulled = wanted is not None and wanted["image"] == name
        finally:
            tracked.busy = False
            self._handle.changed()

    async def _pull_secrets(self) -> list[Object]:
        pod = self._handle.object
        names = [each["name"] for each in podspec.spec(pod).get("imagePullSecrets") or () if each.get("name")]
        found = {name: await self._context.sources.secret(pod["metadata"]["namespace"], name) for name in names}
        if missing := [name for name, secret in found.items() if secret is None]:
            why = f"Unable to retrieve some image pull secrets ({', '.join(missing)}); attempting to pull the image may not succeed."
            self._handle.say("Warning", "FailedToRetrieveImagePullSecret", why)
        return [secret for secret in found.values() if secret is not None]

    async def _create_and_start(self, spec: Object, tracked: Tracked, attempt: int, image: Image) -> None:
        runtime, pod, box = self._context.runtime, self._handle.object, self._state.sandbox
        assert box is not None
        await self._sandboxes.look_up_users()
        users = await runtime.users(box.id) if self._sandboxes.users is not None else None
        await self._fill_volumes(spec, image)
        prepared = await self._prepare(spec, "" if users is None else users.path)
        config = container.container_config(
            pod, spec, attempt=attempt, prepared=prepared, image=image, profiles=self._context.config.seccomp_dir,
            node_memory_bytes=self._context.memory_bytes, target=self._target(spec),
        )  # fmt: skip
        config.linux.resources.unified.update(self._context.cgroup_files)
        config.annotations[WANTED_IMAGE] = spec["image"]
        config.annotations[allocation.RESOURCES] = allocation.said(spec)
        self._sandboxes.shift(config.linux.security_context.namespace_options)
        # Exits are recognised by id, so the id has to be known before the process can end.
        id = await runtime.create_container(box.id, config, self._sandboxes.config(box.attempt))
        now, annotations = self._context.clock.stamp(), dict(config.annotations)
        made = Container(
            id, box.id, self._handle.uid, spec["name"], attempt, CREATED, now, spec["image"], image_ref(image), annotations=annotations
        )
        tracked.begins(made)
        self._handle.say("Normal", "Created", "Container created", tracked.name)
        await self._limit_io(id)
        await runtime.start_container(id)
        self._handle.say("Normal", "Started", "Container started", tracked.name)
        if tracked.latest is made:
            tracked.latest = running(made, self._context.clock.stamp())
            self.runs(spec, tracked)
        await self._link_log(spec["name"], id, attempt)

    async def _limit_io(self, id: str) -> None:
        """By the limits of the pod's volumes. Where they cannot be set the container runs without."""
        try:
            await asyncio.to_thread(limiting.begin, self._context.config, self._handle.uid, id)
        except OSError as error:
            self._handle.say("Warning", "VolumeNotLimited", error.strerror or str(error))

    async def _link_log(self, name: str, id: str, attempt: int) -> None:
        """For pods that gather logs. What cannot be made now is made by the housekeeping."""
        link = log_link(self._handle.object, name, id, attempt)
        try:
            await asyncio.to_thread(make_links, self._context.config, [link])
        except OSError as error:
            log.warning("log not linked", link=link.name, why=error.strerror)

    async def _fill_volumes(self, spec: Object, image: Image) -> None:
        """Before a container sees them. Raises ConfigMissing, RuntimeFailure, OSError."""
        if self.prepared is not None:
            await self._context.volumes.filler.fill(self._handle.object, spec, image, self.prepared.paths)

    def _target(self, spec: Object) -> str:
        """Id of the container whose processes it is to share; raises ConfigMissing when that has ended meanwhile."""
        name = podspec.target(self._handle.object, spec)
        if not name:
            return ""
        found = self._state.of({"name": name})
        if not found.alive or found.latest is None:
            raise ConfigMissing(f"target container {name} does not run")
        return found.latest.id

    async def _prepare(self, spec: Object, users: str) -> container.Prepared:
        pod, config, state = self._handle.object, self._context.config, self._state
        ips = config.addresses if podspec.host_network(pod) else state.ips
        paths = self.prepared.paths if self.prepared is not None else {}
        named = named_files(spec)
        files = await asyncio.to_thread(read_files, named, paths) if named else {}
        variables = environment.environment(pod, spec, replace(await self._facts(ips), files=files))
        hosts = sandbox.hosts_file(pod, ips, config, sandbox.host_hosts() if podspec.host_network(pod) else "")
        folder = config.pod_dir(self._handle.uid)
        # Containers start together, and share some of these files.
        async with self._files:
            made = await self._context.volumes.looked_into(
                pod, partial(mounts.container_mounts, pod, spec, paths, variables, folder, hosts, users, config.log_folders)
            )
        devices = await asyncio.to_thread(container_devices, pod, spec, paths) if spec.get("volumeDevices") else ()
        return container.Prepared(variables, made.mounts, made.message_file, devices)

    async def _facts(self, ips: tuple[str, ...]) -> Facts:
        pod, sources = self._handle.object, self._context.sources
        namespace = pod["metadata"]["namespace"]
        configmaps, secrets = environment.references(pod)
        return Facts(
            host_ips=self._context.config.addresses,
            pod_ips=ips,
            allocatable=self._context.allocatable,
            configmaps={name: await sources.configmap(namespace, name) for name in configmaps},
            secrets={name: await sources.secret(namespace, name) for name in secrets},
            services=sources.services(namespace),
        )

    def runs(self, spec: Object, tracked: Tracked) -> None:
        """A container runs: its postStart hook unless that has ended, then its probes."""
        handler = (spec.get("lifecycle") or {}).get("postStart")
        if handler and not tracked.hooked:
            self._handle.spawn(self._post_start(spec, tracked, handler), f"the postStart hook of container {tracked.name}")
            return
        tracked.hooked = True
        self._probe(spec, tracked)

    async def _post_start(self, spec: Object, tracked: Tracked, handler: Object) -> None:
        begun = tracked.latest
        assert begun is not None
        try:
            warning = await hook(self._context.runtime, handler, spec, begun.id, self._handle.probe_ip, HOOK_LIMIT_S)
        except CheckFailed as error:
            if tracked.alive:
                self._handle.say("Warning", "FailedPostStartHook", f"PostStartHook failed: {error}", tracked.name)
                tracked.kill = "FailedPostStartHook"
        else:
            if warning:
                self._handle.say("Warning", "LifecycleHTTPFallback", warning, tracked.name)
            if tracked.latest is begun:
                tracked.hooked = True
                self._probe(spec, tracked)
        self._handle.changed()

    def _probe(self, spec: Object, tracked: Tracked) -> None:
        assert tracked.latest is not None
        if not any(spec.get(kind) for kind in PROBES):
            tracked.started = tracked.ready = True
            return
        probing = Probing(
            self._context.runtime, spec, tracked, tracked.latest.id, self._handle.probe_ip, self._handle.changed,
            lambda type, reason, message, kind: self._handle.say(type, reason, message, tracked.name, probe=kind), self._context.clock,
            self._handle.ending,
        )  # fmt: skip
        self._handle.stop_probing(tracked.name)
        self._handle.probing[tracked.name] = self._handle.spawn(probing.run(), f"probing container {tracked.name}")


def running(made: Container, now: float) -> Container:
    return Container(
        made.id, made.sandbox_id, made.uid, made.name, made.attempt, RUNNING, made.created_at, made.image, made.image_ref,
        started_at=now, annotations=made.annotations,
    )  # fmt: skip


def image_ref(image: Image) -> str:
    """What the runtime will call the image of a container: its digest in a registry, or its id."""
    return image.digests[0] if image.digests else image.id
