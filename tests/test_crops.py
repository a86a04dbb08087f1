"""Crops of images whose every pixel is known, and what is refused before anything is cut."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from nbhelpers.datasets.crops import Crop, clip, cut, image_size, read_crops
from nbhelpers.datasets.selection import MOST, choose, resolve
from nbhelpers.datasets.telling import Notes


def numbered(width: int, height: int) -> np.ndarray:
    """Red tells the column, green the row."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0], image[..., 1] = np.arange(width), np.arange(height)[:, None]
    return image


def encoded(pixels: np.ndarray, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


# Cutting -------------------------------------------------------------------------------------------------------------


def test_a_square_has_the_middle_of_the_box_and_a_tenth_more():
    """A box of 100 x 60 around (120, 110) gives a square of 110 from (65, 55)."""
    crop = cut(numbered(250, 200), (70, 80, 170, 140), 110)
    assert crop.shape == (3, 110, 110) and crop.dtype == np.uint8
    assert crop[0, 0].tolist() == list(range(65, 175)) and crop[1, :, 0].tolist() == list(range(55, 165))
    assert (crop[0] == crop[0, 0]).all() and (crop[1] == crop[1, :, :1]).all()


@pytest.mark.parametrize(
    ("box", "left", "top"), [((0, 0, 100, 60), 0, 0), ((150, 140, 250, 200), 140, 90)], ids=["low", "high"]
)
def test_a_square_is_moved_inside(box, left, top):
    crop = cut(numbered(250, 200), box, 110)
    assert crop[0, 0].tolist() == list(range(left, left + 110))
    assert crop[1, :, 0].tolist() == list(range(top, top + 110))


def test_where_the_image_is_too_narrow_its_edge_is_repeated():
    """The square takes 110 rows, the image has 80: all of them, and the edges' 30, those below first."""
    crop = cut(numbered(250, 80), (70, 10, 170, 80), 110)
    assert crop[0, 0].tolist() == list(range(65, 175))
    assert crop[1, :, 0].tolist() == [0] * 10 + list(range(80)) + [79] * 20


def test_without_a_box_the_middle_is_taken():
    assert cut(numbered(90, 30), None, 30)[0, 0].tolist() == list(range(30, 60))
    assert cut(numbered(30, 91), None, 30)[1, :, 0].tolist() == list(range(30, 60))


def test_resizing_averages():
    board = np.zeros((64, 64, 3), np.uint8)
    board[::2, ::2] = board[1::2, 1::2] = 255
    assert np.abs(cut(board, None, 8).astype(int) - 127.5).max() < 3, "no alias of the chequered board is seen"
    assert cut(board, None, 128).shape == (3, 128, 128)


def test_the_image_stays_untouched():
    image = numbered(50, 40)
    image.flags.writeable = False
    cut(image, (0, 0, 50, 40), 20)
    assert (image == numbered(50, 40)).all()


# Boxes ---------------------------------------------------------------------------------------------------------------


def test_what_sticks_out_of_a_box_is_cut_off():
    assert clip((-10, -20, 60, 500), (100, 80), "box", Notes()) == (0, 0, 50, 80)
    assert clip((10.5, 20, 50, 50), (100, 80), "box", Notes()) == (10.5, 20, 60.5, 70)


OUTSIDE, NO_BOX = "boxes outside their image", "boxes that are not x, y, width and height"
TINY = "boxes with fewer than 48 pixels a side in their image"


@pytest.mark.parametrize(
    ("box", "what"),
    [
        *((box, OUTSIDE) for box in ((100, 0, 50, 50), (-50, 0, 50, 50), (0, 80, 50, 50), (0, -60, 50, 50))),
        *((box, NO_BOX) for box in ((0, 0, -1, 5), (0, 0, 5, -1), (float("nan"), 0, 5, 5), (0, 0, float("inf"), 5))),
        *((box, NO_BOX) for box in ((0, 0, 50), (0, 0, 50, 50, 50), (), ("a", "b", "c", "d"), (0, 0, 50, None))),
        ((9.98, 18.5, 5.54, 0.0), TINY),  # annotation 2206849 of COCO
        ((0, 70, 100, 60), TINY),  # 10 rows of 60 are inside
        ((0, 0, 47.9, 300), TINY),
    ],
)
def test_a_box_that_cannot_be_cut_out_is_noted(box, what):
    told = Notes()
    assert clip(box, (100, 80), "box 7", told) is None
    assert dict(told.left_out) == {f"{what} are left out": [f"box 7: {list(box)} in 100x80"]}


def test_a_box_that_is_just_large_enough_is_cut_out():
    assert clip((0, 0, 48, 48), (100, 80), "box", told := Notes()) == (0, 0, 48, 48) and not str(told)


# Reading -------------------------------------------------------------------------------------------------------------


def test_an_image_with_several_boxes_is_read_once():
    asked = []

    def read(file):
        asked.append(file)
        return encoded(numbered(200, 200))

    boxes = [(0, 0, 50, 50), (100, 100, 150, 150)]
    crops = [Crop("a", 0, 1, boxes[0]), Crop("b", 1, 2, boxes[0]), Crop("a", 1, 3, boxes[1])]
    images = read_crops(crops, read, ("cat", "dog"), "train", 55, Notes())
    assert asked == ["a", "b"] and images.labels.tolist() == [0, 1, 1]
    assert [image[0, 0, 0] for image in images.images] == [0, 0, 97], "the order is the one asked for"


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP", "JPEG"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_formats(kind, mode):
    buffer = io.BytesIO()
    Image.new(mode, (20, 20), 90 if mode == "L" else (90, 90, 90)).save(buffer, kind)
    images = read_crops([Crop("x", 0, "x")], lambda _: buffer.getvalue(), ("grey",), "train", 8, Notes())
    assert np.abs(images.images.astype(int) - 90).max() <= 1


def test_a_photograph_is_turned_as_its_camera_says_unless_it_has_a_box():
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    content = encoded(numbered(40, 40), exif=exif.tobytes())
    upright = read_crops([Crop("x", 0, 1)], lambda _: content, ("a",), "train", 40, Notes()).images[0]
    boxed = read_crops([Crop("x", 0, 1, (0, 0, 40, 36))], lambda _: content, ("a",), "train", 44, Notes()).images[0]
    assert upright[:2, 0, 0].tolist() == [39, 39] and boxed[:2, 0, 0].tolist() == [0, 0]


def test_a_box_of_another_image_is_refused():
    crop = Crop("x.png", 0, 5, (0, 0, 50, 50), (300, 200))
    with pytest.raises(OSError, match=r"x.png.*60x70.*300x200.*5"):
        read_crops([crop], lambda _: encoded(numbered(60, 70)), ("a",), "train", 32, Notes())


def claims_to_be(width: int, height: int) -> bytes:
    """A small PNG whose header promises more pixels."""
    header = b"IHDR" + struct.pack(">II5B", width, height, 8, 2, 0, 0, 0)
    png = encoded(numbered(8, 8))
    return png[:12] + header + zlib.crc32(header).to_bytes(4, "big") + png[33:]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no image", "none of JPEG, PNG"),
        (encoded(numbered(60, 60), "JPEG")[:-40], "truncated"),
        (encoded(numbered(60, 60), "GIF"), "none of JPEG, PNG"),
        (claims_to_be(9000, 6000), "9000x6000.* 50 million"),
        (claims_to_be(60000, 60000), "bomb"),
        (encoded(np.zeros((9, 9), np.uint16)), " 8 bits"),
    ],
    ids=["text", "cut", "other format", "large", "bomb", "16 bits"],
)
def test_what_is_no_usable_image_is_named(content, reason):
    with pytest.raises(OSError, match=f"x.png.*{reason}"):
        read_crops([Crop("x.png", 0, 1)], lambda _: content, ("a",), "train", 32, Notes())


