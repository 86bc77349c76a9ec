"""Volumes of drivers in pods: in the order that drivers may rely on, once for the node, and let go of whatever happens in between."""

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from pilothouse.engine.csi.driver import CsiFailure
from pilothouse.engine.node.csi import records
from pilothouse.engine.node.csi.failure import MountFailed, MountPending
from pilothouse.engine.node.csi.growing import failed_status, grown_status
from pilothouse.engine.node.csi.stats import VolumeRoom
from pilothouse.engine.node.files.mountpoints import unmount
from pilothouse.model.csi import attachment_name, unique_name
from pilothouse.model.json import Object
from tests.csi_driver.faults import Fault
from tests.csi_driver.options import Options
from tests.engine.node.csi.world import NODE, World, inlined, persistent, pod, world

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")

MOUNTS = ("NodeStageVolume", "NodePublishVolume", "NodeUnpublishVolume", "NodeUnstageVolume")


async def unstaged(made: World) -> None:
    """What goes on in the background after the last pod has gone."""
    for _ in range(200):
        if not made.mounted() and not list(records.staged(made.config)):
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"still mounted: {made.mounted()}")


async def test_a_volume_is_staged_once_and_published_into_each_pod() -> None:
    async with world() as made:
        made.made()
        first = await made.mount(pod("a"), persistent())
        second = await made.mount(pod("b"), persistent())
        (first / "file").write_text("there")
        assert (second / "file").read_text() == "there"
        assert made.driver.asked(*MOUNTS) == ["NodeStageVolume", "NodePublishVolume", "NodePublishVolume"]


async def test_it_is_unstaged_after_the_last_pod_has_let_go() -> None:
    async with world() as made:
        made.made()
        for uid in ("a", "b"):
            await made.mount(pod(uid), persistent())
        assert await made.volumes.drop("a") == []
        await asyncio.sleep(0.2)
        assert "NodeUnstageVolume" not in made.driver.asked()
        assert await made.volumes.drop("b") == []
        await unstaged(made)
        assert made.driver.asked(*MOUNTS)[-2:] == ["NodeUnpublishVolume", "NodeUnstageVolume"]


async def test_mounted_volumes_are_not_asked_for_again() -> None:
    async with world() as made:
        made.made()
        where = await made.mount(pod(), persistent())
        assert await made.volumes.published("uid-1", "data") == where == await made.mount(pod(), persistent())
        assert made.driver.asked(*MOUNTS) == ["NodeStageVolume", "NodePublishVolume"]


async def test_a_driver_that_does_not_stage_is_not_asked_to() -> None:
    async with world(Options(node=())) as made:
        made.made()
        await made.mount(pod(), persistent())
        assert await made.volumes.drop("uid-1") == []
        assert made.driver.asked(*MOUNTS) == ["NodePublishVolume", "NodeUnpublishVolume"]
        assert made.driver.request("NodePublishVolume").staging_target_path == ""


async def test_an_agent_that_was_killed_is_taken_over_from_whatever_it_was_doing() -> None:
    for fault in ("NodeStageVolume", "NodePublishVolume"):
        async with world() as made:
            made.made()
            made.driver.faults.set(fault, Fault("UNAVAILABLE", times=1, after=True))
            with pytest.raises((CsiFailure, MountFailed)):
                await made.mount(pod(), persistent())
            again = await made.restarted()
            assert await again.drop("uid-1") == []
            await unstaged(made)


async def test_an_agent_that_starts_anew_knows_what_is_mounted_and_asks_nobody() -> None:
    async with world() as made:
        made.made()
        where = await made.mount(pod(), persistent())
        again = await made.restarted()
        made.driver.calls.clear()
        assert await again.mount(pod(), persistent()) == where
        assert made.driver.asked(*MOUNTS) == []


async def test_what_was_staged_for_no_pod_any_more_is_tidied_away() -> None:
    async with world() as made:
        made.made()
        await made.mount(pod(), persistent())
        made.driver.faults.set("NodeUnstageVolume", Fault("INTERNAL", times=1))
        assert await made.volumes.drop("uid-1") == []
        await asyncio.sleep(0.2)
        assert made.mounted()
        await made.volumes.tidy()
        await unstaged(made)


