"""Service-account tokens: bound to live objects, to audiences and to a time.

A good signature is remembered, everything that can change is looked up each time: a token dies with the pod, secret, node or
service account it names. Source: kubernetes pkg/serviceaccount/claims.go (private claims, `warnafter` and leeway left out).
"""

import base64
import hmac
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pilothouse.engine.apiserver.authn.jwt import BadToken, Signer
from pilothouse.engine.apiserver.identity import SERVICE_ACCOUNT_PREFIX, User, service_account
from pilothouse.engine.apiserver.objects import Objects
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import NODES, PODS, SECRETS, SERVICEACCOUNTS
from pilothouse.model.resource import Resource

_CACHE_SIZE = 4096
_LEEWAY_S = 10
_DYING_S = 60
_PRIVATE = "kubernetes.io"
_EXTRA = "authentication.kubernetes.io"


@dataclass(frozen=True, slots=True)
class BoundObject:
    """What a token dies with. kind: Pod, Secret or Node."""

    kind: str
    name: str
    uid: str


BINDABLE = {"Pod": PODS, "Secret": SECRETS, "Node": NODES}
"""What a token can die with, beside its service account; by kind."""
Opaque = Callable[[str], User | None]
"""Whose a token is that says nothing by itself; None for one that is not known."""


class Tokens:
    """Issues and checks tokens. issuer: the `iss` of all of them and the default audience. static: tokens that are kept, not issued.

    opaque: who knows other tokens that are not issued here; they are good for the default audience.
    """

    def __init__(
        self,
        signer: Signer,
        objects: Objects,
        issuer: str,
        static: Mapping[str, User] | None = None,
        clock: Callable[[], float] = time.time,
        opaque: Sequence[Opaque] = (),
    ) -> None:
        self._opaque = tuple(opaque)
        self._static = dict(static or {})
        self.signer = signer
        self.issuer = issuer
        self._objects = objects
        self._clock = clock
        self._verified: OrderedDict[str, Object] = OrderedDict()

    def issue(
        self,
        namespace: str,
        account: Object,
        audiences: list[str],
        lifetime_s: int,
        bound: BoundObject | None,
        node: BoundObject | None = None,
    ) -> tuple[str, float]:
        """A token and the time it ends. account: the metadata of the service account."""
        now = int(self._clock())
        private: Object = {"namespace": namespace, "serviceaccount": {"name": account["name"], "uid": account["uid"]}}
        for binding in (bound, node):
            if binding is not None:
                private[binding.kind.lower()] = {"name": binding.name, "uid": binding.uid}
        claims = {
            "aud": audiences or [self.issuer],
            "exp": now + lifetime_s,
            "iat": now,
            "iss": self.issuer,
            "jti": str(uuid.uuid4()),
            _PRIVATE: private,
            "nbf": now,
            "sub": f"{SERVICE_ACCOUNT_PREFIX}{namespace}:{account['name']}",
        }
        return self.signer.sign(claims), now + lifetime_s

    def issue_for_secret(self, namespace: str, account: Object, secret: str, uid: str) -> str:
        """A token without an end that lives as long as its Secret."""
        binding = {"name": secret, "uid": uid}
        private = {"namespace": namespace, "serviceaccount": {"name": account["name"], "uid": account["uid"]}, "secret": binding}
        subject = f"{SERVICE_ACCOUNT_PREFIX}{namespace}:{account['name']}"
        return self.signer.sign({"aud": [self.issuer], "iss": self.issuer, _PRIVATE: private, "sub": subject})

    def user(self, token: str, audiences: list[str] | None = None) -> tuple[User, list[str]]:
        """Who a token stands for, and which of the audiences it is good for (ours by default); raises BadToken."""
        wanted = audiences or [self.issuer]
        if (known := self._known(token)) is not None:
            return known, _good_for(wanted, [self.issuer])
        claims = self._claims(token)
        now = self._clock()
        if "exp" in claims and now > claims["exp"]:
            raise BadToken("token has expired")
        if now + _LEEWAY_S < claims.get("nbf", 0):
            raise BadToken("token is not valid yet")
        good_for = _good_for(wanted, claims["aud"])
        return self._live_user(token, claims), good_for

    def _known(self, token: str) -> User | None:
        """The user of a token that is not issued here; static ones are compared in constant time."""
        matching = [user for known, user in self._static.items() if hmac.compare_digest(known.encode(), token.encode())]
        found = (user for knows in self._opaque if (user := knows(token)) is not None)
        return matching[0] if matching else next(found, None)

    def _claims(self, token: str) -> Object:
        found = self._verified.get(token)
        if found is None:
            found = self._verified[token] = _well_formed(self.signer.verify(token), self.issuer)
            if len(self._verified) > _CACHE_SIZE:
                self._verified.popitem(last=False)
        return found

    def _live_user(self, token: str, claims: Object) -> User:
        private = claims[_PRIVATE]
        namespace, account = private["namespace"], private["serviceaccount"]
        self._require(SERVICEACCOUNTS, namespace, account)
        extra = {f"{_EXTRA}/credential-id": [f"JTI={claims['jti']}"]} if "jti" in claims else {}
        for kind, resource in BINDABLE.items():
            bound = private.get(kind.lower())
            if bound is None or (kind == "Node" and "pod" in private):
                continue
            found = self._require(resource, namespace, bound)
            if kind == "Secret" and (found.get("data") or {}).get("token") != base64.b64encode(token.encode()).decode():
                raise BadToken("the Secret holds another token")
        for kind in ("node", "pod"):
            if kind in private:
                extra[f"{_EXTRA}/{kind}-name"] = [private[kind]["name"]]
                extra[f"{_EXTRA}/{kind}-uid"] = [private[kind]["uid"]]
        return service_account(namespace, account["name"], account["uid"], extra)

    def _require(self, resource: Resource, namespace: str, bound: Object) -> Object:
        """The object that the token lives by; one that is being deleted counts for another minute. Raises BadToken."""
        found = self._objects.get(resource, namespace if resource.namespaced else "", bound["name"]) or {}
        metadata = found.get("metadata") or {}
        ended = metadata.get("deletionTimestamp")
        if metadata.get("uid") != bound["uid"] or (ended and meta.parse_rfc3339(ended) + _DYING_S < self._clock()):
            raise BadToken(f"the {resource.kind} {bound['name']} of the token is gone")
        return found


def _good_for(wanted: list[str], audiences: list[str]) -> list[str]:
    """Raises BadToken unless one of the wanted audiences is among the token's."""
    found = [audience for audience in wanted if audience in audiences]
    if not found:
        raise BadToken(f"invalid bearer token, token audiences {audiences} is invalid for the target audiences {wanted}")
    return found


def _well_formed(claims: Object, issuer: str) -> Object:
    private = claims.get(_PRIVATE)
    if claims.get("iss") != issuer or not isinstance(claims.get("aud"), list) or not isinstance(private, dict):
        raise BadToken("not a service-account token of this cluster")
    return claims
