"""What a node is asked, as paths and queries, and what its refusals say. Pure."""

from urllib.parse import quote, urlencode

from pilothouse.engine.apiserver.nodes import LogOptions
from pilothouse.model.errors import ApiError, BadRequest, Internal, NotFound, TooManyRequests, Unavailable
from pilothouse.model.json import JSONError, Object, loads

_KINDS: dict[int, type[ApiError]] = {400: BadRequest, 404: NotFound, 429: TooManyRequests, 503: Unavailable}


def target(verb: str, pod: Object, *more: str) -> str:
    metadata = pod["metadata"]
    return "/" + "/".join(quote(word, safe="") for word in (verb, metadata["namespace"], metadata["name"], metadata["uid"], *more))


def named_target(verb: str, pod: Object, *more: str) -> str:
    """Of what is served by the pod's name alone."""
    metadata = pod["metadata"]
    return "/" + "/".join(quote(word, safe="") for word in (verb, metadata["namespace"], metadata["name"], *more))


def wanted_streams(*, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> list[tuple[str, str]]:
    asked = {"input": stdin, "output": stdout, "error": stderr, "tty": tty}
    return [(name, "1") for name, is_wanted in asked.items() if is_wanted]


def log_query(options: LogOptions) -> str:
    given = {
        "follow": "true" if options.follow else None,
        "previous": "true" if options.previous else None,
        "timestamps": "true" if options.timestamps else None,
        "sinceSeconds": options.since_s,
        "sinceTime": options.since or None,
        "tailLines": options.tail,
        "limitBytes": options.limit_bytes,
        "stream": options.stream,
    }
    return urlencode([(name, str(value)) for name, value in given.items() if value is not None])


def failure(code: int, said: bytes) -> ApiError:
    """What the node's answer is to the client. What the node holds against the API server itself is not the client's fault."""
    text = said.decode(errors="replace").strip()
    try:
        answer = loads(said)
    except JSONError:
        answer = None
    if isinstance(answer, dict) and answer.get("kind") == "Status":
        return ApiError.from_status(answer)
    kind = _KINDS.get(code, Internal)
    return kind(text or f"the node answered {code}")
