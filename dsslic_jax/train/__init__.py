"""Training: losses, pure steps, the loop and its checkpoints. Knows models and data, never the codec."""
