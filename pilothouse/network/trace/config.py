"""Settings of tracing on a node."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TraceConfig:
    """instance: short and unique on the machine; tables carry it in their names."""

    instance: str

    @property
    def table(self) -> str:
        return f"pilothouse-{self.instance}-trace"
