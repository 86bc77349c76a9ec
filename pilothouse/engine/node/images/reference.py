"""Names of images, as pods write them. Pure."""

import re

from pilothouse.model.json import Object

_NAME = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_DOMAIN = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_REFERENCE = re.compile(rf"^(?:({_DOMAIN})/)?{_NAME}(?:/{_NAME})*(?::[\w][\w.-]{{0,127}})?(?:@[A-Za-z][\w+.-]*:[0-9a-fA-F]{{32,}})?$")
DEFAULT_DOMAIN = "docker.io"


def is_reference(image: str) -> bool:
    return bool(_REFERENCE.match(image)) and len(image) <= 512


def domain_of(image: str) -> str:
    """The registry that an image is pulled from."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else DEFAULT_DOMAIN


def repository_of(image: str) -> str:
    """In full, without tag and digest."""
    before, slash, last = image.partition("@")[0].rpartition("/")
    name = before + slash + last.partition(":")[0]
    if domain_of(image) != DEFAULT_DOMAIN:
        return name
    path = name.removeprefix(f"{DEFAULT_DOMAIN}/")
    return f"{DEFAULT_DOMAIN}/{path}" if "/" in path else f"{DEFAULT_DOMAIN}/library/{path}"


def pull_policy(container: Object) -> str:
    given = container.get("imagePullPolicy")
    if given:
        return str(given)
    image = container["image"]
    tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
    return "Always" if tag in ("", "latest") and "@" not in image else "IfNotPresent"


def not_pulled(what: str, *, is_here: bool) -> str:
    """Why an image cannot be had under the policy Never. what: begins the sentence."""
    if is_here:
        return f"{what} is present with pull policy of Never, but the pod does not have the proper credentials to access it"
    return f"{what} is not present with pull policy of Never"
