"""Layers s, c and r: what their bytes mean, whatever coder made them."""
