"""The volume tap: real clients, hostile clients, limits."""
