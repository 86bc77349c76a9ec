"""Admission webhooks that do not answer, as the API server counts them: while one of them is gone, writes that it is to see are refused."""

import re
from typing import TYPE_CHECKING

from pilothouse.cli.session import copyable

if TYPE_CHECKING:
    from pilothouse.client.client import Client

_FAILING = re.compile(r"^pilothouse_admission_webhook_failing\{(.+)\} 1$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_RESOURCES = {"admit": "mutatingwebhookconfiguration", "validating": "validatingwebhookconfiguration"}
_EFFECTS = {"Fail": "what it is to see cannot be written", "Ignore": "what it is to see is written without it"}


async def failing(client: "Client") -> list[str]:
    """One sentence for each; none for a user who may not read the metrics."""
    from pilothouse.model.errors import ApiError

    try:
        return told(await client.call("GET", "/metrics"))
    except ApiError:
        return []


def told(metrics: str) -> list[str]:
    """metrics: in Prometheus' text format."""
    return [_sentence(dict(_LABEL.findall(labels))) for labels in _FAILING.findall(metrics)]


def _sentence(labels: dict[str, str]) -> str:
    resource, configuration = _RESOURCES[labels["type"]], labels["configuration"]
    command = copyable(f"kubectl delete {resource} {configuration}")
    return f"webhook {labels['name']} does not answer, and {_EFFECTS[labels['policy']]}: start its server, or take it away with `{command}`"
