"""What is asked as API objects and never stored: authentication, authorization, the state of parts, what nodes and pods use."""
