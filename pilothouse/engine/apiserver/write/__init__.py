"""The one way into the store for everything that clients write; verbs give it only how the new object is made."""
