"""Measuring rate and quality of the codec and of ordinary codecs on a folder of pictures."""