def test_the_size_is_read_from_the_header():
    assert image_size(claims_to_be(9000, 4000), "x.png") == (9000, 4000)
    with pytest.raises(OSError, match=r"x.png.*9000x6000"):
        image_size(claims_to_be(9000, 6000), "x.png")


# Choosing ------------------------------------------------------------------------------------------------------------

PETS = [Crop(f"{key}.jpg", label, key) for label in (0, 1) for key in range(label * 1000, label * 1000 + 20)]


def test_a_choice_is_by_lot_but_always_the_same():
    few = choose(PETS, ("cat", "dog"), "train", 5, Notes())
    assert [crop.label for crop in few] == [0] * 5 + [1] * 5
    assert [crop.key for crop in few[:5]] == [8, 9, 10, 13, 17], "known on every machine"
    assert choose(PETS[::-1], ("cat", "dog"), "held_out", 5, Notes()) == few, "whatever the order of the files"
    assert set(few) < set(choose(PETS, ("cat", "dog"), "train", 6, Notes())), "a larger choice holds it"


def test_without_a_number_there_is_a_limit():
    many = [Crop("x", 0, key) for key in range(600)]
    for split, most in MOST.items():
        assert len(choose(many, ("cat",), split, None, Notes())) == most
    assert len(choose(PETS, ("cat", "dog"), "train", None, Notes())) == 40


