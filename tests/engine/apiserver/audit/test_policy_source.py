"""The policy that counts, while its file changes."""

import asyncio
from pathlib import Path

import pytest

from pilothouse.engine.apiserver.audit import policy_file
from pilothouse.engine.apiserver.audit.policy_file import PolicyError
from pilothouse.engine.apiserver.audit.policy_source import Ignored, PolicySource
from tests.engine.apiserver.audit.trail import HEAD

DEFAULT = policy_file.read(policy_file.DEFAULT)
ONE_RULE = f"{HEAD}rules: [{{level: Metadata}}]"


async def test_without_a_file_the_default_policy_counts_until_there_is_one(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    source = PolicySource(path)
    assert source.policy == DEFAULT
    path.write_text(ONE_RULE)
    await source.look()
    assert len(source.policy.rules) == 1
    path.unlink()
    await source.look()
    assert source.policy == DEFAULT


async def test_a_policy_that_breaks_is_said_and_the_one_before_counts_until_it_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pilothouse.engine.apiserver.audit.policy_source.LOOKED_AT_EVERY_S", 0.001)
    path, ready = tmp_path / "policy.yaml", asyncio.Event()
    path.write_text(ONE_RULE)
    source = PolicySource(path)
    path.write_text(f"{HEAD}rules: [{{level: metadata}}]")
    with pytest.raises(
        Ignored, match=r"policy.yaml is not valid: rules\[0\].level cannot be 'metadata'.*the policy before it stays in force"
    ):
        await asyncio.wait_for(source.run(ready), 5)
    assert len(source.policy.rules) == 1
    following = asyncio.ensure_future(source.run(ready))
    path.write_text(f"{HEAD}rules: [{{level: None}}, {{level: Metadata}}]")
    await asyncio.wait_for(ready.wait(), 5)
    assert len(source.policy.rules) == 2
    path.write_text(f"{HEAD}rules: [{{level: metadata}}]")
    with pytest.raises(Ignored, match=r"cannot be 'metadata'"):
        await asyncio.wait_for(following, 5)


def test_nothing_starts_with_a_policy_that_is_not_valid(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("rules: []")
    with pytest.raises(PolicyError):
        PolicySource(tmp_path / "policy.yaml")


def test_a_policy_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="cannot be read: Is a directory"):
        PolicySource(tmp_path)
