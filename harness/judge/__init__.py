"""The judges: pure functions from measured facts to verdicts, one small file for each claim."""
