"""Writing an MP4 that browsers play, with the ffmpeg program that `imageio-ffmpeg` brings."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def write_film(path: Path, frames: Iterable[NDArray[np.uint8]], rate_hz: float) -> int:
    """Write frames to `path` and return how many there were.

    Args:
        path: ends in ".mp4".
        frames: `(H, W, 3)` uint8, all of one size, H and W even; may be made as they are asked for.
        rate_hz: frames per second.
    """
    from imageio_ffmpeg import write_frames

    writer = None
    count = 0
    try:
        for frame in frames:
            pixels = np.ascontiguousarray(frame, dtype=np.uint8)
            if writer is None:
                size = (pixels.shape[1], pixels.shape[0])
                # macro_block_size 2: the default of 16 would rescale the picture.
                options = ["-preset", "veryfast", "-movflags", "+faststart"]
                writer = write_frames(
                    str(path), size, fps=rate_hz, quality=7, macro_block_size=2, output_params=options
                )
                writer.send(None)
            writer.send(pixels)
            count += 1
    finally:
        if writer is not None:
            writer.close()
    return count
