"""Puts the two plugins together with what they share."""

from dataclasses import dataclass

from pilothouse.engine.apiserver.admission.webhooks.calling import Caller
from pilothouse.engine.apiserver.admission.webhooks.conditions import Conditions
from pilothouse.engine.apiserver.admission.webhooks.metrics import WebhookMetrics
from pilothouse.engine.apiserver.admission.webhooks.mutating import MutatingWebhooks
from pilothouse.engine.apiserver.admission.webhooks.registry import Registry
from pilothouse.engine.apiserver.admission.webhooks.selection import Selection
from pilothouse.engine.apiserver.admission.webhooks.shapes import Schemas
from pilothouse.engine.apiserver.admission.webhooks.validating import ValidatingWebhooks
from pilothouse.engine.apiserver.authz.authorize import Authorizer
from pilothouse.engine.apiserver.objects import Objects
from pilothouse.engine.apiserver.resources.served import ServedResources
from pilothouse.engine.apiserver.webhooks.client import WebhookClient
from pilothouse.model.kinds import MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS

MUTATING = f"/{MUTATING_WEBHOOKS.group_resource}/"
VALIDATING = f"/{VALIDATING_WEBHOOKS.group_resource}/"
"""Where the registries' configurations are stored."""


@dataclass(frozen=True, slots=True)
class Webhooks:
    """registries: to be kept up to date by the caller, by the prefix of what is stored."""

    mutating: MutatingWebhooks
    validating: ValidatingWebhooks
    metrics: WebhookMetrics
    registries: dict[str, Registry]

    @classmethod
    def of(cls, client: WebhookClient, objects: Objects, table: ServedResources, authorizer: Authorizer, *, schemas: Schemas) -> "Webhooks":
        metrics = WebhookMetrics()
        caller = Caller(client, Selection(objects, table), Conditions(authorizer), metrics)
        mutating = Registry(lambda ids: metrics.forget("admit", ids))
        validating = Registry(lambda ids: metrics.forget("validating", ids))
        plugins = MutatingWebhooks(mutating, caller, schemas), ValidatingWebhooks(validating, caller)
        return cls(*plugins, metrics, {MUTATING: mutating, VALIDATING: validating})
