"""Knowledge about single kinds: defaults, rules and printed form of everything the API server stores."""
