"""Commands' parts against an API server with the App controller; nodes are played."""

import base64
from pathlib import Path

import click
import pytest

from pilothouse.cli.apps import own_secret
from pilothouse.cli.apps.delete import _claims, _fate, _remove, _say_kept
from pilothouse.cli.apps.following import written
from pilothouse.cli.apps.hosts import require_free_hosts
from pilothouse.cli.apps.lookup import find_app, is_current, require_namespace
from pilothouse.cli.apps.rollback import _own_secret_of, _remembered
from pilothouse.cli.apps.rollout import Rollout
from pilothouse.cli.apps.volumes.command import _chosen, remove
from pilothouse.cli.apps.volumes.listed import listed
from pilothouse.cli.apps.volumes.said import require_volumes
from pilothouse.model import kinds, meta
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from pilothouse.platform.apps.resource import APPS
from tests.engine.controllers.conftest import Cluster, kubelet
from tests.platform.live import platform


def shop(**spec: object) -> Object:
    return {"metadata": {"name": "shop", "namespace": "default"}, "spec": {"image": "web:1", **spec}}


def serves(app: Object) -> bool:
    return is_current(app) and meta.is_true(app, "Ready")


async def deployed(cluster: Cluster, wanted: Object, **secrets: str) -> Object:
    """As `ph deploy` writes an App with its own Secret, and waits for it."""
    before = await cluster.client.get_or_none(APPS, "shop", "default")
    change = await own_secret.change(cluster.client, "shop", "default", given=secrets)
    rollout = Rollout(cluster.client, change.marked(wanted), before)
    rollout.expected = await change.apply(cluster.client)
    await rollout.apply()
    return await rollout.follow(30)


