"""What follows from measurements: means, differences, plots, text."""
