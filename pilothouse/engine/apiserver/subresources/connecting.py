"""What a session is asked to be, as an object (PodExecOptions and its like): admission sees it, and may change it."""

from urllib.parse import unquote

from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request.query import Query
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.model.errors import Internal
from pilothouse.model.json import Object, same

_STREAMS = ("stdin", "stdout", "stderr", "tty")


def options_of(request: ApiRequest) -> Object:
    """Without a type; fields that hold nothing are left out."""
    if request.target.subresource == "proxy":
        return {"path": unquote(request.target.rest).removeprefix("/")}
    query = request.query
    found: Object = {name: True for name in _STREAMS if queries.boolean(query, name)}
    if container := request.option("container"):
        found["container"] = container
    if command := query.get("command"):
        found["command"] = list(command)
    if ports := [int(text) for text in query.get("ports") or () if queries.is_decimal(text) and len(text) <= 5]:
        found["ports"] = ports
    return found


def take(request: ApiRequest, options: Object) -> None:
    """Let the request ask for what admission has made of its options. Raises Internal for what asks for nothing that is known."""
    if same(options, options_of(request)):
        return
    if request.target.subresource == "proxy":
        raise Internal("Internal error occurred: admission has changed the path of a proxied request, which is not carried out")
    request.query = {name: values for name, values in request.query.items() if name not in (*_STREAMS, "container", "command", "ports")}
    request.query |= _query_of(options)


def _query_of(options: Object) -> Query:
    found: Query = {}
    for name, value in options.items():
        if name in _STREAMS and isinstance(value, bool):
            found[name] = ["true" if value else "false"]
        elif name == "container" and isinstance(value, str):
            found[name] = [value]
        elif name == "command" and _are(value, str):
            found[name] = list(value)
        elif name == "ports" and _are(value, int):
            found[name] = [str(port) for port in value]
        elif name != "metadata":
            raise Internal(f"Internal error occurred: admission has set {name} of the session's options to what it cannot be")
    return found


def _are(values: object, wanted: type) -> bool:
    return isinstance(values, list) and all(type(each) is wanted for each in values)
