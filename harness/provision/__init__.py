"""Everything that has to be on a machine before the first certification can run.

Standard library only: it runs under the system's python3 before any environment exists. It
imports nothing of the rest of the project; the guest's kernel is built by a process of its own.
"""