async def test_after_a_restart_of_the_machine_the_driver_is_asked_for_everything_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with world() as made:
        made.made()
        await made.mount(pod(), persistent())
        monkeypatch.setattr(records, "this_boot", lambda: "another")
        await made.mount(pod(), persistent())
        assert made.driver.asked(*MOUNTS) == ["NodeStageVolume", "NodePublishVolume"] * 2


async def test_a_driver_that_hangs_holds_up_its_own_pod_alone() -> None:
    async with world(wait_s=0.1) as made:
        made.made()
        made.made("vol-2")
        made.driver.faults.set("NodeStageVolume", Fault(hang_s=3.0, times=1))
        with pytest.raises(MountPending, match='volume "pv-vol-1" is being mounted by driver'):
            await made.volumes.mount(pod("a"), persistent())
        await made.mount(pod("b"), persistent("vol-2"))
        assert "NodePublishVolume" in made.driver.asked()
        assert "a" not in made.over
        while "a" not in made.over:
            await asyncio.sleep(0.05)
        assert (await made.volumes.mount(pod("a"), persistent())).is_dir()


async def test_a_pod_that_goes_while_its_volume_is_being_mounted_lets_go_of_it() -> None:
    async with world(wait_s=0.1) as made:
        made.made()
        made.driver.faults.set("NodePublishVolume", Fault(hang_s=30.0, times=1))
        with pytest.raises(MountPending):
            await made.volumes.mount(pod(), persistent())
        assert await made.volumes.drop("uid-1") == []
        await unstaged(made)


async def test_a_record_that_is_being_written_while_its_pod_goes_is_not_left(monkeypatch: pytest.MonkeyPatch) -> None:
    gate, write = threading.Event(), records.write

    def slow(*what: Any) -> None:
        gate.wait(10.0)
        write(*what)

    async with world(wait_s=0.1) as made:
        made.made()
        monkeypatch.setattr(records, "write", slow)
        with pytest.raises(MountPending):
            await made.volumes.mount(pod(), persistent())
        dropping = asyncio.ensure_future(made.volumes.drop("uid-1"))
        await asyncio.sleep(0.2)
        gate.set()
        assert await dropping == []
        # Time for what goes on behind it.
        await asyncio.sleep(0.2)
        assert list(records.published(made.config)) == []
        assert records.of_pod(made.config, "uid-1") == []


async def test_what_a_driver_refuses_is_said_with_the_step_and_tried_again() -> None:
    async with world() as made:
        made.made()
        made.driver.faults.set("NodeStageVolume", Fault("INTERNAL", "no such disk", times=1))
        with pytest.raises(MountFailed, match="NodeStageVolume: INTERNAL: no such disk") as caught:
            await made.mount(pod(), persistent())
        assert caught.value.step == "MountVolume.MountDevice"
        assert (await made.mount(pod(), persistent())).is_dir()


async def test_a_volume_that_is_not_let_go_of_keeps_its_files_and_its_record() -> None:
    async with world() as made:
        made.made()
        where = await made.mount(pod(), persistent())
        (where / "file").write_text("kept")
        made.driver.faults.set("NodeUnpublishVolume", Fault("INTERNAL", "busy", times=1))
        (left,) = await made.volumes.drop("uid-1")
        assert left == ('UnmountVolume.TearDown failed for volume "pv-vol-1" : driver folders.test: NodeUnpublishVolume: INTERNAL: busy')
        assert (where / "file").read_text() == "kept"
        assert await made.volumes.drop("uid-1") == []
        assert (made.driver.store.data("vol-1") / "file").read_text() == "kept"


async def test_without_its_driver_a_volume_waits_and_says_so() -> None:
    async with world() as made:
        made.made()
        await made.mount(pod(), persistent())
        made.drivers.remove(made.config.registrations_dir / "r.sock")
        (left,) = await made.volumes.drop("uid-1")
        assert left.endswith("driver name folders.test not found in the list of registered CSI drivers")
        with pytest.raises(MountFailed, match="not found in the list of registered CSI drivers"):
            await made.mount(pod("b"), persistent())


