"""Tests of the engine's core: machines driven event by event, and a virtual world around them."""
