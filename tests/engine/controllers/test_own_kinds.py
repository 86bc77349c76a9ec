"""What becomes of definitions that the control plane brings, whatever has happened to them."""

import asyncio

import pytest

from pilothouse.client.client import Client
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.controllers import own_kinds
from pilothouse.engine.controllers.clusternetwork.definitions import DEFINITION as NETWORK
from pilothouse.engine.controllers.clusterpolicy.definition import DEFINITION as POLICY
from pilothouse.engine.controllers.loadbalancer.bgp_definitions import BGP_DEFINITIONS
from pilothouse.engine.controllers.loadbalancer.definitions import DEFINITIONS as POOLS
from pilothouse.engine.controllers.own_kinds import APPROVED, MADE_HERE, ensure, installed
from pilothouse.engine.controllers.snapshot.definitions import DEFINITIONS as SNAPSHOTS
from pilothouse.model import meta
from pilothouse.model.errors import ApiError, NotFound, Unavailable
from pilothouse.model.json import Object
from pilothouse.model.kinds import CRDS
from tests.people import controller_client

MADE = POOLS[0]
NAME = meta.name(MADE)


@pytest.fixture
async def own(server: ApiServer) -> Client:
    found = controller_client(server, "load-balancer-controller")
    await ensure(found, MADE)
    return found


async def columns(client: Client) -> list[str]:
    (version,) = (await client.get(CRDS, NAME))["spec"]["versions"]
    return [each["name"] for each in version.get("additionalPrinterColumns") or ()]


def changed(**annotations: str | None) -> Object:
    (version,) = MADE["spec"]["versions"]
    return {"metadata": {"annotations": annotations}, "spec": {"versions": [version | {"additionalPrinterColumns": []}]}}


WHOLE = [each["name"] for each in MADE["spec"]["versions"][0]["additionalPrinterColumns"]]


async def test_one_of_another_version_of_ours_is_replaced(own: Client, client: Client) -> None:
    await client.patch(CRDS, NAME, changed(**{MADE_HERE: "another"}))
    await ensure(own, MADE)
    assert await columns(client) == WHOLE
    assert meta.annotations(await client.get(CRDS, NAME))[MADE_HERE] == meta.annotations(MADE)[MADE_HERE]


@pytest.mark.parametrize(
    "annotations",
    [{MADE_HERE: None}, {MADE_HERE: "another", "kubectl.kubernetes.io/last-applied-configuration": "{}"}],
)
async def test_one_that_somebody_has_put_in_its_place_stays(own: Client, client: Client, annotations: dict[str, str | None]) -> None:
    await client.patch(CRDS, NAME, changed(**annotations))
    await ensure(own, MADE)
    assert await columns(client) == []


async def test_one_that_somebody_has_applied_on_the_servers_side_stays(own: Client, client: Client) -> None:
    await client.patch(CRDS, NAME, changed(**{MADE_HERE: "another"}))
    spec = {**MADE["spec"], **changed()["spec"]}
    await client.apply(CRDS, {"metadata": {"name": NAME}, "spec": spec})
    await ensure(own, MADE)
    assert await columns(client) == []


async def test_what_somebody_has_changed_by_hand_stays_until_another_version(own: Client, client: Client) -> None:
    await client.patch(CRDS, NAME, changed())
    await ensure(own, MADE)
    assert await columns(client) == []


async def test_one_that_is_deleted_is_made_at_the_next_start(own: Client, client: Client) -> None:
    await client.delete(CRDS, NAME)
    async with asyncio.timeout(10):
        while await client.get_or_none(CRDS, NAME) is not None:
            await asyncio.sleep(0.01)
    await ensure(own, MADE)
    assert await columns(client) == WHOLE


async def test_it_is_tried_until_the_api_is_ready() -> None:
    hindrances: list[ApiError] = [Unavailable("not yet"), NotFound.of("clusternetworks", "default")]

    async def install() -> None:
        if hindrances:
            raise hindrances.pop()

    async with asyncio.timeout(10):
        await installed(install, "kinds")
    assert not hindrances


def test_each_definition_has_a_mark_of_its_content_and_what_is_below_k8s_io_an_approval() -> None:
    every = (*POOLS, *BGP_DEFINITIONS, *SNAPSHOTS, NETWORK, POLICY)
    marks = [meta.annotations(each)[MADE_HERE] for each in every]
    assert len(set(marks)) == len(marks)
    assert all((APPROVED in meta.annotations(each)) == each["spec"]["group"].endswith("k8s.io") for each in every)
    assert own_kinds.FIRST_S < own_kinds.RETRY_S
