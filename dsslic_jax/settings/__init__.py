"""Settings that know themselves: typed, checked, documented, each declared in one place."""