async def test_a_volume_that_somebody_has_deleted_under_its_pod_holds_up_nothing() -> None:
    async with world(Options(node=())) as made:
        made.made()
        where = await made.mount(pod(), persistent())
        made.driver.store.remove("vol-1")
        (left,) = await made.volumes.drop("uid-1")
        assert "NOT_FOUND" in left
        unmount(where)
        assert await made.volumes.drop("uid-1") == []


async def test_what_a_driver_stages_no_longer_is_not_waited_for() -> None:
    async with world() as made:
        made.made()
        await made.mount(pod(), persistent())
        where = records.staged_at(made.config, "folders.test", "vol-1")
        made.driver.faults.set("NodeUnstageVolume", Fault("UNIMPLEMENTED"))
        assert await made.volumes.drop("uid-1") == []
        unmount(where.target)
        await made.volumes.tidy()
        await unstaged(made)


class TestAttached:
    """Volumes that the cluster attaches to nodes."""

    OPTIONS = Options(controller=("PUBLISH_UNPUBLISH_VOLUME",))
    NAME = unique_name("folders.test", "vol-1")

    def attachment(self, made: World, **status: object) -> None:
        name = attachment_name("folders.test", "vol-1", NODE)
        made.api.attachments[name] = {"metadata": {"name": name}, "status": status}
        made.api.listed = [self.NAME] if status.get("attached") else []

    def reported(self, made: World) -> None:
        """The node has said that it uses the volume."""
        made.attaching.take([("folders.test", "vol-1")])
        made.attaching.reported(made.attaching.in_use())

    async def test_nothing_is_mounted_before_the_node_says_that_it_uses_the_volume(self) -> None:
        async with world(self.OPTIONS, wait_s=0.3) as made:
            made.made()
            made.about(attachRequired=True)
            self.attachment(made, attached=True, attachmentMetadata={"attached": "here"})
            with pytest.raises(MountPending):
                await made.volumes.mount(pod(), persistent())
            assert made.attaching.in_use() == [unique_name("folders.test", "vol-1")]
            assert made.driver.asked() == []
            made.attaching.reported(made.attaching.in_use())
            assert (await made.mount(pod(), persistent())).is_dir()
            assert dict(made.driver.request("NodeStageVolume").publish_context) == {"attached": "here"}
            assert dict(made.driver.request("NodePublishVolume").publish_context) == {"attached": "here"}

    async def test_it_counts_as_in_use_until_it_is_unstaged_also_for_an_agent_that_starts_anew(self) -> None:
        async with world(self.OPTIONS) as made:
            made.made()
            made.about(attachRequired=True)
            self.attachment(made, attached=True, attachmentMetadata={"attached": "here"})
            self.reported(made)
            await made.mount(pod(), persistent())
            again = await made.restarted()
            assert made.attaching.in_use() == [unique_name("folders.test", "vol-1")]
            await again.drop("uid-1")
            await unstaged(made)
            assert made.attaching.in_use() == []

    async def test_why_it_is_not_attached_is_said(self) -> None:
        async with world(self.OPTIONS) as made:
            made.made()
            made.about(attachRequired=True)
            self.reported(made)
            self.attachment(made, attached=False, attachError={"message": "no slot is free"})
            with pytest.raises(MountFailed, match="no slot is free") as caught:
                await made.mount(pod(), persistent())
            assert caught.value.step == "MountVolume.WaitForAttach"

    async def test_nothing_is_mounted_that_the_nodes_status_does_not_list_as_attached(self) -> None:
        async with world(self.OPTIONS, wait_s=0.3) as made:
            made.made()
            made.about(attachRequired=True)
            self.attachment(made, attached=True, attachmentMetadata={"attached": "here"})
            # Its detachment has begun: the attachment goes next.
            made.api.listed = []
            self.reported(made)
            with pytest.raises(MountPending):
                await made.volumes.mount(pod(), persistent())
            assert made.driver.asked() == []
            self.attachment(made, attached=True, attachmentMetadata={"attached": "here"})
            assert (await made.mount(pod(), persistent())).is_dir()

    async def test_the_attachment_is_read_after_the_list(self) -> None:
        async with world(self.OPTIONS) as made:
            made.made()
            made.about(attachRequired=True)
            self.reported(made)
            self.attachment(made, attached=True, attachmentMetadata={"attached": "elsewhere"})
            listing = made.api.node

            async def attached_anew() -> Object | None:
                self.attachment(made, attached=True, attachmentMetadata={"attached": "here"})
                return await listing()

            made.api.node = attached_anew  # type: ignore[method-assign]
            await made.mount(pod(), persistent())
            assert dict(made.driver.request("NodePublishVolume").publish_context) == {"attached": "here"}

    @pytest.mark.parametrize("is_under_way", [True, False])
    async def test_a_report_of_what_was_let_go_since_does_not_count_when_it_is_taken_again(self, is_under_way: bool) -> None:
        async with world(self.OPTIONS, wait_s=0.3) as made:
            made.made()
            made.about(attachRequired=True)
            self.attachment(made, attached=True)
            made.attaching.take([("folders.test", "vol-1")])
            names = made.attaching.in_use()
            if not is_under_way:
                made.attaching.reported(names)
            made.attaching.let_go(("folders.test", "vol-1"))
            if is_under_way:
                made.attaching.reported(names)
            with pytest.raises(MountPending):
                await made.volumes.mount(pod(), persistent())
            assert made.driver.asked() == []

    async def test_a_pod_whose_volume_nobody_has_attached_ends_without_its_driver(self) -> None:
        async with world(self.OPTIONS, wait_s=0.2) as made:
            made.made()
            made.about(attachRequired=True)
            with pytest.raises(MountPending):
                await made.volumes.mount(pod(), persistent())
            made.drivers.remove(made.config.registrations_dir / "r.sock")
            assert await made.volumes.drop("uid-1") == []
            await asyncio.sleep(0.1)
            assert made.attaching.in_use() == []


