"""The harness: proves or breaks the promises of a replication system, from outside."""
