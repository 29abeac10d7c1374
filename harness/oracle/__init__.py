"""The oracle: which recovered images a crash of the volume itself could have left.

It shares no code with the engine, not even its VHD parser.
"""
