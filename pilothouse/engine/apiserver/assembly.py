"""Puts a server together: every part made once, in the order in which they need each other."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from pilothouse.engine.apiserver.admission.chain import Chain
from pilothouse.engine.apiserver.admission.definitions import DefinitionLifecycle
from pilothouse.engine.apiserver.admission.escalation import Escalation
from pilothouse.engine.apiserver.admission.limits import LimitRanger
from pilothouse.engine.apiserver.admission.namespaces import NamespaceLifecycle
from pilothouse.engine.apiserver.admission.node_restriction import NodeRestriction
from pilothouse.engine.apiserver.admission.node_taints import NodeTaints
from pilothouse.engine.apiserver.admission.pod_security.plugin import PodSecurity
from pilothouse.engine.apiserver.admission.pod_support import PodSupport
from pilothouse.engine.apiserver.admission.priority import Priority
from pilothouse.engine.apiserver.admission.quota import ResourceQuota
from pilothouse.engine.apiserver.admission.runtime_class import RuntimeClasses
from pilothouse.engine.apiserver.admission.service_account import ServiceAccounts
from pilothouse.engine.apiserver.admission.tolerations import DefaultTolerations
from pilothouse.engine.apiserver.authn.authenticate import Authenticator
from pilothouse.engine.apiserver.authn.jwt import Signer
from pilothouse.engine.apiserver.authn.tokens import Tokens
from pilothouse.engine.apiserver.authz.authorize import Authorizer
from pilothouse.engine.apiserver.authz.graph import NodeGraph
from pilothouse.engine.apiserver.authz.node import NodeAuthorizer
from pilothouse.engine.apiserver.authz.rbac import Rbac
from pilothouse.engine.apiserver.authz.secrets import SecretsAuthorizer
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.bootstrap.cluster import bootstrap
from pilothouse.engine.apiserver.bootstrap.roles import node_rules
from pilothouse.engine.apiserver.chain.dispatch import Dispatch
from pilothouse.engine.apiserver.chain.stage import Handler, Outlet, chained
from pilothouse.engine.apiserver.chain.stages import Authenticated, Authorized, Errors, Impersonated, Measured, deadline
from pilothouse.engine.apiserver.crds.serving import ServedDefinitions
from pilothouse.engine.apiserver.discovery.documents import Documents
from pilothouse.engine.apiserver.discovery.health import Health
from pilothouse.engine.apiserver.discovery.openapi import OpenApi
from pilothouse.engine.apiserver.metrics import Metrics
from pilothouse.engine.apiserver.nodes import NodeConnector
from pilothouse.engine.apiserver.objects import Objects
from pilothouse.engine.apiserver.resources.builtin import built_in_table
from pilothouse.engine.apiserver.services.allocation import Allocation
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.engine.apiserver.upkeep.aggregation import Aggregation
from pilothouse.engine.apiserver.upkeep.definitions import Definitions
from pilothouse.engine.apiserver.upkeep.event_expiry import EventExpiry
from pilothouse.engine.apiserver.upkeep.quota_status import QuotaStatus
from pilothouse.engine.apiserver.upkeep.system_namespaces import SystemNamespaces
from pilothouse.engine.apiserver.upkeep.token_secrets import TokenSecrets
from pilothouse.engine.apiserver.write.path import WritePath
from pilothouse.engine.store.store import Store
from pilothouse.model.schema import Catalog


class Upkeep(Protocol):
    """Background work on the store."""

    async def run(self) -> None:
        """Works until it is cancelled."""
        ...


@dataclass(slots=True)
class Components:
    backend: Backend
    authenticator: Authenticator
    documents: Documents
    metrics: Metrics
    upkeep: tuple[Upkeep, ...]


def chain(components: Components, outlet: Outlet, slots: asyncio.Semaphore) -> Handler:
    """The way of a request, the same whichever way its answer leaves."""
    backend = components.backend
    stages = (
        Errors(outlet),
        Measured(components.metrics, backend.table),
        deadline,
        Authenticated(components.authenticator),
        Impersonated(backend.authorizer),
        Authorized(backend.authorizer),
    )
    return chained(stages, Dispatch(backend, components.documents, outlet, slots))


def _admission(objects: Objects, authorizer: Authorizer, allocation: Allocation, quota: ResourceQuota) -> Chain:
    """RuntimeClasses follow the default tolerations, as upstream orders a pod's; PodSecurity answers before PodSupport."""
    return Chain(
        [
            NamespaceLifecycle(objects),
            DefinitionLifecycle(objects),
            LimitRanger(objects),
            ServiceAccounts(objects),
            NodeRestriction(objects),
            NodeTaints(),
            Priority(objects),
            DefaultTolerations(),
            RuntimeClasses(objects),
            Escalation(authorizer),
            PodSecurity(objects),
            PodSupport(),
            allocation,
            quota,
        ]
    )


async def assemble(store: Store, settings: Settings, nodes: NodeConnector | None) -> Components:
    """A server's components, with the cluster's own objects in the store."""
    settings.state.mkdir(parents=True, exist_ok=True)
    schemas = await asyncio.to_thread(Catalog.load, settings.state)
    signer = await asyncio.to_thread(Signer.load, settings.state / "service-account.key")
    table = built_in_table(schemas)
    tokens = Tokens(signer, store, settings.issuer, settings.static_tokens)
    rbac = Rbac()
    graph = NodeGraph(store)
    named = SecretsAuthorizer(store, settings.secret_readers)
    authorizer = Authorizer(rbac, NodeAuthorizer(graph, node_rules()), named)
    allocation = Allocation(settings.service_cidr, settings.node_ports)
    objects = Objects(store)
    quota = ResourceQuota(objects)
    admission = _admission(objects, authorizer, allocation, quota)
    definitions, aggregation = Definitions(store), Aggregation(store)
    writes = WritePath(store, admission, {"definitions": definitions, "aggregation": aggregation})
    backend = Backend(store, table, schemas, authorizer, tokens, admission, writes, settings.ca, nodes)
    await bootstrap(store, settings, allocation)
    rbac.follow(store)
    graph.follow()
    named.follow()
    allocation.follow(store)
    ServedDefinitions(table, schemas.object_meta()).follow(store)
    metrics = Metrics(
        {
            "pilothouse_store_revision": lambda: float(store.revision),
            "pilothouse_store_compacted": lambda: float(store.compacted),
            "pilothouse_store_used_bytes": lambda: float(store.used_bytes),
            "pilothouse_store_quota_bytes": lambda: float(store.quota_bytes),
        },
        authorizer.uses.lines,
    )
    checks = {"log": lambda: "", "etcd": store.trouble, "poststarthook/rbac/bootstrap-roles": lambda: ""}
    health = Health(checks, {"informer-sync": lambda: "", "shutdown": lambda: ""})
    address = f"{settings.host}:{settings.port}"
    documents = Documents(table, OpenApi(table), health, metrics, tokens, address)
    authenticator = Authenticator(tokens)
    upkeep = (
        definitions,
        aggregation,
        QuotaStatus(store, quota),
        TokenSecrets(store, tokens, settings.ca),
        SystemNamespaces(store),
        EventExpiry(store),
    )
    return Components(backend, authenticator, documents, metrics, upkeep)
