"""Tools that make data sets."""
