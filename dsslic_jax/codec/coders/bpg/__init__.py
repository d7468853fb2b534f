"""BPG without a program: files, HEVC pictures by x265 and FFmpeg, colour."""