def test_what_is_beyond_the_limit_is_noted():
    choose([Crop("x", 0, key) for key in range(600)], ("cat",), "held_out", None, told := Notes())
    choose([Crop("x", 0, key) for key in range(600)], ("cat",), "held_out", 9, told)
    assert told.counts() == {"images beyond 50 of a category are left out (see per_category)": 550}


def test_others_take_the_places_of_those_that_cannot_be_read():
    def usable(crops):
        return [crop for crop in crops if crop.key not in (8, 9)]

    few = choose(PETS, ("cat", "dog"), "train", 5, Notes(), usable=usable)
    more = choose(PETS, ("cat", "dog"), "train", 7, Notes())
    assert [crop for crop in few if not crop.label] == usable([crop for crop in more if not crop.label])
    with pytest.raises(ValueError, match=r"1 \.\.\. 18 \(as 'cat' has\), got 19"):
        choose(PETS, ("cat", "dog"), "train", 19, Notes(), usable=usable)


def test_too_few_are_refused():
    with pytest.raises(ValueError, match=r"2.*'train'.*cat 20, dog 1"):
        choose(PETS[:21], ("cat", "dog"), "train", None, Notes())
    with pytest.raises(ValueError, match=r"per_category.* 18 .*'dog'.*19"):
        choose(PETS[:38], ("cat", "dog"), "train", 19, Notes())
    for wrong in (0, 2.5):
        with pytest.raises(ValueError, match=f"per_category.*{wrong}"):
            choose(PETS, ("cat", "dog"), "train", wrong, Notes())


def test_names_are_found_whatever_their_case():
    known = {1: ("001", "Cat"), 2: ("cat",), 3: ("dog",)}
    assert resolve([" DOG", "cat", "001"], known) == [3, 2, 1]
    with pytest.raises(ValueError, match=r"'CAT'.*Cat, cat"):
        resolve(["CAT"], known)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (["bird"], "'bird'.*cat, dog"),
        (["dog", "Dog"], "'Dog'.*twice"),
        ([], r"categories .*\[\]"),
        ("dog", "categories .*'dog'"),
    ],
)
def test_unclear_names_are_refused(wanted, message):
    with pytest.raises(ValueError, match=message):
        resolve(wanted, {1: ("cat",), 2: ("dog",)})


def test_among_many_names_the_closest_are_told():
    known = {number: (f"thing {number}",) for number in range(30)} | {99: ("Toaster", "n99")}
    with pytest.raises(ValueError, match=r"'toster'; closest of the 31 are Toaster \(n99\)$"):
        resolve(["toster"], known)
    with pytest.raises(ValueError, match=r"'qqq'; first of the 31 are thing 0, thing 1, thing 2, thing 3, thing 4$"):
        resolve(["qqq"], known)
