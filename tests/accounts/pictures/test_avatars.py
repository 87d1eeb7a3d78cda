"""Pictures: whatever comes in, a small clean WebP comes out, or a refusal that names the file."""

import io
import struct
import tracemalloc
import zlib
from typing import Any

import hypothesis
import pytest
from django.core.exceptions import ValidationError
from hypothesis import strategies
from PIL import Image, ImageCms

from accounts.errors import Busy
from accounts.pictures.avatars import MAX_FILE_BYTES, _take_turn, prepare_avatar

ORIENTATION, GPS, ARTIST = 0x0112, 0x8825, 0x013B
ROTATED = 6  # shown turned by a quarter
SECRET = "25.0443 N, 77.3504 W"


def picture(
    kind: str, size: tuple[int, int] = (64, 48), mode: str = "RGB", **options: Any
) -> bytes:
    """Return a picture whose left half is red and whose right half is blue."""
    image = Image.new(mode, size, "blue")
    image.paste("red", (0, 0, size[0] // 2, size[1]))
    output = io.BytesIO()
    image.save(output, kind, **options)
    return output.getvalue()


def exif(orientation: int = 1) -> Image.Exif:
    tags = Image.Exif()
    tags[ORIENTATION] = orientation
    tags[ARTIST] = SECRET
    tags.get_ifd(GPS)[1] = SECRET
    return tags


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that says it has this size, and next to nothing in it."""

    def chunk(name: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(3 * 100))
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def dominates(one: Image.Image, other: Image.Image, box: tuple[int, int, int, int]) -> bool:
    """Say whether one band is everywhere stronger than the other within the box."""
    return min(one.crop(box).tobytes()) > 2 * max(other.crop(box).tobytes())


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("JPEG", "RGB"),
        ("JPEG", "L"),
        ("JPEG", "CMYK"),
        ("PNG", "RGB"),
        ("PNG", "RGBA"),
        ("PNG", "P"),
        ("PNG", "LA"),
        ("PNG", "1"),
        ("WEBP", "RGB"),
        ("WEBP", "RGBA"),
    ],
)
def test_every_kind_becomes_webp(kind: str, mode: str) -> None:
    """In all their colour modes."""
    mode_for_paint = "RGB" if mode in ("P", "1", "L", "LA", "CMYK") else mode
    source = Image.open(io.BytesIO(picture("PNG", mode=mode_for_paint))).convert(mode)
    output = io.BytesIO()
    source.save(output, kind)
    result = opened(prepare_avatar(output.getvalue()))
    assert (result.format, result.size) == ("WEBP", (64, 48))


def test_large_pictures_shrink_and_small_ones_stay() -> None:
    """To 512 pixels at most, in proportion."""
    assert opened(prepare_avatar(picture("JPEG", (4000, 2000)))).size == (512, 256)
    assert opened(prepare_avatar(picture("PNG", (10, 700)))).size == (7, 512)
    assert opened(prepare_avatar(picture("PNG", (1, 1)))).size == (1, 1)


def test_transparency_stays() -> None:
    """Where nothing was painted, nothing is."""
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    output = io.BytesIO()
    clear.save(output, "PNG")
    result = opened(prepare_avatar(output.getvalue()))
    assert result.mode == "RGBA"
    assert result.getchannel("A").getextrema() == (0, 0)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_metadata_is_dropped_and_the_picture_upright(kind: str) -> None:
    """No place, no name, no profile; the camera's turn is drained."""
    source = picture(kind, exif=exif(ROTATED), icc_profile=b"profile " * 50)
    assert SECRET.encode() in source
    result = prepare_avatar(source)
    assert SECRET.encode() not in result
    image = opened(result)
    assert image.size == (48, 64)
    assert not image.getexif()
    assert "icc_profile" not in image.info
    red, _, blue = image.convert("RGB").split()
    top, bottom = (16, 4, 32, 8), (16, 56, 32, 60)
    assert (dominates(red, blue, top), dominates(blue, red, bottom)) == (True, True)


def test_what_is_hidden_in_a_picture_is_gone() -> None:
    """Bytes in a comment, or behind a JPEG as phones put them there, don't come out again."""
    payload = b"<script>alert(1)</script>"
    for source in (
        picture("JPEG") + payload,
        picture("JPEG", comment=payload),
        picture("JPEG") + picture("JPEG", comment=payload),
    ):
        assert payload in source
        assert payload not in prepare_avatar(source)


ANIMATION = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]


def animated(kind: str) -> bytes:
    output = io.BytesIO()
    ANIMATION[0].save(output, kind, save_all=True, append_images=ANIMATION[1:])
    return output.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"\x00" * 100,
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\x10\x00\x00\x00WEBPVP8 ",
        b"RIFF\x04\x00\x00\x00WAVE",
        picture("GIF"),
        picture("BMP"),
        picture("TIFF"),
        picture("PDF"),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"GIF89a" + picture("PNG"),
        b"%PDF-1.4\n" + picture("JPEG"),
        picture("PNG") + b"PK\x03\x04 and a zip archive",
        picture("WEBP") + b"<?php ?>",
        animated("PNG"),
        animated("WEBP"),
        picture("JPEG")[:-200],
        picture("PNG", (64, 48))[:-30],
        picture("WEBP", lossless=True)[:-5],
        picture("PNG").replace(b"IDAT", b"IDAX"),
        png_header(0, 0),
        png_header(64, 64),
    ],
    ids=lambda data: f"{data[:12]!r}{len(data)}",
)
def test_everything_else_is_refused_on_the_file(data: bytes) -> None:
    """Other kinds, mixtures, animations, and files that are cut off or damaged."""
    with pytest.raises(ValidationError) as refusal:
        prepare_avatar(data)
    assert set(refusal.value.message_dict) == {"file"}


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # of damaged EXIF, which is dropped
def test_damage_anywhere_is_a_refusal_or_a_picture() -> None:
    """Never another exception, whichever byte is wrong."""
    for kind in ("JPEG", "PNG", "WEBP"):
        whole = picture(kind, (32, 32), exif=exif())
        for position in range(0, len(whole), 3):
            damaged = bytearray(whole)
            damaged[position] ^= 0xFF
            try:
                opened(prepare_avatar(bytes(damaged)))
            except ValidationError:
                continue


