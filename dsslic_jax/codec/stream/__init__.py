"""The `.dsslic` stream: header and layers as bytes."""
