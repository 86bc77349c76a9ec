"""EndpointSlices from Endpoints that somebody has written by hand, for what routes by slices alone."""
