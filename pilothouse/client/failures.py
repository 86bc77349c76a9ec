"""What went wrong with an HTTP exchange, as the one API error that says it in a sentence."""

import os
import socket
import ssl
from collections.abc import Mapping

from pilothouse.client.kubeconfig import Kubeconfig
from pilothouse.model.digits import natural
from pilothouse.model.errors import (
    AlreadyExists,
    ApiError,
    BadRequest,
    Conflict,
    Forbidden,
    Gone,
    Internal,
    Invalid,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    RequestTooLarge,
    Timeout,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnsupportedMediaType,
)
from pilothouse.model.json import JSONError, loads

SHOWN_CHARACTERS = 200

# What an HTTP status code alone means, when the body is no Status (a proxy's answer, a health check's).
BY_CODE: Mapping[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    405: MethodNotAllowed,
    406: NotAcceptable,
    409: Conflict,
    410: Gone,
    413: RequestTooLarge,
    415: UnsupportedMediaType,
    422: Invalid,
    429: TooManyRequests,
    500: Internal,
    502: Unavailable,
    503: Unavailable,
    504: Timeout,
}


class ConnectionLost(Unavailable):
    """The connection broke before the answer: the server may or may not have done what was asked."""


def refusal(method: str, path: str, code: int, body: bytes, retry_after: str | None = None) -> ApiError:
    """The error of an answer with HTTP status `code` (>= 400)."""
    error = _from_status(code, body) or _from_code(method, path, code, body)
    if error.retry_after_s is None and (stated_s := natural(retry_after or "")) is not None:
        error.details = (error.details or {}) | {"retryAfterSeconds": stated_s}
    return error


def _from_status(code: int, body: bytes) -> ApiError | None:
    try:
        status = loads(body)
    except JSONError:
        return None
    if not isinstance(status, dict) or status.get("kind") != "Status":
        return None
    return ApiError.from_status({"code": code} | status)


def _from_code(method: str, path: str, code: int, body: bytes) -> ApiError:
    kind = BY_CODE.get(code, ApiError)
    if code == Conflict.code and method == "POST":
        kind = AlreadyExists
    text = " ".join(body.decode(errors="replace").split())[:SHOWN_CHARACTERS]
    return kind(f"{method} {path}: HTTP {code}: {text}" if text else f"{method} {path}: HTTP {code} without an explanation", code=code)


def unreachable(config: Kubeconfig, error: BaseException) -> Unavailable:
    """The error of a connection that could not be made or that broke. error: what aiohttp or the system raised."""
    return (unreached if _never_connected(error) else broken)(config, _cause(error))


def unreached(config: Kubeconfig, cause: BaseException) -> Unavailable:
    """The error of a connection that could not be made. cause: what the system raised."""
    return _of_tls(config, cause) or Unavailable(f"the API server at {config.server} cannot be reached: {_why(cause)}")


def broken(config: Kubeconfig, cause: BaseException) -> Unavailable:
    """The error of a connection that was there. cause: what the system raised."""
    return _of_tls(config, cause) or ConnectionLost(f"the connection to {config.server} was lost: {_why(cause)}")


def _of_tls(config: Kubeconfig, cause: BaseException) -> Unavailable | None:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return Unavailable(_distrust(config, cause))
    if isinstance(cause, ssl.SSLError):
        return Unavailable(
            f"no TLS connection to {config.server}: {_reason(cause)}; check server and client-certificate in {_source(config)}"
        )
    return None


def _never_connected(error: BaseException) -> bool:
    import aiohttp

    return isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.ClientHttpProxyError)


def _cause(error: BaseException) -> BaseException:
    """The system's error inside aiohttp's."""
    for name in ("certificate_error", "os_error"):
        inner = getattr(error, name, None)
        if isinstance(inner, BaseException):
            return inner
    return error


def _distrust(config: Kubeconfig, error: ssl.SSLCertVerificationError) -> str:
    why = error.verify_message.rstrip(".") if getattr(error, "verify_message", "") else "its issuer is unknown"
    return f"the certificate of {config.server} is not trusted: {why}; check certificate-authority and server in {_source(config)}"


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or str(error)).replace("_", " ").lower()


def _why(error: BaseException) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused; is it running?"
    if isinstance(error, TimeoutError):
        return "no connection in time"
    if isinstance(error, OSError) and not isinstance(error, socket.gaierror) and error.errno:
        return os.strerror(error.errno).lower()
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or "closed by the other side"


def _source(config: Kubeconfig) -> str:
    return config.source or "the kubeconfig"
