"""How much is left in volumes of claims, for whoever reads figures of the node."""

from pathlib import Path

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.csi.stats import VolumeRoom
from pilothouse.engine.node.stats.exposition import volumes
from pilothouse.engine.node.stats.figures import Figures, PodFigures
from pilothouse.engine.node.stats.rooms import PodRoom, Rooms
from pilothouse.engine.node.stats.source import PodSource
from pilothouse.engine.node.stats.summary import summary
from pilothouse.model.json import Object
from tests.simulation.fake_figures import plenty

ROOM = VolumeRoom(100, 60, 40, 10, 8, 2, abnormal="")
POD: Object = {
    "metadata": {"name": "p", "namespace": "shop", "uid": "u"},
    "spec": {"containers": [], "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}, {"name": "own", "csi": {}}]},
}


async def test_drivers_are_asked_once_a_minute_and_only_for_pods_that_have_volumes_of_theirs(tmp_path: Path) -> None:
    asked, now = [], [0.0]

    async def of_drivers(uid: str) -> dict[str, VolumeRoom]:
        asked.append(uid)
        return {"v": ROOM, "own": ROOM}

    plain: Object = {"metadata": {"name": "q", "namespace": "shop", "uid": "w"}, "spec": {"volumes": [{"name": "e", "emptyDir": {}}]}}
    pods = [PodSource(each, "", 0.0, ()) for each in (POD, plain)]
    rooms = Rooms(NodeConfig(home=tmp_path, node_name="n", instance="i"), lambda: pods, of_drivers, lambda: now[0])
    for at in (0.0, 59.0, 60.0):
        now[0] = at
        await rooms.refresh()
    assert asked == ["u", "u"]
    assert rooms.of("u") == (PodRoom("own", "", ROOM), PodRoom("v", "data", ROOM))


def test_metrics_show_each_claim_once_and_what_is_wrong_with_it() -> None:
    sick = VolumeRoom(100, 60, 40, abnormal="the disk is failing")
    shown = volumes.lines([(POD, PodRoom("v", "data", ROOM)), (POD, PodRoom("w", "data", ROOM)), (POD, PodRoom("x", "", ROOM))])
    assert [line for line in shown if not line.startswith("#")] == [
        f'kubelet_volume_stats_{name}{{namespace="shop",persistentvolumeclaim="data"}} {value}'
        for name, value in [
            ("capacity_bytes", 100),
            ("available_bytes", 60),
            ("used_bytes", 40),
            ("inodes", 10),
            ("inodes_free", 8),
            ("inodes_used", 2),
            ("health_status_abnormal", 0),
        ]
    ]
    assert 'kubelet_volume_stats_health_status_abnormal{namespace="shop",persistentvolumeclaim="data"} 1' in volumes.lines(
        [(POD, PodRoom("v", "data", sick))]
    )


def test_the_summary_names_the_claim_of_a_volume() -> None:
    of_pod = PodFigures(POD, 0.0, 0.0, rooms=(PodRoom("v", "data", ROOM), PodRoom("own", "", ROOM)))
    first, second = summary(Figures(plenty(), (of_pod,)))["pods"][0]["volume"]
    assert (first["pvcRef"], first["capacityBytes"], first["inodesFree"]) == ({"name": "data", "namespace": "shop"}, 100, 8)
    assert first["volumeHealthStats"] == {"abnormal": False}
    assert "pvcRef" not in second
