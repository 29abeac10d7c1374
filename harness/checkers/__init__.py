"""The checkers: each watches one promise of the catalogue through a whole run.

A runner makes them (catalogue.make_checkers), puts them into a Panel (panel.py) and calls that as
the one Observer of the run; afterwards it has `findings` and `exercised`. They know nothing of the
engine and nothing of the world that feeds them; see observation.py.
"""
