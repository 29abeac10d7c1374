"""The checkers: each watches one promise of the catalogue through a whole run.

They know nothing of the engine and nothing of the world that feeds them; see observation.py.
"""
