"""Pixels in, pixels out: NumPy on the memory that Node's bytes have arrived in.

Needs NumPy: pip install -r requirements.txt
"""

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from procwire import Client
from procwire.arrays import Shape

client = Client()

WIDTH = 3840
SMALLER = 8

Pixels = Annotated[NDArray[np.uint8], Shape(-1, WIDTH, 4)]
Image = NDArray[np.float32]


# The parameter is a view of the received bytes, the result is sent as it is: neither is copied.
@client.handle(codec="raw")
def bloom(image: Pixels) -> NDArray[np.uint8]:
    """Let what is bright shine over its surroundings, and darken the corners, as a lens does."""
    result = image.copy()  # a view of received bytes cannot be written to
    glow = light_around(image)
    corners = vignette(*image.shape[:2])
    # In strips: all of it as float would take half a gigabyte.
    for rows in np.array_split(np.arange(image.shape[0]), 16):
        colours = image[rows, :, :3] / np.float32(255)
        shining = 1 - (1 - colours) * (1 - larger(glow, rows, WIDTH))
        result[rows, :, :3] = shining * corners[rows, :, None] * 255
    return result


def light_around(image: NDArray[np.uint8]) -> Image:
    """The light of bright places, spread far around them; an eighth of the image's size."""
    height = image.shape[0] // SMALLER
    blocks = image[: height * SMALLER, :, :3].reshape(height, SMALLER, -1, SMALLER, 3)
    small = blocks.mean(axis=(1, 3), dtype=np.float32) / 255
    bright = np.clip(small.max(axis=2, keepdims=True) * 2.5 - 1.5, 0, 1) * small
    return np.clip(2 * blur(bright, 4) + 1.2 * blur(bright, 16), 0, 0.9)


def blur(image: Image, radius: int) -> Image:
    """Three running means in each direction are nearly a Gaussian blur."""
    for axis in (0, 1, 0, 1, 0, 1):
        pad = [(radius + 1, radius) if axis == a else (0, 0) for a in range(3)]
        sums = np.cumsum(np.pad(image, pad, mode="edge"), axis, dtype=np.float64)
        length = image.shape[axis]
        ends = np.arange(length) + 2 * radius + 1
        window = sums.take(ends, axis) - sums.take(ends - 2 * radius - 1, axis)
        image = (window / (2 * radius + 1)).astype(np.float32)
    return image


def larger(image: Image, rows: NDArray[Any], width: int) -> Image:
    """Some rows of an image eight times as large, without steps between its pixels."""
    for axis, places in ((0, rows), (1, np.arange(width))):
        at = np.clip((places + 0.5) / SMALLER - 0.5, 0, image.shape[axis] - 1)
        below = at.astype(int)
        above = np.minimum(below + 1, image.shape[axis] - 1)
        part = (at - below).astype(np.float32).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        image = image.take(below, axis) * (1 - part) + image.take(above, axis) * part
    return image


def vignette(height: int, width: int) -> Image:
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    return 1 - 0.35 * np.clip((x * x + y * y) / 2, 0, 1) ** 2


if __name__ == "__main__":
    client.run()
