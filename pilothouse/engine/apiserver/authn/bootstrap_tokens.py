"""Bootstrap tokens: bearer tokens that are compared with Secrets in kube-system, each time that one is shown.

A token that has the shape and is not good is nobody's: it is tried as a service account's next, and refused there.
"""

import hmac
import time
from collections.abc import Callable

from pilothouse.engine.apiserver.identity import AUTHENTICATED, User
from pilothouse.engine.apiserver.objects import Objects
from pilothouse.model import bootstrap_tokens
from pilothouse.model.bootstrap_tokens import AUTHENTICATION, NAME_PREFIX, NAMESPACE, SECRET_TYPE, USER_PREFIX, BadToken
from pilothouse.model.kinds import SECRETS
from pilothouse.model.meta import is_deleting


class BootstrapTokens:
    def __init__(self, objects: Objects, clock: Callable[[], float] = time.time) -> None:
        self._objects = objects
        self._clock = clock

    def user(self, text: str) -> User | None:
        """Whose the token is, None for one that is not good."""
        shown = bootstrap_tokens.parse(text)
        secret = self._objects.get(SECRETS, NAMESPACE, NAME_PREFIX + shown[0]) if shown else None
        if shown is None or secret is None or secret.get("type") != SECRET_TYPE or is_deleting(secret):
            return None
        try:
            token = bootstrap_tokens.read(secret)
        except BadToken:
            return None
        is_same = hmac.compare_digest(token.secret.encode(), shown[1].encode())
        if not is_same or token.is_expired(self._clock()) or AUTHENTICATION not in token.usages:
            return None
        return User(USER_PREFIX + token.id, (*bootstrap_tokens.groups_of(token), AUTHENTICATED))
