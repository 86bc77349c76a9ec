"""The paths of documents as OpenAPI describes them: versions, groups, a version's resources, the tokens' public keys. Pure."""

from typing import NamedTuple

from pilothouse.engine.apiserver.discovery.style import Style
from pilothouse.model.json import Object

_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_MEDIA = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"]
_JSON = ["application/json"]
_KEYS = ["application/jwk-set+json"]


class DescribedDocument(NamedTuple):
    """operation: its id. definition: the schema of the answer, "" for a text."""

    operation: str
    definition: str
    media: list[str] = _MEDIA


_FIXED = {
    ".well-known/openid-configuration": DescribedDocument("getServiceAccountIssuerOpenIDConfiguration", "", _JSON),
    "api": DescribedDocument("getCoreAPIVersions", f"{_META}.APIVersions"),
    "apis": DescribedDocument("getAPIVersions", f"{_META}.APIGroupList"),
    "openid/v1/jwks": DescribedDocument("getServiceAccountIssuerOpenIDKeyset", "", _KEYS),
    "version": DescribedDocument("getCodeVersion", "io.k8s.apimachinery.pkg.version.Info", _JSON),
}


def documents(groups: list[str]) -> dict[str, DescribedDocument]:
    """By their path, without the slashes around it."""
    return _FIXED | {f"apis/{group}": DescribedDocument(f"get{_word(group)}APIGroup", f"{_META}.APIGroup") for group in groups if group}


def resources(group: str, version: str) -> DescribedDocument:
    return DescribedDocument(f"get{_word(group) or 'Core'}{version.capitalize()}APIResources", f"{_META}.APIResourceList")


def path_item(document: DescribedDocument, style: Style) -> Object:
    schema: Object = {"$ref": style.reference + document.definition} if document.definition else {"type": "string"}
    operation: Object = {"operationId": document.operation}
    if style.version == 2:
        operation |= {"produces": document.media, "schemes": ["https"]}
        answer: Object = {"description": "OK", "schema": schema}
    else:
        answer = {"description": "OK", "content": {media: {"schema": schema} for media in document.media}}
    return {"get": operation | {"responses": {"200": answer, "401": {"description": "Unauthorized"}}}}


def _word(group: str) -> str:
    return "".join(part.capitalize() for part in group.removesuffix(".k8s.io").replace("-", ".").split("."))
