"""Cut the dozen bundled photographs out of those that scikit-image, scikit-learn and matplotlib bring.

    python data/build_photographs.py

needs scikit-image 0.26.0; scikit-learn and matplotlib are there with the book. Run once by the maintainers.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import matplotlib
import skimage
import sklearn
from build_scenes_data import HERE, register
from PIL import Image

from nbhelpers.files import replace_file

SIDE = 224
SKIMAGE = Path(skimage.__file__).parent / "data"
SKLEARN = Path(sklearn.__file__).parent / "datasets" / "images"
MATPLOTLIB = Path(matplotlib.get_data_path()) / "sample_data"
PALACE = ("CC-BY-2.0 (danielbuechele)", "https://www.flickr.com/photos/danielbuechele/6061409035/")
DAHLIA = ("CC-BY-2.0 (vultilion)", "https://www.flickr.com/photos/vultilion/6056698931/")
COLLINS = ("public domain (NASA)", "https://flic.kr/p/r9qvLn")
HOPPER = ("public domain (James S. Davis, U.S. Navy)", "https://commons.wikimedia.org/wiki/Grace_Hopper")
LAUNCH = ("public domain (SpaceX)", "https://www.flickr.com/photos/spacexphotos/16511594820/")
SCIKIT_IMAGE = "https://github.com/scikit-image/scikit-image"


class Crop(NamedTuple):
    """A square of a photograph: its left, upper, right and lower edge, as of ``Image.crop``."""

    file: Path
    box: tuple[int, int, int, int]
    licence: str
    source: str


CROPS = {
    "astronaut": Crop(SKIMAGE / "astronaut.png", (0, 0, 512, 512), *COLLINS),
    "brick": Crop(SKIMAGE / "brick.png", (0, 0, 512, 512), "CC0-1.0 (CC0Textures, Bricks25)", SCIKIT_IMAGE),
    "cameraman": Crop(SKIMAGE / "camera.png", (0, 0, 512, 512), "CC0-1.0 (Lav Varshney)", SCIKIT_IMAGE),
    "cat": Crop(SKIMAGE / "chelsea.png", (70, 0, 370, 300), "CC0-1.0 (Stefan van der Walt)", SCIKIT_IMAGE),
    "clock": Crop(SKIMAGE / "clock_motion.png", (50, 0, 350, 300), "public domain (Stefan van der Walt)", SCIKIT_IMAGE),
    "coffee": Crop(SKIMAGE / "coffee.png", (150, 0, 550, 400), "CC0-1.0 (Rachel Michetti)", SCIKIT_IMAGE),
    "dahlia": Crop(SKLEARN / "flower.jpg", (130, 0, 557, 427), *DAHLIA),
    "lake": Crop(SKLEARN / "china.jpg", (340, 127, 640, 427), *PALACE),
    "officer": Crop(MATPLOTLIB / "grace_hopper.jpg", (0, 40, 512, 552), *HOPPER),
    "palace": Crop(SKLEARN / "china.jpg", (60, 0, 487, 427), *PALACE),
    "rocket": Crop(SKIMAGE / "rocket.jpg", (106, 0, 533, 427), *LAUNCH),
    "shuttle": Crop(SKIMAGE / "astronaut.png", (290, 0, 512, 222), *COLLINS),
}


def main() -> None:
    (HERE / "photographs").mkdir(exist_ok=True)
    for name, crop in CROPS.items():
        square = Image.open(crop.file).convert("RGB").crop(crop.box).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        path = HERE / "photographs" / f"{name}.jpg"
        replace_file(path, lambda part, square=square: square.save(part, "JPEG", quality=95, subsampling=0))
    register(
        {f"photographs/{name}.jpg": {"licence": crop.licence, "source": crop.source} for name, crop in CROPS.items()}
    )


if __name__ == "__main__":
    main()
