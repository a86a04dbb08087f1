"""`nbhelpers look` from the shell: which network, which images, what is refused before any work."""

import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from nbhelpers.experiments import cli
from nbhelpers.networks.network import Network
from nbhelpers.report.photographs import photographs
from nbhelpers.report.source import load_model

COLOURS = {"blue": (40, 50, 190), "green": (30, 180, 40), "red": (200, 30, 30)}
PAINTER = '''
"""A network that tells colours."""
import torch
from torch import nn
from nbhelpers.networks.network import Network

def painter(order=(0, 1, 2)):
    body = nn.Sequential(nn.Conv2d(3, 6, 1), nn.ReLU(), nn.AvgPool2d(8), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    body.append(nn.Linear(6, 3))
    opponent = torch.tensor([[-1.0, -1, 2], [-1, 2, -1], [2, -1, -1]])
    with torch.no_grad():
        body[0].weight.copy_(torch.cat([opponent, -opponent])[..., None, None])
        body[0].bias.zero_()
        body[5].weight.copy_(20 * torch.cat([torch.eye(3), -torch.eye(3)], dim=1)[list(order)])
        body[5].bias.zero_()
    return Network(body, {"first": "1", "pooled": "2"}, head="5", mean=(0.45,) * 3, std=(1.0,) * 3)

def turned():
    return painter((1, 2, 0))

def module():
    return nn.Linear(2, 2)

def nothing():
    return 7

def broken():
    raise RuntimeError("no luck")
'''


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with images in folders, a file of networks, and other things."""
    rng = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        for i in range(10):
            pixels = rng.integers(90, 140, (40, 32, 3))
            pixels[12:28, 8:24] = colour
            (tmp_path / "photos" / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.clip(pixels + rng.integers(-30, 30, pixels.shape), 0, 255).astype(np.uint8)).save(
                tmp_path / "photos" / name / f"{i}.png"
            )
    (tmp_path / "mine.py").write_text(PAINTER)
    (tmp_path / "text").write_text("text")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "diary.txt").write_text("mine")
    (tmp_path / "one" / "cat").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "one" / "cat" / "1.png")
    for split in ("train", "val"):
        (tmp_path / "split" / split / "cat").mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "split" / split / "cat" / "1.png")
    torch.save({"weight": torch.ones(2), "code": print}, tmp_path / "pickled.pth")
    (tmp_path / "outputs.csv").write_text("red,0\nblue,2\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def status(arguments):
    try:
        return cli.main(arguments.split())
    except SystemExit as ended:
        return ended.code


REFUSED = [
    ("", "required: --model, --images, --out"),
    ("--model mine.py:painter --images photos", "required: --out"),
    ("--model resnet50 --images photos --out new", "timm:NAME, FILE.py:FUNCTION or bundled.*resnet50"),
    ("--model torchvision:resnet5 --images photos --out new", "no classifier 'resnet5'; alike are resnet"),
    ("--model torchvision: --images photos --out new", "FILE.py:FUNCTION"),
    ("--model timm:resnet5o --images photos --out new", "no network 'resnet5o'|timm is not installed"),
    ("--model none.py:painter --images photos --out new", "no file none.py"),
    ("--model mine.py:missing --images photos --out new", "no function 'missing'; it has .*painter"),
    ("--model mine.py:nothing --images photos --out new", "must give a torch module, and gave a int"),
    ("--model mine.py:broken --images photos --out new", "mine.py:broken raised RuntimeError: no luck"),
    ("--model mine.py:painter --images missing --out new", "--images missing is no folder"),
    ("--model mine.py:painter --images text --out new", "--images text is no folder"),
    ("--model mine.py:painter --images one --out new", "at least two folders of images, and has 'cat'"),
    ("--model mine.py:painter --images split --out new", "holds train and val: name one"),
    ("--model mine.py:painter --images photos --out text", "--out text is a file"),
    ("--model mine.py:painter --images photos --out full", "--out full holds something else than a report"),
    ("--model mine.py:painter --images photos --out photos/new", "lies in the folder of images"),
    ("--model mine.py:painter --images photos --out new --limit 0", "--limit: must be a whole number"),
    ("--model mine.py:painter --images photos --out new --limit 19", "at least 20 images, got 19"),
    ("--model mine.py:painter --images photos --out new --side 7", "--side: must be a whole number from 8"),
    ("--model mine.py:painter --images photos --out new --grid 1", "--grid: must be regions a side"),
    ("--model mine.py:painter --images photos --out new --grid 4x", "--grid: must be regions a side"),
    ("--model mine.py:painter --images photos --out new --grid 64", "64"),
    ("--model mine.py:painter --images photos --out new --layers third", "third.*this network has first"),
    ("--model mine.py:painter --images photos --out new --outputs missing.csv", "missing.csv"),
    ("--model mine.py:painter --images photos --out new --outputs outputs.csv", "no line for the folder 'green'"),
    ("--model mine.py:painter --images photos --out new --mean .5 .5 .5", "--mean and --std belong together"),
    ("--model mine.py:painter --images photos --out new --mean a .5 .5 --std 1 1 1", "must be a number, got 'a'"),
    ("--model mine.py:painter --images photos --out new --weights missing.pth", "no file of weights at missing.pth"),
    ("--model mine.py:painter --images photos --out new --weights pickled.pth", "no file of tensors alone.*run code"),
    ("--model mine.py:turned --images photos --out new", "0 % of the images right, and 100 % if its outputs are"),
    ("--model bundled --images photos --out new", "'blue'.*folder,output"),
    ("--model bundled --images photos --out new --weights x.pth", "brings its own weights"),
]


@pytest.mark.parametrize(("given", "said"), REFUSED)
def test_a_report_that_cannot_be_is_one_line_and_no_page(given, said, place, capsys):
    assert status(f"look {given}") == 2
    told = capsys.readouterr().err
    assert re.search(said, told) and "Traceback" not in told
    assert not list(place.rglob("index.html"))


@pytest.mark.slow
def test_a_report_from_the_shell_and_once_more(place, capsys):
    line = "look --model mine.py:painter --images photos --out report --side 32 --grid 4 --limit 24"
    assert status(line) == 0
    told = capsys.readouterr()
    assert told.out == "wrote report/index.html\n" and re.search(
        r"this takes about [\d.]+ minutes .recording", told.err
    )
    page = (place / "report" / "index.html").read_text(encoding="utf-8")
    assert "in the order of the alphabet" in page and "images beyond the limit are left out: 6" in page
    assert status(line) == 0  # over itself
    assert status("look --model mine.py:turned --images photos --out other --outputs turned.csv") == 2
    (place / "turned.csv").write_text("red,1\ngreen,0\nblue,2\n")
    assert status("look --model mine.py:turned --images photos --out other --side 32 --outputs turned.csv") == 0
    assert "100.0 %" in (place / "other" / "index.html").read_text(encoding="utf-8")


def test_the_help_says_that_a_file_of_python_is_run(capsys):
    assert status("look --help") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "THAT WILL BE RUN" in told and "nothing pickled is loaded" in told


def test_nothing_pickled_is_loaded_as_a_model(place):
    with pytest.raises(ValueError, match="a model is"):
        load_model("pickled.pth")
    with pytest.raises(ValueError, match="a model is"):
        load_model("pickled.pth:build")


def test_a_file_of_python_finds_what_lies_beside_it(place):
    (place / "beside.py").write_text("from mine import painter\n")
    before = list(sys.path)
    assert isinstance(load_model("beside.py:painter"), Network)
    assert sys.path == before


# The images


def test_all_images_of_a_folder_are_read_without_a_split(place):
    images, files, left_out = photographs(place / "photos", 32)
    assert images.categories == ("blue", "green", "red") and np.bincount(images.labels).tolist() == [10, 10, 10]
    assert files[0] == "blue/0.png" and left_out == "" and images.images[0].shape == (3, 32, 32)
    pixels = np.asarray(Image.open(place / "photos" / "green" / "3.png"))[4:36].transpose(2, 0, 1)
    assert np.array_equal(images.images[files.index("green/3.png")], pixels)


def test_a_limit_takes_turns_and_is_told(place):
    images, files, left_out = photographs(place / "photos", 32, limit=7)
    assert sorted(np.bincount(images.labels).tolist()) == [2, 2, 3] and "are left out: 23" in left_out
    larger = photographs(place / "photos", 32, limit=12)[1]
    assert set(files) <= set(larger)


def test_damaged_images_are_left_out_and_told(place):
    (place / "photos" / "green" / "3.png").write_bytes(b"")
    images, files, left_out = photographs(place / "photos", 32)
    assert len(images) == 29 and "green/3.png" not in files and "cannot be read are left out: 1" in left_out


def test_a_folder_of_damaged_images_is_no_category(place):
    for path in (place / "photos" / "green").iterdir():
        path.write_bytes(b"")
    images, _, left_out = photographs(place / "photos", 32)
    assert images.categories == ("blue", "red") and set(images.labels) == {0, 1} and "green" in left_out


@pytest.mark.slow
def test_a_killed_report_goes_on(place):
    line = [sys.executable, "-m", "nbhelpers", *"look --model mine.py:painter --images photos --out report".split()]
    process = subprocess.Popen([*line, "--side", "32"], stderr=subprocess.PIPE, text=True)
    for said in process.stderr:
        if "this takes" in said:
            break
    while not list((place / "report").glob("work/*.safetensors")):
        assert process.poll() is None
    process.kill()
    process.wait()
    process.stderr.close()
    kept = {path: path.stat().st_mtime_ns for path in (place / "report" / "work").glob("*.safetensors")}
    assert subprocess.run([*line, "--side", "32"], capture_output=True, text=True).stdout == "wrote report/index.html\n"
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
