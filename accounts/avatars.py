"""Pictures of users: untrusted bytes in, small clean WebP files out."""

import io
import secrets
import struct
import zlib
from pathlib import PurePosixPath

from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image, ImageFile, ImageOps
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

MAX_FILE_BYTES = 5 * 1024 * 1024
MAX_SIDE_PIXELS = 8192
# 48 MiB once decoded, which is what one upload may take.
MAX_PIXELS = 16 * 1024 * 1024
AVATAR_SIDE_PIXELS = 512
WEBP_QUALITY = 85
DIRECTORY = "avatars"
NAME_BYTES = 16

# Image.open() would try every format it knows, and warns of a large picture before we can look.
FORMATS: tuple[tuple[bytes, type[ImageFile.ImageFile]], ...] = (
    (b"\xff\xd8\xff", JpegImageFile),
    (b"\x89PNG\r\n\x1a\n", PngImageFile),
    (b"RIFF", WebPImageFile),
)
# Each scan of a progressive JPEG goes over the whole picture: 16 megapixels take 10 ms, and a scan
# may be 60 bytes long. Cameras make about ten.
JPEG_SCAN = b"\xff\xda"
MAX_JPEG_SCANS = 100
PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
RIFF_HEADER_BYTES = 8

# What Pillow raises for a damaged file; its documentation promises only some of them.
DECODING_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    ArithmeticError,
    LookupError,
    EOFError,
    AttributeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


def prepare_avatar(data: bytes) -> bytes:
    """Return the picture upright, at most 512 pixels a side, as WebP without metadata.

    Raises: ValidationError if it isn't a whole JPEG, PNG or WebP with one frame, or is too large.
    """
    if len(data) > MAX_FILE_BYTES:
        raise _refusal(f"Choose a file of at most {MAX_FILE_BYTES // 1024 // 1024} MB.")
    try:
        with _open_image(data) as image:
            return _encode(image)
    except DECODING_ERRORS as error:
        raise _refusal("The picture is damaged. Choose another file.") from error


def store_avatar(content: bytes) -> str:
    """Write a prepared picture and return its name, as in `avatars/1f0c….webp`."""
    name = f"{DIRECTORY}/{secrets.token_hex(NAME_BYTES)}.webp"
    return default_storage.save(name, ContentFile(content))


def avatar_name(url: str) -> str | None:
    """Return the name of the file behind an avatar_url; None if it is not one of ours."""
    name = f"{DIRECTORY}/{PurePosixPath(url).name}"
    return name if url and default_storage.url(name) == url else None


def remove_avatar(name: str) -> None:
    """Delete a file that no row refers to any more."""
    default_storage.delete(name)


def _open_image(data: bytes) -> ImageFile.ImageFile:
    opener = next((kind for start, kind in FORMATS if data.startswith(start)), None)
    if opener is None:
        raise _refusal("Choose a JPEG, PNG or WebP picture.")
    if _ends_otherwise(data, opener):
        raise _refusal("The picture is not whole, or not alone in its file. Save it anew.")
    if opener is JpegImageFile and data.count(JPEG_SCAN) > MAX_JPEG_SCANS:
        raise _refusal("The picture has too many layers. Save it anew.")
    image = opener(io.BytesIO(data))
    # All of this is in the header; nothing has been decoded yet.
    width, height = image.size
    if max(width, height) > MAX_SIDE_PIXELS or width * height > MAX_PIXELS:
        raise _refusal(
            f"Choose a picture of at most {MAX_PIXELS // 1024 // 1024} megapixels "
            f"and {MAX_SIDE_PIXELS} pixels a side; this one has {width} x {height}."
        )
    if getattr(image, "n_frames", 1) > 1:
        raise _refusal("Choose a picture that doesn't move.")
    return image


def _ends_otherwise(data: bytes, kind: type[ImageFile.ImageFile]) -> bool:
    if kind is PngImageFile:
        return not data.endswith(PNG_END)
    if kind is WebPImageFile:
        declared = int.from_bytes(data[4:RIFF_HEADER_BYTES], "little")
        return len(data) > declared + RIFF_HEADER_BYTES
    # Phones do put more behind a JPEG: a second picture, a few seconds of film. It is left behind
    # when the picture is encoded anew.
    return False


def _encode(image: ImageFile.ImageFile) -> bytes:
    size = (AVATAR_SIDE_PIXELS, AVATAR_SIDE_PIXELS)
    image.draft("RGB", size)  # a JPEG is decoded at a fraction of its size
    image.load()
    upright = ImageOps.exif_transpose(image)
    has_alpha = upright.has_transparency_data
    picture = upright.convert("RGBA" if has_alpha else "RGB")
    picture.thumbnail(size)
    picture.info = {}  # save() would write what it finds there
    output = io.BytesIO()
    picture.save(output, "WEBP", quality=WEBP_QUALITY)
    return output.getvalue()


def _refusal(message: str) -> ValidationError:
    return ValidationError({"file": ValidationError(message, code="invalid_image")})
