"""The simulated world: parts that behave as the documented service does, on an injected clock."""
