"""The authorities by which a webhook's server is known: at least one certificate in PEM.

Source: client-go/transport (rootCertPool, createErrorParsingCAData), apiserver/pkg/util/webhook/validation.go.
"""

from base64 import b64decode
from binascii import Error as Base64Error

from cryptography import x509

from pilothouse.engine.apiserver.kinds import field, pem
from pilothouse.model.errors import Cause

_UNREADABLE = "unable to load root certificates: "


def validate_bundle(bundle: str, path: str) -> list[Cause]:
    """bundle: as JSON carries it, "" for none, which is right."""
    problem = bundle_problem(bundle)
    return [field.invalid(path, bundle, problem)] if problem else []


def bundle_problem(bundle: str) -> str:
    """Why no certificate can be read out of it, "" where one can, or where there is no bundle."""
    if not bundle:
        return ""
    try:
        text = b64decode(bundle).decode("utf-8", "replace")
    except (Base64Error, ValueError):
        return f"{_UNREADABLE}unable to parse bytes as PEM block"
    why = "unable to parse bytes as PEM block"
    for kind, body in pem.blocks(text):
        if kind != pem.CERTIFICATE or ":" in body:
            why = "no valid certificate authority data seen"
            continue
        try:
            x509.load_der_x509_certificate(b64decode(body))
        except (Base64Error, ValueError) as error:
            why = f"failed to parse certificate: {str(error)[:200]}"
        else:
            return ""
    return f"{_UNREADABLE}{why}"
