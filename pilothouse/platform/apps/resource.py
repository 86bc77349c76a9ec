"""Where the App stands in the API: for whoever reads and writes Apps without their models, such as commands that must be quick."""

from pilothouse.model.resource import Resource

APPS = Resource(
    "apps.pilothouse.dev",
    "v1",
    "apps",
    "App",
    singular="app",
    categories=("all", "pilothouse"),
    subresources=("status", "scale"),
    custom=True,
)
