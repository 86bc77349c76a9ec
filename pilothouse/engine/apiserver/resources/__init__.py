"""What is served: resources at their versions, and how a request finds them."""
