"""Read a picture's headers before it is decoded, and drop all that isn't needed to decode it.

Note [What an upload may cost]
Any upload takes at most 64 MiB of memory above the idle process, and 0.3 s of processor time. What
decoding takes follows from the headers, and is bounded here by MAX_DECODING_BYTES and
MAX_DECODING_NANOSECONDS; the rest is the file, its copy without metadata, and a picture of 1024
pixels a side. Pillow itself, when it opens a file, parses all metadata, unpacks compressed texts
and makes the canvas of a WebP, whatever size it claims: so it gets a file only after that, without
them. `tests/accounts/pictures/test_avatar_costs.py` measures it.
"""

import re
import struct
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final, NamedTuple

MIB: Final = 1024 * 1024
# Of each line, Pillow keeps an address as well.
MAX_SIDE_PIXELS: Final = 16384
MAX_DECODING_BYTES: Final = 40 * MIB
MAX_DECODING_NANOSECONDS: Final = 200_000_000

UPRIGHT: Final = 1
ORIENTATION_TAG: Final = 0x0112
SHORT_TYPE: Final = 3
# Cameras write some twenty.
TIFF_MAX_ENTRIES: Final = 200
TIFF_ENTRY_BYTES: Final = 12
EXIF_PREFIX: Final = b"Exif\0\0"

# Encoders write pixels in chunks of 8 KB or more.
PNG_MAX_CHUNKS: Final = 4096
PNG_START: Final = b"\x89PNG\r\n\x1a\n"
PNG_KEPT: Final = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"iCCP", b"IEND"}
PNG_ANIMATION: Final = {b"acTL", b"fcTL", b"fdAT"}
PNG_CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
PNG_FRAME_BYTES: Final = 12  # a chunk's length, name and checksum
# Undoing the slowest filter, of every line.
PNG_NANOSECONDS_PER_BYTE: Final = 12
DEEP_BITS: Final = 16
# Pillow's: one byte for a palette's index or a grey, two for a deep grey, else four.
ONE_BYTE_COLOURS: Final = {0, 3}

