"""What the mode `audit` of Pod Security leaves in the log."""

from typing import Any

import pytest

from pilothouse.model.json import Object
from tests.engine.apiserver.api import PODS, Api, pod
from tests.engine.apiserver.audit.trail import Trail

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
LABEL = "pod-security.kubernetes.io/"
HOST_PID = 'would violate PodSecurity "baseline:latest": host namespaces (hostPID=true)'


async def label(api: Api, **modes: str) -> None:
    labels = {LABEL + mode.replace("_", "-"): level for mode, level in modes.items()}
    await api.patch("/api/v1/namespaces/default", {"metadata": {"labels": labels}})


async def noted(trail: Trail) -> Object:
    """The annotations of Pod Security of the last create, without their prefix."""
    annotations = (await trail.last(verb="create"))["annotations"]
    return {key.removeprefix(LABEL): text for key, text in annotations.items() if key.startswith(LABEL)}


def template(**spec: Any) -> Object:
    labels = {"app": "a"}
    made = {"metadata": {"labels": labels}, "spec": pod("a", **spec)["spec"]}
    return {"metadata": {"name": "a"}, "spec": {"selector": {"matchLabels": labels}, "template": made}}


async def test_a_pod_that_violates_the_level_is_let_in_and_noted(api: Api, trail: Trail) -> None:
    await label(api, audit="baseline")
    await api.post(PODS, pod("a", hostPID=True))
    assert await noted(trail) == {"enforce-policy": "privileged:latest", "audit-violations": HOST_PID}


async def test_a_pod_that_is_refused_is_noted_with_the_level_that_refused_it(api: Api, trail: Trail) -> None:
    await label(api, enforce="restricted", enforce_version="v1.30", audit="baseline")
    await api.refused("POST", PODS, pod("a", hostPID=True))
    assert await noted(trail) == {"enforce-policy": "restricted:v1.30", "audit-violations": HOST_PID}


async def test_a_template_that_violates_the_level_is_noted(api: Api, trail: Trail) -> None:
    await label(api, audit="baseline")
    await api.post(DEPLOYMENTS, template(hostPID=True))
    assert await noted(trail) == {"audit-violations": HOST_PID}


@pytest.mark.parametrize("modes", [{}, {"audit": "baseline"}])
async def test_what_violates_nothing_is_not_noted_as_a_violation(api: Api, trail: Trail, modes: dict[str, str]) -> None:
    await label(api, **modes)
    await api.post(PODS, pod("a"))
    assert "audit-violations" not in await noted(trail)
