"""The networks as a codec runs them: on one picture of any size, on one device."""
