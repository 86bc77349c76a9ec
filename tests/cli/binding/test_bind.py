"""`ph bind` and `ph unbind` against an API server with the platform's controllers; nodes and primaries are played."""

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from pilothouse.cli.apps.rollback import _bindings, _remembered, restored, with_bindings
from pilothouse.cli.binding.bind import bind_app
from pilothouse.cli.binding.unbind import unbind_app
from pilothouse.cli.binding.wish import Wish, between, binding
from pilothouse.cli.main import ph
from pilothouse.cli.mysql.patience import Patience
from pilothouse.cli.why.causes import explain
from pilothouse.cli.why.look import look
from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.platform.apps.resource import APPS
from pilothouse.platform.databases.resource import BINDINGS, MYSQLS
from tests.engine.controllers.conftest import Cluster, kubelet
from tests.platform.databases.binding.live import databases

SHOP = {"metadata": {"name": "shop"}, "spec": {"image": "web:1"}}
TO_ORDERS = Wish("shop", "orders", "default")


async def bound(
    cluster: Cluster, wish: Wish = TO_ORDERS, *, dry_run: bool = False, timeout_s: float | None = 20, how: str = "table"
) -> None:
    await bind_app(cluster.client, wish, dry_run=dry_run, timeout_s=timeout_s, how=how)


async def unbound(cluster: Cluster, *, force: bool = False, dry_run: bool = False, how: str = "table") -> None:
    await unbind_app(cluster.client, "shop", "orders", "default", force=force, dry_run=dry_run, timeout_s=20, how=how)


async def test_an_app_is_bound_when_it_serves_and_unbound_when_it_serves_without(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with databases(tmp_path) as given, kubelet(given.cluster):
        await given.create("orders")
        await given.cluster.create(APPS, SHOP)
        await bound(given.cluster)
        assert "shop is bound to orders: the variables ORDERS_URL, ORDERS_HOST" in capsys.readouterr().out
        app = await given.cluster.get(APPS, "shop")
        assert app is not None
        assert (app["spec"]["secrets"], app["status"]["revision"]) == (["shop-orders"], 2)
        await unbound(given.cluster)
        assert "what it has stored stays" in capsys.readouterr().out
        app = await given.cluster.get(APPS, "shop")
        assert app is not None
        assert meta.is_true(app, "Ready")


async def test_a_dry_run_says_what_would_happen_and_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with databases(tmp_path) as given, kubelet(given.cluster):
        await given.create("orders")
        await given.cluster.create(APPS, SHOP)
        await given.cluster.until_one(APPS, "shop", lambda obj: meta.is_true(obj, "Ready"))
        await bound(given.cluster, dry_run=True)
        said = capsys.readouterr().out
        assert "it serves all the time" in said
        assert "undo: `ph unbind shop orders`" in said
        assert await given.cluster.items(BINDINGS) == []
        await bound(given.cluster)
        capsys.readouterr()
        await bound(given.cluster, Wish("shop", "orders", "default", prefix="DB"), dry_run=True, how="json")
        announced = json.loads(capsys.readouterr().out)
        assert (announced["rolledOut"], announced["variables"][0]) == (True, "DB_URL")
        assert announced["undo"] == "ph bind shop orders --rights all --database '' --prefix ''"
        await unbound(given.cluster, dry_run=True)
        assert "would lose its account of orders" in capsys.readouterr().out
        assert [meta.name(each) for each in await given.cluster.items(BINDINGS)] == ["shop-orders"]


async def test_bound_again_it_has_what_is_asked_for_anew(tmp_path: Path) -> None:
    async with databases(tmp_path) as given, kubelet(given.cluster):
        await given.create("orders")
        await given.cluster.create(APPS, SHOP)
        await bound(given.cluster)
        await bound(given.cluster, Wish("shop", "orders", "default", rights="read"))
        assert given.primary("orders").accounts["shop-orders"]["grants"][0]["privileges"] == ["SELECT", "SHOW VIEW"]
        assert len(await given.cluster.items(BINDINGS)) == 1


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (Wish("shop", "ordres", "default"), "did you mean orders"),
        (Wish("shop", "stock", "default"), "ph mysql create stock"),
        (Wish("blog", "orders", "default"), "ph bind blog orders --no-wait"),
        (Wish("shop", "orders", "nowhere"), "there is no namespace"),
        (Wish("shop", "orders", "default", database="reports"), "orders has no database reports"),
        (Wish("shop", "orders", "default", prefix="OWN"), "ph env unset shop OWN_URL"),
    ],
)
async def test_what_cannot_be_is_refused_with_the_way_out(tmp_path: Path, wish: Wish, said: str) -> None:
    async with databases(tmp_path) as given, kubelet(given.cluster):
        await given.create("orders")
        await given.cluster.create(APPS, SHOP)
        await given.cluster.create(kinds.SECRETS, {"metadata": {"name": "shop-secrets"}, "stringData": {"OWN_URL": "x"}})
        with pytest.raises(click.ClickException, match=said):
            await bound(given.cluster, wish)


