"""What is recorded of one request: its stages become events as it goes through the chain.

Source: apiserver/pkg/endpoints/filters/audit.go, authn_audit.go; apiserver/pkg/audit/request.go.
"""

import time
from ipaddress import ip_address
from urllib.parse import urlencode

from pilothouse.aio.meters import Counter
from pilothouse.engine.apiserver.answer import DocumentResponse, ObjectResponse, RawResponse, Session, Tunnel
from pilothouse.engine.apiserver.audit import bodies
from pilothouse.engine.apiserver.audit.auditor import Auditor
from pilothouse.engine.apiserver.audit.bodies import AuditedBody
from pilothouse.engine.apiserver.audit.confidential import is_confidential, without_quotes
from pilothouse.engine.apiserver.audit.cutting import SESSIONS, STRANGERS, USERS, TextBounds
from pilothouse.engine.apiserver.audit.event import Event, user_info
from pilothouse.engine.apiserver.audit.log import Unwritten
from pilothouse.engine.apiserver.audit.policy import COMPLETE, PANIC, RECEIVED, STARTED, Decision, Level
from pilothouse.engine.apiserver.audit.strangers import LEFT_OUT
from pilothouse.engine.apiserver.authn.authenticate import bearer
from pilothouse.engine.apiserver.identity import UNAUTHENTICATED, User
from pilothouse.engine.apiserver.request.lookup import is_served
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResources
from pilothouse.model.errors import ApiError, TooManyRequests
from pilothouse.model.json import Object

REJECTED = Counter("apiserver_audit_requests_rejected_total", "requests refused because their arrival could not be recorded")
LEVELS_MET = Counter("apiserver_audit_level_total", "requests by the level at which they are recorded", "level")

CLOSED_EARLY = "Connection closed early"
_LONGEST_AGENT = 1024
_MOST_ADDRESSES = 16
_SESSIONS = frozenset(("exec", "attach", "portforward", "proxy"))
_READS = frozenset(("get", "list", "watch", "head", "options"))


