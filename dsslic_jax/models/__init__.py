"""The networks: Flax linen modules and pure functions that know nothing of data, training or streams."""
