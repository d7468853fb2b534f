"""The coders of layers, each registered under a name."""
