"""Pictures that are made to cost much, or to be read wrongly.

Each is the largest of its kind that an upload may have, or larger.
"""

import io
import random
import struct
import zlib
from collections.abc import Callable
from typing import Any, Final

from PIL import Image, ImageFile

# Pillow's own is too small for noise.
ImageFile.MAXBLOCK = 64 * 1024 * 1024
FILE_BYTES: Final = 5 * 1024 * 1024
PAETH: Final = 4
# The seven passes of a woven PNG: where each begins, and how far apart its pixels are.
ADAM7: Final = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    output = io.BytesIO()
    image.save(output, kind, **options)
    return output.getvalue()


def noise(size: tuple[int, int], mode: str = "RGB", grain: int = 8) -> Image.Image:
    """Return random colours, the same each time, in cells of `grain` pixels."""
    small = (max(1, size[0] // grain), max(1, size[1] // grain))
    pixels = random.Random(1).randbytes(small[0] * small[1] * len(mode))
    return Image.frombytes(mode, small, pixels).resize(size, Image.Resampling.BICUBIC)


def png_chunk(name: bytes, data: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(name + data))
    return struct.pack(">I", len(data)) + name + data + checksum


def png(
    width: int,
    height: int,
    bits: int = 8,
    colour: int = 2,
    *,
    extra: bytes = b"",
    is_woven: bool = False,
) -> bytes:
    """Return a PNG whose every line has the filter that is slowest to undo."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    packer = zlib.compressobj(1)
    pixels = b""
    for left, top, across, down in ADAM7 if is_woven else [(0, 0, 1, 1)]:
        columns = (width - left + across - 1) // across
        line_bytes = (columns * channels * bits + 7) // 8
        line = bytes([PAETH]) + (bytes(range(0, 251, 7)) * (line_bytes // 36 + 1))[:line_bytes]
        pixels += b"".join(packer.compress(line) for _ in range(top, height, down))
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, is_woven)
    palette = png_chunk(b"PLTE", bytes(range(256)) * 3) if colour == 3 else b""
    chunks = png_chunk(b"IHDR", header) + palette + extra
    chunks += png_chunk(b"IDAT", pixels + packer.flush()) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def texts() -> bytes:
    bomb = zlib.compress(bytes(1024 * 1024 - 1))
    return b"".join(png_chunk(b"zTXt", b"a%d\0\0" % n + bomb) for n in range(60))


def exif(entries: int) -> bytes:
    """Return Exif that ends in an orientation, behind more entries than a camera writes."""
    tags = b"".join(struct.pack("<HHII", 0x9000, 7, 4, n) for n in range(entries))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", entries) + tags + bytes(4)


def jpeg_segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def behind_start(source: bytes, inserted: bytes) -> bytes:
    return source[:2] + inserted + source[2:]


def small_jpeg(**options: Any) -> bytes:
    return encode(noise((320, 240)), "JPEG", **options)


def many_scans(size: tuple[int, int], count: int) -> bytes:
    source = encode(noise(size), "JPEG", progressive=True, quality=60)
    scan = source[source.rindex(b"\xff\xc4") : -2]
    return source[:-2] + scan * count + source[-2:]


def full_jpeg(
    size: tuple[int, int], quality: int, mode: str = "RGB", grain: int = 8, **options: Any
) -> bytes:
    """Return a noisy JPEG that is nearly as large as an upload may be."""
    data = encode(noise(size, mode, grain), "JPEG", quality=quality, **options)
    assert FILE_BYTES / 3 < len(data) <= FILE_BYTES, len(data)
    return data


def webp_chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def webp(*chunks: bytes) -> bytes:
    content = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def canvas(width: int, height: int) -> bytes:
    sides = (side.to_bytes(3, "little") for side in (width - 1, height - 1))
    return webp_chunk(b"VP8X", bytes(4) + b"".join(sides))


def large_canvas() -> bytes:
    return webp(canvas(16_383, 16_383), encode(noise((8, 8)), "WEBP")[12:])


def many_frames(kind: str) -> bytes:
    frames = [noise((64, 64), grain=n + 1) for n in range(9)]
    return encode(frames[0], kind, save_all=True, append_images=frames[1:])


PICTURES: Final[dict[str, Callable[[], bytes]]] = {
    "WebP of 16 megapixels in a few bytes": lambda: encode(
        Image.new("RGB", (4096, 4096)), "WEBP", lossless=True, method=0, quality=0
    ),
    "WebP, largest": lambda: encode(noise((1440, 1440)), "WEBP", quality=95),
    "WebP, largest, lossless with alpha": lambda: encode(
        noise((1440, 1440), "RGBA", 32), "WEBP", lossless=True, method=0, quality=0
    ),
    "WebP with a large canvas": large_canvas,
    "WebP that moves": lambda: many_frames("WEBP"),
    "WebP with much Exif": lambda: webp(
        canvas(8, 8), encode(noise((8, 8)), "WEBP")[12:], webp_chunk(b"EXIF", exif(65_535) * 6)
    ),
    "PNG of 430,000 chunks": lambda: png(8, 8, extra=png_chunk(b"teSt", b"") * 430_000),
    "PNG with 4,000 chunks of pixels": lambda: png(8, 8, extra=png_chunk(b"IDAT", b"") * 4_000),
    "PNG with packed texts": lambda: png(8, 8, extra=texts()),
    "PNG with a packed profile": lambda: png(
        8, 8, extra=png_chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(64_000_000), 1))
    ),
    "PNG with much Exif": lambda: png(8, 8, extra=png_chunk(b"eXIf", exif(65_535) * 6)),
    "PNG that moves": lambda: many_frames("PNG"),
    "PNG, largest": lambda: png(2_360, 2_350),
    "PNG, largest with alpha": lambda: png(2_040, 2_040, colour=6),
    "PNG, largest of 16 bits": lambda: png(1_440, 1_440, bits=16, colour=6),
    "PNG, largest, woven": lambda: png(2_360, 2_350, is_woven=True),
    "PNG, largest in grey": lambda: png(4_080, 4_080, colour=0),
    "PNG, largest in deep grey": lambda: png(2_880, 2_880, bits=16, colour=0),
    "PNG, largest of a palette": lambda: png(4_080, 4_080, colour=3),
    "PNG, largest in black and white": lambda: png(6_400, 6_500, bits=1, colour=0),
    "PNG, one line": lambda: png(16_384, 1),
    "PNG, one column": lambda: png(1, 16_384),
    "JPEG of 50 megapixels": lambda: full_jpeg((8_160, 6_120), 60, grain=24),
    "JPEG of 24 megapixels in four colours": lambda: full_jpeg((6_000, 4_100), 40, "CMYK", 32),
    "JPEG, progressive": lambda: full_jpeg((4_032, 3_024), 92, progressive=True),
    "JPEG, progressive of noise": lambda: full_jpeg(
        (2_600, 2_500), 40, grain=1, progressive=True, subsampling="4:4:4"
    ),
    "JPEG, progressive of 50 megapixels": lambda: encode(
        Image.new("RGB", (8_160, 6_120)), "JPEG", progressive=True
    ),
    "JPEG of noise, decoded as it is": lambda: full_jpeg(
        (1_023, 1_023), 95, grain=1, subsampling="4:4:4"
    ),
    "JPEG with many scans": lambda: many_scans((2_000, 1_500), 25),
    "JPEG with too many scans": lambda: many_scans((4_000, 3_000), 25),
    "JPEG of fill bytes": lambda: b"\xff" * FILE_BYTES,
    "JPEG of fill bytes, with a scan": lambda: (
        small_jpeg()[:-2] + b"\xff" * (FILE_BYTES - 50_000) + b"\0"
    ),
    "JPEG with many segments": lambda: behind_start(
        small_jpeg(), jpeg_segment(0xFE, b"") * 1_000_000
    ),
    "JPEG with many resources": lambda: behind_start(
        small_jpeg(),
        jpeg_segment(0xED, b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0\0\0\0\0" * 5_000) * 80,
    ),
    "JPEG with much Exif": lambda: behind_start(
        small_jpeg(), jpeg_segment(0xE1, b"Exif\0\0" + exif(5_400)) * 75
    ),
    "JPEG with a second behind it": lambda: encode(
        noise((320, 240)), "MPO", save_all=True, append_images=[noise((4_000, 3_000))]
    ),
    "JPEG with a film behind it": lambda: (small_jpeg() + bytes(FILE_BYTES))[:FILE_BYTES],
    "JPEG, cut off": lambda: full_jpeg((4_032, 3_024), 90)[:-50_000],
}
