"""Pictures as H.264 in mp4: written as they come, joined without encoding anew, read frame by frame.

H.264 in yuv420p is what every decoder, browser and LeRobot backend reads, and PyAV's wheel encodes. Without
B-frames the packets of a file lie in the order in which they are shown, frame k at exactly k / fps; so files
can be cut and joined between any two packets, and a seek by time finds the frame it names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vlingnav_datasets.lerobot_v3.files import DatasetError
from vlingnav_datasets.lerobot_v3.schema import Feature

Picture = NDArray[np.uint8]

_EXTRA = {"bf": 0, "mbtree": 0, "rc-lookahead": 0}


@dataclass(frozen=True)
class Codec:
    """How pictures are encoded.

    Attributes:
        crf: constant rate factor; 18 is where a person no longer sees a difference.
        g: frames from one key frame to the next, so the most that is decoded to reach one.
        preset: of x264.
    """

    crf: int = 18
    g: int = 10
    preset: str = "veryfast"

    def options(self) -> dict[str, str]:
        """Options of libx264: the same pictures make the same bytes, on however many cores.

        More threads than one change the bytes, and so does now and then the macroblock tree, for which x264
        looks ahead (2 of 300 encodings of one small film).
        """
        said = {"crf": self.crf, "g": self.g, "preset": self.preset, "threads": 1, **_EXTRA}
        return {name: str(value) for name, value in said.items()}

    def info(self, feature: Feature, fps: float) -> dict[str, Any]:
        """What LeRobot keeps of a video in meta/info.json."""
        return {
            "video.height": feature.shape[0],
            "video.width": feature.shape[1],
            "video.codec": "h264",
            "video.pix_fmt": "yuv420p",
            "video.fps": fps,
            "video.channels": 3,
            "video.g": self.g,
            "video.crf": self.crf,
            "video.preset": self.preset,
            "video.fast_decode": 0,
            "video.video_backend": "pyav",
            "video.extra_options": dict(_EXTRA),
            "has_audio": False,
            "is_depth_map": False,
        }


class VideoEncoder:
    """Encodes pictures into a file of their own while they come; keeps none of them.

    Args:
        file: to write, an mp4 whatever its name.
        shape: `(H, W, 3)` of every picture.
        rate: frames a second.
    """

    def __init__(self, file: Path, shape: tuple[int, ...], rate: Fraction, codec: Codec = Codec()) -> None:
        self._container = av.open(str(file), "w", format="mp4")
        self._stream = self._container.add_stream("libx264", rate=rate, options=codec.options())
        self._stream.height, self._stream.width = shape[:2]
        self._stream.pix_fmt = "yuv420p"
        self._rate = rate
        self._count = 0
        self._closed = False

    def add(self, picture: Picture) -> None:
        """Encode one more `(H, W, 3)` uint8."""
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame.pts, frame.time_base = self._count, 1 / self._rate
        self._container.mux(self._stream.encode(frame))
        self._count += 1

    def close(self) -> None:
        """Finish the file; a second time does nothing."""
        if not self._closed:
            self._closed = True
            self._container.mux(self._stream.encode(None))
            self._container.close()


def join_videos(base: Path, frames: int, tail: Path, out: Path) -> None:
    """Write the first `frames` pictures of `base` and then all of `tail`, as they are encoded.

    Raises:
        DatasetError: `base` is damaged or has fewer pictures.
    """
    with _open(base) as first, _open(tail) as second, av.open(str(out), "w", format="mp4") as joined:
        source = first.streams.video[0]
        stream = joined.add_stream_from_template(source)
        stream.time_base = source.time_base
        copied, end = 0, 0
        for packet in _packets(first, base):
            if copied == frames:
                break
            end = _timestamp(packet) + (packet.duration or 0)
            packet.stream = stream
            joined.mux(packet)
            copied += 1
        if copied < frames:
            raise DatasetError(f"{base} holds {copied} pictures instead of {frames}; it is truncated")
        for packet in _packets(second, tail):
            packet.pts = packet.dts = _timestamp(packet) + end
            packet.stream = stream
            joined.mux(packet)


def joinable(one: Path, other: Path) -> bool:
    """Whether one decoder setup fits both files; it need not after a change of the encoder's version."""
    setups = []
    for file in (one, other):
        with _open(file) as container:
            stream = container.streams.video[0]
            setups.append((stream.codec_context.extradata, stream.time_base, stream.average_rate))
    return setups[0] == setups[1]


def count_pictures(file: Path, shape: tuple[int, ...], rate: Fraction) -> int:
    """Pictures whose bytes are all in the file; does not decode them.

    Raises:
        DatasetError: the file is missing or no video, or of another shape or rate.
    """
    with _open(file) as container:
        stream = container.streams.video[0]
        _check_shape(file, stream, shape)
        found = stream.average_rate or rate
        if found != rate:
            raise DatasetError(f"{file} has {float(found):g} frames a second, not {float(rate):g}")
        return sum(1 for _ in _packets(container, file))


def decode(file: Path, shape: tuple[int, ...], rate: Fraction, first: int, count: int) -> Iterator[Picture]:
    """Pictures `first` to `first + count - 1` of a file, each of `shape` `(H, W, 3)`, uint8.

    Raises:
        DatasetError: the file is missing or damaged, has fewer pictures, or they are of another shape.
    """
    with _open(file) as container:
        stream = container.streams.video[0]
        _check_shape(file, stream, shape)
        stream.codec_context.thread_count = 1
        tick = _time_base(stream) * rate  # of the file's clock, in frames
        due, end = first, first + count
        try:
            container.seek(round(first / tick), stream=stream, backward=True)
            frames = container.decode(stream)
            while due < end and (frame := next(frames, None)) is not None:
                index = round((frame.pts or 0) * tick)
                if index > due:
                    break
                if index == due:  # and not between the key frame and the first that is wanted
                    yield np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
                    due += 1
        except av.FFmpegError as error:
            raise DatasetError(f"{file} is damaged near picture {due} ({error.strerror})") from error
    if due < end:
        raise DatasetError(f"{file} lacks picture {due}; it is truncated or of another dataset")


def _check_shape(file: Path, stream: VideoStream, shape: tuple[int, ...]) -> None:
    found = (stream.height, stream.width)
    if found != shape[:2]:
        raise DatasetError(f"{file} holds pictures {found} pixels high and wide, not {shape[:2]}")


def _open(file: Path) -> av.container.InputContainer:
    if not file.is_file():
        raise DatasetError(f"{file} is missing")
    try:
        container = av.open(str(file))
    except av.FFmpegError as error:
        raise DatasetError(f"{file} is truncated or no video ({error.strerror})") from error
    if not container.streams.video:
        container.close()
        raise DatasetError(f"{file} is truncated or no video (it has no pictures)")
    return container


def _packets(container: av.container.InputContainer, file: Path) -> Iterator[av.Packet]:
    """Packets with something in them, in order."""
    try:
        for packet in container.demux(video=0):
            if packet.size and packet.pts is not None and not packet.is_corrupt:
                yield packet
    except av.FFmpegError as error:
        raise DatasetError(f"{file} is damaged ({error.strerror})") from error


def _timestamp(packet: av.Packet) -> int:
    return packet.pts if packet.pts is not None else 0


def _time_base(stream: VideoStream) -> Fraction:
    return stream.time_base if stream.time_base is not None else Fraction(1)
