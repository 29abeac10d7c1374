"""Proving a disk: a strict reading of a fixed VHD, and independent tools and a VM that read it too.

`harness.disk.proof.prove` is the entry; nothing here writes to the disk under proof or repairs it.
"""
