"""What verbs work with: the store, the table of what is served, and the parts that watch over writes.

One `Backend` a server, made at its start and passed to every verb; nothing here is global.
"""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pilothouse.aio.beside import Beside
from pilothouse.engine.apiserver.admission.chain import Chain
from pilothouse.engine.apiserver.authn.tokens import Tokens
from pilothouse.engine.apiserver.authz.authorize import Authorizer
from pilothouse.engine.apiserver.nodes import NodeConnector, NodeProxy
from pilothouse.engine.apiserver.proxying.dialing import Dial, dial
from pilothouse.engine.apiserver.resource_metrics.scraper import Unmeasured, UsageSource
from pilothouse.engine.apiserver.resources.served import ServedResources
from pilothouse.engine.apiserver.write.path import WritePath
from pilothouse.engine.store.store import Store
from pilothouse.model import meta
from pilothouse.model.schema import Catalog


@dataclass(slots=True)
class Backend:
    """ca: the certificate bundle (PEM) by which pods know this server. nodes: None where no node can be reached.
    proxy: the way to nodes' own APIs, likewise. dial: the way to pods, for the proxies of pods and Services.

    beside: for what would hold the event loop. usage: what nodes and pods use.
    """

    store: Store
    table: ServedResources
    schemas: Catalog
    authorizer: Authorizer
    tokens: Tokens
    admission: Chain
    writes: WritePath
    beside: Beside
    ca: str = ""
    nodes: NodeConnector | None = None
    proxy: NodeProxy | None = None
    dial: Dial = dial
    usage: UsageSource = field(default_factory=Unmeasured)

    def now(self) -> datetime:
        return datetime.now(UTC)

    def timestamp(self) -> str:
        return meta.rfc3339(time.time())
