"""The replication engine: a volume's changes, written straight into a mountable page blob.

`engine.core` decides (pure state machines), `engine.shell` acts (files, sockets, threads), and
`python -m engine` runs one site. Start reading at `engine.core.primary`.
"""
