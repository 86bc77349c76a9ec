"""What a change of an instance's spec is announced to do, and the command that takes it back."""