JPEG_START: Final = b"\xff\xd8"
JPEG_MAX_SEGMENTS: Final = 1000
JPEG_END: Final = 0xD9
JPEG_SCAN: Final = 0xDA
JPEG_EXIF: Final = 0xE1
JPEG_DROPPED: Final = {*range(0xE0, 0xF0), 0xFE} - {0xE0, 0xE2, 0xEE}
"""Comments and applications' segments, but for JFIF, the colour profile and Adobe's transform."""
JPEG_FRAMES: Final = (0xC0, 0xC1, 0xC2)
"""Baseline, extended and progressive, in Huffman's code."""
JPEG_OTHER_FRAMES: Final = {0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
JPEG_PROGRESSIVE: Final = 0xC2
JPEG_MARKER: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""A marker after a scan's data, in which 0xFF is followed by 0 or by a restart's number."""
JPEG_MAX_COMPONENTS: Final = 4
JPEG_MAX_SAMPLING: Final = 4
JPEG_BYTES_PER_COEFFICIENT: Final = 2
JPEG_NANOSECONDS_PER_SAMPLE: Final = 2  # for each scan that it is in

WEBP_MAX_CHUNKS: Final = 100
RIFF_HEADER: Final = struct.Struct("<4sI4s")
RIFF_CHUNK: Final = struct.Struct("<4sI")
# Two canvases, the decoder's own pixels, Pillow's, and a copy of them with alpha multiplied.
WEBP_BYTES_PER_PIXEL: Final = 20
WEBP_NANOSECONDS_PER_PIXEL: Final = 60


class PictureError(Exception):
    """The file is refused; the message says why, and what to do."""


class PictureFile(NamedTuple):
    """A file that is safe to open, and what its metadata said of the picture."""

    kind: str
    """As Pillow calls it."""
    width: int
    height: int
    decoding_bytes: int
    decoding_nanoseconds: int
    orientation: int
    """The orientation, as in Exif: 1 to 8."""
    data: bytes


DAMAGED: Final = "The picture is damaged. Choose another file."
MOVES: Final = "Choose a picture that doesn't move."
NOT_ALONE: Final = "The picture is not whole, or not alone in its file. Save it again."
TOO_MANY_PARTS: Final = "The file has too many parts. Save the picture again."


def read_picture_file(data: bytes) -> PictureFile:
    """Return what is needed to decode the picture.

    Raises: PictureError, also where decoding would cost too much.
    """
    read = next((read for start, read in READERS.items() if data.startswith(start)), None)
    if read is None:
        raise PictureError("Choose a JPEG, PNG or WebP picture.")
    try:
        file = read(data)
    except (struct.error, IndexError) as error:  # cut off
        raise PictureError(DAMAGED) from error
    if not (file.width and file.height):
        raise PictureError(DAMAGED)
    if (
        max(file.width, file.height) > MAX_SIDE_PIXELS
        or file.decoding_bytes > MAX_DECODING_BYTES
        or file.decoding_nanoseconds > MAX_DECODING_NANOSECONDS
    ):
        raise PictureError(
            f"This picture of {file.width} x {file.height} pixels takes too much to decode. Make "
            "it smaller, or save it as a plain JPEG."
        )
    return file


def _read_png(data: bytes) -> PictureFile:
    kept, orientation, end = [memoryview(PNG_START)], UPRIGHT, 0
    chunks = list(islice(_walk_png(data), PNG_MAX_CHUNKS + 1))
    if len(chunks) > PNG_MAX_CHUNKS:
        raise PictureError(TOO_MANY_PARTS)
    for name, start, end in chunks:
        if name in PNG_ANIMATION:
            raise PictureError(MOVES)
        if name in PNG_KEPT:
            kept.append(memoryview(data)[start:end])
        elif name == b"eXIf":
            orientation = _read_orientation(data[start + 8 : end - 4])
    if chunks[0][0] != b"IHDR":
        raise PictureError(DAMAGED)
    if chunks[-1][0] != b"IEND" or end != len(data):
        raise PictureError(NOT_ALONE)
    width, height, bits, colour = struct.unpack_from(">IIBB", data, len(PNG_START) + 8)
    line_bytes = 1 + (width * bits * PNG_CHANNELS.get(colour, 4) + 7) // 8
    bytes_per_pixel = (2 if bits == DEEP_BITS else 1) if colour in ONE_BYTE_COLOURS else 4
    return PictureFile(
        "PNG",
        width,
        height,
        width * height * bytes_per_pixel,
        line_bytes * height * PNG_NANOSECONDS_PER_BYTE,
        orientation,
        b"".join(kept),
    )


def _walk_png(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    end, name = len(PNG_START), b""
    while name != b"IEND":
        start = end
        length, name = struct.unpack_from(">I4s", data, start)
        end = start + length + PNG_FRAME_BYTES
        yield name, start, end


def _read_jpeg(data: bytes) -> PictureFile:
    kept, orientation, frames, scans = (
        [memoryview(JPEG_START)],
        UPRIGHT,
        list[bytes](),
        list[bytes](),
    )
    segments = list(islice(_walk_jpeg(data), JPEG_MAX_SEGMENTS + 1))
    if len(segments) > JPEG_MAX_SEGMENTS:
        raise PictureError(TOO_MANY_PARTS)
    for marker, start, end in segments:
        if marker not in JPEG_DROPPED:
            kept.append(memoryview(data)[start:end])
        if marker in JPEG_FRAMES or marker in JPEG_OTHER_FRAMES:
            frames.append(data[start + 1 : end])
        elif marker == JPEG_SCAN:
            scans.append(data[start + 4 : end][: 1 + 2 * JPEG_MAX_COMPONENTS])
        elif marker == JPEG_EXIF and data.startswith(EXIF_PREFIX, start + 4):
            orientation = _read_orientation(data[start + 4 : end])
    if segments[-1][0] != JPEG_END:
        raise PictureError(NOT_ALONE)
    if len(frames) != 1 or frames[0][0] not in JPEG_FRAMES:
        raise PictureError("This kind of JPEG can't be read. Save the picture again.")
    return _count_jpeg(frames[0], scans, orientation, b"".join(kept))


def _walk_jpeg(data: bytes) -> Iterator[tuple[int, int, int]]:
    end, marker = len(JPEG_START), 0
    # What phones put behind the end, a second picture or a few seconds of film, is left out.
    while marker != JPEG_END:
        found = JPEG_MARKER.search(data, end)
        if found is None or data[end : found.start()].strip(b"\xff"):  # which may fill a gap
            raise PictureError(DAMAGED)
        start, end = found.span()
        marker = data[start + 1]
        if marker != JPEG_END:
            end += struct.unpack_from(">H", data, end)[0]
        if marker == JPEG_SCAN:
            found = JPEG_MARKER.search(data, end)
            if found is None:
                raise PictureError(NOT_ALONE)
            end = found.start()
        yield marker, start, end


def _count_jpeg(frame: bytes, scans: list[bytes], orientation: int, data: bytes) -> PictureFile:
    marker, _, _, height, width, count = struct.unpack_from(">BHBHHB", frame)
    components = {
        name: (sampling >> 4, sampling & 0xF)
        for name, sampling, _ in struct.iter_unpack("BBB", frame[9 : 9 + 3 * count])
    }
    sides = [side for sampling in components.values() for side in sampling]
    if not (1 <= count == len(components) <= JPEG_MAX_COMPONENTS) or not all(
        1 <= side <= JPEG_MAX_SAMPLING for side in sides
    ):
        raise PictureError(DAMAGED)
    largest = max(across for across, _ in components.values()) * max(
        down for _, down in components.values()
    )
    samples = {
        name: width * height * across * down // largest
        for name, (across, down) in components.items()
    }
    scanned = sum(samples.get(name, 0) for scan in scans for name in scan[1 : 1 + 2 * scan[0] : 2])
    # All coefficients are kept where the picture comes in more than one scan.
    is_kept = marker == JPEG_PROGRESSIVE or len(scans) > 1
    return PictureFile(
        "JPEG",
        width,
        height,
        sum(samples.values()) * JPEG_BYTES_PER_COEFFICIENT * is_kept,
        scanned * JPEG_NANOSECONDS_PER_SAMPLE,
        orientation,
        data,
    )


def _read_webp(data: bytes) -> PictureFile:
    _, size, kind = RIFF_HEADER.unpack_from(data)
    if kind != b"WEBP" or size + RIFF_CHUNK.size != len(data):
        raise PictureError(NOT_ALONE)
    sizes, orientation = list[tuple[int, int]](), UPRIGHT
    chunks = list(islice(_walk_webp(data), WEBP_MAX_CHUNKS + 1))
    if len(chunks) > WEBP_MAX_CHUNKS:
        raise PictureError(TOO_MANY_PARTS)
    for name, content in chunks:
        if name in (b"ANIM", b"ANMF"):
            raise PictureError(MOVES)
        if name == b"EXIF":
            orientation = _read_orientation(content)
        if name in WEBP_SIZES:
            sizes.append(WEBP_SIZES[name](content))
    # A canvas that isn't its picture's size can be as large as it likes.
    if len(set(sizes)) != 1:
        raise PictureError(DAMAGED)
    width, height = sizes[0]
    return PictureFile(
        "WEBP",
        width,
        height,
        width * height * WEBP_BYTES_PER_PIXEL,
        width * height * WEBP_NANOSECONDS_PER_PIXEL,
        orientation,
        data,
    )


def _walk_webp(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    end = RIFF_HEADER.size
    while end < len(data):
        name, length = RIFF_CHUNK.unpack_from(data, end)
        start = end + RIFF_CHUNK.size
        yield name, data[start : start + length]
        end = start + length + length % 2


def _size_canvas(content: bytes) -> tuple[int, int]:
    width, height = content[4:7], content[7:10]
    return int.from_bytes(width, "little") + 1, int.from_bytes(height, "little") + 1


def _size_lossy(content: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from("<HH", content, 6)
    return width & 0x3FFF, height & 0x3FFF


def _size_lossless(content: bytes) -> tuple[int, int]:
    bits = struct.unpack_from("<I", content, 1)[0]
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


def _read_orientation(exif: bytes) -> int:
    tiff = exif.removeprefix(EXIF_PREFIX)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return UPRIGHT
    try:
        directory = struct.unpack_from(f"{order}I", tiff, 4)[0]
        count = struct.unpack_from(f"{order}H", tiff, directory)[0]
        for index in range(min(count, TIFF_MAX_ENTRIES)):
            entry = directory + 2 + index * TIFF_ENTRY_BYTES
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", tiff, entry)
            if (tag, kind) == (ORIENTATION_TAG, SHORT_TYPE):
                return int(value)
    except struct.error:  # damaged; the picture needn't be
        return UPRIGHT
    return UPRIGHT


READERS: Final[dict[bytes, Callable[[bytes], PictureFile]]] = {
    JPEG_START + b"\xff": _read_jpeg,
    PNG_START: _read_png,
    b"RIFF": _read_webp,
}
WEBP_SIZES: Final[dict[bytes, Callable[[bytes], tuple[int, int]]]] = {
    b"VP8X": _size_canvas,
    b"VP8 ": _size_lossy,
    b"VP8L": _size_lossless,
}
