"""Where the Build stands in the API: for whoever reads Builds without their models, such as commands that must be quick."""

from pilothouse.model.resource import Resource

BUILDS = Resource(
    "builds.pilothouse.dev", "v1", "builds", "Build", singular="build", categories=("pilothouse",), subresources=("status",), custom=True
)
