"""What an image is made of, as data."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256

from pilothouse.model.json import Object, fingerprint

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Recipe:
    """packages: Debian's. hooks: mmdebstrap `--customize-hook` lines, fixed texts of who states the recipe. config: the image's config.

    files: path in the image -> its text; it is executable where it begins with `#!`. minimal: nothing but these packages.
    left_out: patterns of paths of packages' files that are not unpacked, as dpkg's `path-exclude` has them.
    """

    packages: tuple[str, ...]
    hooks: tuple[str, ...] = ()
    config: Object = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    minimal: bool = False
    left_out: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """The same for recipes that say the same: 12 characters."""
        return sha256(fingerprint(asdict(self))).hexdigest()[:12]

    def image_config(self) -> Object:
        """`config` with the environment that every image has."""
        own = self.config.get("Env", ())
        path = [] if any(each.startswith("PATH=") for each in own) else [f"PATH={PATH}"]
        return {**self.config, "Env": [*path, "LANG=C.UTF-8", *own]}

    def labelled(self, labels: Mapping[str, str]) -> "Recipe":
        """The same with these labels besides its own."""
        config = self.config | {"Labels": {**self.config.get("Labels", {}), **labels}}
        return replace(self, config=config)
