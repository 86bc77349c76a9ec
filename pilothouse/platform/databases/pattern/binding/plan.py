"""What a Binding needs next, from its spec and what exists (pure).

The order of binding: a finalizer; the account, until the service has it; the variables with a password that the service takes; the
variables in the App; Ready when the app's newest state serves with them. A rotation goes the same way, and the account's old password
ends when the app serves with the new one. The order of unbinding: out of the App; when the app serves without them, the Binding goes,
and with it what it owns, the account among them.
"""

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.pattern.binding.account import account_of, connection_of, variables
from pilothouse.platform.databases.pattern.binding.joining import conflict_of, rotated_with, serving_of, with_secret
from pilothouse.platform.databases.pattern.binding.names import FINALIZER, secret_of
from pilothouse.platform.databases.pattern.binding.saying import drain_s, said_of, served_at_of, status_of
from pilothouse.platform.databases.pattern.binding.seen import Plan, Progress, Seen, owned
from pilothouse.platform.databases.pattern.binding.service import BackingService
from pilothouse.platform.databases.pattern.binding.unbinding import unbind


def plan(binding: Object, seen: Seen, service: BackingService, now_s: float) -> Plan:
    """now_s: seconds since the epoch."""
    if meta.is_deleting(binding):
        return unbind(binding, seen, now_s)
    if FINALIZER not in meta.finalizers(binding):
        return Plan(finalizers=[*meta.finalizers(binding), FINALIZER])
    connection = connection_of(binding, seen, service)
    secret = variables(binding, seen, connection)
    may_join = seen.secret is not None and owned(seen.secret, binding) and not conflict_of(binding, seen)
    serving = serving_of(binding, seen, connection, secret)
    rotated = rotated_with(binding, seen, serving)
    account = account_of(binding, seen, service, rotated, now_s)
    said = said_of(binding, seen, service, Progress(account, connection, secret, serving))
    served_at = served_at_of(binding, said, now_s)
    return Plan(
        account=account,
        secret=secret,
        secrets_of_app=with_secret(seen.app, secret_of(binding)) if may_join else None,
        status=status_of(binding, seen, said, now_s, rotatedAt=rotated, servedAt=served_at),
        again_s=drain_s(served_at, now_s),
    )
