"""`ph token` against an API server."""

import asyncio
import json
import re
from pathlib import Path

import pytest

from tests.cli.test_ending import ph
from tests.engine.apiserver.conftest import kubeconfig, server, state, store  # noqa: F401 -- fixtures

GIVEN = "abcdef.0123456789abcdef"


async def token(kubeconfig: Path, *words: str, fails: bool = False, given: str = "") -> str:  # noqa: F811
    """What it prints; of a failure, its sentence."""
    done = await asyncio.to_thread(ph, "--kubeconfig", str(kubeconfig), "token", *words, input=given)
    assert bool(done.returncode) == fails, done.stderr
    return done.stderr if fails else done.stdout


async def test_a_token_is_made_listed_and_deleted(kubeconfig: Path) -> None:  # noqa: F811
    made = (await token(kubeconfig, "create", "--description", "the third rack")).strip()
    assert re.fullmatch(r"[a-z0-9]{6}\.[a-z0-9]{16}", made)
    found = json.loads(await token(kubeconfig, "list", "-o", "json"))
    assert [(each["token"], each["description"]) for each in found] == [(made, "the third rack")]
    assert found[0]["groups"] == ["system:bootstrappers:pilothouse:node"]
    assert await token(kubeconfig, "delete", made) == f"deleted the token {made[:6]}\n"
    assert json.loads(await token(kubeconfig, "list", "-o", "json")) == []


async def test_a_token_without_an_end_says_so(kubeconfig: Path, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "token").write_text(f"{GIVEN}\n")
    from_file = ("create", "--from-file", str(tmp_path / "token"))
    assert await token(kubeconfig, *from_file, "--ttl", "0", "--usages", "signing") == f"{GIVEN}\n"
    assert f"{GIVEN}  never    signing" in await token(kubeconfig, "list")
    assert "there is a token abcdef already" in await token(kubeconfig, *from_file, fails=True)


async def test_a_token_comes_from_standard_input(kubeconfig: Path) -> None:  # noqa: F811
    assert await token(kubeconfig, "create", "--from-file", "-", given=GIVEN) == f"{GIVEN}\n"


async def test_a_token_between_the_arguments_is_refused_and_not_repeated(kubeconfig: Path) -> None:  # noqa: F811
    said = await token(kubeconfig, "create", GIVEN, fails=True)
    assert "token create --from-file -` reads it from standard input" in said
    assert GIVEN not in said
    assert json.loads(await token(kubeconfig, "list", "-o", "json")) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["create", "--from-file", "/missing"], "--from-file /missing cannot be read: No such file or directory"),
        (["create", "--from-file", "-"], "the token is not of the form abcdef.0123456789abcdef"),
        (["create", "--groups", "admins"], "--groups must be groups that begin with"),
        (["create", "--usages", "flying"], "'flying' is no usage of a token: authentication and signing are"),
        (["create", "--ttl", "soon"], "'soon' is not a duration such as 30m, 12h or 2d"),
        (["delete", "all"], "'all' is no token: name its first six characters"),
        (["delete", "abcdef"], "there is no token abcdef"),
    ],
)
async def test_a_mistake_gets_one_sentence(kubeconfig: Path, words: list[str], said: str) -> None:  # noqa: F811
    assert said in await token(kubeconfig, *words, fails=True)
