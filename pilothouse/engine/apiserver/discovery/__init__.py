"""What clients learn about the server before they use it: groups, versions, resources, schemas."""
