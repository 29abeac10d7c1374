"""The real world of the core's machines: volumes, blobs, taps, heartbeats, processes."""
