"""What a machine refuses while an instance is taken off it, or does not do in time: said in one sentence, and tried again later."""

import asyncio
import sys
from pathlib import Path

import pytest

from pilothouse.cli.cluster import commands, removal, service
from pilothouse.cli.cluster.removal import Attempts, NotRemoved, remove
from pilothouse.cli.cluster.waiting import NotUp
from pilothouse.cli.further.namespaces import NamespaceFailure
from pilothouse.cli.settings.home import Home, Settings
from pilothouse.engine.node import teardown
from pilothouse.engine.node.config import NodeConfig
from pilothouse.linux.nft import NftFailure
from pilothouse.network.pod import PodNetwork, nft
from pilothouse.network.pod.kernel import NetworkFailure

SLOW = "nft has not answered within 20 s: this machine is slow or busy"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Of a machine whose nft hangs."""

    async def nothing(home: Home) -> None:
        return

    async def removed(home: Home, settings: Settings) -> None:
        raise NotRemoved([SLOW])

    found = Home(tmp_path / "home")
    found.path.mkdir()
    monkeypatch.setattr(removal, "stop_gateway", nothing)
    monkeypatch.setattr(removal.TrustStores, "remove", lambda stores: None)
    monkeypatch.setattr(removal, "remove_node", removed)
    monkeypatch.setattr(service, "stop", lambda home: [])
    monkeypatch.setattr(service, "forget", lambda home: None)
    return found


async def test_the_files_stay_until_all_else_has_gone(home: Home) -> None:
    Settings().save(home)
    with pytest.raises(NotRemoved, match=r"nft has not answered .*: this machine is slow or busy\. `ph destroy` tries again"):
        await remove(home)
    assert home.settings.exists()


async def test_what_is_refused_once_does_not_keep_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    attempts = Attempts()
    with attempts.step("first"):
        raise ExceptionGroup("", [NamespaceFailure("no ip"), NetworkFailure(SLOW)])
    attempts.tried(lambda: _raise(NftFailure(SLOW)))
    with attempts.step("last"):
        done = True
    assert done
    with pytest.raises(NotRemoved) as refused:
        attempts.check()
    assert refused.value.failures == ["no ip", SLOW]


async def test_a_fault_of_the_program_is_no_refusal_of_the_machine() -> None:
    with pytest.raises(KeyError), Attempts().step("first"):
        raise KeyError("x")


def _raise(error: Exception) -> None:
    raise error


def test_a_first_start_that_cannot_be_undone_is_told_with_its_own_reason_first(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait_ready(home: Home) -> None:
        raise NotUp("node: not ready after 120 s")

    monkeypatch.setattr(commands, "wait_ready", wait_ready)
    commands.note_first(home)
    with pytest.raises(commands.click.ClickException) as said:
        commands.wait(home, is_first=True)
    assert said.value.message.startswith(
        "node: not ready after 120 s. Taking this first start off the machine again failed, too: nft has not"
    )
    assert said.value.message.endswith("`ph destroy` removes what is left")


async def test_pods_are_ended_also_where_their_network_does_not_come_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    destroyed = []

    async def destroy(config: NodeConfig) -> None:
        destroyed.append(config.home)

    async def run(network: PodNetwork, ready: asyncio.Event) -> None:
        raise NetworkFailure(SLOW)

    monkeypatch.setattr(PodNetwork, "run", run)
    monkeypatch.setattr(teardown, "destroy", destroy)
    home = Home(tmp_path)
    await removal._remove_containers(home, Settings(node_name="n"))
    assert destroyed == [home.node]


def test_an_nft_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "nft"
    program.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(nft, "_TIMEOUT_S", 0.05)
    with pytest.raises(NetworkFailure, match="this machine is slow or busy"):
        nft.run(["list", "tables"])
