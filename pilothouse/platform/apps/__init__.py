"""Apps: from a source or an image to a Deployment, a Service and an Ingress, with revisions to go back to."""
