"""Pictures with label maps: sources, generated scenes, transforms and the training pipeline."""