class AuditContext:
    """id: of the request in all its events."""

    def __init__(self, auditor: Auditor, request: ApiRequest, id: str) -> None:
        self._auditor = auditor
        self._request = request
        self._id = id
        self._received = time.time()
        self._decision: Decision | None = None
        self._user: User | None = None
        self._sent: AuditedBody | None = None
        self._answer: object = None
        self._status: Object = {}
        self._is_permitted = False

    @property
    def is_recorded(self) -> bool:
        return self._decision is not None and self._decision.level is not Level.NONE

    async def identified(self) -> None:
        """Who asks is known. Raises ApiError 500 in strict mode when that cannot be written down, 429 for one stranger too many."""
        request = self._request
        self._user = request.user
        decision = self._decide(self._user)
        if decision.level is Level.NONE:
            return
        if not self._auditor.is_strict:
            self._note(RECEIVED)
            return
        arrival = self._event(RECEIVED, decision, self._received)
        if not self._fits(arrival):
            raise TooManyRequests("too many requests without an identity are to be recorded: sign in, or try again later", details={})
        await self._written(arrival)

    def permitted(self, table: ServedResources) -> None:
        """The request is about to be carried out. Its body counts only where something is served that expects one.

        A body that was sent elsewhere, to a misspelt resource for example, may hold a secret that nothing tells from other texts.
        """
        self._is_permitted = True
        if self._decision is not None and self._decision.level >= Level.REQUEST and is_served(self._request.target, table):
            self._sent = bodies.sent(self._request)

    def answered(self, answer: object, *, is_long: bool) -> None:
        """The answer is about to go out. is_long: and may take as long as its client wants."""
        self._answer = answer
        if not self.is_recorded:
            return
        self._status = self._status_of(answer)
        if is_long:
            self._note(STARTED)

    async def completed(self, *, is_sent: bool) -> None:
        """Raises ApiError 500 in strict mode, unless the answer is out, when its outcome cannot be written down."""
        decision = self._decision
        if decision is None or decision.level is Level.NONE or COMPLETE in decision.omitted:
            return
        event = self._event(COMPLETE, decision, time.time())
        if self._auditor.is_strict and not is_sent:
            if self._fits(event):
                await self._written(event)
        else:
            self._put(event)

    def closed(self) -> None:
        """What the request had opened has ended."""
        self._note(COMPLETE)

    def failed(self, failure: ApiError) -> None:
        status = failure.to_status()
        self._answer = DocumentResponse(status)
        if self._decision is None:
            # Nobody knows who it was, so rules for users do not match.
            self._decide(None)
            self._status = self._shown(status | {"message": self._attempted()} if failure.code == 401 else status)
            self._note(STARTED)
            return
        self._status = self._shown(status)
        self._note(COMPLETE)

    def refused(self, code: int) -> None:
        """The request to open a session was refused by the protocol itself."""
        self._status = {"metadata": {}, "code": code}
        self._note(COMPLETE)

    def cut_off(self) -> None:
        """Its client is gone, or the server ends."""
        if self._decision is None:
            self._decide(None)
        self._status = self._status or {"metadata": {}, "message": CLOSED_EARLY}
        self._note(COMPLETE)

    def panicked(self, failure: Exception) -> None:
        if self._decision is None:
            self._decide(None)
        text = f"APIServer panic'd: {type(failure).__name__}"
        self._status = {"metadata": {}, "status": "Failure", "message": text, "reason": "InternalError", "code": 500}
        self._note(PANIC)

    def _decide(self, user: User | None) -> Decision:
        request = self._request
        found = self._auditor.policy.policy.decide(request.target, request.verb, user)
        LEVELS_MET.add(found.level.title)
        self._decision = found
        return found

    def _note(self, stage: str) -> None:
        decision = self._decision
        if decision is not None and decision.level is not Level.NONE and stage not in decision.omitted:
            self._put(self._event(stage, decision, self._received if stage == RECEIVED else time.time()))

    def _put(self, event: Event) -> None:
        if self._fits(event):
            self._auditor.log.put(event)

    def _fits(self, event: Event) -> bool:
        """Whether the log has room for it: always for users, and for what strangers were allowed to change or to open."""
        if not self._is_strangers:
            return True
        share, request = self._auditor.strangers, self._request
        is_deed = self._is_permitted and (request.verb not in _READS or bool(request.target.subresource))
        if not is_deed and not share.take(event.size):
            return False
        if missing := share.left_out():
            event.annotations[LEFT_OUT] = f"{missing} refused requests and reads without identity before this one"
        return True

    @property
    def _is_strangers(self) -> bool:
        return self._user is None or UNAUTHENTICATED in self._user.groups

    async def _written(self, event: Event) -> None:
        try:
            await self._auditor.log.written(event)
        except Unwritten as error:
            REJECTED.add()
            raise ApiError(f"failed to store audit event: {error}", code=500, reason="InternalError") from error

    def _event(self, stage: str, decision: Decision, at: float) -> Event:
        answered = None
        is_shown = self._is_permitted or not self._is_strangers
        if decision.level is Level.REQUEST_RESPONSE and stage == COMPLETE and is_shown:
            answered = bodies.answered(self._answer)
        annotations = dict(self._request.annotations.texts())
        head, managed = self._head(stage, decision.level), decision.omits_managed_fields
        return Event(head, self._received, at, annotations, self._sent, answered, managed, self._room())

    def _room(self) -> TextBounds:
        if self._is_strangers:
            return STRANGERS
        return SESSIONS if self._is_permitted and self._request.target.subresource in _SESSIONS else USERS

    def _head(self, stage: str, level: Level) -> Object:
        request, user = self._request, self._user
        head: Object = {"level": level.title, "auditID": self._id, "stage": stage, "requestURI": _uri(request), "verb": request.verb}
        head["user"] = user_info(user)
        if user is not None and request.user is not user:
            head["impersonatedUser"] = user_info(request.user)
        if request.http is not None:
            head["sourceIPs"] = source_ips(request)
            if agent := request.headers.get("user-agent"):
                head["userAgent"] = agent if len(agent) <= _LONGEST_AGENT else f"{agent[:_LONGEST_AGENT]}...TRUNCATED"
        if request.target.is_resource:
            head["objectRef"] = self._object_ref()
        if stage != RECEIVED and self._status:
            head["responseStatus"] = self._status
        return head

    def _object_ref(self) -> Object:
        """By the URL; what it leaves open by the answer, or by what was sent when the answer names nothing."""
        target, metadata, answer = self._request.target, {}, self._answer
        if isinstance(answer, ObjectResponse):
            metadata = answer.record.value["metadata"]
        elif isinstance(answer, DocumentResponse) and answer.value.get("kind") == "Status":
            metadata = answer.value.get("details") or {}
        reference = {
            "resource": target.resource,
            "namespace": target.namespace or metadata.get("namespace"),
            "name": target.name or metadata.get("name") or self._request.stated_name,
            "uid": metadata.get("uid"),
            "apiGroup": target.group,
            "apiVersion": target.version,
            "resourceVersion": metadata.get("resourceVersion"),
            "subresource": target.subresource,
        }
        return {key: value for key, value in reference.items() if value}

    def _status_of(self, answer: object) -> Object:
        if isinstance(answer, DocumentResponse) and answer.value.get("kind") == "Status":
            return self._shown(answer.value | {"code": answer.status})
        code = 101 if isinstance(answer, Session | Tunnel) else answer.status if isinstance(answer, RawResponse) else self._request.status
        return {"metadata": {}, "code": code}

    def _shown(self, status: Object) -> Object:
        shown = without_quotes(status) if is_confidential(self._request.target) else status
        return {key: value for key, value in shown.items() if key not in ("kind", "apiVersion")}

    def _attempted(self) -> str:
        http = self._request.http
        tried = [] if http is None or bearer(http.headers.get("authorization")) is None else ["bearer"]
        tried += ["x509"] if http is not None and http.peer.certificate is not None else []
        return f"Authentication failed, attempted: {', '.join(tried)}" if tried else "Authentication failed, no credentials provided"


def _uri(request: ApiRequest) -> str:
    if request.http is not None:
        return request.http.target
    query = urlencode(request.query, doseq=True) if request.query else ""
    return f"{request.target.path}?{query}" if query else request.target.path


def source_ips(request: ApiRequest) -> list[str]:
    """Where the request says it comes from, by way of proxies, and then the peer. All but the last may be the client's invention."""
    assert request.http is not None, "a request of this process has no address"
    stated, real = [], []
    for name, value in request.http.headers.pairs:
        if name == "x-forwarded-for":
            stated += [each.strip() for each in value.decode("latin-1").split(",")]
        elif name == "x-real-ip":
            real.append(value.decode("latin-1"))
    found = [address for address in (stated + real[:1])[:_MOST_ADDRESSES] if _is_address(address)]
    peer = request.http.peer.address
    return [*found, peer] if peer and (not found or found[-1] != peer) else found


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
