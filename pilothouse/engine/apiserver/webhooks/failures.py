"""Why a call to a webhook failed, in the words of Go's HTTP client and of upstream's REST client: people search for them.

Source: apimachinery/pkg/api/errors, NewGenericServerResponse; client-go/rest/request.go.
"""

import os
import ssl

from pilothouse.model.errors import echo

TIMED_OUT = "context deadline exceeded"
_SHOWN_CHARACTERS = 2048
_ANSWERS = {
    400: "the server rejected our request for an unknown reason",
    401: "the server has asked for the client to provide credentials",
    404: "the server could not find the requested resource",
    405: "the server does not allow this method on the requested resource",
    409: "the server reported a conflict",
    415: "the server was unable to respond with a content type that the client supports",
    422: "the server rejected our request due to an error in our request",
    429: "the server has received too many requests and has asked us to try again later",
    503: "the server is currently unable to handle the request",
    504: "the server was unable to return a response in the time allotted, but may still be processing the request",
}
_UNTRUSTED = (18, 19, 20, 21)
_EXPIRED = (9, 10)
_OTHER_NAME = (62, 64)
"""Numbers of OpenSSL's X509_V_ERR_*."""


class CallFailed(Exception):
    """A webhook that cannot be reached or has not answered as a webhook does. code: HTTP status for metrics and audit."""

    def __init__(self, message: str, *, code: int = 503) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class Unusable(CallFailed):
    """What the configuration states cannot be called at all."""


def of_answer(status: int, content_type: str, body: bytes) -> CallFailed:
    """About an answer that is no success."""
    is_text = not content_type or content_type.startswith("text/")
    said = body[:_SHOWN_CHARACTERS].decode(errors="replace").strip() if is_text else "unknown"
    if status == 403:
        return CallFailed(said or "forbidden", code=status)
    if status in _ANSWERS:
        return CallFailed(_ANSWERS[status], code=status)
    if status >= 500:
        return CallFailed(f"an error on the server ({_quoted(said)}) has prevented the request from succeeding", code=status)
    return CallFailed(f"the server responded with the status code {status} but did not return more information", code=status)


def of_certificate(error: Exception, host: str) -> str:
    """host: for which the certificate has to be valid."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return f"remote error: tls: {str(getattr(error, 'reason', '') or 'handshake failure').lower().replace('_', ' ')}"
    number = error.verify_code
    if number in _UNTRUSTED:
        why = "certificate signed by unknown authority"
    elif number in _EXPIRED:
        why = "certificate has expired or is not yet valid"
    elif number in _OTHER_NAME:
        why = f"certificate is not valid for {host}"
    else:
        why = error.verify_message
    return f"tls: failed to verify certificate: x509: {why}"


def of_connection(error: OSError, address: str) -> str:
    """address: host and port."""
    said = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
    return f"dial tcp {address}: connect: {said[:1].lower()}{said[1:]}"


def posting(url: str, why: str) -> str:
    return f'Post "{echo(url)}": {why}'


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
