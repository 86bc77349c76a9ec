"""Puts a server together: every part made once, in the order in which they need each other."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from pilothouse.aio.beside import Beside
from pilothouse.engine.apiserver.admission.certificates import Certificates
from pilothouse.engine.apiserver.admission.chain import Chain
from pilothouse.engine.apiserver.admission.cluster_network import ClusterNetworkLifecycle
from pilothouse.engine.apiserver.admission.definitions import DefinitionLifecycle
from pilothouse.engine.apiserver.admission.escalation import Escalation
from pilothouse.engine.apiserver.admission.external_ips import ServiceExternalIPs
from pilothouse.engine.apiserver.admission.ingress import DefaultIngressClass
from pilothouse.engine.apiserver.admission.limits import LimitRanger
from pilothouse.engine.apiserver.admission.namespaces import NamespaceLifecycle
from pilothouse.engine.apiserver.admission.node_ranges import NodeRanges
from pilothouse.engine.apiserver.admission.node_restriction import NodeRestriction
from pilothouse.engine.apiserver.admission.node_taints import NodeTaints
from pilothouse.engine.apiserver.admission.pod_security.plugin import PodSecurity
from pilothouse.engine.apiserver.admission.priority import Priority
from pilothouse.engine.apiserver.admission.quota import ResourceQuota
from pilothouse.engine.apiserver.admission.runtime_class import RuntimeClasses
from pilothouse.engine.apiserver.admission.service_account import ServiceAccounts
from pilothouse.engine.apiserver.admission.storage import Storage
from pilothouse.engine.apiserver.admission.support import Support
from pilothouse.engine.apiserver.admission.tolerations import DefaultTolerations
from pilothouse.engine.apiserver.admission.topology import TopologyLabels
from pilothouse.engine.apiserver.admission.webhooks.setup import Webhooks
from pilothouse.engine.apiserver.aggregator.asking import Asker
from pilothouse.engine.apiserver.aggregator.connecting import Connector
from pilothouse.engine.apiserver.aggregator.findings import Findings
from pilothouse.engine.apiserver.aggregator.forwarding import Forwarder
from pilothouse.engine.apiserver.audit.auditor import Auditor
from pilothouse.engine.apiserver.authn.authenticate import Authenticator
from pilothouse.engine.apiserver.authn.bootstrap_tokens import BootstrapTokens
from pilothouse.engine.apiserver.authn.jwt import Signer
from pilothouse.engine.apiserver.authn.tokens import Tokens
from pilothouse.engine.apiserver.authz.authorize import Authorizer
from pilothouse.engine.apiserver.authz.graph import NodeGraph
from pilothouse.engine.apiserver.authz.node import NodeAuthorizer
from pilothouse.engine.apiserver.authz.rbac import Rbac
from pilothouse.engine.apiserver.authz.secrets import SecretsAuthorizer
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.bootstrap.bindings import ADMINS
from pilothouse.engine.apiserver.bootstrap.cluster import bootstrap
from pilothouse.engine.apiserver.bootstrap.objects import kept_objects
from pilothouse.engine.apiserver.bootstrap.roles import node_rules
from pilothouse.engine.apiserver.chain.audit import Audited, Permitted, identified
from pilothouse.engine.apiserver.chain.deadline import Deadlined
from pilothouse.engine.apiserver.chain.dispatch import Dispatch
from pilothouse.engine.apiserver.chain.fairness import FairlyQueued
from pilothouse.engine.apiserver.chain.stage import Handler, Outlet, chained
from pilothouse.engine.apiserver.chain.stages import Authenticated, Authorized, Errors, Impersonated, Measured
from pilothouse.engine.apiserver.crds.serving import ServedDefinitions
from pilothouse.engine.apiserver.discovery.documents import Documents
from pilothouse.engine.apiserver.discovery.health import Health
from pilothouse.engine.apiserver.discovery.openapi import OpenApi
from pilothouse.engine.apiserver.fairness import defaults
from pilothouse.engine.apiserver.fairness.configuration import flow_schema, priority_level
from pilothouse.engine.apiserver.fairness.control import Fairness
from pilothouse.engine.apiserver.following import follow, follow_resource
from pilothouse.engine.apiserver.metrics import Metrics
from pilothouse.engine.apiserver.nodes import NodeConnector
from pilothouse.engine.apiserver.objects import Objects
from pilothouse.engine.apiserver.quota.tallies import Tallies
from pilothouse.engine.apiserver.resource_metrics.scraper import Scraper
from pilothouse.engine.apiserver.resources.builtin import built_in_table
from pilothouse.engine.apiserver.services.allocation import Allocation
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.engine.apiserver.upkeep.aggregation import Aggregation
from pilothouse.engine.apiserver.upkeep.apiservices import ApiServices
from pilothouse.engine.apiserver.upkeep.availability import Availability
from pilothouse.engine.apiserver.upkeep.definitions import Definitions
from pilothouse.engine.apiserver.upkeep.event_expiry import EventExpiry
from pilothouse.engine.apiserver.upkeep.ip_addresses import IpAddresses
from pilothouse.engine.apiserver.upkeep.own_objects import OwnObjects
from pilothouse.engine.apiserver.upkeep.quota_status import QuotaStatus
from pilothouse.engine.apiserver.upkeep.service_cidrs import ServiceCidrs
from pilothouse.engine.apiserver.upkeep.system_namespaces import SystemNamespaces
from pilothouse.engine.apiserver.upkeep.token_secrets import TokenSecrets
from pilothouse.engine.apiserver.webhooks.client import WebhookClient
from pilothouse.engine.apiserver.webhooks.services import SLICES, Services, SlicesOfServices
from pilothouse.engine.apiserver.write.path import Follower, WritePath
from pilothouse.engine.store.store import Store
from pilothouse.model.admission_plugins import DENY_EXTERNAL_IPS
from pilothouse.model.kinds import APISERVICES, NODES
from pilothouse.model.networks import families, parse, with_port
from pilothouse.model.schema import Catalog

_THREADS = 2


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
    fairness: Fairness
    auditor: Auditor | None
    upkeep: tuple[Upkeep, ...]
    connector: Connector
    forwarder: Forwarder
    webhooks: WebhookClient
    """To be closed by whoever has the components."""


def chain(components: Components, outlet: Outlet) -> Handler:
    """The way of a request, the same whichever way its answer leaves."""
    backend = components.backend
    stages = (
        Errors(outlet),
        Measured(components.metrics, backend.table),
        Audited(components.auditor),
        Deadlined(),
        Authenticated(components.authenticator),
        identified,
        Impersonated(backend.authorizer),
        FairlyQueued(components.fairness),
        Authorized(backend.authorizer),
        Permitted(backend.table),
    )
    return chained(stages, Dispatch(backend, components.documents, components.forwarder, outlet, backend.beside))


def _admission(
    objects: Objects,
    authorizer: Authorizer,
    allocation: Allocation,
    quota: ResourceQuota,
    webhooks: Webhooks,
    beside: Beside,
    settings: Settings,
) -> Chain:
    """RuntimeClasses follow the default tolerations, as upstream orders a pod's; PodSecurity answers before Support.

    Webhooks see what all plugins before them have made of an object, and are not asked about what those refuse.
    """
    on_request = [ServiceExternalIPs()] if DENY_EXTERNAL_IPS in settings.admission_plugins else []
    return Chain(
        [
            NamespaceLifecycle(objects),
            DefinitionLifecycle(objects),
            ClusterNetworkLifecycle(),
            LimitRanger(objects),
            ServiceAccounts(objects),
            NodeRestriction(objects, NodeRanges.of(settings.pod_cidrs, settings.node_prefixes)),
            NodeTaints(),
            TopologyLabels(objects),
            Priority(objects),
            DefaultTolerations(),
            RuntimeClasses(objects),
            Storage(objects),
            DefaultIngressClass(objects),
            Escalation(authorizer, beside),
            Certificates(authorizer),
            PodSecurity(objects),
            Support(settings.allowed_sysctls),
            *on_request,
            webhooks.mutating,
            webhooks.validating,
            allocation,
            quota,
        ]
    )


def _fairness(settings: Settings) -> Fairness:
    schemas = defaults.flow_schemas(ADMINS, settings.platform_namespace)
    return Fairness(map(flow_schema, schemas), map(priority_level, defaults.priority_levels()))


@dataclass(frozen=True, slots=True)
class _Rights:
    """Who may do what: the authorizer, and the indexes that it asks."""

    rbac: Rbac
    graph: NodeGraph
    named: SecretsAuthorizer
    authorizer: Authorizer

    @classmethod
    def of(cls, store: Store, settings: Settings) -> "_Rights":
        rbac, graph, named = Rbac(), NodeGraph(store), SecretsAuthorizer(store, settings.secret_readers)
        return cls(rbac, graph, named, Authorizer(rbac, NodeAuthorizer(graph, node_rules()), named))

    def follow(self, store: Store) -> None:
        self.rbac.follow(store)
        self.graph.follow()
        self.named.follow()


@dataclass(frozen=True, slots=True)
class _Followed:
    """The reconcilers whose work on a write is waited for before it is answered."""

    definitions: Definitions
    aggregation: Aggregation
    cidrs: ServiceCidrs
    ips: IpAddresses

    @classmethod
    def of(cls, store: Store, allocation: Allocation) -> "_Followed":
        cidrs, ips = ServiceCidrs(store, allocation), IpAddresses(store, allocation.addresses)
        return cls(Definitions(store), Aggregation(store), cidrs, ips)

    def by_name(self) -> dict[str, Follower]:
        return {
            "definitions": self.definitions,
            "aggregation": self.aggregation,
            "service-cidrs": self.cidrs,
            "ip-addresses": self.ips,
        }


async def assemble(store: Store, settings: Settings, nodes: NodeConnector | None) -> Components:
    """A server's components, with the cluster's own objects in the store."""
    settings.state.mkdir(parents=True, exist_ok=True)
    schemas = await asyncio.to_thread(Catalog.load, settings.state)
    objects, table = Objects(store), built_in_table(schemas, families(parse(settings.service_cidrs)))
    tokens = await _tokens(settings, objects)
    rights = _Rights.of(store, settings)
    allocation = Allocation(settings.service_cidrs, settings.node_ports, pods=settings.pod_cidrs)
    tallies, slices = Tallies(store), SlicesOfServices()
    quota = ResourceQuota(objects, tallies)
    services = Services(objects, slices)
    client, connector, findings = WebhookClient(services), Connector(services, settings.front_proxy), Findings()
    webhooks = Webhooks.of(client, objects, table, rights.authorizer, schemas=schemas.schema)
    beside = Beside(_THREADS)
    admission = _admission(objects, rights.authorizer, allocation, quota, webhooks, beside, settings)
    followed = _Followed.of(store, allocation)
    writes = WritePath(store, admission, followed.by_name(), beside)
    backend = Backend(store, table, schemas, rights.authorizer, tokens, admission, writes, beside, settings.ca, nodes)
    backend.usage = scraper = Scraper(lambda: objects.all(NODES), lambda: backend.proxy, settings.metrics_resolution_s)
    await bootstrap(store, settings, allocation)
    rights.follow(store)
    allocation.follow(store)
    tallies.follow()
    ServedDefinitions(table, schemas.object_meta(), client).follow(store)
    follow_resource(store, APISERVICES, table.foreign)
    _follow_webhooks(store, slices, webhooks)
    fairness = _fairness(settings)
    metrics = _metrics(store, rights.authorizer, fairness, webhooks)
    documents = _documents(backend, findings, metrics, settings)
    kept = OwnObjects(store, kept_objects(settings, allocation.networks))
    registered = ApiServices(store, table, Availability(objects, slices), Asker(connector), findings)
    upkeep = (*_upkeep(backend, followed, quota), kept, scraper, registered)
    authenticator, forwarder = Authenticator(tokens), Forwarder(connector)
    return Components(backend, authenticator, documents, metrics, fairness, settings.auditor, upkeep, connector, forwarder, client)


async def _tokens(settings: Settings, objects: Objects) -> Tokens:
    signer = await asyncio.to_thread(Signer.load, settings.state / "service-account.key")
    return Tokens(signer, objects, settings.issuer, settings.static_tokens, opaque=(BootstrapTokens(objects).user,))


def _follow_webhooks(store: Store, slices: SlicesOfServices, webhooks: Webhooks) -> None:
    """Their configurations, and where the services are that they are called by."""
    follow(store, (SLICES,), slices)
    for prefix, registry in webhooks.registries.items():
        follow(store, (prefix,), registry)


def _metrics(store: Store, authorizer: Authorizer, fairness: Fairness, webhooks: Webhooks) -> Metrics:
    gauges = {
        "pilothouse_store_revision": lambda: float(store.revision),
        "pilothouse_store_compacted": lambda: float(store.compacted),
        "pilothouse_store_used_bytes": lambda: float(store.used_bytes),
        "pilothouse_store_quota_bytes": lambda: float(store.quota_bytes),
    }
    return Metrics(gauges, lambda: [*authorizer.uses.lines(), *fairness.lines(), *webhooks.metrics.lines()])


def _documents(backend: Backend, findings: Findings, metrics: Metrics, settings: Settings) -> Documents:
    checks = {"log": lambda: "", "etcd": backend.store.trouble, "poststarthook/rbac/bootstrap-roles": lambda: ""}
    health = Health(checks, {"informer-sync": lambda: "", "shutdown": lambda: ""})
    address = with_port(settings.host, settings.port)
    return Documents(backend.table, findings, OpenApi(backend.table, findings), health, metrics, backend.tokens, address)


def _upkeep(backend: Backend, followed: _Followed, quota: ResourceQuota) -> tuple[Upkeep, ...]:
    store = backend.store
    return (
        followed.definitions,
        followed.aggregation,
        followed.cidrs,
        followed.ips,
        QuotaStatus(store, quota),
        TokenSecrets(store, backend.tokens, backend.ca),
        SystemNamespaces(store),
        EventExpiry(store),
    )
