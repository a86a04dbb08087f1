"""Single images in a folder: what becomes of their pixels, and what is said of those that cannot be read."""

import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from growing import encoded, grow, told
from PIL import Image

PNG = encoded(Image.new("RGB", (20, 10), (200, 9, 9)))
FRAMES = [Image.new("RGB", (20, 10), (red, 9, 9)) for red in (50, 100)]


def said_of(root: Path, content: bytes, suffix: str = "png") -> tuple[list[int], list[str]]:
    """The pixel in the middle of an image of this content, and what was said."""
    images, lines = told(grow(root, {f"train/cat/a.{suffix}": content, "val/cat": 1}), "train")
    return images.images[0, :, 4, 4].tolist(), lines


def palette() -> bytes:
    image = Image.new("P", (20, 10), 1)
    image.putpalette([255, 0, 0, 0, 255, 0] + [0] * 762)
    return encoded(image, transparency=bytes([255, 0]))


@pytest.mark.parametrize(
    ("content", "pixel", "said"),
    [
        (encoded(Image.new("RGBA", (20, 10), (10, 20, 30, 0))), [255] * 3, True),
        (encoded(Image.new("RGBA", (20, 10), (0, 0, 0, 102))), [153] * 3, True),
        (encoded(Image.new("RGBA", (20, 10), (10, 20, 30, 255))), [10, 20, 30], False),
        (encoded(Image.new("LA", (20, 10), (10, 0))), [255] * 3, True),
        (encoded(Image.new("RGB", (20, 10), (1, 2, 3)), transparency=(1, 2, 3)), [255] * 3, True),
        (palette(), [255] * 3, True),
    ],
    ids=["all", "partly", "opaque", "grey", "one colour", "palette"],
)
def test_what_is_transparent_is_put_on_white(tmp_path: Path, content: bytes, pixel: list[int], said: bool) -> None:
    colour, lines = said_of(tmp_path, content)
    assert colour == pixel
    assert [re.sub(r"/.*/", "", line) for line in lines] == [
        "transparent images are put on white: 1, such as a.png"
    ] * said


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_the_first_of_several_frames_is_read(tmp_path: Path, kind: str) -> None:
    content = encoded(FRAMES[0], kind, save_all=True, append_images=FRAMES[1:])
    (red, _, _), (line,) = said_of(tmp_path, content)
    assert abs(red - 50) < 3 and re.search(r"several frames the first is read: 1, such as .*/a.png$", line)


def test_a_preview_in_a_photograph_is_no_frame(tmp_path: Path) -> None:
    content = encoded(FRAMES[0], "MPO", save_all=True, append_images=FRAMES[1:])
    (red, _, _), lines = said_of(tmp_path, content, "jpg")
    assert abs(red - 50) < 3 and lines == []


def claims_to_be(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">II5B", width, height, 8, 2, 0, 0, 0)
    return PNG[:12] + header + zlib.crc32(header).to_bytes(4, "big") + PNG[33:]


BROKEN: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "it is empty"),
    "text": (b"hello", "its content is none of JPEG, PNG, BMP, WEBP, TIFF"),
    "GIF": (encoded(Image.new("P", (9, 9)), "GIF"), "its content is none of JPEG"),
    "cut": (encoded(Image.effect_noise((40, 40), 50), "PNG")[:-300], "truncated"),
    "16 bits": (encoded(Image.fromarray(np.zeros((9, 9), np.uint16))), "more than 8 bits"),
    "large": (claims_to_be(9000, 9000), "it is 9000x9000 pixels, more than 50 million"),
    "giant": (claims_to_be(2**30, 2**30), "exceeds limit|bomb"),
}


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("case", BROKEN)
def test_an_image_that_cannot_be_read_is_left_out_and_told(tmp_path: Path, case: str, lazy: bool) -> None:
    content, said = BROKEN[case]
    root = grow(tmp_path, {"train/cat": 3, "train/cat/a\x1b[2J\n.png": content, "val/cat": 1})
    images, (line,) = told(root, "train", lazy=lazy)
    what, _, example = line.partition(": ")
    assert re.fullmatch(rf"1, such as .*/train/cat/a\\x1b\[2J\\n.png is not a usable image: .*({said}).*", example)
    assert line.isprintable() and "object at" not in line
    assert images.left_out == {what: 1} and "cannot be read are left out" in what
    assert sorted(images.images[:][:, 0, 4, 4]) == [0, 1, 2]


@pytest.mark.parametrize("case", BROKEN)
def test_where_no_image_can_be_read_one_is_named(tmp_path: Path, case: str) -> None:
    content, said = BROKEN[case]
    root = grow(tmp_path, {"train/cat/a\x1b[2J\n.png": content, "val/cat": 1})
    with pytest.raises(ValueError, match=rf"'train' has: cat 0; .* 1, such as .*/a\\x1b\[2J\\n.png is .*({said})"):
        told(root, "train")
