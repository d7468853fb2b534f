"""Training configurations: `default.py` explains every key, the others hold differences only."""