class TestInline:
    """Volumes that live and die with their pod."""

    async def test_it_is_made_for_the_pod_and_goes_with_it(self) -> None:
        async with world() as made:
            made.about(volumeLifecycleModes=["Ephemeral"], podInfoOnMount=True)
            of = pod()
            where = await made.mount(of, inlined(of, volumeAttributes={"size": "1"}))
            (where / "file").touch()
            request = made.driver.request("NodePublishVolume")
            assert dict(request.volume_context) == {
                "size": "1",
                "csi.storage.k8s.io/pod.name": "web",
                "csi.storage.k8s.io/pod.namespace": "default",
                "csi.storage.k8s.io/pod.uid": "uid-1",
                "csi.storage.k8s.io/serviceAccount.name": "robot",
                "csi.storage.k8s.io/ephemeral": "true",
            }
            assert await made.volumes.drop("uid-1") == []
            assert (made.driver.asked(*MOUNTS), list(made.driver.store.volumes())) == (["NodePublishVolume", "NodeUnpublishVolume"], [])

    async def test_a_driver_serves_only_the_kinds_of_volumes_that_it_says(self) -> None:
        async with world() as made:
            of = pod()
            with pytest.raises(MountFailed, match=r'volume mode "Ephemeral" not supported by driver folders.test \(only supports \["Pers'):
                await made.mount(of, inlined(of))
            made.about(volumeLifecycleModes=["Ephemeral"])
            with pytest.raises(MountFailed, match=r'volume mode "Persistent" not supported'):
                await made.mount(of, persistent())


