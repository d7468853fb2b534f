"""The codecs that an evaluation measures: `registry.make_codec` makes them by name."""
