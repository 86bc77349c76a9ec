"""A Secret of type service-account-token is filled with a token that lives as long as the Secret."""

import base64
import uuid
from typing import Any

from pilothouse.engine.apiserver.admission.chain import Attributes
from pilothouse.engine.apiserver.admission.plugin import Passive
from pilothouse.engine.apiserver.authn.tokens import Tokens

_TYPE = "kubernetes.io/service-account-token"
_NAME, _UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"


class SecretTokens(Passive):
    def __init__(self, store: Any, tokens: Tokens, ca: str) -> None:
        self._store = store
        self._tokens = tokens
        self._ca = ca

    def mutate(self, attributes: Attributes) -> None:
        if attributes.group_resource != "secrets" or attributes.operation != "CREATE" or attributes.new().get("type") != _TYPE:
            return
        secret = attributes.new()
        metadata = secret["metadata"]
        name = (metadata.get("annotations") or {}).get(_NAME, "")
        record = self._store.get(f"/serviceaccounts/{attributes.namespace}/{name}") if name else None
        if record is None:
            return
        account = record.value["metadata"]
        metadata["annotations"][_UID] = account["uid"]
        metadata.setdefault("uid", str(uuid.uuid4()))
        token = self._tokens.issue_for_secret(attributes.namespace, account, metadata["name"], metadata["uid"])
        filled = {"ca.crt": self._ca, "namespace": attributes.namespace, "token": token}
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in filled.items()}
        secret["data"] = encoded | (secret.get("data") or {})
