"""The user namespace that a pod asks for with `hostUsers: false`.

Its users' ids are shifted on the machine; volumes are mounted so that they see the ids they would have without it. Source: KEP-127.
"""

import asyncio

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.host.id_ranges import LENGTH, claim, unsearchable
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.runtime import api_pb2 as api
from pilothouse.engine.node.runtime.seam import Runtime, RuntimeFailure
from pilothouse.model.json import Object


async def options(config: NodeConfig, pod: Object) -> api.UserNamespace | None:
    """What the runtime is asked for; None for a pod in the node's own. Raises RuntimeFailure where it cannot be."""
    if not podspec.has_own_users(pod):
        return None
    state = config.containerd_dir / "state"
    try:
        barred = await asyncio.to_thread(unsearchable, state)
        if barred is not None:
            why = f"a user namespace has to pass {barred}, which only its owner can: chmod o+x {barred}"
            raise RuntimeFailure("RunPodSandbox", why, "FAILED_PRECONDITION")
        first = await asyncio.to_thread(claim, config, pod["metadata"]["uid"])
    except OSError as error:
        raise RuntimeFailure("RunPodSandbox", f"no user namespace: {error}", "RESOURCE_EXHAUSTED") from error
    ids = [api.IDMapping(host_id=first, container_id=0, length=LENGTH)]
    return api.UserNamespace(mode=api.POD, uids=ids, gids=ids)


async def check(runtime: Runtime, sandbox: str, asked: api.UserNamespace) -> None:
    """A runtime that knows nothing of user namespaces makes the sandbox without: that goes at once. Raises RuntimeFailure."""
    found = await runtime.users(sandbox)
    if found is not None and found.first == asked.uids[0].host_id:
        return
    await runtime.stop_sandbox(sandbox)
    await runtime.remove_sandbox(sandbox)
    why = "the runtime of this node makes no user namespaces; it takes containerd 1.7 and runc 1.1, or later ones"
    raise RuntimeFailure("RunPodSandbox", why, "UNIMPLEMENTED")
