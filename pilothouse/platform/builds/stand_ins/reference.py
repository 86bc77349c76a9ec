"""Image names, taken apart as Docker does."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reference:
    """An image name taken apart: `python:3.11` is docker.io, library/python, 3.11."""

    registry: str
    repository: str
    tag: str

    @classmethod
    def parse(cls, name: str) -> "Reference":
        """Docker's rules: a first part with a dot, a colon or `localhost` is a registry; no tag means latest; a digest is a tag here."""
        rest, _, digest = name.partition("@")
        head, slash, tail = rest.partition("/")
        explicit = bool(slash) and ("." in head or ":" in head or head == "localhost")
        registry, path = (head, tail) if explicit else ("docker.io", rest)
        repository, _, tag = path.partition(":")
        if registry == "docker.io" and "/" not in repository:
            repository = f"library/{repository}"
        return cls(registry, repository, digest or tag or "latest")

    @property
    def stored(self) -> str:
        """The repository in the platform's registry that holds the stand-in."""
        return f"bases/{self.registry}/{self.repository}"

    @property
    def family(self) -> str:
        """`python` of an official image, "" of any other."""
        official = self.registry == "docker.io" and self.repository.startswith("library/")
        return self.repository.removeprefix("library/") if official else ""