async def test_a_changed_secret_and_a_changed_app_are_one_revision(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster, kubelet(cluster):
        await deployed(cluster, shop(secrets=["shop-secrets"]), KEY="one")
        app = await deployed(cluster, shop(secrets=["shop-secrets"], env={"MODE": "live"}), KEY="two")
        assert [r.get("changed") for r in app["status"]["revisions"]] == [None, "env MODE, secrets"]


async def test_a_deploy_waits_until_a_changed_secret_is_seen(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster, kubelet(cluster):
        await deployed(cluster, shop(secrets=["shop-secrets"]), KEY="one")
        app = await deployed(cluster, shop(secrets=["shop-secrets"]), KEY="two")
        assert app["status"]["revision"] == 2


async def test_a_secret_goes_back_with_its_revision_and_a_foreign_one_stays(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster, kubelet(cluster):
        await cluster.create(kinds.SECRETS, {"metadata": {"name": "shared"}, "stringData": {"X": "1"}})
        for value in ("one", "two"):
            await deployed(cluster, shop(secrets=["shop-secrets", "shared"]), KEY=value)
        await cluster.patch(kinds.SECRETS, "shared", {"stringData": {"X": "2"}})
        app = await find_app(cluster.client, "shop", "default")
        change = await _own_secret_of(cluster.client, "shop", "default", (await _remembered(cluster.client, app, 1))["secrets"])
        assert change is not None
        assert base64.b64decode(change.data["KEY"]) == b"one"


async def test_an_interrupted_change_of_a_secret_is_taken_back(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster:
        for before in ({}, {"KEY": "b25l"}):
            if before:
                await cluster.create(kinds.SECRETS, {"metadata": {"name": "shop-secrets"}, "data": before})
            change = await own_secret.change(cluster.client, "shop", "default", given={"KEY": "x", "MORE": "y"})
            await change.apply(cluster.client)
            await change.take_back(cluster.client)
            found = await cluster.client.get_or_none(kinds.SECRETS, "shop-secrets", "default")
            assert (found or {}).get("data", {}) == before


async def test_values_are_in_no_representation(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster:
        change = await own_secret.change(cluster.client, "shop", "default", given={"KEY": "s3cret"})
        assert "KEY" in repr(change)
        assert base64.b64encode(b"s3cret").decode() not in repr(change)


async def test_a_host_that_another_app_has_is_refused_with_its_name(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster:
        await cluster.create(APPS, {"metadata": {"name": "book"}, "spec": {"image": "web:1"}})
        with pytest.raises(click.ClickException, match=r"book.localhost is app book's: choose another host with --host"):
            await require_free_hosts(cluster.client, shop(hosts=["book.localhost"]), None)
        await require_free_hosts(cluster.client, shop(port=0, hosts=["book.localhost"]), None)
        await require_free_hosts(cluster.client, shop(), None)


async def test_what_does_not_exist_is_named_with_the_way_out(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster:
        with pytest.raises(click.ClickException, match="`ph kubectl create namespace team`"):
            await require_namespace(cluster.client, "team")
        with pytest.raises(click.ClickException, match="there is no namespace 'a b'"):
            await require_namespace(cluster.client, "a b")
        with pytest.raises(click.ClickException, match="there is no app nobody in namespace default"):
            await find_app(cluster.client, "nobody", "default")
        with pytest.raises(click.ClickException, match="is no name for an app"):
            await find_app(cluster.client, "../x", "default")


async def test_a_refused_app_takes_the_change_of_its_secret_back(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster:
        await cluster.create(kinds.SECRETS, {"metadata": {"name": "shop-secrets"}, "data": {"KEY": "b25l"}})
        change = await own_secret.change(cluster.client, "shop", "default", given={"KEY": "two"})
        with pytest.raises(ApiError, match="history"):
            await written(cluster.client, Rollout(cluster.client, shop(history=0), None), change)
        assert (await cluster.client.get(kinds.SECRETS, "shop-secrets", "default"))["data"] == {"KEY": "b25l"}


async def test_deleting_an_app_leaves_a_secret_that_somebody_else_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with platform(tmp_path) as cluster:
        await cluster.create(kinds.SECRETS, {"metadata": {"name": "shop-secrets"}, "data": {"KEY": "b25l"}})
        change = await own_secret.change(cluster.client, "book", "default", given={"KEY": "two"})
        await change.apply(cluster.client)
        await _remove(cluster.client, ("shop", "book"), "default", 60)
        assert [meta.name(each) for each in await cluster.items(kinds.SECRETS)] == ["shop-secrets"]
        assert "shop-secrets was not made for shop" in capsys.readouterr().err


async def test_apps_are_deleted_together_and_those_that_stay_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with platform(tmp_path) as cluster:
        for name in ("one", "two", "three"):
            held = {"finalizers": ["example.org/held"]} if name != "three" else {}
            await cluster.create(APPS, {"metadata": {"name": name, **held}, "spec": {"image": "web:1"}})
        with pytest.raises(click.ClickException, match=r"one and two are being removed and are not gone after 3 s"):
            await _remove(cluster.client, ("one", "two", "three"), "default", 3)
        assert all(meta.is_deleting(each) for each in await cluster.items(APPS))
        assert [line for line in capsys.readouterr().out.splitlines() if line.endswith("is removed")] == ["three is removed"]


def of_shop(**volume: object) -> Object:
    return shop(volumes={"data": {"path": "/data", **volume}})


async def test_volumes_that_cannot_be_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster:
        assert await require_volumes(cluster.client, of_shop(size="2Gi"), None, undone="not deployed")
        await cluster.create(APPS, of_shop(size="2Gi"))
        await cluster.until_one(kinds.PERSISTENTVOLUMECLAIMS, "shop-data", bool)
        app = await find_app(cluster.client, "shop", "default")
        with pytest.raises(
            click.ClickException, match="shop is not deployed: volume data of shop was asked for with 2Gi and is not made yet"
        ):
            await require_volumes(cluster.client, of_shop(size="1Gi"), app, undone="not deployed")
        with pytest.raises(click.ClickException, match="shop is not scaled: shop cannot have 2 replicas of web"):
            await require_volumes(cluster.client, app | {"spec": app["spec"] | {"replicas": 2}}, app, undone="not scaled")


async def test_a_deleted_app_leaves_its_volume_and_one_of_its_name_has_it_again(tmp_path: Path) -> None:
    async with platform(tmp_path) as cluster, kubelet(cluster):
        await cluster.create(APPS, of_shop())
        await cluster.until_one(kinds.PERSISTENTVOLUMECLAIMS, "shop-data", bool)
        assert [(one.users, one.document()["name"]) for one in await listed(cluster.client, "default")] == [(("shop",), "shop/data")]
        await _remove(cluster.client, ("shop",), "default", 20)
        (kept,) = await listed(cluster.client, "default")
        assert kept.users == ()
        await cluster.create(APPS, of_shop())
        await cluster.until_one(APPS, "shop", lambda app: bool((app.get("status") or {}).get("volumes")))
        assert [meta.uid(one.claim) for one in await listed(cluster.client, "default")] == [meta.uid(kept.claim)]


async def test_volumes_that_an_app_mounts_are_not_removed_and_kept_ones_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with platform(tmp_path) as cluster, kubelet(cluster):
        await cluster.create(APPS, of_shop())
        await cluster.until_one(kinds.PERSISTENTVOLUMECLAIMS, "shop-data", bool)
        with pytest.raises(click.ClickException, match=r"shop mounts volume shop/data: take it out .*`ph delete shop --volumes`"):
            _chosen("shop/data", await listed(cluster.client, "default"), "default")
        with pytest.raises(click.ClickException, match=r"there is no volume 'shop/x' in namespace default; there are: shop/data"):
            _chosen("shop/x", await listed(cluster.client, "default"), "default")
        await _remove(cluster.client, ("shop",), "default", 20)
        one = _chosen("shop/data", await listed(cluster.client, "default"), "default")
        await remove(cluster.client, [one.claim], 20)
        assert await listed(cluster.client, "default") == []
        assert "volume shop/data is removed" in capsys.readouterr().out


async def test_what_becomes_of_volumes_is_said_before_an_app_is_deleted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with platform(tmp_path) as cluster, kubelet(cluster):
        await cluster.create(APPS, of_shop(size="2Gi"))
        await cluster.until_one(kinds.PERSISTENTVOLUMECLAIMS, "shop-data", bool)
        claims = await _claims(cluster.client, ("shop",), "default", required=True)
        assert _fate(claims, gone=False) == " The volume shop/data (2Gi) is kept."
        assert _fate(claims, gone=True) == " All that is in volume shop/data (2Gi) goes with it, for good."
        _say_kept(claims, "default")
        assert "an app of the same name finds it again with --volume: `ph volumes delete shop/data` removes it" in capsys.readouterr().err
        blog = {"metadata": {"name": "blog"}, "spec": {"image": "web:1", "volumes": {"data": {"path": "/data", "claim": "shop-data"}}}}
        await cluster.create(APPS, blog)
        assert await _claims(cluster.client, ("shop",), "default", required=True) == []
        assert "volume shop/data stays: blog mounts it as well" in capsys.readouterr().err
        assert len(await _claims(cluster.client, ("shop", "blog"), "default", required=True)) == 1
