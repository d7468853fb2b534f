"""The loss as a list of terms."""
