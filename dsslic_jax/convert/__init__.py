"""Weights under other programs' names: PyTorch state dicts to ours and back, and PyTorch modules that load them."""