class TestToldToTheDriver:
    async def test_secrets_are_those_that_the_volume_names(self) -> None:
        async with world(Options(required_secret="key=s3cret")) as made:
            made.made()
            made.api.secrets["vault", "of-volume"] = {"data": {"key": "czNjcmV0"}}
            reference = {"name": "of-volume", "namespace": "vault"}
            asked = persistent(csi={"nodeStageSecretRef": reference, "nodePublishSecretRef": reference})
            assert (await made.mount(pod(), asked)).is_dir()

    async def test_a_secret_that_is_missing_is_named(self) -> None:
        async with world() as made:
            made.made()
            asked = persistent(csi={"nodeStageSecretRef": {"name": "none", "namespace": "vault"}})
            with pytest.raises(MountFailed, match='secret "vault/none", which nodeStageSecretRef names, not found'):
                await made.mount(pod(), asked)

    async def test_tokens_are_for_the_audiences_that_the_driver_asks_for_and_kept(self) -> None:
        async with world() as made:
            made.made()
            made.about(tokenRequests=[{"audience": "vault"}], requiresRepublish=True)
            await made.mount(pod(), persistent())
            said = '{"vault":{"token":"vault-1","expirationTimestamp":"2030-01-01T00:00:00Z"}}'
            assert made.driver.request("NodePublishVolume").volume_context["csi.storage.k8s.io/serviceAccount.tokens"] == said
            made.now[0] += 61
            await made.mount(pod(), persistent())
            assert made.api.issued == 1

    async def test_tokens_may_go_into_the_secrets(self) -> None:
        async with world() as made:
            made.made()
            made.about(tokenRequests=[{}], serviceAccountTokenInSecrets=True)
            await made.mount(pod(), persistent())
            request = made.driver.request("NodePublishVolume")
            assert list(request.secrets) == ["csi.storage.k8s.io/serviceAccount.tokens"]
            assert not request.volume_context

    async def test_a_driver_that_wants_it_is_asked_again_now_and_then(self) -> None:
        async with world() as made:
            made.made()
            made.about(requiresRepublish=True)
            for later in (0, 30, 31):
                made.now[0] += later
                await made.mount(pod(), persistent())
            assert made.driver.asked(*MOUNTS) == ["NodeStageVolume", "NodePublishVolume", "NodePublishVolume"]

    async def test_options_and_modes_of_the_volume_are_said(self) -> None:
        async with world() as made:
            made.made()
            asked = persistent(mountOptions=["noatime"], accessModes=["ReadWriteOncePod"], csi={"fsType": "xfs"})
            await made.mount(pod(), asked)
            said = made.driver.request("NodeStageVolume").volume_capability
            assert (list(said.mount.mount_flags), said.mount.fs_type, said.access_mode.mode) == (["noatime"], "xfs", 6)


class TestGroup:
    """Whose files they become."""

    def of(self, where: Path) -> int:
        return where.stat().st_gid

    @pytest.mark.parametrize(
        ("about", "more", "group"),
        [
            ({}, {"csi": {"fsType": "ext4"}}, 2000),
            ({}, {}, 0),
            ({}, {"csi": {"fsType": "ext4"}, "accessModes": ["ReadWriteMany"]}, 0),
            ({"fsGroupPolicy": "File"}, {"accessModes": ["ReadWriteMany"]}, 2000),
            ({"fsGroupPolicy": "None"}, {"csi": {"fsType": "ext4"}}, 0),
        ],
    )
    async def test_it_follows_the_drivers_policy(self, about: dict[str, str], more: dict[str, object], group: int) -> None:
        async with world() as made:
            made.made()
            made.about(**about)
            where = await made.mount(pod(securityContext={"fsGroup": 2000}), persistent(**more))
            assert self.of(where) == group

    async def test_a_driver_that_can_does_it_itself(self) -> None:
        async with world(Options(node=("STAGE_UNSTAGE_VOLUME", "VOLUME_MOUNT_GROUP"))) as made:
            made.made()
            made.about(fsGroupPolicy="File")
            where = await made.mount(pod(securityContext={"fsGroup": 2000}), persistent())
            assert (self.of(where), made.driver.request("NodePublishVolume").volume_capability.mount.volume_mount_group) == (2000, "2000")


