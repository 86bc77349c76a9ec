"""What every request goes through, whether it came over HTTP or from this process: one chain of stages."""
