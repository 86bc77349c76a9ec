"""Making the sandbox of one pod: whether the node takes the pod at all, its cgroup, its users, its low-level runtime."""

import asyncio
from pathlib import Path

import structlog

from pilothouse.engine.node.host import pod_limits, selinux
from pilothouse.engine.node.host.cgroups import weigh
from pilothouse.engine.node.pod import allocation, podspec
from pilothouse.engine.node.pod.state import Waiting
from pilothouse.engine.node.request import admission, handlers, sandbox
from pilothouse.engine.node.runtime import api_pb2 as api
from pilothouse.engine.node.runtime.seam import Features, RuntimeFailure, Sandbox
from pilothouse.engine.node.static.manifest import is_static
from pilothouse.engine.node.work import user_namespace
from pilothouse.engine.node.work.context import Handle
from pilothouse.engine.node.work.rejections import NotYetRejected
from pilothouse.engine.node.work.unanswered import sandbox_made
from pilothouse.model import meta
from pilothouse.model.errors import ApiError
from pilothouse.model.kinds import NODES
from pilothouse.model.node_selector import avoids_labels

log = structlog.get_logger("node.starting")


class SandboxMaker:
    """users: the pod's own user namespace, as the runtime is asked for it; None for the node's."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._context = handle.context
        self._state = handle.state
        self.users: api.UserNamespace | None = None

    async def prepare(self, attempt: int) -> api.PodSandboxConfig | None:
        """What the runtime is to be asked for, with all that has to be there before; None when the pod was rejected.

        Raises RuntimeFailure, which the pod's events say.
        """
        if attempt == 0 and await self._is_rejected():
            return None
        try:
            await self.look_up_users()
            wanted = self.config(attempt)
            await asyncio.to_thread(self._make_room, wanted)
            await self._limit(wanted.linux.cgroup_parent)
        except RuntimeFailure as error:
            self._say_failed(error)
            raise
        return wanted

    async def look_up_users(self) -> None:
        self.users = await user_namespace.options(self._context.config, self._handle.object)

    async def run(self, wanted: api.PodSandboxConfig) -> None:
        """Raises RuntimeFailure, which the pod's events say."""
        try:
            await self._run(wanted)
        except RuntimeFailure as error:
            self._say_failed(error)
            raise

    async def _run(self, wanted: api.PodSandboxConfig) -> None:
        runtime, metadata = self._context.runtime, wanted.metadata
        try:
            handler = await handlers.chosen(self._context.client, runtime, self._handle.object)
        except ApiError as error:
            why = f"the pod's RuntimeClass cannot be read: {error.message}"
            raise RuntimeFailure("RunPodSandbox", why, "UNAVAILABLE") from error
        try:
            id = await runtime.run_sandbox(wanted, handler)
        except RuntimeFailure as failure:
            made = await sandbox_made(runtime, metadata.uid, metadata.attempt)
            if made is None:
                raise
            if self.users is not None and made.ready:
                await user_namespace.check(runtime, made.id, self.users)
            # Taken as it is: a dead one is dropped before the next is made.
            log.info("sandbox was made though its making failed", pod=podspec.key_of(self._handle.object), why=str(failure))
            self._state.sandbox, self._state.sandbox_attempt = made, metadata.attempt + 1
            return
        if self.users is not None:
            await user_namespace.check(runtime, id, self.users)
        now = self._context.clock.stamp()
        made = Sandbox(id, metadata.uid, metadata.name, metadata.namespace, metadata.attempt, True, now)
        # Known from now on, so that its end is noticed and it is not made twice, even when its address cannot be had.
        self._state.sandbox, self._state.sandbox_attempt = made, metadata.attempt + 1
        if not podspec.host_network(self._handle.object):
            self._state.sandbox = await runtime.sandbox(id)

    def config(self, attempt: int) -> api.PodSandboxConfig:
        made = sandbox.sandbox_config(self._handle.object, attempt, self._context.config, self._context.resolver)
        self.shift(made.linux.security_context.namespace_options)
        return made

    def shift(self, namespaces: api.NamespaceOption) -> None:
        """The pod's own users, in its sandbox and in each container alike."""
        if self.users is not None:
            namespaces.userns_options.CopyFrom(self.users)

    def _make_room(self, wanted: api.PodSandboxConfig) -> None:
        """Raises RuntimeFailure."""
        try:
            make_room(wanted, podspec.pod_cpu_shares(self._handle.object))
        except OSError as error:
            why = f"the folder of the pod's logs cannot be made: {error.strerror or error}"
            raise RuntimeFailure("RunPodSandbox", why, "FAILED_PRECONDITION") from error

    async def _limit(self, cgroup: str) -> None:
        """What the pod as a whole may use. Raises RuntimeFailure."""
        cpu, memory = (podspec.cgroup_limit(self._handle.object, resource) for resource in podspec.RESOURCES)
        if not (cpu.amount or memory.amount):
            return
        try:
            await asyncio.to_thread(pod_limits.limit, cgroup, cpu.milli_value, memory.value)
        except OSError as error:
            raise RuntimeFailure("RunPodSandbox", error.strerror or str(error), "FAILED_PRECONDITION") from error

    async def _is_rejected(self) -> bool:
        """Whether this node cannot give the pod what it asks for, or not now: it has failed then. Raises NotYetRejected."""
        pod, context = self._handle.object, self._context
        features = await context.runtime.features() if admission.needs_features(pod) else Features()
        misplaced = await self._misplaced()
        why = admission.rejection(pod, context.config.allowed_sysctls, features, has_selinux=selinux.is_enabled())
        why = why or context.pressure(pod) or self._shortage() or misplaced
        why = why or (None if self._state.admitted else admission.taken(pod, context.taken_ports(self._handle.uid)))
        if why is None:
            # Nothing is awaited since the others were counted: two pods are never given the same room.
            self._state.admitted = True
            return False
        now, message = context.now(), why.message.removeprefix("Pod was rejected: ")
        due_at = context.rejections.due_at(pod, now)
        if now < due_at:
            raise NotYetRejected("Admit", f"{message}; the pod is rejected in {due_at - now:.0f} s", "FAILED_PRECONDITION")
        context.rejections.note(pod, now)
        self._handle.say("Warning", why.reason, message)
        self._state.failure, self._state.rejected = why, True
        return True

    async def _misplaced(self) -> Waiting | None:
        """Whether the node is none that the pod asks for, as a pod may be that names its node. Raises RuntimeFailure.

        The labels that the node gives itself answer for most pods; a static one does not wait for an API server that is away to name more.
        """
        pod, context = self._handle.object, self._context
        name = context.config.node_name
        why = None if self._state.admitted else admission.misplaced(pod, name, context.labels)
        if self._state.admitted or (why is None and not avoids_labels(pod)):
            return None
        try:
            node = await context.client.get(NODES, name)
        except ApiError as error:
            if why is None and is_static(pod):
                return None
            raise RuntimeFailure("Admit", f"the labels of node {name} cannot be read: {error.message}", "UNAVAILABLE") from error
        return admission.misplaced(pod, name, meta.labels(node))

    def _shortage(self) -> Waiting | None:
        """Pods of the system, and those of the node's own files, are taken whatever there is."""
        pod, context = self._handle.object, self._context
        if self._state.admitted or is_static(pod) or podspec.is_critical(pod):
            return None
        return admission.shortage(allocation.asks(pod), context.admitted(self._handle.uid), context.allocatable)

    def _say_failed(self, error: RuntimeFailure) -> None:
        message = f"Failed to create pod sandbox: rpc error: code = {error.code.title().replace('_', '')} desc = {error.why}"
        self._handle.say("Warning", "FailedCreatePodSandBox", message)


def make_room(wanted: api.PodSandboxConfig, shares: int) -> None:
    """What has to be there before the sandbox: its log folder, and its cgroup with the pod's weight."""
    Path(wanted.log_directory).mkdir(parents=True, exist_ok=True)
    weigh(wanted.linux.cgroup_parent, shares)
