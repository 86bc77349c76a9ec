"""Service-account tokens: bound to live objects, to audiences and to a time.

A good signature is remembered, everything that can change is looked up each time: a token dies with the pod, secret, node or
service account it names. Source: kubernetes pkg/serviceaccount/claims.go (private claims, `warnafter` and leeway left out).
"""

import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from pilothouse.engine.apiserver.authn.jwt import BadToken, Signer
from pilothouse.engine.apiserver.identity import SERVICE_ACCOUNT_PREFIX, User, service_account
from pilothouse.model.json import Object

_CACHE_SIZE = 4096
_LEEWAY_S = 10
_PRIVATE = "kubernetes.io"
_EXTRA = "authentication.kubernetes.io"


class Objects(Protocol):
    """How live objects are looked up."""

    def get(self, key: str, /) -> Any: ...


@dataclass(frozen=True, slots=True)
class Binding:
    """What a token dies with. kind: Pod, Secret or Node."""

    kind: str
    name: str
    uid: str


_KEYS = {"Pod": "/pods/{ns}/{name}", "Secret": "/secrets/{ns}/{name}", "Node": "/nodes//{name}"}


class Tokens:
    """Issues and checks tokens. issuer: the `iss` of all of them and the default audience."""

    def __init__(self, signer: Signer, objects: Objects, issuer: str, clock: Callable[[], float] = time.time) -> None:
        self.signer = signer
        self.issuer = issuer
        self._objects = objects
        self._clock = clock
        self._verified: OrderedDict[str, Object] = OrderedDict()

    def issue(
        self, namespace: str, account: Object, audiences: list[str], lifetime_s: int, bound: Binding | None, node: Binding | None = None
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
        claims = self._claims(token)
        now = self._clock()
        if "exp" in claims and now > claims["exp"]:
            raise BadToken("token has expired")
        if now + _LEEWAY_S < claims.get("nbf", 0):
            raise BadToken("token is not valid yet")
        wanted = audiences or [self.issuer]
        good_for = [audience for audience in wanted if audience in claims["aud"]]
        if not good_for:
            raise BadToken(f"invalid bearer token, token audiences {claims['aud']} is invalid for the target audiences {wanted}")
        return self._live_user(claims), good_for

    def _claims(self, token: str) -> Object:
        found = self._verified.get(token)
        if found is None:
            found = self._verified[token] = _well_formed(self.signer.verify(token), self.issuer)
            if len(self._verified) > _CACHE_SIZE:
                self._verified.popitem(last=False)
        return found

    def _live_user(self, claims: Object) -> User:
        private = claims[_PRIVATE]
        namespace, account = private["namespace"], private["serviceaccount"]
        self._require(f"/serviceaccounts/{namespace}/{account['name']}", account["uid"], "service account")
        extra = {f"{_EXTRA}/credential-id": [f"JTI={claims['jti']}"]} if "jti" in claims else {}
        for kind, pattern in _KEYS.items():
            bound = private.get(kind.lower())
            if bound is None or (kind == "Node" and "pod" in private):
                continue
            self._require(pattern.format(ns=namespace, name=bound["name"]), bound["uid"], kind)
        for kind in ("node", "pod"):
            if kind in private:
                extra[f"{_EXTRA}/{kind}-name"] = [private[kind]["name"]]
                extra[f"{_EXTRA}/{kind}-uid"] = [private[kind]["uid"]]
        return service_account(namespace, account["name"], account["uid"], extra)

    def _require(self, key: str, uid: str, what: str) -> None:
        record = self._objects.get(key)
        if record is None or record.value["metadata"].get("uid") != uid:
            raise BadToken(f"the {what} {key} of the token is gone")


def _well_formed(claims: Object, issuer: str) -> Object:
    private = claims.get(_PRIVATE)
    if claims.get("iss") != issuer or not isinstance(claims.get("aud"), list) or not isinstance(private, dict):
        raise BadToken("not a service-account token of this cluster")
    return claims
