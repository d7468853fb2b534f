"""Recipes of training: `default.py` is where they begin, the others hold differences only."""
