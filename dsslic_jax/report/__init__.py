"""HTML pages of what was measured, and of one stream."""
