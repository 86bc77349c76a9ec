"""What the API server itself keeps right after a write: reconcilers that follow the store, outside of any request."""
