"""Where a webhook listens, as any configuration of one states it: a URL or a Service.

Source: apiserver/pkg/util/webhook/validation.go.
"""

from urllib.parse import SplitResult, urlsplit

from pilothouse.engine.apiserver.kinds import field
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

HTTPS_PORT = 443
_FORM = "; desired format: https://host[/path]"


def default_client_config(config: Object) -> None:
    service = config.get("service")
    if service is not None and service.get("port") is None:
        service["port"] = HTTPS_PORT


def validate_client_config(config: Object, path: str) -> list[Cause]:
    """Of what states either of both; that one of them is stated is the caller's to check."""
    if (url := config.get("url")) is not None:
        return validate_url(url, f"{path}.url")
    return validate_service(config.get("service") or {}, f"{path}.service")


def validate_url(url: str, path: str) -> list[Cause]:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        return [field.required(path, f'url must be a valid URL: parse "{url}": {error}{_FORM}')]
    return _url_parts(parts, path)


def _url_parts(parts: SplitResult, path: str) -> list[Cause]:
    causes = []
    if parts.scheme != "https":
        causes.append(field.invalid(path, parts.scheme, f"'https' is the only allowed URL scheme{_FORM}"))
    if not parts.hostname:
        causes.append(field.invalid(path, "", f"host must be specified{_FORM}"))
    user, at, _ = parts.netloc.rpartition("@")
    if at:
        causes.append(field.invalid(path, user, "user information is not permitted in the URL"))
    if parts.fragment:
        causes.append(field.invalid(path, parts.fragment, "fragments are not permitted in the URL"))
    if parts.query:
        causes.append(field.invalid(path, parts.query, "query parameters are not permitted in the URL"))
    return causes


def validate_service(service: Object, path: str) -> list[Cause]:
    causes = [] if service.get("name") else [field.required(f"{path}.name")]
    if not service.get("namespace"):
        causes.append(field.required(f"{path}.namespace"))
    port = service.get("port") or 0
    if problems := names.port_number(port):
        causes.append(field.invalid(f"{path}.port", port, f"port is not valid: {', '.join(problems)}"))
    return causes + _url_path(service.get("path") or "", f"{path}.path")


def _url_path(url: str, path: str) -> list[Cause]:
    if url in ("", "/"):
        return []
    if url == "//":
        return [field.invalid(path, url, "segment[0] may not be empty")]
    causes = [] if url.startswith("/") else [field.invalid(path, url, "must start with a '/'")]
    steps = url[1:].removesuffix("/").split("/")
    for number, step in field.until_enough(causes, enumerate(steps)):
        if not step:
            causes.append(field.invalid(path, url, f"segment[{number}] may not be empty"))
            continue
        causes += [field.invalid(path, url, f"segment[{number}]: {said}") for said in names.dns1123_subdomain(step)]
    return causes
