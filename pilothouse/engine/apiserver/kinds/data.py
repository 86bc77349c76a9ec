"""ConfigMaps, Secrets and ServiceAccounts: what pods are given to read.

Source: pkg/apis/core/validation, pkg/apis/core/v1/conversion.go (stringData).
"""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.kind import UNSUPPORTED_LABEL, Context, Kind
from pilothouse.engine.apiserver.kinds.printers import cluster as printer
from pilothouse.engine.apiserver.kinds.tls_secrets import pair_problem
from pilothouse.model import bootstrap_tokens, kinds, names
from pilothouse.model.errors import Cause
from pilothouse.model.json import JSONError, Object, loads

SIZE_MAX_BYTES = 1 << 20
ACCOUNT_ANNOTATION = "kubernetes.io/service-account.name"
_FROZEN = "field is immutable when `immutable` is set"
# For each type of secret, its keys: all of the first must be there, one of the second.
_JSON_TYPES = {list: "an array", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
_DOCKER_KEYS = {"kubernetes.io/dockercfg": ".dockercfg", "kubernetes.io/dockerconfigjson": ".dockerconfigjson"}


def _keys(data: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for key in field.until_enough(causes, data):
        if said := names.config_map_key(key):
            causes += field.each_invalid(f"{path}[{key}]", key, said)
    return causes


def _validate_configmap(obj: Object) -> list[Cause]:
    causes = metadata.validate(obj, names.dns1123_subdomain)
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    causes += _keys(data, "data")
    causes += [field.invalid(f"data[{key}]", key, "duplicate of key present in binaryData") for key in data if key in binary]
    causes += _keys(binary, "binaryData")
    size_bytes = sum(len((value or "").encode()) for value in data.values()) + sum(_decoded_size(value or "") for value in binary.values())
    if size_bytes > SIZE_MAX_BYTES:
        # Upstream names the whole object by an empty path, which prints as brackets.
        causes.append(field.too_long("[]", SIZE_MAX_BYTES))
    return causes


def _decoded_size(value: str) -> int:
    return len(value) * 3 // 4 - value[-2:].count("=")


def _frozen(obj: Object, old: Object, fields: tuple[str, ...]) -> list[Cause]:
    if not old.get("immutable"):
        return []
    causes = [] if obj.get("immutable") else [field.forbidden("immutable", _FROZEN)]
    return causes + [field.forbidden(name, _FROZEN) for name in fields if (obj.get(name) or {}) != (old.get(name) or {})]


def _validate_configmap_update(obj: Object, old: Object) -> list[Cause]:
    return metadata.validate_update(obj, old) + _frozen(obj, old, ("data", "binaryData")) + _validate_configmap(obj)


CONFIGMAP = Kind(
    kinds.CONFIGMAPS,
    "io.k8s.api.core.v1.ConfigMap",
    prepare_update=strategy.plain_update,
    validate=_validate_configmap,
    validate_update=_validate_configmap_update,
    columns=printer.CONFIGMAP_COLUMNS,
    cells=printer.configmap_cells,
)


def _default_secret(obj: Object) -> None:
    obj["type"] = obj.get("type") or "Opaque"
    plain = obj.pop("stringData", None)
    if plain:
        encoded = {key: b64encode((value or "").encode()).decode() for key, value in plain.items()}
        obj["data"] = (obj.get("data") or {}) | encoded


def _validate_secret(obj: Object) -> list[Cause]:
    causes = metadata.validate(obj, names.dns1123_subdomain)
    data = obj.get("data") or {}
    causes += _keys(data, "data")
    if sum(_decoded_size(value or "") for value in data.values()) > SIZE_MAX_BYTES:
        causes.append(field.too_long("data", SIZE_MAX_BYTES))
    return causes + _by_type(obj, data)


def _by_type(obj: Object, data: Object) -> list[Cause]:
    kind = obj.get("type")
    if kind == "kubernetes.io/service-account-token":
        named = (obj["metadata"].get("annotations") or {}).get(ACCOUNT_ANNOTATION)
        return [] if named else [field.required(f"metadata.annotations[{ACCOUNT_ANNOTATION}]")]
    if kind == "kubernetes.io/basic-auth":
        neither = "username" not in data and "password" not in data
        return [field.required("data[username]"), field.required("data[password]")] if neither else []
    if kind == "kubernetes.io/ssh-auth":
        return [] if data.get("ssh-privatekey") else [field.required("data[ssh-privatekey]")]
    if kind == "kubernetes.io/tls":
        return [field.required(f"data[{key}]") for key in ("tls.crt", "tls.key") if key not in data]
    return _docker(data, _DOCKER_KEYS[kind]) if kind in _DOCKER_KEYS else []


def _docker(data: Object, key: str) -> list[Cause]:
    if key not in data:
        return [field.required(f"data[{key}]")]
    try:
        found = loads(b64decode(data[key] or ""))
    except (JSONError, Base64Error) as error:
        return [field.invalid(f"data[{key}]", "<secret contents redacted>", str(error))]
    if found is None or isinstance(found, dict):
        return []
    return [field.invalid(f"data[{key}]", "<secret contents redacted>", f"must be a JSON object, not {_JSON_TYPES[type(found)]}")]


def _validate_secret_update(obj: Object, old: Object) -> list[Cause]:
    causes = metadata.validate_update(obj, old) + field.immutable("type", obj.get("type"), old.get("type"))
    return causes + _frozen(obj, old, ("data",)) + _validate_secret(obj)


def _secret_warnings(obj: Object) -> list[str]:
    """Upstream takes a bootstrap token that is none without a word, and then lets it sign nobody in."""
    if obj.get("type") == "kubernetes.io/tls":
        return [problem] if (problem := pair_problem(obj.get("data") or {})) else []
    problem = bootstrap_tokens.problem(obj)
    return [f"{problem}: this token signs nobody in"] if problem else []


def _secret_fields(obj: Object) -> dict[str, str]:
    return metadata.selectable(obj) | {"type": obj.get("type") or ""}


SECRET = Kind(
    kinds.SECRETS,
    "io.k8s.api.core.v1.Secret",
    default=_default_secret,
    prepare_update=strategy.plain_update,
    validate=_validate_secret,
    validate_update=_validate_secret_update,
    warnings=_secret_warnings,
    columns=printer.SECRET_COLUMNS,
    cells=printer.secret_cells,
    selectable=_secret_fields,
    selectable_fields=frozenset(_secret_fields({"metadata": {}})),
    selector_refusal=UNSUPPORTED_LABEL,
)
ENFORCED = "kubernetes.io/enforce-mountable-secrets"


def _create_account(obj: Object, context: Context) -> None:
    _only_names(obj)


def _update_account(obj: Object, old: Object, context: Context) -> None:
    strategy.plain_update(obj, old, context)
    _only_names(obj)


def _only_names(account: Object) -> None:
    """Secrets are named, and nothing else is said of them."""
    if secrets := account.get("secrets"):
        account["secrets"] = [{"name": secret["name"]} if secret.get("name") else {} for secret in secrets]


def _account_warnings(obj: Object) -> list[str]:
    if ENFORCED not in (obj["metadata"].get("annotations") or {}):
        return []
    why = "deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"
    return [f"metadata.annotations[{ENFORCED}]: {why}"]


def _account_warnings_on_update(obj: Object, old: Object) -> list[str]:
    return [] if _account_warnings(old) else _account_warnings(obj)


SERVICEACCOUNT = Kind(
    kinds.SERVICEACCOUNTS,
    "io.k8s.api.core.v1.ServiceAccount",
    prepare_create=_create_account,
    prepare_update=_update_account,
    validate_update=lambda obj, old: metadata.validate_update(obj, old) + metadata.validate(obj, names.dns1123_subdomain),
    warnings=_account_warnings,
    warnings_on_update=_account_warnings_on_update,
    columns=printer.SERVICEACCOUNT_COLUMNS,
    cells=printer.serviceaccount_cells,
    returns_object_on_delete=True,
)
