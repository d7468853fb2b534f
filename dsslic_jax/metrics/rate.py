"""Rate: bits of a coded file per pixel (protocol `fair`) or per sample (protocol `paper`)."""


def bits_per_pixel(num_bytes: int, height: int, width: int) -> float:
    """Rate of `num_bytes` spent on a picture of `height` x `width` pixels, in bits per pixel.

    A pixel is one position, not one sample: an RGB picture has H*W pixels, 3HW samples.

    Raises:
        ValueError: a negative number of bytes, or a side below 1.
    """
    if num_bytes < 0 or height < 1 or width < 1:
        raise ValueError(f"{num_bytes} bytes on {height}x{width} pixels is no rate")
    return 8.0 * num_bytes / (height * width)


def bits_per_sample(num_bytes: int, height: int, width: int) -> float:
    """Rate in bits per sample of an RGB picture: a third of `bits_per_pixel`, same errors."""
    return bits_per_pixel(num_bytes, height, width) / 3.0
