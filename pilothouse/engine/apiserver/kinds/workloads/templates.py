"""Selector and template of a set of pods that run for good: what Deployments, ReplicaSets, StatefulSets and DaemonSets share.

Source: pkg/apis/apps/validation.
"""

from pilothouse.engine.apiserver.kinds import field, strategy
from pilothouse.engine.apiserver.kinds.pod_defaults import default_template
from pilothouse.engine.apiserver.kinds.pod_validation.spec import validate_template
from pilothouse.engine.apiserver.kinds.pod_warnings.spec import name_warnings, template_warnings
from pilothouse.engine.apiserver.kinds.selectors import is_empty, validate_label_selector
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object
from pilothouse.model.selector import SelectorError, from_label_selector


def default_set_template(spec: Object) -> None:
    if spec.get("template") is None:
        spec["template"] = {}
    default_template(spec["template"])


def selects(selector: Object | None, labels: dict[str, str]) -> bool:
    """Whether a selector finds a template with these labels; none finds nothing. Raises SelectorError."""
    return selector is not None and from_label_selector(selector).matches(labels)


def validate_selector(spec: Object, owner: str) -> list[Cause]:
    """owner: whose selector it is, as messages say it (`deployment`)."""
    selector, path = spec.get("selector"), "spec.selector"
    if selector is None:
        return [field.required(path)]
    causes = validate_label_selector(selector, path)
    if is_empty(selector):
        causes.append(field.invalid(path, selector, f"empty selector is invalid for {owner}"))
    return causes


def validate_set_template(
    spec: Object, kind: str, *, bad_selector: str = "invalid label selector", volumes: tuple[Object, ...] = ()
) -> list[Cause]:
    """The template of a set of pods, and that its selector finds it.

    kind: as messages say it (`ReplicaSet`). bad_selector: what is said of a selector that is none.
    volumes: those that pods have beside their template's, of which they take the place.
    """
    selector, template = spec.get("selector"), spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels")
    try:
        found = selects(selector, labels or {})
    except SelectorError:
        return [field.invalid("spec.selector", selector, bad_selector)]
    causes: list[Cause] = []
    if not found:
        causes.append(field.invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"))
    return causes + validate_lasting_template(_with_volumes(template, volumes), kind)


def validate_lasting_template(template: Object, kind: str) -> list[Cause]:
    """Of pods that run for good. kind: what the messages call the kind that makes them."""
    causes = validate_template(template, "spec.template")
    pod = template.get("spec") or {}
    if pod.get("restartPolicy") != "Always":
        causes.append(field.not_supported("spec.template.spec.restartPolicy", pod.get("restartPolicy"), ("Always",)))
    if pod.get("activeDeadlineSeconds") is not None:
        detail = f"activeDeadlineSeconds in {kind} is not Supported"
        causes.append(field.forbidden("spec.template.spec.activeDeadlineSeconds", detail))
    return causes


def _with_volumes(template: Object, volumes: tuple[Object, ...]) -> Object:
    """The added volumes come last, so that the paths of the template's own stay what they are."""
    if not volumes:
        return template
    spec = template.get("spec") or {}
    names = {each["name"] for each in volumes}
    own = [{"name": each.get("name"), "emptyDir": {}} if each.get("name") in names else each for each in spec.get("volumes") or ()]
    added = [each for each in volumes if each["name"] not in {volume.get("name") for volume in own}]
    return template | {"spec": spec | {"volumes": [*own, *added]}}


def validate_collisions(status: Object, before: Object) -> list[Cause]:
    had, has = before.get("collisionCount"), status.get("collisionCount")
    if had is not None and (has is None or has < had):
        return [field.invalid("status.collisionCount", has or 0, "cannot be decremented")]
    return []


def _template_warnings(obj: Object) -> list[str]:
    return template_warnings((obj.get("spec") or {}).get("template") or {}, "spec.template")


def warnings(obj: Object) -> list[str]:
    return name_warnings(obj) + _template_warnings(obj)


def warnings_on_update(obj: Object, old: Object) -> list[str]:
    return _template_warnings(obj) if strategy.is_new_generation(obj, old) else []
