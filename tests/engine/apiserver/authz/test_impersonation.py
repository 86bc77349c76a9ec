"""Speaking for somebody else, over TLS: each part of the other's identity takes a right of its own."""

from typing import Any, NamedTuple

import pytest

from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.https import Https, grant

REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
AUTHENTICATION = "authentication.k8s.io"
SA = "system:serviceaccount:default:default"


def may(resource: str, *names: str, group: str = "") -> Object:
    return {"apiGroups": [group], "resources": [resource], "verbs": ["impersonate"], **({"resourceNames": list(names)} if names else {})}


class Case(NamedTuple):
    """rights: of the one who speaks. extra: keys are lower-cased by the server."""

    rights: tuple[Object, ...]
    other: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: dict[str, str] | None = None
    is_refused: bool = False


USERS, GROUPS = may("users"), may("groups")
CASES = {
    "no right": Case((), "jane", is_refused=True),
    "the user": Case((USERS,), "jane"),
    "another user than the one allowed": Case((may("users", "jane"),), "joan", is_refused=True),
    "a group without its right": Case((USERS,), "jane", ("admins",), is_refused=True),
    "a group": Case((USERS, may("groups", "staff")), "jane", ("staff",)),
    "one group too many": Case((USERS, may("groups", "staff")), "jane", ("staff", "system:masters"), is_refused=True),
    "a uid without its right": Case((USERS, GROUPS), "jane", uid="7", is_refused=True),
    "a uid": Case((USERS, may("uids", "7", group=AUTHENTICATION)), "jane", uid="7"),
    "another uid": Case((USERS, may("uids", "7", group=AUTHENTICATION)), "jane", uid="8", is_refused=True),
    "an extra without its right": Case((USERS,), "jane", extra={"Scopes": "a"}, is_refused=True),
    "an extra": Case((USERS, may("userextras/scopes", group=AUTHENTICATION)), "jane", extra={"Scopes": "a"}),
    "another value of an extra": Case(
        (USERS, may("userextras/scopes", "a", group=AUTHENTICATION)), "jane", extra={"scopes": "b"}, is_refused=True
    ),
    "a service account": Case((may("serviceaccounts", "default"),), SA),
    "a service account by the right to users": Case((USERS,), SA, is_refused=True),
    "a user by the right to service accounts": Case((may("serviceaccounts"),), "jane", is_refused=True),
}


@pytest.mark.parametrize("name", CASES)
async def test_each_part_of_an_identity_takes_a_right(api: Api, https: Https, name: str) -> None:
    case = CASES[name]
    await grant(api, "speaker", *case.rights)
    speaker = https.speaking_for("speaker", case.other, groups=case.groups, uid=case.uid, extra=case.extra)
    if case.is_refused:
        error = await speaker.refused("POST", REVIEWS, {})
        assert error.code == 403
        assert 'User "speaker" cannot impersonate-on:' in error.message
        return
    found: dict[str, Any] = (await speaker.post(REVIEWS, {}))["status"]["userInfo"]
    assert (found["username"], found.get("uid", "")) == (case.other, case.uid)
    assert set(case.groups) <= set(found["groups"])
    assert found.get("extra", {}) == {key.lower(): [text] for key, text in (case.extra or {}).items()}


async def test_who_speaks_for_another_has_the_others_rights_and_not_his_own(api: Api, https: Https) -> None:
    await grant(api, "speaker", USERS, {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]})
    assert (await https.speaking_for("speaker", "jane").refused("GET", "/api/v1/configmaps")).code == 403
    with pytest.raises(ApiError, match='User "jane" cannot list'):
        await https.speaking_for("speaker", "jane").get("/api/v1/configmaps")


async def test_who_is_spoken_for_has_signed_in(api: Api, https: Https) -> None:
    """And is in no group that was not named, such as the speaker's."""
    await grant(api, "speaker", USERS, GROUPS)
    speaker = https.speaking_for("speaker", "jane", groups=("staff",))
    assert (await speaker.post(REVIEWS, {}))["status"]["userInfo"]["groups"] == ["staff", "system:authenticated"]
