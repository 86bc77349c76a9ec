"""The seam to a container runtime: what the agent asks of it and what it gets back, without a word of gRPC.

Requests use CRI's own message types (they are data, and there is no better vocabulary); answers are small frozen values.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pilothouse.engine.node.runtime import api_pb2 as api

POD_NAME = "io.kubernetes.pod.name"
POD_NAMESPACE = "io.kubernetes.pod.namespace"
POD_UID = "io.kubernetes.pod.uid"
CONTAINER_NAME = "io.kubernetes.container.name"
RESTARTS = "io.kubernetes.container.restartCount"
MESSAGE_PATH = "io.kubernetes.container.terminationMessagePath"
MESSAGE_POLICY = "io.kubernetes.container.terminationMessagePolicy"
MESSAGE_FILE = "dev.pilothouse.node/termination-log"
WANTED_IMAGE = "dev.pilothouse.node/image"
"""Annotation of a container: its image as the pod's specification names it (the runtime knows the image by what that resolved to)."""

CREATED, RUNNING, EXITED, UNKNOWN = "created", "running", "exited", "unknown"


class RuntimeFailure(Exception):
    """The runtime refused or failed. code: gRPC's name of the status (NOT_FOUND, UNAVAILABLE, ...)."""

    def __init__(self, verb: str, why: str, code: str = "UNKNOWN") -> None:
        super().__init__(f"{verb}: {why}")
        self.verb = verb
        self.why = why
        self.code = code


@dataclass(frozen=True, slots=True)
class Sandbox:
    id: str
    uid: str
    name: str
    namespace: str
    attempt: int
    ready: bool
    created_at: float
    ips: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Container:
    """Times are seconds since the epoch, 0.0 where there is none yet. image: as asked for; image_ref: what it resolved to."""

    id: str
    sandbox_id: str
    uid: str
    name: str
    attempt: int
    state: str
    created_at: float
    image: str = ""
    image_ref: str = ""
    started_at: float = 0.0
    finished_at: float = 0.0
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def restarts(self) -> int:
        return int(self.annotations.get(RESTARTS, self.attempt))


@dataclass(frozen=True, slots=True)
class Image:
    id: str
    tags: tuple[str, ...]
    digests: tuple[str, ...]
    size_bytes: int
    uid: int | None = None
    username: str = ""


@dataclass(frozen=True, slots=True)
class ExecResult:
    stdout: bytes
    stderr: bytes
    exit_code: int


@dataclass(frozen=True, slots=True)
class Usage:
    """cpu_ns: CPU time since the container's start. memory_bytes: the working set. disk_bytes: what its writable layer takes.

    memory_available_bytes: None where nothing limits it.
    """

    container_id: str
    uid: str
    name: str
    taken_at: float
    cpu_ns: int
    memory_bytes: int
    disk_bytes: int
    disk_inodes: int = 0
    memory_usage_bytes: int = 0
    memory_available_bytes: int | None = None
    rss_bytes: int = 0
    page_faults: int = 0
    major_page_faults: int = 0


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether sandboxes can be made (`runtime`) and given a network (`network`); the messages say why not."""

    runtime: bool
    network: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class HandlerFeatures:
    """What one low-level runtime can do."""

    recursive_read_only: bool = False
    user_namespaces: bool = False


@dataclass(frozen=True, slots=True)
class Features:
    """What the runtime says it can do. handlers: those it is configured with, by name; "" is the one that pods without a class get."""

    handlers: Mapping[str, HandlerFeatures] = field(default_factory=dict)
    supplemental_groups_policy: bool = False


@dataclass(frozen=True, slots=True)
class Users:
    """A user namespace. path: of the kernel's file for it; first: the id on the machine of its user 0."""

    path: str
    first: int


@dataclass(frozen=True, slots=True)
class Exited:
    """The main process of a container or sandbox has ended. exit_code None: known only that it has."""

    container_id: str
    exit_code: int | None = None
    finished_at: float = 0.0


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    container_id: str


@dataclass(frozen=True, slots=True)
class ExecEnded:
    """A process that was started in a container by exec has ended. exec_id: the runtime's own name for it."""

    container_id: str
    exec_id: str


RuntimeEvent = Exited | ExecEnded | OutOfMemory


class Runtime(Protocol):
    """Every call has a deadline of its own and raises RuntimeFailure."""

    async def version(self) -> str: ...
    async def readiness(self) -> Readiness: ...

    async def features(self) -> Features: ...

    async def run_sandbox(self, config: api.PodSandboxConfig, handler: str = "") -> str:
        """handler: the low-level runtime to run it under."""
        ...

    async def stop_sandbox(self, id: str) -> None: ...
    async def remove_sandbox(self, id: str) -> None: ...
    async def sandbox(self, id: str) -> Sandbox: ...
    async def netns(self, id: str) -> str:
        """Path of the sandbox's network namespace; "" for the host's."""
        ...

    async def users(self, id: str) -> Users | None:
        """The sandbox's user namespace; None for the node's own."""
        ...

    async def sandboxes(self) -> list[Sandbox]:
        """Without addresses: `sandbox` has them."""
        ...

    async def create_container(self, sandbox_id: str, config: api.ContainerConfig, sandbox: api.PodSandboxConfig) -> str: ...
    async def start_container(self, id: str) -> None: ...
    async def stop_container(self, id: str, grace_s: int, signal: int = 0) -> None:
        """The signal, after the grace SIGKILL; returns when it has ended. signal 0: the image's own, else SIGTERM.

        A call that is repeated with another grace does not send the signal again.
        """
        ...

    async def update_container(self, id: str, resources: api.LinuxContainerResources) -> None:
        """Gives a container other resources as it runs; what is 0 in them stays as it is, but for a quota of -1: none."""
        ...

    async def remove_container(self, id: str) -> None: ...
    async def container(self, id: str) -> Container: ...
    async def containers(self) -> list[Container]:
        """Ids, names and states; `container` has times and exit codes."""
        ...

    async def reopen_log(self, id: str) -> None: ...
    async def usage(self) -> list[Usage]: ...

    async def pull(self, image: str, auth: api.AuthConfig | None) -> str:
        """Returns the reference of what was pulled."""
        ...

    async def image(self, image: str) -> Image | None: ...
    async def images(self) -> list[Image]: ...
    async def remove_image(self, image: str) -> None: ...
    async def view(self, image: str, key: str) -> tuple[str, ...]:
        """Folders of the image's layers, the uppermost first; they stay until the view of that key is dropped. A key names one view."""
        ...

    async def drop_view(self, key: str) -> None: ...
    async def exec_sync(self, id: str, command: Sequence[str], timeout_s: int) -> ExecResult: ...
    async def exec_url(self, id: str, command: Sequence[str], *, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> str:
        """Where a streaming exec can be joined once (SPDY)."""
        ...

    async def attach_url(self, id: str, *, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> str: ...

    def events(self) -> AsyncIterator[RuntimeEvent]:
        """Exits and OOM kills as they happen; ends or raises when the connection breaks. What happened before is not told."""
        ...

    async def close(self) -> None: ...
