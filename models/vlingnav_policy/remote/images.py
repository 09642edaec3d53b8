"""Images as JPEG or PNG, by Pillow; what is neither, too large or cut short is refused with a sentence."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMATS = ("png", "jpeg")
LARGEST = 4 << 20  # pixels: a little more than twice Full HD


def encode(rgb: NDArray[np.uint8], kind: str) -> bytes:
    """`(H, W, 3)` as a file of `kind`: "png" keeps every pixel, "jpeg" is several times smaller."""
    from PIL import Image

    buffer = io.BytesIO()
    options: dict[str, Any] = {"quality": 90} if kind == "jpeg" else {"compress_level": 1}
    Image.fromarray(rgb).save(buffer, kind.upper(), **options)
    return buffer.getvalue()


def decode(data: Any, what: str) -> NDArray[np.uint8]:
    """`(H, W, 3)` of the bytes of a JPEG or PNG; `what` it is, for the sentence if it is none.

    Raises:
        ValueError: they hold no colour image, or one of more than `LARGEST` pixels.
    """
    from PIL import Image, UnidentifiedImageError

    if not isinstance(data, bytes):
        raise ValueError(f"{what} is no bytes; send those of a JPEG or PNG file")
    pixels = None
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            mode, count = image.mode, image.width * image.height
            if mode == "RGB" and count <= LARGEST:  # known from the header, before anything is unpacked
                pixels = np.asarray(image)
    except UnidentifiedImageError as error:
        raise ValueError(f"{what} is neither a JPEG nor a PNG; send one of them") from error
    except Exception as error:  # damaged files come out of Pillow as errors of a dozen kinds
        raise ValueError(f"{what} is damaged: {error}; send the whole file") from error
    if pixels is not None:
        return pixels
    if count > LARGEST:
        raise ValueError(f"{what} has {count} pixels, and {LARGEST} are the most; send a smaller one")
    raise ValueError(f"{what} is of kind {mode}, not RGB; send a colour image")
