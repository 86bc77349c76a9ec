"""Regular expressions of what an App may hold, for its schema and for those who check before they ask the API server."""

LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
NAME = r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$"
"""Of an app: the name of a Service, which is the strictest of what is made for it (RFC 1035)."""
HOST = rf"^(\*\.)?{LABEL}(\.{LABEL})*$"
QUANTITY = r"^(([0-9]+\.?[0-9]*|\.[0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][-+]?[0-9]+)?)?$"
IMAGE = (
    r"^([A-Za-z0-9][-A-Za-z0-9.]*(:[0-9]+)?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
    r"(:[A-Za-z0-9_][-A-Za-z0-9._]{0,127})?(@sha256:[0-9a-f]{64})?$|^$"
)
