"""Our networks as PyTorch modules, with the weights of a model in them."""
