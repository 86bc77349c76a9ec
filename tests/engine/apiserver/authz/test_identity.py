"""Until when somebody is who he says he is."""

import base64
from pathlib import Path
from typing import Any, cast

import pytest

from pilothouse.engine.apiserver.authn.authenticate import Authenticator
from pilothouse.engine.apiserver.authn.jwt import BadToken, Signer
from pilothouse.engine.apiserver.authn.tokens import BoundObject, Tokens
from pilothouse.engine.apiserver.identity import ANONYMOUS, User
from pilothouse.engine.apiserver.objects import Objects as LiveObjects
from pilothouse.engine.store.record import Record
from pilothouse.engine.store.store import Store
from pilothouse.model import meta
from pilothouse.model.errors import Unauthorized
from pilothouse.model.json import dumps
from pilothouse.wire.messages import Certificate, Peer, Request

ACCOUNT = {"name": "runner", "uid": "u"}


class Objects(dict[str, dict[str, Any]]):
    """Stored objects by key."""

    def get(self, key: str, default: Any = None) -> Any:
        found = super().get(key)
        return None if found is None else Record(key, 1, 1, dumps(found))


@pytest.fixture
def objects() -> Objects:
    return Objects({"/serviceaccounts/n/runner": {"metadata": ACCOUNT}, "/pods/n/p": {"metadata": {"name": "p", "uid": "p"}}})


@pytest.fixture
def tokens(tmp_path: Path, objects: Objects) -> Tokens:
    return Tokens(
        Signer.load(tmp_path / "key"),
        LiveObjects(cast("Store", objects)),
        "us",
        {"fixed": User("keeper")},
        clock=lambda: 1000.0,
    )


def test_a_pods_token_ends_a_minute_after_the_pod_has_begun_to_end(tokens: Tokens, objects: Objects) -> None:
    token, _ = tokens.issue("n", ACCOUNT, [], 600, BoundObject("Pod", "p", "p"))
    for ended_at, is_good in ((1000.0, True), (941.0, True), (930.0, False)):
        objects["/pods/n/p"]["metadata"]["deletionTimestamp"] = meta.rfc3339(ended_at)
        if is_good:
            assert tokens.user(token)[0].name == "system:serviceaccount:n:runner"
        else:
            with pytest.raises(BadToken):
                tokens.user(token)


def test_a_secrets_token_ends_when_the_secret_holds_another(tokens: Tokens, objects: Objects) -> None:
    token = tokens.issue_for_secret("n", ACCOUNT, "s", "s")
    objects["/secrets/n/s"] = {"metadata": {"uid": "s"}, "data": {"token": base64.b64encode(token.encode()).decode()}}
    assert tokens.user(token)
    objects["/secrets/n/s"]["data"]["token"] = "b3RoZXI="
    with pytest.raises(BadToken):
        tokens.user(token)


def test_a_static_token_is_good_for_reviews(tokens: Tokens) -> None:
    assert tokens.user("fixed") == (User("keeper"), ["us"])
    with pytest.raises(BadToken):
        tokens.user("fixed", ["others"])


def test_a_certificate_ends_also_on_a_connection_that_goes_on(tokens: Tokens) -> None:
    now = [1000.0]
    authenticator = Authenticator(tokens, lambda: now[0])
    request = Request("GET", "/", peer=Peer(certificate=Certificate("jane", (), expires_at=2000.0)))
    assert authenticator.authenticate(request).name == "jane"
    now[0] = 2001.0
    with pytest.raises(Unauthorized):
        authenticator.authenticate(request)


def test_a_certificate_without_a_name_signs_nobody_in(tokens: Tokens) -> None:
    peer = Peer(certificate=Certificate("", ("system:masters",), expires_at=2000.0))
    assert Authenticator(tokens, lambda: 1000.0).authenticate(Request("GET", "/", peer=peer)) is ANONYMOUS
