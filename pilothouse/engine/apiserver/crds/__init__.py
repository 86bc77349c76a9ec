"""CustomResourceDefinitions: checked, named, served, and cleaned up after."""
