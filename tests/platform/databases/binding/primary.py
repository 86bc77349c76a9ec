"""A primary that obeys orders about accounts and databases, and takes passwords as a server does."""

from collections.abc import Mapping

from pilothouse.model.json import Object


class FakePrimary:
    """answers: whether orders reach it. refuses: what it refuses, `account/NAME` or `database/NAME`, with the sentence."""

    def __init__(self) -> None:
        self.answers = True
        self.refuses: dict[str, str] = {}
        self.accounts: dict[str, Object] = {}
        self.databases: dict[str, Object] = {}
        self._said: dict[str, Object] = {}

    def obey(self, parts: Object) -> Mapping[str, Object]:
        """Returns `objects` of its state."""
        for kind, entries, held in (("account", parts["accounts"], self.accounts), ("database", parts["databases"], self.databases)):
            for entry in entries:
                self._carry_out(f"{kind}/{entry['name']}", entry, held)
        for entry in parts["dropped"]:
            key = f"{entry['kind']}/{entry['name']}"
            self._carry_out(key, entry, None)
        return {key: dict(value) for key, value in self._said.items()}

    def takes(self, user: str, password: str) -> bool:
        """Whether one can sign in."""
        account = self.accounts.get(user)
        return account is not None and password in filter(None, (account["password"], account["old_password"]))

    def _carry_out(self, key: str, entry: Object, held: dict[str, Object] | None) -> None:
        error = self.refuses.get(key, "")
        self._said[key] = {"version": entry["version"], "error": error}
        if error:
            return
        if held is not None:
            held[entry["name"]] = entry
        else:
            (self.accounts if entry["kind"] == "account" else self.databases).pop(entry["name"], None)
