"""From pictures to `.dsslic` streams and back: the layers, their coders and the container."""
