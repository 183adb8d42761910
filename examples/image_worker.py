"""Real work: NumPy develops a photograph of the sky and measures the galaxies in it.

Needs NumPy: pip install -r requirements.txt
"""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from procwire import Client, HandlerError

client = Client()

Image = NDArray[np.float32]


# Both handlers are plain functions: they run in threads and leave the event loop free.
@client.handle(codec="raw")
def develop(ppm: bytes) -> NDArray[np.uint8]:
    """Make what is faint visible; returns the RGB pixels, for an array is bytes-like.

    The asinh stretch of Lupton et al. (2004): linear for faint light, logarithmic for bright
    light, and the same for all colours, so that nothing turns white.
    """
    image = read_ppm(ppm)
    sky, noise = background(image)
    light = np.clip(blur(image, 0.6) - sky - noise, 0, None)
    intensity = light.mean(axis=2, keepdims=True)
    softness = 6 * noise
    scale = np.arcsinh(intensity / softness) / np.arcsinh(255 / softness)
    colours = light * scale / np.maximum(intensity, 1e-6)
    # Where a colour would overflow, all three are dimmed alike.
    colours /= np.maximum(colours.max(axis=2, keepdims=True), 1)
    pixels: NDArray[np.uint8] = (colours * 255).astype(np.uint8)
    return pixels


@client.handle(request_codec="raw")
def find_sources(ppm: bytes) -> dict[str, Any]:
    """The stars and galaxies: connected pixels well above the noise, the brightest first."""
    image = read_ppm(ppm)
    sky, noise = background(image)
    light = blur(image, 1.0) - sky
    labels = label(light.mean(axis=2) > 5 * noise)
    rows, columns = np.nonzero(labels)
    _, sources = np.unique(labels[rows, columns], return_inverse=True)

    area = np.bincount(sources)
    red, green, blue = (np.bincount(sources, light[rows, columns, band]) for band in range(3))
    flux = red + green + blue
    weight = light[rows, columns].sum(axis=1)
    x = np.bincount(sources, columns * weight) / flux
    y = np.bincount(sources, rows * weight) / flux
    catalogue = [
        {
            "x": round(float(x[i]), 1),
            "y": round(float(y[i]), 1),
            "radius": round(float(np.sqrt(area[i] / np.pi)), 1),
            "flux": round(float(flux[i])),
            "colour": "red" if red[i] > 1.25 * blue[i] else "blue" if blue[i] > red[i] else "white",
        }
        for i in np.argsort(-flux)
        if area[i] >= 4
    ]
    return {"noise": noise, "sources": catalogue}


def read_ppm(data: bytes) -> Image:
    """The pixels of a binary PPM file: a raw payload has no size but what it says itself."""
    header = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", data)
    if header is None:
        raise HandlerError("this is no binary PPM file", code="E_FORMAT")
    width, height = map(int, header.groups())
    # A view of the payload that Node sent: nothing is copied until it becomes float.
    pixels = np.frombuffer(data, np.uint8, offset=header.end())
    if pixels.size != width * height * 3:
        raise HandlerError("the file is not whole", code="E_SIZE", width=width, height=height)
    return pixels.reshape(height, width, 3).astype(np.float32)


def background(image: Image) -> tuple[Image, float]:
    """The colour of the empty sky, and how much it scatters; galaxies do not disturb medians."""
    sky = np.median(image, axis=(0, 1))
    light = (image - sky).mean(axis=2)
    noise = 1.4826 * np.median(np.abs(light - np.median(light)))
    return sky, float(noise)


def blur(image: Image, sigma: float) -> Image:
    """A Gaussian blur, along the columns and then along the rows."""
    reach = int(3 * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    for axis in (0, 1):
        width = [(reach, reach) if axis == a else (0, 0) for a in range(3)]
        windows = np.lib.stride_tricks.sliding_window_view(
            np.pad(image, width, mode="reflect"), kernel.size, axis
        )
        image = (windows @ kernel).astype(np.float32)
    return image


def label(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """A number for each connected region of a mask, 0 outside: the largest one spreads."""
    labels = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    while True:
        padded = np.pad(labels, 1)
        neighbours = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
        spread = np.where(mask, np.maximum.reduce((labels, *neighbours)), 0)
        if np.array_equal(spread, labels):
            return labels
        labels = spread


if __name__ == "__main__":
    client.run()