async def test_an_account_that_the_server_refuses_ends_the_wait(tmp_path: Path) -> None:
    async with databases(tmp_path) as given, kubelet(given.cluster):
        given.primary("orders").refuses["account/shop-orders"] = "ERROR 1396: Operation CREATE USER failed"
        await given.create("orders")
        await given.cluster.create(APPS, SHOP)
        with pytest.raises(click.ClickException, match="shop is not bound: its account is not there: ERROR 1396"):
            await bound(given.cluster)


async def test_a_service_that_does_not_come_up_ends_the_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilothouse.cli.binding.following.Patience", lambda: Patience(0.5))
    async with databases(tmp_path) as given, kubelet(given.cluster):
        given.primary("orders").answers = False
        instance = await given.create("orders")
        away = {"type": "Ready", "status": "False", "reason": "Unschedulable", "message": "orders-0 has no node"}
        instance["status"] = {"observedGeneration": meta.generation(instance), "conditions": [away]}
        await given.cluster.client.update_status(MYSQLS, instance)
        await given.cluster.create(APPS, SHOP)
        said = r"shop is not bound, since orders is not well: .*orders-0 has no node; `ph why mysql/orders`"
        with pytest.raises(click.ClickException, match=said):
            await bound(given.cluster)


async def test_what_is_not_bound_cannot_be_unbound(tmp_path: Path) -> None:
    async with databases(tmp_path) as given:
        with pytest.raises(click.ClickException, match="shop is not bound to orders in namespace default: `ph bind --list`"):
            await unbound(given.cluster)


async def test_why_names_the_trouble_of_a_binding(tmp_path: Path) -> None:
    async with databases(tmp_path) as given, kubelet(given.cluster):
        await given.create("orders")
        await given.cluster.create(APPS, SHOP | {"spec": {"image": "web:1", "env": {"ORDERS_URL": "x"}}})
        await given.cluster.until_one(APPS, "shop", lambda obj: meta.is_true(obj, "Ready"))
        await bound(given.cluster, timeout_s=None)
        await given.cluster.until_one(BINDINGS, "shop-orders", lambda obj: (meta.condition(obj, "Ready") or {}).get("reason") == "Conflict")
        found = explain(await look(given.cluster.client, "App", "shop", "default", 0.0, ()))
        assert "shop has ORDERS_URL among its own variables, so its binding to orders does not work" in found.sentence
        assert found.next_step == "unset it, or choose another prefix with `ph bind shop orders --prefix PREFIX`"


async def test_going_back_to_a_revision_before_the_binding_keeps_the_variables(tmp_path: Path) -> None:
    async with databases(tmp_path) as given, kubelet(given.cluster):
        await given.create("orders")
        await given.cluster.create(APPS, SHOP)
        await given.cluster.until_one(APPS, "shop", lambda obj: meta.is_true(obj, "Ready"))
        await bound(given.cluster)
        app = await given.cluster.get(APPS, "shop")
        assert app is not None
        before = (await _remembered(given.cluster.client, app, 1))["spec"]
        assert not before.get("secrets")
        wanted = with_bindings(restored(app["spec"], before), await _bindings(given.cluster.client, app))
        assert wanted["secrets"] == ["shop-orders"]


def test_the_binding_that_is_there_keeps_what_is_not_asked_for() -> None:
    before = {"metadata": {"name": "b"}, "spec": {"app": "shop", "rights": "read", "prefix": "DB"}}
    assert binding(Wish("shop", "orders", "default", database="x"), before)["spec"] == before["spec"] | {"database": "x"}


def test_the_binding_that_bind_made_comes_before_others() -> None:
    def one(name: str) -> Object:
        return {"metadata": {"name": name}, "spec": {"app": "shop", "service": {"name": "orders"}}}

    others = {"metadata": {"name": "x"}, "spec": {"app": "blog", "service": {"name": "orders"}}}
    assert [meta.name(each) for each in between([one("a"), others, one("shop-orders")], "shop", "orders")] == ["shop-orders", "a"]


@pytest.mark.parametrize(
    ("words", "said"),
    [(["shop"], "name the app and the service"), (["shop", "orders", "--prefix", "db"], "capitals"), (["a", "b", "-A"], "--list")],
)
def test_wrong_usage_is_told(tmp_path: Path, words: list[str], said: str) -> None:
    done = CliRunner().invoke(ph, ["--home", str(tmp_path), "bind", *words])
    assert (done.exit_code, said in done.output) == (2, True)
