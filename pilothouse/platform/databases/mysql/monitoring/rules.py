"""Rules by which Prometheus raises alerts for instances, as data beside this module."""

from importlib import resources


def text() -> str:
    """Of a rules file, in YAML."""
    return resources.files(__package__).joinpath("rules.yaml").read_text()
