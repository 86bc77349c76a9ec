"""PHP sites: served by Apache from `public` (or `web`, or the root), with Composer's packages."""

import json
import re
from typing import Any

from pilothouse.platform.builds.detect import versions
from pilothouse.platform.builds.detect.plan import CannotDetect, Offer
from pilothouse.platform.builds.detect.recipe import Recipe, apt_install
from pilothouse.platform.builds.detect.tree import Tree

_EXTENSION = re.compile(r"^ext-([a-z0-9_]+)$")
_BUILT_IN = frozenset(
    {
        "json",
        "mbstring",
        "ctype",
        "fileinfo",
        "tokenizer",
        "xml",
        "dom",
        "openssl",
        "pdo",
        "curl",
        "filter",
        "hash",
        "iconv",
        "session",
        "simplexml",
        "phar",
    }
)
RELEASES = ("8.5", "8.4", "8.3", "8.2", "8.1", "8.0", "7.4")
"""Of php in the public registry, the newest first."""


def is_php(tree: Tree) -> bool:
    return bool(tree.first("composer.json", "index.php", "public/index.php", "web/index.php"))


def recipe(tree: Tree, offer: Offer, port: int) -> Recipe:
    """Raises CannotDetect."""
    composer = _composer(tree)
    version = _version(composer, offer)
    folder = next((name for name in ("public", "web", "htdocs", "") if tree.has(f"{name}/index.php" if name else "index.php")), None)
    if folder is None:
        raise CannotDetect(
            f"{tree.name} is a PHP project without index.php in public/, web/ or its root: "
            "add a Procfile with `web: COMMAND`, or a Dockerfile"
        )
    root = f"/var/www/html/{folder}" if folder else "/var/www/html"
    install = (
        ["COPY composer.json composer.lock* ./", "RUN composer install --no-dev --no-scripts --no-autoloader --no-interaction"]
        if composer
        else []
    )
    after = ["RUN composer dump-autoload --optimize --no-dev"] if composer else []
    asked = [name[1] for key in _required(composer) if (name := _EXTENSION.match(key)) and name[1] not in _BUILT_IN]
    lines = (
        f"FROM php:{version}-apache",
        *([apt_install("composer", "git", "unzip")] if composer else []),
        _apache(root, port),
        "WORKDIR /var/www/html",
        *install,
        "COPY --chown=www-data:www-data . ./",
        *after,
    )
    warnings = (
        (f"composer.json asks for the PHP extensions {', '.join(asked)}: what the image lacks has to come from a Dockerfile",)
        if asked
        else ()
    )
    why = (f"PHP {version}: {'composer.json' if composer else 'index.php'}",)
    return Recipe("php", lines, "apache2-foreground", why, f"{root} is served by Apache", port, user="", warnings=warnings)


def _composer(tree: Tree) -> dict[str, Any]:
    if not tree.has("composer.json"):
        return {}
    try:
        read = json.loads(tree.text("composer.json"))
    except ValueError as error:
        raise CannotDetect(f"{tree.name}/composer.json is not valid JSON: {error}") from error
    return read if isinstance(read, dict) else {}


def _required(composer: dict[str, Any]) -> list[str]:
    required = composer.get("require")
    return list(required) if isinstance(required, dict) else []


def _version(composer: dict[str, Any], offer: Offer) -> str:
    offered = offer.preferred("php", "8")
    required = composer.get("require")
    asked = str(required.get("php") or "") if isinstance(required, dict) else ""
    if not asked or versions.allows(asked, offered):
        return offered
    if fitting := offer.fitting("php", asked):
        return fitting
    if newest := next((each for each in RELEASES if versions.allows(asked, each) and not offer.exact), ""):
        return newest
    raise CannotDetect(
        f"composer.json asks for PHP {asked}, and the image that can be had is php:{offered}-apache: widen it if the code allows it, "
        "or set a registry with `ph config set registry.mirror HOST`"
    )


def _apache(root: str, port: int) -> str:
    site = "/etc/apache2/sites-available/000-default.conf"
    overrides = "<Directory /var/www/>\\nAllowOverride All\\nRequire all granted\\n</Directory>\\n"
    return (
        f"RUN sed -i 's/^Listen 80$/Listen {port}/' /etc/apache2/ports.conf && "
        f"sed -i -e 's/:80>/:{port}>/' -e 's|DocumentRoot .*|DocumentRoot {root}|' {site} && "
        f"a2enmod rewrite && printf '{overrides}' > /etc/apache2/conf-enabled/overrides.conf"
    )
