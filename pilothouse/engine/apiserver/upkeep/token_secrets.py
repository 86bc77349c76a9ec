"""Fills Secrets of type service-account-token with a token that lives as long as the Secret.

Only after the Secret is stored: the answer to its creation shows no token, so that reading one takes the right to read Secrets.
A Secret whose service account is missing, or is another one of that name, is deleted.
Source: kubernetes pkg/controller/serviceaccount/tokens_controller.go.
"""

import base64

from pilothouse.engine.apiserver.authn.tokens import Tokens
from pilothouse.engine.apiserver.resources.keys import place_of
from pilothouse.engine.apiserver.upkeep.reconciler import Reconciler
from pilothouse.engine.store.errors import Mismatch
from pilothouse.engine.store.record import Change, Record
from pilothouse.engine.store.store import Store
from pilothouse.model.json import Object

TYPE = "kubernetes.io/service-account-token"
_NAME, _UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"
_SECRETS, _ACCOUNTS = "/secrets/", "/serviceaccounts/"


class TokenSecrets:
    """ca: the certificate bundle (PEM) that a token's holder checks the server by.

    Which Secrets hold tokens is known by namespace: a change of an account must not cost a look into all that lie beside it.
    """

    def __init__(self, store: Store, tokens: Tokens, ca: str) -> None:
        self._store = store
        self._tokens = tokens
        self._ca = ca
        self._queue = Reconciler("token-secrets", self.mend)
        self._of_tokens: dict[str, set[str]] = {}

    async def run(self) -> None:
        """Works until it is cancelled."""
        watches = [self._store.watch(prefix, self._store.revision, self._note) for prefix in (_SECRETS, _ACCOUNTS)]
        try:
            for record in self._store.scan(_SECRETS):
                self._note_secret(record, record.peek())
            await self._queue.run()
        finally:
            for watch in watches:
                watch.close()

    def _note(self, change: Change) -> None:
        if not change.key.startswith(_SECRETS):
            for key in self._of_tokens.get(place_of(change.key)[0], ()):
                self._queue.note(key)
        elif change.type == "DELETED":
            self._forget(change.key)
        else:
            self._note_secret(change.record, change.record.value)

    def _note_secret(self, record: Record, secret: Object) -> None:
        if secret.get("type") == TYPE:
            self._of_tokens.setdefault(place_of(record.key)[0], set()).add(record.key)
            self._queue.note(record.key)

    def _forget(self, key: str) -> None:
        namespace, _ = place_of(key)
        keys = self._of_tokens.get(namespace, set())
        keys.discard(key)
        if not keys:
            self._of_tokens.pop(namespace, None)

    async def mend(self, key: str) -> None:
        """Fill or delete one Secret; raises the store's errors."""
        record = self._store.get(key)
        if record is None or record.value.get("type") != TYPE or record.value["metadata"].get("deletionTimestamp"):
            return
        metadata = record.value["metadata"]
        notes = metadata.get("annotations") or {}
        found = self._store.get(f"{_ACCOUNTS}{metadata['namespace']}/{notes.get(_NAME, '')}")
        account = found.value["metadata"] if found is not None else {}
        try:
            if found is None or notes.get(_UID, account["uid"]) != account["uid"]:
                await self._store.delete(key, expected=record.revision)
            elif (filled := self._filled(record.value, account)) != record.value:
                await self._store.update(key, filled, expected=record.revision)
        except Mismatch:
            return  # Its change has noted the key again.

    def _filled(self, secret: Object, account: Object) -> Object:
        metadata, data = secret["metadata"], dict(secret.get("data") or {})
        data["ca.crt"], data["namespace"] = _encoded(self._ca), _encoded(metadata["namespace"])
        if not data.get("token"):
            data["token"] = _encoded(self._tokens.issue_for_secret(metadata["namespace"], account, metadata["name"], metadata["uid"]))
        annotations = (metadata.get("annotations") or {}) | {_UID: account["uid"]}
        return secret | {"metadata": metadata | {"annotations": annotations}, "data": data}


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
