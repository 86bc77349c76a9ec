"""Commands about apps: deploy, look at, change, remove."""
