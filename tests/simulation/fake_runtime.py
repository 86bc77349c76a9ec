"""A container runtime in memory, with containerd's states, refusals and events; it plays its containers by their images' programs.

It passes `tests.contracts.runtime` as the real one does. On top of that a test decides what fails, what ends, what is lost.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from signal import SIGCHLD, SIGCONT, SIGURG, SIGWINCH

from pilothouse.engine.node.runtime import api_pb2 as api
from pilothouse.engine.node.runtime.seam import (
    CONTAINER_NAME,
    CREATED,
    EXITED,
    POD_UID,
    RUNNING,
    Container,
    ExecResult,
    Exited,
    Features,
    HandlerFeatures,
    Image,
    OutOfMemory,
    Readiness,
    RuntimeEvent,
    RuntimeFailure,
    Sandbox,
    Usage,
    Users,
)

KILLED, TERMINATED, UNSEEN = 137, 143, 255
IGNORED = (SIGCHLD, SIGCONT, SIGURG, SIGWINCH)


@dataclass(frozen=True, slots=True)
class Program:
    """What an image's process does. runs_s None: until it is told to end. term_s: how long it takes after SIGTERM; None: it ignores it.

    term_code: what it ends with then; None for the signal's.
    """

    runs_s: float | None = None
    code: int = 0
    term_s: float | None = 0.0
    term_code: int | None = None
    oom: bool = False


@dataclass(frozen=True, slots=True)
class Called:
    at: float
    verb: str
    subject: str
    grace_s: int = 0


@dataclass(slots=True)
class Fault:
    """times: how many calls fail, None for all. in_place: raised before anything is awaited."""

    why: str = "refused by the test"
    code: str = "UNAVAILABLE"
    times: int | None = None
    in_place: bool = False


@dataclass(slots=True)
class FakeRuntime:
    """latency_s: of each call. faults: verb -> what it fails with; "" for every verb. calls: all that was asked for, in order.
    remote, private: what a registry has; of private images `user:password`.
    configs: by id of the container, what it was made of. shifts: whether it makes user namespaces. uses: memory, by id.
    """

    latency_s: float = 0.005
    programs: dict[str, Program] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    execs: dict[tuple[str, ...], ExecResult] = field(default_factory=dict)
    ready: Readiness = field(default_factory=lambda: Readiness(True, True))
    can: Features = field(default_factory=lambda: Features({"": HandlerFeatures(), "runc": HandlerFeatures()}))
    shifts: bool = True
    calls: list[Called] = field(default_factory=list)
    counts: "Counter[str]" = field(default_factory=Counter)
    boxes: dict[str, Sandbox] = field(default_factory=dict)
    shifted: dict[str, int] = field(default_factory=dict)
    inside: dict[str, Container] = field(default_factory=dict)
    configs: dict[str, api.ContainerConfig] = field(default_factory=dict)
    uses: dict[str, int] = field(default_factory=dict)
    stock: dict[str, Image] = field(default_factory=dict)
    remote: set[str] = field(default_factory=set)
    private: dict[str, str] = field(default_factory=dict)
    _listeners: "list[asyncio.Queue[RuntimeEvent | None]]" = field(default_factory=list)
    _timers: dict[str, asyncio.TimerHandle] = field(default_factory=dict)
    _ends: dict[str, asyncio.Event] = field(default_factory=dict)
    _number: int = 0

    # What a test does.

    def fail(self, verb: str, **fault: object) -> None:
        self.faults[verb] = Fault(**fault)  # type: ignore[arg-type]

    def mend(self) -> None:
        self.faults.clear()

    def holds(self, *images: str) -> None:
        """These images are here already."""
        for name in images:
            self.stock[name] = Image(f"sha256:{name}", (name,), (), 1000)

    def exit(self, id: str, code: int = 0, *, silently: bool = False) -> None:
        """The main process of a container ends. silently: without an event."""
        self._end(id, code, said=not silently)

    def crash_sandbox(self, id: str, *, silently: bool = False) -> None:
        """The sandbox's own process dies, and its containers with it."""
        self._stop_box(id, said=not silently)

    def crash_pause(self, id: str, *, silently: bool = False) -> None:
        """The sandbox's own process dies, and its containers run on."""
        box = self.boxes.get(id)
        if box is not None and box.ready:
            self.boxes[id] = replace(box, ready=False)
            if not silently:
                self._say(Exited(id, KILLED, time.time()))

    def lose(self, id: str) -> None:
        """A container, or a sandbox with what is in it, is gone as if somebody had removed it behind the agent's back."""
        self.inside = {key: each for key, each in self.inside.items() if id not in (key, each.sandbox_id)}
        self.boxes.pop(id, None)

    def restart_machine(self) -> None:
        """Whatever ran has ended, and nobody was there to see how; images and records stay."""
        for id in list(self.inside):
            self._end(id, UNSEEN, said=False)
        self.boxes = {id: replace(each, ready=False) for id, each in self.boxes.items()}

    def break_events(self) -> None:
        for listener in self._listeners:
            listener.put_nowait(None)

    def called(self, verb: str) -> list[Called]:
        return [each for each in self.calls if each.verb == verb]

    def running(self) -> list[Container]:
        return [each for each in self.inside.values() if each.state == RUNNING]

    # What an agent asks.

    async def version(self) -> str:
        await self._called("Version")
        return "fake://1.0"

    async def readiness(self) -> Readiness:
        await self._called("Status")
        return self.ready

    async def features(self) -> Features:
        await self._called("Status")
        return self.can

    async def run_sandbox(self, config: api.PodSandboxConfig, handler: str = "") -> str:
        metadata = config.metadata
        if handler not in self.can.handlers:
            raise RuntimeFailure("RunPodSandbox", f'failed to get sandbox runtime: no runtime for "{handler}" is configured')
        await self._called("RunPodSandbox", metadata.name)
        if any((each.uid, each.attempt) == (metadata.uid, metadata.attempt) for each in self.boxes.values()):
            raise RuntimeFailure("RunPodSandbox", f"failed to reserve sandbox name {metadata.name!r}: name is reserved")
        id = self._id("box")
        ip = f"10.9.{self._number // 250}.{self._number % 250 + 1}"
        made = Sandbox(id, metadata.uid, metadata.name, metadata.namespace, metadata.attempt, True, time.time(), (ip,))
        self.boxes[id] = made
        if self.shifts and config.linux.security_context.namespace_options.userns_options.uids:
            self.shifted[id] = config.linux.security_context.namespace_options.userns_options.uids[0].host_id
        return id

    async def stop_sandbox(self, id: str) -> None:
        await self._called("StopPodSandbox", id)
        self._stop_box(id, said=True)

    async def remove_sandbox(self, id: str) -> None:
        await self._called("RemovePodSandbox", id)
        self._stop_box(id, said=True)
        self.boxes.pop(id, None)
        for container in [each for each in self.inside.values() if each.sandbox_id == id]:
            del self.inside[container.id]

    async def sandbox(self, id: str) -> Sandbox:
        await self._called("PodSandboxStatus", id)
        if id not in self.boxes:
            raise RuntimeFailure("PodSandboxStatus", f"sandbox {id}: not found", "NOT_FOUND")
        return self.boxes[id]

    async def netns(self, id: str) -> str:
        await self.sandbox(id)
        return f"/run/netns/{id}"

    async def users(self, id: str) -> Users | None:
        await self.sandbox(id)
        first = self.shifted.get(id, 0)
        return Users(f"/proc/{id}/ns/user", first) if first else None

    async def sandboxes(self) -> list[Sandbox]:
        await self._called("ListPodSandbox")
        return [replace(each, ips=()) for each in self.boxes.values()]

    async def create_container(self, sandbox_id: str, config: api.ContainerConfig, sandbox: api.PodSandboxConfig) -> str:
        await self._called("CreateContainer", config.metadata.name)
        box = self.boxes.get(sandbox_id)
        if box is None or not box.ready:
            raise RuntimeFailure("CreateContainer", f"failed to get sandbox container task: no running task found: {sandbox_id}")
        name, attempt = config.metadata.name, config.metadata.attempt
        if any((each.sandbox_id, each.name, each.attempt) == (sandbox_id, name, attempt) for each in self.inside.values()):
            raise RuntimeFailure("CreateContainer", f"failed to reserve container name {name!r}: name is reserved")
        image = next((each for each in self.stock.values() if config.image.image in (each.id, *each.tags)), None)
        if image is None:
            raise RuntimeFailure("CreateContainer", f"image {config.image.image} not found", "NOT_FOUND")
        id = self._id("container")
        labels = config.labels
        uid, known_as = labels.get(POD_UID, box.uid), labels.get(CONTAINER_NAME, name)
        annotations = dict(config.annotations)
        self.configs[id] = config
        self.inside[id] = Container(
            id, sandbox_id, uid, known_as, attempt, CREATED, time.time(), image.tags[0], image.id, annotations=annotations
        )
        return id

    async def start_container(self, id: str) -> None:
        await self._called("StartContainer", id)
        container = self._known(id, "StartContainer")
        if container.state != CREATED:
            raise RuntimeFailure("StartContainer", f"container {id} is in {container.state} state", "FAILED_PRECONDITION")
        self.inside[id] = replace(container, state=RUNNING, started_at=time.time())
        program = self._program(container)
        if program.runs_s is not None:
            self._later(id, program.runs_s, program.code, oom=program.oom)

    async def stop_container(self, id: str, grace_s: int, signal: int = 0) -> None:
        await self._called("StopContainer", id, grace_s)
        container = self.inside.get(id)
        if container is None or container.state != RUNNING:
            return
        program = self._program(container)
        if grace_s > 0 and program.term_s is not None and signal not in IGNORED:
            code = 128 + signal if signal else TERMINATED
            self._later(id, program.term_s, code if program.term_code is None else program.term_code)
        ended = self._ends.setdefault(id, asyncio.Event())
        try:
            async with asyncio.timeout(grace_s):
                await ended.wait()
        except TimeoutError:
            self._end(id, KILLED, said=True)

    async def update_container(self, id: str, resources: api.LinuxContainerResources) -> None:
        await self._called("UpdateContainerResources", id)
        self._known(id, "UpdateContainerResources")
        self.configs[id].linux.resources.MergeFrom(resources)

    async def remove_container(self, id: str) -> None:
        await self._called("RemoveContainer", id)
        self._end(id, KILLED, said=True)
        self.inside.pop(id, None)

    async def container(self, id: str) -> Container:
        await self._called("ContainerStatus", id)
        return replace(self._known(id, "ContainerStatus"), sandbox_id="")

    async def containers(self) -> list[Container]:
        await self._called("ListContainers")
        return [replace(each, started_at=0.0, finished_at=0.0, exit_code=0, reason="") for each in self.inside.values()]

    async def reopen_log(self, id: str) -> None:
        await self._called("ReopenContainerLog", id)
        if self._known(id, "ReopenContainerLog").state != RUNNING:
            raise RuntimeFailure("ReopenContainerLog", "container is not running")

    async def usage(self) -> list[Usage]:
        await self._called("ListContainerStats")
        return [Usage(each.id, each.uid, each.name, time.time(), 0, self.uses.get(each.id, 0), 0) for each in self.running()]

    async def pull(self, image: str, auth: api.AuthConfig | None) -> str:
        await self._called("PullImage", image)
        if image not in self.remote:
            raise RuntimeFailure("PullImage", f'failed to resolve reference "{image}": not found', "NOT_FOUND")
        if self.private.get(image, "") not in ("", "" if auth is None else f"{auth.username}:{auth.password}"):
            raise RuntimeFailure("PullImage", f'failed to resolve reference "{image}": pull access denied', "UNKNOWN")
        self.holds(image)
        return self.stock[image].id

    async def image(self, image: str) -> Image | None:
        await self._called("ImageStatus", image)
        return self.stock.get(image)

    async def images(self) -> list[Image]:
        await self._called("ListImages")
        return list(self.stock.values())

    async def remove_image(self, image: str) -> None:
        await self._called("RemoveImage", image)
        for name in [name for name, each in self.stock.items() if image in (name, each.id)]:
            del self.stock[name]

    async def view(self, image: str, key: str) -> tuple[str, ...]:
        raise RuntimeFailure("View", "a fake runtime has no layers", "UNIMPLEMENTED")

    async def drop_view(self, key: str) -> None:
        await self._called("Remove", key)

    async def exec_sync(self, id: str, command: Sequence[str], timeout_s: int) -> ExecResult:
        await self._called("ExecSync", " ".join(command))
        if self._known(id, "ExecSync").state != RUNNING:
            raise RuntimeFailure("ExecSync", "container is not running")
        return self.execs.get(tuple(command), ExecResult(b"", b"", 0))

    async def exec_url(self, id: str, command: Sequence[str], *, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> str:
        raise RuntimeFailure("Exec", "a fake runtime streams nothing", "UNIMPLEMENTED")

    async def attach_url(self, id: str, *, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> str:
        raise RuntimeFailure("Attach", "a fake runtime streams nothing", "UNIMPLEMENTED")

    async def events(self) -> AsyncIterator[RuntimeEvent]:
        listener: asyncio.Queue[RuntimeEvent | None] = asyncio.Queue()
        self._listeners.append(listener)
        try:
            while (event := await listener.get()) is not None:
                yield event
            raise RuntimeFailure("Subscribe", "the connection was lost", "UNAVAILABLE")
        finally:
            self._listeners.remove(listener)

    async def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()

    # How it works.

    async def _called(self, verb: str, subject: str = "", grace_s: int = 0) -> None:
        self.counts[verb] += 1
        self.calls.append(Called(asyncio.get_running_loop().time(), verb, subject, grace_s))
        fault = self.faults.get(verb) or self.faults.get("")
        if fault is not None and fault.times is not None:
            # Counted before anything is awaited: calls come together.
            fault.times -= 1
            if fault.times <= 0:
                self.faults = {key: each for key, each in self.faults.items() if each is not fault}
        if fault is None or not fault.in_place:
            await asyncio.sleep(self.latency_s)
        if fault is None:
            return
        raise RuntimeFailure(verb, fault.why, fault.code)

    def _id(self, kind: str) -> str:
        self._number += 1
        return f"{kind}-{self._number}"

    def _known(self, id: str, verb: str) -> Container:
        if id not in self.inside:
            raise RuntimeFailure(verb, f"container {id}: not found", "NOT_FOUND")
        return self.inside[id]

    def _program(self, container: Container) -> Program:
        return self.programs.get(container.image, Program())

    def _later(self, id: str, seconds: float, code: int, *, oom: bool = False) -> None:
        old = self._timers.pop(id, None)
        if old is not None:
            old.cancel()
        self._timers[id] = asyncio.get_running_loop().call_later(seconds, lambda: self._end(id, code, said=True, oom=oom))

    def _end(self, id: str, code: int, *, said: bool, oom: bool = False) -> None:
        container = self.inside.get(id)
        if container is None or container.state != RUNNING:
            return
        now = time.time()
        reason = "OOMKilled" if oom else "Completed" if code == 0 else "Error"
        self.inside[id] = replace(container, state=EXITED, exit_code=code, finished_at=now, reason=reason)
        if (timer := self._timers.pop(id, None)) is not None:
            timer.cancel()
        self._ends.pop(id, asyncio.Event()).set()
        if said:
            if oom:
                self._say(OutOfMemory(id))
            self._say(Exited(id, code, now))

    def _stop_box(self, id: str, *, said: bool) -> None:
        box = self.boxes.get(id)
        if box is None or not box.ready:
            return
        for container in [each for each in self.inside.values() if each.sandbox_id == id]:
            self._end(container.id, KILLED, said=said)
        self.boxes[id] = replace(box, ready=False)
        if said:
            self._say(Exited(id, KILLED, time.time()))

    def _say(self, event: RuntimeEvent) -> None:
        for listener in self._listeners:
            listener.put_nowait(event)