@pytest.mark.parametrize(
    "bomb",
    [
        png_header(13_000, 13_000),
        png_header(100_000, 100_000),
        png_header(2**31 - 1, 1),
        png_header(1, 16_385),
        png_header(4096, 2561),
        # A WebP of 13000 x 13000 in a few bytes.
        b"RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00/\xc7\xf2\xb1\x0c\x07\x10\x11\x11\x88\x88\xfe\x07\x00",
    ],
    ids=lambda bomb: repr(bomb[16:24]),
)
def test_bombs_are_refused_by_their_header(bomb: bytes) -> None:
    """Without the memory that their pixels would take."""
    tracemalloc.start()
    with pytest.raises(ValidationError, match="takes too much"):
        prepare_avatar(bomb)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 1024 * 1024


def test_picture_that_takes_minutes_to_decode_is_refused() -> None:
    """A progressive JPEG with thousands of scans."""
    source = picture("JPEG", progressive=True)
    scan = source[source.rindex(b"\xff\xc4") : -2]
    assert prepare_avatar(source[:-2] + scan * 50 + source[-2:])
    with pytest.raises(ValidationError, match=r"takes too much|too many parts"):
        prepare_avatar(source[:-2] + scan * 5000 + source[-2:])


def test_deep_greys_stay_grey() -> None:
    """Sixteen bits become eight by leaving out the lower eight."""
    deep = Image.new("I;16", (8, 8), 0x8000)
    output = io.BytesIO()
    deep.save(output, "PNG")
    low, high = opened(prepare_avatar(output.getvalue())).convert("L").getextrema()
    assert 0x7C <= low <= high <= 0x84  # type: ignore[operator]  # one band's


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_colours_are_converted_from_their_profile(kind: str) -> None:
    """Red and blue change places by this one; a profile that is damaged is left out."""
    profile = swapped_profile()
    source = Image.new("RGB", (64, 64), (200, 30, 30))
    output = io.BytesIO()
    source.save(output, kind, icc_profile=profile)
    red, _, blue = opened(prepare_avatar(output.getvalue())).convert("RGB").getpixel((32, 32))  # type: ignore[misc]  # three bands
    assert blue > 2 * red
    output = io.BytesIO()
    source.save(output, kind, icc_profile=profile[:-300])
    red, _, blue = opened(prepare_avatar(output.getvalue())).convert("RGB").getpixel((32, 32))  # type: ignore[misc]  # as above
    assert red > 2 * blue


