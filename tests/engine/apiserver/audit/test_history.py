"""Nobody pushes the history of others out of the log with requests that are refused."""

from pathlib import Path

import pytest

from pilothouse.engine.apiserver.audit.cutting import USERS, within
from pilothouse.engine.apiserver.audit.policy import Policy
from pilothouse.engine.apiserver.audit.strangers import STRANGERS, Share
from pilothouse.engine.apiserver.identity import ANONYMOUS
from pilothouse.engine.apiserver.request import routing
from pilothouse.engine.store.store import Store
from pilothouse.model.json import Object
from tests.engine.apiserver.api import CONFIGMAPS, Api, configmap
from tests.engine.apiserver.audit.trail import Trail
from tests.engine.apiserver.https import Https, grant, rule

LONG = "x" * 30_000
PUBLIC = "/api/v1/namespaces/kube-public/configmaps/cluster-info"


def spend(share: Share) -> None:
    while share.take(100_000):
        pass
    while share.take(100):
        pass
    share.left_out()


@pytest.mark.parametrize("path", [f"{CONFIGMAPS}/{LONG}", f"{CONFIGMAPS}?continue={LONG}", f"/{LONG}", f"/api/v1/namespaces/{LONG}/pods"])
async def test_a_long_uri_that_is_refused_leaves_a_short_line_that_says_so(https: Https, trail: Trail, path: str) -> None:
    for person, most in ((https.certified("ann"), 25_000), (https.anonymous(), 4000), (https.bearing("unknown"), 4000)):
        begun = len(await trail.text())
        await person.refused("GET", path)
        added = (await trail.text())[begun:].splitlines()
        events = [line for line in added if line != "{}"]
        assert events
        assert all(len(line) <= most and '"audit.k8s.io/truncated":"true"' in line and "...TRUNCATED" in line for line in events)


async def test_in_anothers_name_with_many_extras_an_event_stays_short(https: Https, trail: Trail) -> None:
    extra = {f"key-{number}": "v" * 2000 for number in range(20)}
    await https.speaking_for("ann", "bob", extra=extra).refused("GET", CONFIGMAPS)
    assert max(map(len, (await trail.text()).splitlines())) < 30_000


def test_texts_are_cut_one_by_one_and_together() -> None:
    head: Object = {"verb": "get", "user": {"extra": {str(number): ["y" * 5000] for number in range(10)}}, "code": 404}
    shown, is_cut = within(head, USERS)
    assert (is_cut, shown["verb"], shown["code"]) == (True, "get", 404)
    assert len(str(shown)) < USERS.most + 500


async def test_a_command_that_was_carried_out_is_recorded_to_its_end(https: Https, trail: Trail) -> None:
    path = f"/api/v1/namespaces/default/pods/a/exec?command=true&command={LONG}&command=evil"
    await https.certified("admin", "system:masters").refused("POST", path)
    assert (await trail.last(verb="create"))["requestURI"].endswith("evil")


async def test_who_has_no_right_adds_no_body_to_the_log(https: Https, trail: Trail) -> None:
    await https.certified("ann").refused("POST", CONFIGMAPS, configmap("a", x=LONG))
    assert all("requestObject" not in event for event in await trail.events("", verb="create") if event["user"].get("username") == "ann")


async def test_strangers_fill_their_share_only_and_the_next_event_counts_what_is_missing(https: Https, trail: Trail) -> None:
    share = trail.auditor.strangers
    spend(share)
    before = STRANGERS.value()
    for person in (https.anonymous(), https.bearing("unknown")):
        await person.refused("GET", CONFIGMAPS)
    assert (await https.anonymous().refused("GET", PUBLIC)).code == 404
    assert not [event for event in await trail.events("") if event["user"].get("username", "system:anonymous") == "system:anonymous"]
    share._left = 1e6
    await https.anonymous().refused("GET", CONFIGMAPS)
    events = [event for event in await trail.events("", verb="list") if event["user"].get("username") == "system:anonymous"]
    missing = int(STRANGERS.value() - before)
    assert events[0]["annotations"]["audit.pilothouse.dev/left-out"].startswith(f"{missing} refused requests and reads")
    assert "audit.pilothouse.dev/left-out" not in events[1]["annotations"]


async def test_users_are_recorded_whatever_strangers_do(https: Https, trail: Trail) -> None:
    spend(trail.auditor.strangers)
    await https.certified("ann").refused("GET", CONFIGMAPS)
    assert (await trail.last(verb="list"))["user"]["username"] == "ann"


async def test_what_a_stranger_may_change_is_always_recorded(api: Api, https: Https, trail: Trail) -> None:
    await grant(api, ANONYMOUS.name, rule("create", "configmaps"))
    spend(trail.auditor.strangers)
    await https.anonymous().post(CONFIGMAPS, configmap("a"))
    event = await trail.last(verb="create")
    assert (event["user"]["username"], event["objectRef"]["name"]) == (ANONYMOUS.name, "a")


async def test_where_every_record_counts_a_stranger_too_many_is_refused(
    store: Store, state: Path, tmp_path: Path, trail: Trail, https: Https
) -> None:
    spend(trail.auditor.strangers)
    object.__setattr__(trail.auditor, "is_strict", True)
    refused = await https.anonymous().refused("GET", PUBLIC)
    assert (refused.code, "sign in, or try again later" in refused.message) == (429, True)


def test_a_share_comes_back_with_time() -> None:
    now = [0.0]
    share = Share(86_400_000, lambda: now[0])
    spend(share)
    now[0] = 10.0
    assert [share.take(9_000), share.take(2_000)] == [True, False]


def test_decisions_about_long_paths_are_not_kept() -> None:
    policy = Policy(())
    for path in ("/short", f"/{LONG}", f"/api/v1/namespaces/{LONG}/pods"):
        policy.decide(routing.parse(path), "get", None)
    assert len(policy._kept) == 1
