"""Impersonation: a request in somebody else's name, if the one who asks may take that name.

Source: apiserver/pkg/endpoints/filters/impersonation. Each part (user, group, uid, extra) is authorized by itself.
"""

from collections.abc import Callable
from urllib.parse import unquote

from pilothouse.engine.apiserver.authz.attributes import Attributes
from pilothouse.engine.apiserver.identity import ANONYMOUS, AUTHENTICATED, SERVICE_ACCOUNT_PREFIX, SERVICE_ACCOUNTS, UNAUTHENTICATED, User
from pilothouse.engine.apiserver.request.request import Headers
from pilothouse.model.errors import BadRequest

_EXTRA_PREFIX = "impersonate-extra-"
_AUTHENTICATION_GROUP = "authentication.k8s.io"

Check = Callable[[Attributes], None]
"""Raises Forbidden."""


def impersonated(user: User, headers: Headers, pairs: list[tuple[str, bytes]], check: Check) -> User:
    """The user that the request is to be answered for; `user` when it impersonates nobody.

    pairs: all header fields, lower-case names, for the extra fields whose names are not known beforehand.
    """
    name = _utf8(headers.get("impersonate-user") or "")
    groups = [_utf8(group) for group in headers.get_all("impersonate-group") if group]
    uid = headers.get("impersonate-uid") or ""
    extra = _extra(pairs)
    if not name:
        if groups or uid or extra:
            raise BadRequest(f"requested {_go_user(uid, groups)} without impersonating a user name")
        return user
    account = _service_account(name)
    _authorize(user, name, account, groups, uid, extra, check)
    if account and not groups:
        groups = [SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{account[0]}"]
    return User(name, tuple(_with_default_group(name, groups)), uid, extra)


def _authorize(
    user: User, name: str, account: tuple[str, str] | None, groups: list[str], uid: str, extra: dict[str, list[str]], check: Check
) -> None:
    if account:
        check(Attributes(user, "impersonate", namespace=account[0], resource="serviceaccounts", name=account[1]))
    else:
        check(Attributes(user, "impersonate", resource="users", name=name))
    for group in groups:
        check(Attributes(user, "impersonate", resource="groups", name=group))
    if uid:
        check(Attributes(user, "impersonate", group=_AUTHENTICATION_GROUP, resource="uids", name=uid))
    for key, values in extra.items():
        for value in values:
            check(Attributes(user, "impersonate", group=_AUTHENTICATION_GROUP, resource="userextras", subresource=key, name=value))


def _with_default_group(name: str, groups: list[str]) -> list[str]:
    if name == ANONYMOUS.name:
        return groups if UNAUTHENTICATED in groups else [*groups, UNAUTHENTICATED]
    if AUTHENTICATED in groups or UNAUTHENTICATED in groups:
        return groups
    return [*groups, AUTHENTICATED]


def _service_account(name: str) -> tuple[str, str] | None:
    if not name.startswith(SERVICE_ACCOUNT_PREFIX):
        return None
    namespace, _, account = name.removeprefix(SERVICE_ACCOUNT_PREFIX).partition(":")
    return (namespace, account) if namespace and account and ":" not in account else None


def _extra(pairs: list[tuple[str, bytes]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        if name.startswith(_EXTRA_PREFIX):
            key = unquote(name.removeprefix(_EXTRA_PREFIX)).lower()
            found.setdefault(key, []).append(value.decode("utf-8", "replace"))
    return found


def _utf8(text: str) -> str:
    """Header values come as Latin-1; names in them are UTF-8."""
    return text if text.isascii() else text.encode("latin-1").decode("utf-8", "replace")


def _go_user(uid: str, groups: list[str]) -> str:
    shown = "[]string(nil)" if not groups else "[]string{" + ", ".join(f'"{group}"' for group in groups) + "}"
    return f'&user.DefaultInfo{{Name:"", UID:"{uid}", Groups:{shown}, Extra:map[string][]string(nil)}}'
