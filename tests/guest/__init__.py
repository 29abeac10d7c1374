"""Tests of the guest: its images, its agent, its QEMU."""
