"""The provers: each reads the disk with software of its own, none repairs anything."""
