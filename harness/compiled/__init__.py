"""The simulator compiled to machine code, for those who run it a million times.

mypyc makes extension modules of the core, the simulated world and the checkers: the very sources,
nothing else. Replay, shrinking, planted bugs, foreign cores and the lab run the sources themselves;
a test compares both, disaster by disaster.
"""
