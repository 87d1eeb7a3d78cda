"""Pictures of users: untrusted bytes in, small clean WebP files out."""

import errno
import io
import logging
import secrets
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath
from typing import Final

from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image, ImageCms

from accounts.errors import Busy, StorageFull, StorageUnavailable, field_error
from accounts.pictures.files import DAMAGED, PictureError, PictureFile, read_picture_file

logger = logging.getLogger(__name__)

MAX_FILE_BYTES = 5 * 1024 * 1024
AVATAR_SIDE_PIXELS = 512
WEBP_QUALITY = 85
# The same size as by the default, 4, in half of the time.
WEBP_METHOD = 2
DIRECTORY = "avatars"
NAME_BYTES = 16
MAX_PROFILE_BYTES = 1024 * 1024
PLAIN_MODES = {"L", "RGB", "RGBA", "CMYK"}
DEEP_GREY = "I;16"
DEEP_TO_PLAIN = 1 / 256
# Lines that are copied at a time while a picture is made smaller.
STRIP_LINES = 64

TURN_SECONDS: Final = 2.0
"""How long an upload waits for those before it, each of which takes 0.3 s at most."""
_turn = threading.Lock()

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
UPRIGHT_BY = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
FULL_DISK = {errno.ENOSPC, errno.EDQUOT}


def prepare_avatar(data: bytes) -> bytes:
    """Return the picture upright, at most 512 pixels a side, as WebP in sRGB without metadata.

    One at a time in each process; see Note [What an upload may cost].

    Raises:
        ValidationError: it isn't a whole JPEG, PNG or WebP with one frame, or is too large.
        Busy: others are taking too long.
    """
    if len(data) > MAX_FILE_BYTES:
        raise _refusal(f"Choose a file of at most {MAX_FILE_BYTES // 1024 // 1024} MB.")
    with _take_turn():
        try:
            return _encode(read_picture_file(data))
        except PictureError as error:
            raise _refusal(str(error)) from error
        except DECODING_ERRORS as error:
            raise _refusal(DAMAGED) from error


def store_avatar(content: bytes) -> str:
    """Write a prepared picture and return its name, as in `avatars/1f0c….webp`.

    Raises: StorageFull, StorageUnavailable; nothing is left of the file then.
    """
    name = f"{DIRECTORY}/{secrets.token_hex(NAME_BYTES)}.webp"
    try:
        return default_storage.save(name, ContentFile(content))
    except OSError as error:
        logger.error("A picture can't be stored: %s", error)  # noqa: TRY400  # no traceback
        with suppress(OSError):  # where there is nothing to delete, or no leave to
            default_storage.delete(name)
        raise (StorageFull if error.errno in FULL_DISK else StorageUnavailable) from error


def avatar_name(url: str) -> str | None:
    """Return the name of the file behind an avatar_url; None if it is not one of ours."""
    name = f"{DIRECTORY}/{PurePosixPath(url).name}"
    return name if url and default_storage.url(name) == url else None


@contextmanager
def _take_turn() -> Iterator[None]:
    if not _turn.acquire(timeout=TURN_SECONDS):
        raise Busy
    try:
        yield
    finally:
        _turn.release()


def _encode(file: PictureFile) -> bytes:
    longest = max(file.width, file.height)
    with Image.open(io.BytesIO(file.data), formats=(file.kind,)) as image:
        # A JPEG is decoded at a fraction of its size.
        image.draft(
            None,
            (
                AVATAR_SIDE_PIXELS * file.width // longest or 1,
                AVATAR_SIDE_PIXELS * file.height // longest or 1,
            ),
        )
        image.load()
        profile = image.info.get("icc_profile")
        picture = _shrink(image)
    picture = _convert_to_srgb(picture, profile)
    if file.orientation in UPRIGHT_BY:
        picture = picture.transpose(UPRIGHT_BY[file.orientation])
    picture.info = {}  # save() would write what it finds there
    output = io.BytesIO()
    picture.save(output, "WEBP", quality=WEBP_QUALITY, method=WEBP_METHOD)
    return output.getvalue()


def _shrink(image: Image.Image) -> Image.Image:
    # By whole pixels first: half of what scaling by a fraction would take.
    factor = max(1, max(image.size) // (2 * AVATAR_SIDE_PIXELS))
    is_plain = image.mode in PLAIN_MODES and "transparency" not in image.info
    small = image.reduce(factor) if is_plain else _shrink_strips(image, factor)
    small.thumbnail((AVATAR_SIDE_PIXELS, AVATAR_SIDE_PIXELS))
    return small


def _shrink_strips(image: Image.Image, factor: int) -> Image.Image:
    # A copy in full colour of all of it might be too large.
    lines = STRIP_LINES * factor
    strips = [
        _simplify(image.crop((0, top, image.width, min(top + lines, image.height)))).reduce(factor)
        for top in range(0, image.height, lines)
    ]
    small = Image.new(strips[0].mode, (strips[0].width, sum(strip.height for strip in strips)))
    for index, strip in enumerate(strips):
        small.paste(strip, (0, index * STRIP_LINES))
    return small


def _simplify(image: Image.Image) -> Image.Image:
    if image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode == DEEP_GREY:  # convert() would make white of all but the darkest
        return image.point(lambda grey: grey * DEEP_TO_PLAIN).convert("L")
    return image.convert("L" if image.mode == "1" else "RGB")


def _convert_to_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    mode = "RGBA" if picture.mode == "RGBA" else "RGB"
    if profile and len(profile) <= MAX_PROFILE_BYTES:
        try:
            converted = ImageCms.profileToProfile(
                picture,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                outputMode=mode,
            )
        except (ImageCms.PyCMSError, OSError):  # damaged, or for other colours than these
            converted = None
        if converted is not None:
            return converted
    return picture.convert(mode)


def _refusal(message: str) -> ValidationError:
    return field_error("file", message, "invalid_image")
