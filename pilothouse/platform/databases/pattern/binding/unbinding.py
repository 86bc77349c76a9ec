"""Unbinding: out of the app first, and the account goes when nobody uses it any more (pure)."""

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.pattern.binding.app import Serving, names_secret, serving_without
from pilothouse.platform.databases.pattern.binding.names import FINALIZER, FORCED, app_of, secret_of, service_of
from pilothouse.platform.databases.pattern.binding.saying import drain_s, served_at_of, status_of
from pilothouse.platform.databases.pattern.binding.seen import Plan, Said, Seen, owned


def unbind(binding: Object, seen: Seen, now_s: float) -> Plan:
    if FINALIZER not in meta.finalizers(binding):
        return Plan()
    gone = Plan(finalizers=[each for each in meta.finalizers(binding) if each != FINALIZER])
    app, name = seen.app, secret_of(binding)
    if app is None or meta.is_deleting(app):
        return gone
    if names_secret(app, name) and (seen.secret is None or owned(seen.secret, binding)):
        left = [each for each in app["spec"]["secrets"] if each != name]
        said = ("False", "Unbinding", f"{app_of(binding)} is rolled out without the variables")
        return Plan(secrets_of_app=left, status=status_of(binding, seen, said, now_s))
    serving = serving_without(app, name)
    if seen.secret is None or not owned(seen.secret, binding) or meta.annotations(binding).get(FORCED) == "yes":
        return gone
    said = _leaving(binding, serving)
    served_at = served_at_of(binding, said, now_s)
    left_s = drain_s(served_at, now_s)
    if serving.is_good and left_s is None:
        return gone
    return Plan(status=status_of(binding, seen, said, now_s, servedAt=served_at), again_s=left_s)


def _leaving(binding: Object, serving: Serving) -> Said:
    if serving.is_good:
        return "False", "Draining", f"{app_of(binding)} serves without the variables; the account goes when its earlier replicas have ended"
    if serving.reason != "StillUsed":
        return "False", serving.reason, serving.message
    force = f"`ph unbind {app_of(binding)} {service_of(binding)} --force`"
    return "False", "StillUsed", f"{serving.message}; earlier replicas may still use the account, and {force} takes it away all the same"
