"""Regular expressions of what the kinds of databases may hold, for their schemas and for those who check before they ask the API server."""

NAME = r"^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$"
"""Of an instance: the names of its Services, pods and claims begin with it (RFC 1035) and end with up to 23 characters more."""
IMAGE = (
    r"^([A-Za-z0-9][-A-Za-z0-9.]*(:[0-9]+)?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
    r"(:[A-Za-z0-9_][-A-Za-z0-9._]{0,127})?(@sha256:[0-9a-f]{64})?$"
)
OBJECT = r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"
QUANTITY = r"^([0-9]+\.?[0-9]*|\.[0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][-+]?[0-9]+)?$"
TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z$"
"""RFC 3339 in UTC."""
