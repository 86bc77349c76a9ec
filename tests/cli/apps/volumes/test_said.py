"""What `ph deploy` says of volumes before it writes anything."""

from pilothouse.cli.apps.rollback import restored
from pilothouse.cli.apps.scale import patch, scaled
from pilothouse.cli.apps.volumes.said import changes
from pilothouse.cli.apps.volumes.usage import in_summary
from pilothouse.cli.apps.wish import Prepared, Wish, app
from pilothouse.model.json import Object
from pilothouse.platform.apps.volumes.claims import crowded


def shop(**spec: object) -> Object:
    return {"metadata": {"name": "shop", "namespace": "default"}, "spec": {"image": "web:1", **spec}}


def claim(size: str = "1Gi") -> Object:
    labels = {"app.kubernetes.io/name": "shop", "app.kubernetes.io/managed-by": "pilothouse", "apps.pilothouse.dev/volume": "data"}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    return {"metadata": {"name": "shop-data", "namespace": "default", "labels": labels}, "spec": spec}


def said(wanted: Object, before: Object | None, *claims: Object) -> str:
    return "\n".join(changes(wanted, before, {each["metadata"]["name"]: each for each in claims}))


WITH = shop(volumes={"data": {"path": "/data"}})


def test_a_new_volume_is_said_with_its_size_and_that_a_deploy_has_a_gap() -> None:
    assert said(WITH, None) == (
        "volume data of shop is made: 1Gi at /data\n"
        "web of shop writes to a volume for one: at each deploy the old replica ends before the new one starts, "
        "and nothing answers meanwhile"
    )
    assert said(WITH, WITH, claim()) == ""


def test_a_kept_volume_is_said_to_be_found_again() -> None:
    assert "volume data of shop is there already (2Gi), and shop finds what is in it at /data" in said(WITH, shop(), claim("2Gi"))


def test_a_volume_that_grows_and_one_that_goes_are_said() -> None:
    grown = said(shop(volumes={"data": {"path": "/data", "size": "2Gi"}}), WITH, claim())
    assert grown.startswith("volume data of shop is to have 2Gi instead of 1Gi: `ph volumes` shows when it has; ")
    assert said(shop(), WITH, claim()) == ("volume data is taken out of shop; what is in it stays until `ph volumes delete shop/data`")


def test_a_new_app_is_told_of_what_an_earlier_one_has_left() -> None:
    left = claim()
    assert said(shop(), None, left).endswith("`--volume data:PATH` gives it back")
    left["metadata"]["annotations"] = {"apps.pilothouse.dev/path": "/var/lib/shop"}
    told = "volume shop/data of an earlier shop is kept and not mounted: `--volume data:/var/lib/shop` gives it back"
    assert said(shop(), None, left) == told
    assert told not in said(WITH, None, left)
    assert told not in said(shop(image="web:2"), shop(), left)


def test_volumes_of_a_deploy_are_merged_with_those_that_the_app_has() -> None:
    source = Prepared(None, "", "", None)
    first = app(Wish("/x", "shop", "default", image="web:1", volumes={"data": {"path": "/data", "size": "2Gi"}}), source, None, None)
    assert first["spec"]["volumes"] == {"data": {"path": "/data", "size": "2Gi"}}
    again = Wish("/x", "shop", "default", image="web:1", volumes={"data": {"path": "/new"}, "logs": {"path": "/logs"}})
    both = app(again, source, first, None)
    assert both["spec"]["volumes"] == {"data": {"path": "/new", "size": "2Gi"}, "logs": {"path": "/logs"}}
    left = app(Wish("/x", "shop", "default", image="web:1", unmounted=("data", "logs")), source, both, None)
    assert "volumes" not in left["spec"]


def test_going_back_restores_where_volumes_are_and_not_how_large() -> None:
    now = {"image": "web:2", "volumes": {"data": {"path": "/new", "size": "5Gi"}, "logs": {"path": "/logs"}}}
    state = {"image": "web:1", "volumes": {"data": {"path": "/data"}}}
    assert restored(now, state) == {"image": "web:1", "volumes": {"data": {"path": "/data", "size": "5Gi"}}}


def test_scaling_is_judged_as_it_would_be() -> None:
    app_ = shop(volumes={"data": {"path": "/data", "processes": ["worker"]}}, processes={"web": {}, "worker": {}})
    assert not list(crowded(app_ | {"spec": scaled(app_["spec"], patch(app_, {"web": 3}))}, {}))
    (fault,) = crowded(app_ | {"spec": scaled(app_["spec"], patch(app_, {"worker": 2}))}, {})
    assert "2 replicas of worker" in fault


def test_a_nodes_summary_says_what_claims_hold() -> None:
    volume = {"name": "data", "usedBytes": 10, "pvcRef": {"name": "shop-data", "namespace": "default"}}
    assert dict(in_summary({"pods": [{"volume": [volume, {"name": "tmp", "usedBytes": 5}]}, {}]})) == {"default/shop-data": 10}
