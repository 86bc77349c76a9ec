"""Names of signers: `example.com/name`. Source: pkg/apis/core/validation/names.go (ValidateSignerName)."""

from collections.abc import Iterable

from pilothouse.engine.apiserver.kinds import field
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.names import Validator

_DOMAIN_BYTES = 253
_MAX_BYTES = 571
"""A domain, a slash, a namespace, a dot and a name."""
_SHAPE = "must be a fully qualified domain and path of the form 'example.com/signer-name'"


def validate_signer(name: str, path: str) -> list[Cause]:
    if not name:
        return [field.required(path)]
    domain, slash, own = name.partition("/")
    if not slash or "/" in own:
        return [field.invalid(path, name, _SHAPE)]
    causes = [] if len(domain.encode()) <= _DOMAIN_BYTES else [field.too_long(path, _DOMAIN_BYTES)]
    labels = domain.split(".")
    causes += _first_bad(path, domain, labels, names.dns1123_label)
    if len(labels) < 2:
        causes.append(field.invalid(path, domain, "should be a domain with at least two segments separated by dots"))
    causes += _first_bad(path, own, own.split("."), names.dns1123_subdomain)
    if len(name.encode()) > _MAX_BYTES:
        causes.append(field.too_long(path, _MAX_BYTES))
    return causes


def _first_bad(path: str, whole: str, labels: Iterable[str], rule: Validator) -> list[Cause]:
    said = next(((label, found) for label in labels if (found := rule(label))), None)
    if said is None:
        return []
    label, found = said
    return [field.invalid(path, whole, f"validating label {field.shown(label)}: {text}") for text in found]
