"""Pods with users of their own: ranges of ids that no two share, and runtimes that cannot give them any."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.host.id_ranges import FILE, LENGTH, claim, unsearchable
from pilothouse.engine.node.request.container import security_context
from pilothouse.engine.node.runtime import api_pb2 as api
from pilothouse.engine.node.runtime.seam import Image, RuntimeFailure
from pilothouse.engine.node.work import user_namespace
from tests.engine.node.builders import pod, spec
from tests.simulation.fake_runtime import FakeRuntime

OWN = pod(hostUsers=False)


def config(home: Path, instance: str = "pilothouse-x") -> NodeConfig:
    made = NodeConfig(home=home, node_name="n", instance=instance)
    made.pods_dir.mkdir(parents=True, exist_ok=True)
    return made


def test_each_pod_has_a_range_of_its_own_until_it_is_gone(tmp_path: Path) -> None:
    node = config(tmp_path)
    first, second = claim(node, "a"), claim(node, "b")
    assert abs(first - second) >= LENGTH
    assert first % LENGTH == 0
    assert claim(node, "a") == first
    shutil.rmtree(node.pod_dir("a"))
    assert claim(node, "c") == first


def test_a_damaged_note_costs_its_pod_a_new_range_and_no_other(tmp_path: Path) -> None:
    node = config(tmp_path)
    other = claim(node, "b")
    claim(node, "a")
    (node.pod_dir("a") / FILE).write_text("damaged")
    assert claim(node, "a") not in (0, other)
    assert claim(node, "b") == other


def test_instances_on_one_machine_take_theirs_from_different_parts(tmp_path: Path) -> None:
    assert claim(config(tmp_path), "a") != claim(config(tmp_path, "pilothouse-y"), "b")


def test_when_all_ranges_are_taken_that_is_said(tmp_path: Path) -> None:
    node = config(tmp_path)
    taken = {claim(node, str(number)) for number in range(256)}
    assert len(taken) == 256
    assert max(taken) + LENGTH < 2**31
    with pytest.raises(OSError, match="all 256 ranges of user ids are taken"):
        claim(node, "late")


def test_the_folder_in_the_way_is_named() -> None:
    # In no folder of pytest's: those are for their owner alone, and shut again by every other run.
    with TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o711)
        (folder / "shut" / "in").mkdir(parents=True)
        assert unsearchable(folder / "shut" / "in") is None
        (folder / "shut").chmod(0o700)
        assert unsearchable(folder / "shut" / "in") == folder / "shut"


async def made(runtime: FakeRuntime, asked: api.UserNamespace) -> str:
    security = api.LinuxSandboxSecurityContext(namespace_options=api.NamespaceOption(userns_options=asked))
    metadata = api.PodSandboxMetadata(name="p", uid="u1", namespace="ns")
    return await runtime.run_sandbox(api.PodSandboxConfig(metadata=metadata, linux=api.LinuxPodSandboxConfig(security_context=security)))


ASKED = api.UserNamespace(mode=api.POD, uids=[api.IDMapping(host_id=1 << 30, container_id=0, length=LENGTH)])


async def test_a_sandbox_with_users_of_its_own_stays() -> None:
    runtime = FakeRuntime()
    box = await made(runtime, ASKED)
    await user_namespace.check(runtime, box, ASKED)
    assert list(runtime.boxes) == [box]


async def test_a_sandbox_that_a_runtime_made_without_goes_at_once() -> None:
    runtime = FakeRuntime(shifts=False)
    box = await made(runtime, ASKED)
    with pytest.raises(RuntimeFailure, match="makes no user namespaces"):
        await user_namespace.check(runtime, box, ASKED)
    assert runtime.boxes == {}


async def test_a_pod_that_does_not_ask_for_users_of_its_own_has_the_nodes(tmp_path: Path) -> None:
    assert await user_namespace.options(config(tmp_path), pod()) is None
    assert await user_namespace.options(config(tmp_path), pod(hostUsers=True)) is None
    assert not (tmp_path / "kubelet" / "pods" / "u1").exists()


@pytest.mark.parametrize(("own_users", "is_open"), [(True, True), (False, False)])
def test_an_open_proc_needs_users_of_its_own(own_users: bool, is_open: bool) -> None:
    wanted = spec(securityContext={"procMount": "Unmasked"})
    found = security_context(pod(wanted, hostUsers=not own_users), wanted, Image("i", (), (), 1), Path("/"))
    assert (not found.masked_paths and not found.readonly_paths) is is_open
