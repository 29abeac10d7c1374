"""The pure core: machines that decide, events in, commands out; no I/O, no clock."""
