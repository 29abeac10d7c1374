"""The lab: real processes, real disasters, measured facts.

`harness.lab.certification` is the entry. The lab measures and never judges: facts go to
harness.judge, evidence to harness.evidence.
"""
