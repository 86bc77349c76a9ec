"""Asks the cluster for a certificate: a CertificateSigningRequest, and the wait until it is signed.

A request that waits for somebody's approval is kept with its key: whoever approves it an hour later must not find that nobody waits for it
any more.

Source: kubernetes.io "Certificates and Certificate Signing Requests"; kubernetes pkg/kubelet/certificate/bootstrap.
"""

import asyncio
from base64 import b64encode
from dataclasses import dataclass, field

from pilothouse.aio.backoff import Backoff
from pilothouse.client.client import Client
from pilothouse.model import meta
from pilothouse.model.certificates import APISERVER_CLIENT, DENIED, FAILED, KUBELET_CLIENT, KUBELET_SERVING, certificate_of, conditions_of
from pilothouse.model.json import Object
from pilothouse.model.kinds import CERTIFICATESIGNINGREQUESTS
from pilothouse.wire.key_request import KeyRequest
from pilothouse.wire.pki import KeyPair

FIRST_S, MOST_S = 0.2, 5.0


class NotSigned(Exception):
    """The cluster has not signed the request; the text names it and says what helps."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Who the certificate is for: a user and its groups. signer: one of kubernetes.io's. addresses: to serve under, none for a client."""

    user: str
    groups: tuple[str, ...]
    signer: str = APISERVER_CLIENT
    addresses: tuple[str, ...] = ()

    @classmethod
    def of_node(cls, name: str) -> "Subject":
        return cls(f"system:node:{name}", ("system:nodes",), KUBELET_CLIENT)

    @classmethod
    def of_node_server(cls, name: str, address: str) -> "Subject":
        return cls(f"system:node:{name}", ("system:nodes",), KUBELET_SERVING, (address,))

    @property
    def usages(self) -> list[str]:
        return ["digital signature", "server auth" if self.addresses else "client auth"]


class Refused(NotSigned):
    """It has been denied, or its signer does not sign it: there is nothing to wait for."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that is in the API. name: of its object. key: PEM."""

    name: str
    subject: Subject
    key: bytes = field(repr=False)


async def obtain(client: Client, subject: Subject, *, patience_s: float, lifetime_s: int | None = None) -> KeyPair:
    """A certificate with a new key. patience_s: how long the cluster may take. lifetime_s: None for the signer's own.

    Raises NotSigned, ApiError.
    """
    return await signed(client, await ask(client, subject, lifetime_s=lifetime_s), patience_s=patience_s)


async def ask(client: Client, subject: Subject, *, lifetime_s: int | None = None) -> Asked:
    """Raises ApiError."""
    made = await asyncio.to_thread(KeyRequest.make, subject.user, subject.groups, subject.addresses)
    spec: Object = {"request": b64encode(made.request).decode(), "signerName": subject.signer, "usages": subject.usages}
    if lifetime_s is not None:
        spec["expirationSeconds"] = lifetime_s
    created = await client.create(CERTIFICATESIGNINGREQUESTS, {"metadata": {"generateName": "csr-"}, "spec": spec})
    return Asked(meta.name(created), subject, made.key)


async def signed(client: Client, asked: Asked, *, patience_s: float) -> KeyPair:
    """Raises NotSigned, ApiError; NotFound where the request is gone."""
    return KeyPair(await _signed(client, asked.name, asked.subject, patience_s), asked.key)


async def _signed(client: Client, name: str, subject: Subject, patience_s: float) -> bytes:
    backoff = Backoff(FIRST_S, factor=1.5, cap_s=MOST_S)
    try:
        async with asyncio.timeout(patience_s):
            while True:
                found = await client.get(CERTIFICATESIGNINGREQUESTS, name)
                if certificate := certificate_of(found):
                    return certificate
                for kind in (DENIED, FAILED):
                    if refusal := next(iter(conditions_of(found, kind)), None):
                        why = refusal.get("message") or refusal.get("reason") or "no reason is given"
                        raise Refused(f"the request {name} for a certificate of {subject.user} was refused ({kind}): {why}")
                await asyncio.sleep(backoff.next_s())
    except TimeoutError:
        raise NotSigned(
            f"the request {name} for a certificate of {subject.user} waits for somebody's approval. Is there a Node of that name already? "
            f"`kubectl certificate approve {name}` if it is this machine's, or `kubectl delete node` for one that is gone"
        ) from None
