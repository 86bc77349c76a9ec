"""Signature Version 4 of a request to S3 (pure).

Source: Amazon S3 API Reference, "Signature Calculations for the Authorization Header: Transferring Payload in a Single Chunk".
"""

import hashlib
import hmac
import time
from collections.abc import Mapping
from urllib.parse import quote

ALGORITHM = "AWS4-HMAC-SHA256"


def encoded_path(path: str) -> str:
    return quote(path, safe="/-_.~")


def encoded_query(query: Mapping[str, str]) -> str:
    return "&".join(f"{quote(key, safe='-_.~')}={quote(value, safe='-_.~')}" for key, value in sorted(query.items()))


def signed(
    method: str, host: str, path: str, query: Mapping[str, str], body: bytes, region: str, access: str, secret: str, now_s: float
) -> dict[str, str]:
    """The headers to send. path, query: not encoded yet. host: as in the Host header."""
    at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_s))
    digest = hashlib.sha256(body).hexdigest()
    headers = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": at}
    names = ";".join(sorted(headers))
    lines = [method, encoded_path(path), encoded_query(query), *(f"{key}:{headers[key]}" for key in sorted(headers)), "", names, digest]
    scope = f"{at[:8]}/{region}/s3/aws4_request"
    text = "\n".join([ALGORITHM, at, scope, hashlib.sha256("\n".join(lines).encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    return headers | {"authorization": f"{ALGORITHM} Credential={access}/{scope},SignedHeaders={names},Signature={signature}"}
