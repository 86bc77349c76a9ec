"""Approves what nodes ask for: a first client certificate with the right `nodeclient`, a renewal of their own with `selfnodeclient`.

A node that may renew its own certificate may have two more, for as long as there is a Node of its name: that of the service proxy and
DNS beside it (upstream gives these a service account's token in a pod, and here they are no pods), and one to serve the kubelet API with.

The right is the requester's, asked of authorization as a subresource of certificatesigningrequests. Everything else is left to people.
Unlike upstream, a first certificate is left to people while there is a Node of that name: who has a bootstrap token could take the place
of any node otherwise, and read the Secrets of its pods. And a renewal waits for a Node of that name: who goes on with the certificate of a
machine that was removed has to show itself.
Source: kubernetes pkg/controller/certificates/approver/sarapprove.go.
"""

import asyncio
import time
from collections.abc import Callable, Collection

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers.certificates import serving
from pilothouse.engine.controllers.certificates.rules import NODE_PREFIX, SIGNERS, why_not_node_client
from pilothouse.engine.controllers.certificates.rules import NODES as NODES_GROUP
from pilothouse.model import meta
from pilothouse.model.certificates import (
    APISERVER_CLIENT,
    APPROVED,
    DENIED,
    GROUP,
    KUBELET_CLIENT,
    KUBELET_SERVING,
    PROXY_GROUPS,
    PROXY_USER,
    certificate_of,
    conditions,
    has,
    request_of,
)
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import CERTIFICATESIGNINGREQUESTS, NODES, SUBJECTACCESSREVIEWS
from pilothouse.wire import certificate_request
from pilothouse.wire.certificate_request import BadRequestError, CertificateRequest

AGAIN_S = 60.0
"""After which a request is looked at again whose user has no right: somebody may have granted it."""
SOON_S = 2.0
"""A node asks for its other certificates before it has registered itself."""
RENEWED, FIRST, PROXY, SERVING = "selfnodeclient", "nodeclient", "proxyclient", "nodeserver"
_MESSAGES = {
    RENEWED: "Auto approving self kubelet client certificate after SubjectAccessReview.",
    FIRST: "Auto approving kubelet client certificate after SubjectAccessReview.",
    PROXY: "Auto approving the service proxy's certificate for a node after SubjectAccessReview.",
    SERVING: "Auto approving kubelet server certificate for the addresses of its Node after SubjectAccessReview.",
}