class TestGrowing:
    async def test_a_mounted_volume_that_has_grown_is_grown_here_and_its_claim_says_so(self) -> None:
        async with world() as made:
            made.made()
            where = await made.mount(pod(), persistent())
            made.now[0] += 61
            await made.mount(pod(), persistent(capacity={"storage": "2Gi"}))
            request = made.driver.request("NodeExpandVolume")
            assert (request.volume_path, request.capacity_range.required_bytes) == (str(where), 2 << 30)
            assert made.api.grown == [{"capacity": {"storage": "2Gi"}, "conditions": None}]
            (note,) = made.volumes.take_notes("uid-1")
            assert note.reason == "FileSystemResizeSuccessful"

    async def test_what_has_grown_before_it_is_mounted_grows_with_the_mount(self) -> None:
        async with world() as made:
            made.made()
            await made.mount(pod(), persistent(capacity={"storage": "2Gi"}))
            assert made.driver.asked()[-1] == "NodeExpandVolume"

    async def test_growth_that_fails_is_said_and_the_volume_stays(self) -> None:
        async with world() as made:
            made.made()
            made.driver.faults.set("NodeExpandVolume", Fault("OUT_OF_RANGE", "too much"))
            assert (await made.mount(pod(), persistent(capacity={"storage": "2Gi"}))).is_dir()
            (note,) = made.volumes.take_notes("uid-1")
            assert note.reason == "VolumeResizeFailed"
            assert "NodeExpandVolume: OUT_OF_RANGE: too much" in note.message
            (status,) = made.api.grown
            (condition,) = status["conditions"]
            assert (condition["type"], condition["status"], "too much" in condition["message"]) == ("NodeResizeError", "True", True)

    def test_a_claim_says_once_what_failed_and_no_more_once_it_has_grown(self) -> None:
        claim: Object = {"status": {"allocatedResourceStatuses": {"storage": "NodeResizePending"}}}
        said = failed_status(claim, "no room", "OUT_OF_RANGE", "2026-01-01T00:00:00Z")
        assert said["allocatedResourceStatuses"] == {"storage": "NodeResizeInfeasible"}
        claim = {"status": claim["status"] | said}
        assert failed_status(claim, "no room", "OUT_OF_RANGE", "2026-01-02T00:00:00Z") == {}
        assert grown_status(claim, "2Gi") == {
            "capacity": {"storage": "2Gi"},
            "conditions": None,
            "allocatedResourceStatuses": {"storage": None},
        }


class TestModes:
    async def test_a_volume_for_one_pod_is_not_given_to_a_second(self) -> None:
        async with world() as made:
            made.made()
            asked = persistent(accessModes=["ReadWriteOncePod"])
            await made.mount(pod("a"), asked)
            with pytest.raises(MountFailed, match="ReadWriteOncePod access mode and is already in use by another pod"):
                await made.mount(pod("b"), asked)
            assert await made.volumes.drop("a") == []
            assert (await made.mount(pod("b"), asked)).is_dir()

    async def test_nor_while_its_driver_may_have_mounted_it_without_an_answer(self) -> None:
        async with world() as made:
            made.made()
            asked = persistent(accessModes=["ReadWriteOncePod"])
            made.driver.faults.set("NodePublishVolume", Fault("UNAVAILABLE", times=1, after=True))
            with pytest.raises(CsiFailure):
                await made.mount(pod("a"), asked)
            with pytest.raises(MountFailed, match="already in use by another pod"):
                await made.mount(pod("b"), asked)
            assert (await made.mount(pod("a"), asked)).is_dir()

    async def test_of_two_that_come_at_once_one_gets_it(self) -> None:
        async with world() as made:
            made.made()
            asked = persistent(accessModes=["ReadWriteOncePod"])
            found = await asyncio.gather(*(made.mount(pod(uid), asked) for uid in "ab"), return_exceptions=True)
            assert [isinstance(each, MountFailed) for each in found].count(True) == 1

    @pytest.mark.skipif(not Path("/dev/loop-control").exists(), reason="needs loop devices")
    async def test_a_block_volume_is_a_device(self) -> None:
        async with world() as made:
            made.made(bytes=1 << 20, block=True)
            asked = persistent(volumeMode="Block")
            where = await made.mount(pod(), asked)
            assert where.is_block_device()
            assert await made.volumes.published("uid-1", "data") == where
            assert made.driver.request("NodeStageVolume").volume_capability.HasField("block")
            assert await made.volumes.drop("uid-1") == []
            await unstaged(made)
            assert not where.exists()


class TestRoom:
    async def test_a_driver_says_what_is_left_and_whether_all_is_well(self) -> None:
        async with world() as made:
            volume = made.made(bytes=1000, abnormal="the disk is failing")
            where = await made.mount(pod(), persistent())
            (where / "file").write_text("12345")
            assert (await made.volumes.rooms("uid-1"))["data"] == VolumeRoom(1000, 995, 5, 1000, 999, 1, abnormal=volume.abnormal)

    async def test_a_driver_that_fails_or_cannot_shows_nothing(self) -> None:
        for options in (Options(), Options(node=("STAGE_UNSTAGE_VOLUME",))):
            async with world(options) as made:
                made.made()
                await made.mount(pod(), persistent())
                made.driver.faults.set("NodeGetVolumeStats", Fault("INTERNAL"))
                assert await made.volumes.rooms("uid-1") == {}
