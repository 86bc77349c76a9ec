"""nodes/proxy: a request to the kubelet API of a node, made by the API server under its own name for whoever may use the subresource.

A node is named as NAME, NAME:PORT or https:NAME:PORT; the port is the kubelet's. Requests and answers of any length pass; sessions
(exec, attach, port forwarding) have subresources of pods for themselves and are refused.
Source: kubernetes pkg/registry/core/node/rest.
"""

from pilothouse.engine.apiserver.answer import StreamResponse
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.nodes import NodeRequest
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.write import storage
from pilothouse.model.errors import BadRequest, RequestTooLarge, Unavailable
from pilothouse.model.json import Object


async def ask(backend: Backend, request: ApiRequest, served: ServedResource) -> StreamResponse:
    name, port = _node_of(request.name)
    node = storage.existing(backend.store, served, "", name).value
    _check_port(node, port)
    if request.too_large:
        raise RequestTooLarge("request body too large")
    if request.headers.get("upgrade"):
        raise BadRequest("sessions do not pass through nodes/proxy: use kubectl exec, attach or port-forward")
    if backend.proxy is None:
        raise Unavailable(f"node {name} cannot be reached from this server")
    query = request.http.query if request.http is not None else ""
    target = request.target.rest + (f"?{query}" if query else "")
    body = request.body if isinstance(request.body, bytes) else b""
    wanted = NodeRequest(request.method, target, body, request.content_type, request.accept)
    answer = await backend.proxy.ask(node, wanted)
    return StreamResponse(answer.chunks, answer.content_type, answer.status)


def _node_of(text: str) -> tuple[str, str]:
    """Raises BadRequest."""
    scheme, _, rest = text.rpartition(":") if text.count(":") == 1 and text.startswith("https:") else ("", "", text)
    parts = rest.split(":")
    if not scheme and len(parts) == 3:
        scheme, *parts = parts
    if scheme not in ("", "https") or len(parts) > 2:
        raise BadRequest(f"invalid node request {text!r}: name the node as NAME, NAME:PORT or https:NAME:PORT")
    return parts[0], parts[1] if len(parts) == 2 else ""


def _check_port(node: Object, port: str) -> None:
    own = str((((node.get("status") or {}).get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port", ""))
    if port and port != own:
        raise BadRequest(f"only the kubelet API of a node is reached through nodes/proxy: leave the port out, or name {own}")