class CertificateApprover:
    """reserved: addresses of the cluster's own servers, for which no node gets a certificate."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        recorder: Recorder,
        clock: Callable[[], float] = time.time,
        reserved: Collection[str] = (),
    ) -> None:
        self._client = client
        self._recorder = recorder
        self._clock = clock
        self._reserved = reserved
        self._requests = informers.of(CERTIFICATESIGNINGREQUESTS)
        self._nodes = informers.of(NODES)
        self._controller = Controller("certificate-approver", self.reconcile)
        self._controller.watches(self._requests)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self._controller.run(ready)

    async def reconcile(self, name: str) -> float | None:
        found = self._requests.get(name)
        if found is None or certificate_of(found) or has(found, APPROVED) or has(found, DENIED):
            return None
        if _is_for_proxy(found):
            return await self._approve_beside(found, PROXY, "")
        if (server := _node_serving(found)) is not None:
            return await self._approve_beside(found, SERVING, self._why_not_serving(server))
        asked = _node_client(found)
        if asked is None:
            return None
        rights = _rights(found, asked)
        for right in rights:
            if await self._may(found, right):
                return await self._approve_client(found, asked, right)
        self._leave(found, f"its user may not create {GROUP} {' or '.join(rights)} requests")
        return AGAIN_S

    async def _approve_client(self, found: Object, asked: CertificateRequest, right: str) -> float | None:
        node = asked.common_name.removeprefix(NODE_PREFIX)
        is_there = await self._client.get_or_none(NODES, node) is not None
        if right == FIRST and is_there:
            self._leave(found, f"there is a node {node} already: approve the request if it is that node's, or delete the Node")
            return AGAIN_S
        if right == RENEWED and not is_there:
            return self._leave_for_now(found, f"there is no node {node}")
        await self._approve(found, right)
        return None

    def _why_not_serving(self, asked: CertificateRequest) -> str:
        node = self._nodes.get(asked.common_name.removeprefix(NODE_PREFIX))
        return serving.why_not(asked, node, self._nodes.items(), self._reserved)

    async def _approve_beside(self, found: Object, kind: str, why_not: str) -> float | None:
        """What a node needs beside its own certificate. why_not: "" for nothing against it."""
        node = str(found["spec"].get("username")).removeprefix(NODE_PREFIX)
        if not await self._may(found, RENEWED):
            self._leave(found, f"its user may not create {GROUP} {RENEWED} requests")
            return AGAIN_S
        if await self._client.get_or_none(NODES, node) is None:
            why_not = f"there is no node {node}"
        if why_not:
            return self._leave_for_now(found, why_not)
        await self._approve(found, kind)
        return None

    def _leave(self, found: Object, why: str) -> None:
        """To people; the decision log says why while the request is new."""
        if self._is_new(found):
            self._recorder.decide(found, "NotAutoApproved", why)

    def _leave_for_now(self, found: Object, why: str) -> float:
        """What stands in the way may be gone in a moment. Returns when to look again, in seconds."""
        self._leave(found, why)
        return SOON_S if self._is_new(found) else AGAIN_S

    def _is_new(self, found: Object) -> bool:
        return self._clock() - meta.parse_rfc3339(found["metadata"]["creationTimestamp"]) < AGAIN_S

    async def _may(self, found: Object, right: str) -> bool:
        spec = found["spec"]
        asked = {"group": GROUP, "version": "*", "resource": CERTIFICATESIGNINGREQUESTS.plural, "subresource": right, "verb": "create"}
        user = {"user": spec.get("username"), "uid": spec.get("uid"), "groups": spec.get("groups"), "extra": spec.get("extra")}
        stated = {key: value for key, value in user.items() if value}
        review = await self._client.create(SUBJECTACCESSREVIEWS, {"spec": stated | {"resourceAttributes": asked}})
        return bool(review["status"].get("allowed"))

    async def _approve(self, found: Object, right: str) -> None:
        condition = {"type": APPROVED, "status": "True", "reason": "AutoApproved", "message": _MESSAGES[right]}
        stamped = condition | {"lastUpdateTime": meta.rfc3339(self._clock())}
        status = (found.get("status") or {}) | {"conditions": [*conditions(found), stamped]}
        try:
            await self._client.update(CERTIFICATESIGNINGREQUESTS, found | {"status": status}, subresource="approval")
        except NotFound:
            return
        self._recorder.decide(found, "AutoApproved", _MESSAGES[right])


def _node_client(found: Object) -> CertificateRequest | None:
    """What is asked for, where that is a node's client certificate."""
    spec = found["spec"]
    if spec.get("signerName") != KUBELET_CLIENT:
        return None
    try:
        asked = certificate_request.parse(request_of(found))
    except BadRequestError:
        return None
    return None if why_not_node_client(asked, spec.get("usages") or ()) else asked


def _is_for_proxy(found: Object) -> bool:
    """Whether a node asks for the certificate of its service proxy, and for nothing more."""
    spec = found["spec"]
    is_nodes = str(spec.get("username")).startswith(NODE_PREFIX) and NODES_GROUP in (spec.get("groups") or ())
    if spec.get("signerName") != APISERVER_CLIENT or not is_nodes:
        return False
    try:
        asked = certificate_request.parse(request_of(found))
    except BadRequestError:
        return False
    has_names = asked.dns_names or asked.addresses or asked.emails or asked.uris
    return not has_names and (asked.common_name, asked.organizations) == (PROXY_USER, PROXY_GROUPS)


def _node_serving(found: Object) -> CertificateRequest | None:
    """What is asked for, where that is a certificate for the asking node itself to serve with."""
    spec = found["spec"]
    if spec.get("signerName") != KUBELET_SERVING or NODES_GROUP not in (spec.get("groups") or ()):
        return None
    try:
        asked = certificate_request.parse(request_of(found))
    except BadRequestError:
        return None
    is_own = asked.common_name == spec.get("username")
    return asked if is_own and not SIGNERS[KUBELET_SERVING](asked, spec.get("usages") or ()) else None


def _rights(found: Object, asked: CertificateRequest) -> list[str]:
    """Each of which suffices."""
    return [RENEWED, FIRST] if found["spec"].get("username") == asked.common_name else [FIRST]
