"""Bootstrap tokens over HTTP: whom they sign in, and which of them nobody."""

from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest

from pilothouse.model import bootstrap_tokens, meta
from pilothouse.model.bootstrap_tokens import BootstrapToken
from pilothouse.model.errors import ApiError
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.https import Https

SECRETS = "/api/v1/namespaces/kube-system/secrets"
TOKEN = BootstrapToken("abcdef", "0123456789abcdef", groups=("system:bootstrappers:x",))
ME = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
PAST, FUTURE = 946684800.0, 4102444800.0


async def code(https: Https, token: str) -> int:
    try:
        await https.bearing(token).post(ME, {})
    except ApiError as error:
        return error.code
    return 201


async def test_a_token_signs_in_as_a_bootstrapper_of_its_groups(api: Api, https: Https) -> None:
    await api.post(SECRETS, bootstrap_tokens.to_secret(replace(TOKEN, expires_at=FUTURE)))
    user = (await https.bearing(str(TOKEN)).post(ME, {}))["status"]["userInfo"]
    assert user["username"] == "system:bootstrap:abcdef"
    assert user["groups"] == ["system:bootstrappers", "system:bootstrappers:x", "system:authenticated"]
    review = await api.post("/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": str(TOKEN)}})
    assert review["status"]["user"]["username"] == "system:bootstrap:abcdef"


def encoded(**data: str) -> dict[str, Any]:
    return {"data": {key.replace("_", "-"): b64encode(value.encode()).decode() for key, value in data.items()}}


@pytest.mark.parametrize(
    "changed",
    [
        encoded(token_secret="0123456789abcdeX"),
        encoded(token_secret="0123456789abcde0"),
        encoded(token_id="fedcba"),
        encoded(expiration=meta.rfc3339(PAST)),
        encoded(expiration="soon"),
        encoded(usage_bootstrap_authentication="false"),
        encoded(auth_extra_groups="system:bootstrappers:x,system:masters"),
        {"type": "Opaque"},
    ],
)
async def test_what_is_not_quite_a_token_is_nobodys(api: Api, https: Https, changed: dict[str, Any]) -> None:
    secret = bootstrap_tokens.to_secret(TOKEN)
    made = secret | changed | {"data": secret["data"] | changed.get("data", {})}
    await api.post(SECRETS, made)
    assert await code(https, str(TOKEN)) == 401


async def test_a_token_ends_with_its_secret_also_on_a_connection_that_goes_on(api: Api, https: Https) -> None:
    await api.post(SECRETS, bootstrap_tokens.to_secret(TOKEN))
    holder = https.bearing(str(TOKEN))
    assert await holder.post(ME, {})
    await api.delete(f"{SECRETS}/{TOKEN.name}")
    assert (await holder.refused("POST", ME, {})).code == 401


async def test_secrets_of_other_namespaces_are_no_tokens(api: Api, https: Https) -> None:
    secret = bootstrap_tokens.to_secret(TOKEN)
    await api.post("/api/v1/namespaces/default/secrets", secret | {"metadata": {"name": TOKEN.name}})
    assert await code(https, str(TOKEN)) == 401


async def test_a_secret_that_signs_nobody_in_is_taken_with_a_warning(api: Api) -> None:
    made = bootstrap_tokens.to_secret(TOKEN)
    made["metadata"]["name"] = "bootstrap-token-other"
    assert bootstrap_tokens.problem(made) == 'metadata.name must be "bootstrap-token-abcdef", after data[token-id]'
    assert await api.post(SECRETS, made)


def test_a_token_reads_as_it_was_written() -> None:
    token = replace(TOKEN, expires_at=FUTURE, usages=("signing",), description="of the third rack")
    assert bootstrap_tokens.read(bootstrap_tokens.to_secret(token)) == token