def swapped_profile() -> bytes:
    """Return sRGB with the tags of red and blue exchanged."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    names = {b"rXYZ": b"bXYZ", b"bXYZ": b"rXYZ"}
    count = int.from_bytes(profile[128:132], "big")
    table = b"".join(
        names.get(profile[at : at + 4], profile[at : at + 4]) + profile[at + 4 : at + 12]
        for at in range(132, 132 + 12 * count, 12)
    )
    return profile[:132] + table + profile[132 + 12 * count :]


def test_orientation_is_read_behind_other_tags() -> None:
    """In both byte orders, and nothing else of Exif is."""
    for order in ("II*\0", "MM\0*"):
        endian = "<" if order[0] == "I" else ">"
        entries = [(0x010F, 2, 4, 0), (0x0112, 3, 1, ROTATED)]
        packed = b"".join(
            struct.pack(f"{endian}HHI", *e[:3]) + struct.pack(f"{endian}HH", e[3], 0)
            for e in entries
        )
        tiff = order.encode() + struct.pack(f"{endian}IH", 8, 2) + packed + bytes(4)
        assert opened(prepare_avatar(picture("JPEG", exif=b"Exif\0\0" + tiff))).size == (48, 64)


SEEDS = [
    picture("JPEG", (40, 30), exif=exif(ROTATED)),
    picture("JPEG", (40, 30), progressive=True, subsampling="4:4:4"),
    picture("JPEG", (40, 30), mode="CMYK"),
    picture("PNG", (40, 30), icc_profile=swapped_profile()),
    picture("PNG", (40, 30), mode="RGBA", exif=exif()),
    picture("WEBP", (40, 30)),
    picture("WEBP", (40, 30), mode="RGBA", lossless=True, exif=exif()),
]


@hypothesis.settings(max_examples=300, deadline=None)
@hypothesis.given(
    seed=strategies.sampled_from(SEEDS),
    edits=strategies.lists(
        strategies.tuples(
            strategies.integers(0, 5_000),
            strategies.integers(0, 12),
            strategies.binary(max_size=12),
        ),
        min_size=1,
        max_size=6,
    ),
)
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_whatever_is_sent_is_a_refusal_or_a_picture(
    seed: bytes, edits: list[tuple[int, int, bytes]]
) -> None:
    """Bytes changed, added and left out, in several places."""
    data = seed
    for position, left_out, added in edits:
        at = position % len(data) if data else 0
        data = data[:at] + added + data[at + left_out :]
    try:
        result = prepare_avatar(data)
    except ValidationError:
        return
    assert max(opened(result).size) <= 512


def test_one_picture_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """An upload while another is decoded waits for a moment, and is then refused."""
    monkeypatch.setattr("accounts.pictures.avatars.TURN_SECONDS", 0.01)
    with _take_turn(), pytest.raises(Busy):
        prepare_avatar(picture("JPEG"))
    assert prepare_avatar(picture("JPEG"))


def test_file_size_is_bounded() -> None:
    """Five megabytes and no more."""
    padding = b"\x00" * (MAX_FILE_BYTES - len(picture("JPEG")))
    assert prepare_avatar(picture("JPEG") + padding)
    with pytest.raises(ValidationError, match="5 MB"):
        prepare_avatar(picture("JPEG") + padding + b"\x00")
