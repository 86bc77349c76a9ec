"""The authentication stage: certificate, then bearer token, then anonymous.

A certificate that the TLS layer has verified names the user, if it names anybody; the User made from it is kept with the connection's
peer. A bearer token must be good: a bad one is 401 even where nobody in particular would have been let in.
"""

import time
from collections.abc import Callable

from pilothouse.engine.apiserver.authn.jwt import BadToken
from pilothouse.engine.apiserver.authn.tokens import Tokens
from pilothouse.engine.apiserver.identity import ANONYMOUS, AUTHENTICATED, User
from pilothouse.model.errors import Unauthorized
from pilothouse.wire.messages import Certificate, Request

_CERTIFICATES_KEPT = 1024


class Authenticator:
    def __init__(self, tokens: Tokens, clock: Callable[[], float] = time.time) -> None:
        self._tokens = tokens
        self._clock = clock
        self._by_certificate: dict[int, tuple[Certificate, User]] = {}

    def authenticate(self, request: Request) -> User:
        """Raises Unauthorized."""
        certificate = request.peer.certificate
        if certificate is not None and certificate.common_name:
            return self._certified(certificate)
        token = bearer(request.headers.get("authorization"))
        return ANONYMOUS if token is None else self.by_token(token)

    def by_token(self, token: str) -> User:
        try:
            return self._tokens.user(token)[0]
        except BadToken as error:
            raise Unauthorized("Unauthorized") from error

    def _certified(self, certificate: Certificate) -> User:
        if self._clock() > certificate.expires_at:
            raise Unauthorized("Unauthorized")
        kept = self._by_certificate.get(id(certificate))
        if kept is not None and kept[0] is certificate:
            return kept[1]
        user = User(certificate.common_name, (*certificate.organizations, AUTHENTICATED))
        if len(self._by_certificate) >= _CERTIFICATES_KEPT:
            self._by_certificate.clear()
        self._by_certificate[id(certificate)] = (certificate, user)
        return user


def bearer(authorization: str | None) -> str | None:
    """The token of an Authorization header; None when the header says something else."""
    scheme, _, token = (authorization or "").strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        return None
    return token.strip().split(" ")[0]
