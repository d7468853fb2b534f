"""Planning a run before renting machines: what a step needs of a chip, and how long it should take.

The very `train_step` of a configuration is compiled for a slice that need not be there. Knows training; nothing knows
it.
"""
