"""Web pages of what was measured and of what a stream holds: each one file that needs no network."""
