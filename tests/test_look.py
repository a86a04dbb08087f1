"""`nbhelpers look`: what is found, what is said of it, the page, its numbers, and going on where it stopped."""

import csv
import re

import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from scipy.special import softmax
from torch import nn

from nbhelpers.experiments.study import Study
from nbhelpers.images import ImageSet
from nbhelpers.method.activations import Activations
from nbhelpers.method.samples import SampleProjection
from nbhelpers.networks.network import Network
from nbhelpers.report import look as looking
from nbhelpers.report.drill import RANKINGS, drill
from nbhelpers.report.findings import CHOSEN, FEW, KINDS, find
from nbhelpers.report.look import look
from nbhelpers.report.outputs import check_order, match_outputs
from nbhelpers.report.regions import choose_layers, common_grid
from nbhelpers.report.trust import explained, judge
from nbhelpers.report.words import of_accuracy, of_drill, of_lengths, of_projection, of_regions

NASTY = "<script>alert(1)</script>"
COLOURS = {"red": (200, 30, 30), NASTY: (30, 180, 40), "blue": (40, 50, 190)}


def colours(n, side=32, seed=0):
    """Images whose middle has the colour of their category, on noise."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % len(COLOURS)
    images = rng.integers(90, 140, (n, 3, side, side))
    for image, label in zip(images, labels, strict=True):
        image[:, side // 4 : -side // 4, side // 4 : -side // 4] = np.array([*COLOURS.values()])[label, :, None, None]
        image += rng.integers(-30, 30, image.shape)
    return ImageSet(np.clip(images, 0, 255).astype(np.uint8), labels, tuple(COLOURS), "held_out")


def painter():
    """A network that tells colours, layer by layer, with no training."""
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 6, 1), nn.ReLU(), nn.AvgPool2d(8), nn.Conv2d(6, 6, 1), nn.ReLU())
    body.append(nn.AdaptiveAvgPool2d(1)).append(nn.Flatten()).append(nn.Linear(6, 3))
    opponent = torch.tensor([[2.0, -1, -1], [-1, 2, -1], [-1, -1, 2]])
    with torch.no_grad():
        body[0].weight.copy_(torch.cat([opponent, -opponent])[..., None, None])
        body[0].bias.zero_()
        body[3].weight.copy_(torch.eye(6)[..., None, None])
        body[3].bias.zero_()
        body[7].weight.copy_(20 * torch.cat([torch.eye(3), -torch.eye(3)], dim=1))
        body[7].bias.zero_()
    return Network(body, {"first": "1", "pooled": "2", "second": "4"}, head="7", mean=(0.45,) * 3, std=(1.0,) * 3)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A report on colours, of which two have the wrong label."""
    images = colours(60)
    labels = images.labels.copy()
    labels[[7, 20]] = (labels[[7, 20]] + 1) % 3
    wrong = ImageSet(images.images, labels, images.categories, "held_out")
    folder = tmp_path_factory.mktemp("report") / "out"
    names = [f"{i}{NASTY}.png" for i in range(60)]
    page = look(painter(), wrong, folder, files=names, title=f"Colours {NASTY}", notes=["A note."])
    return page, wrong


def rows(folder, name):
    with open(folder / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# The page and its numbers


@pytest.mark.slow
def test_the_wrong_labels_are_the_first_suspects(written):
    page, wrong = written
    ranked = {row["suspect rank"]: row for row in rows(page.parent, "images.csv")}
    assert {ranked[rank]["file"] for rank in "12"} == {f"{i}{NASTY}.png" for i in (7, 20)}
    assert ranked["1"]["folder"] == wrong.categories[wrong.labels[int(re.match(r"\d+", ranked["1"]["file"])[0])]]
    shown = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser").select("#suspects .gallery li strong")
    assert shown[0].text.startswith("1. folder ")


@pytest.mark.slow
def test_numbers_are_those_of_the_network(written):
    page, wrong = written
    network = painter().eval()
    with torch.no_grad():
        p = softmax(network(torch.from_numpy(wrong.images).float() / 255).double().numpy(), axis=1)
    stated = rows(page.parent, "images.csv")
    np.testing.assert_allclose([float(row["p of folder"]) for row in stated], p[np.arange(60), wrong.labels], atol=1e-5)
    assert [row["network says"] for row in stated] == [wrong.categories[c] for c in p.argmax(axis=1)]
    counts = np.array([[int(row[name]) for name in wrong.categories] for row in rows(page.parent, "confusion.csv")])
    assert counts.sum() == 60 and np.array_equal(counts.sum(axis=1), np.bincount(wrong.labels))
    angles = np.array([[float(row[name]) for name in wrong.categories] for row in rows(page.parent, "angles.csv")])
    np.testing.assert_allclose(angles, angles.T, atol=1e-4)  # degrees, in single precision


@pytest.mark.slow
def test_regions_that_matter_are_those_in_the_middle(written):
    page, _ = written
    regions = rows(page.parent, "regions.csv")
    assert {row["chosen as"] for row in regions} == set(KINDS)
    for number in ("w", "shapley", "length of f"):
        inside = np.mean([float(r[number]) for r in regions if {r["row"], r["column"]} <= set("23")])
        outside = np.mean([float(r[number]) for r in regions if {r["row"], r["column"]} & set("14")])
        assert inside > 1.2 * abs(outside), number


@pytest.mark.slow
def test_names_are_text_everywhere(written):
    page, _ = written
    text = page.read_text(encoding="utf-8")
    assert NASTY not in re.sub(r'<script type="application/json">.*?</script>', "", text, flags=re.S)
    soup = BeautifulSoup(text, "html.parser")
    assert soup.title.text == f"Colours {NASTY}"
    assert any(NASTY in item.text for item in soup.select("#neighbours li"))
    assert not [script for script in soup.find_all("script") if script.text.startswith("alert(1)")]


@pytest.mark.slow
def test_the_page_needs_nothing_from_elsewhere(written):
    page, _ = written
    soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    used = [tag.get(key) for tag in soup.find_all(True) for key in ("src", "href") if tag.get(key)]
    local = [link for link in used if not link.startswith(("data:", "#"))]
    assert local and all((page.parent / link).is_file() for link in local)
    assert soup.select_one("section")["id"] == "trust"


@pytest.mark.slow
def test_a_report_goes_on_where_it_stopped(tmp_path, monkeypatch):
    images, folder = colours(24), tmp_path / "out"
    monkeypatch.setattr(looking, "write_page", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        look(painter(), images, folder)
    monkeypatch.undo()
    for name in ("view_layer", "shapley_values", "judge", "drill", "control_lengths"):
        monkeypatch.setattr(looking, name, lambda *_: pytest.fail("was finished before"))
    assert look(painter(), images, folder).is_file()


@pytest.mark.slow
def test_other_weights_begin_anew(tmp_path, monkeypatch):
    look(painter(), colours(24), tmp_path)
    changed = painter()
    with torch.no_grad():
        changed.head.weight.mul_(0.5)
    monkeypatch.setattr(looking, "judge", lambda *_: pytest.fail("is computed anew"))
    with pytest.raises(pytest.fail.Exception):
        look(changed, colours(24), tmp_path)


@pytest.mark.slow
def test_a_damaged_stage_is_computed_anew(tmp_path, capsys):
    look(painter(), colours(24), tmp_path)
    before = (tmp_path / "trust.csv").read_text()
    for path in (tmp_path / "work").glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    look(painter(), colours(24), tmp_path)
    assert (tmp_path / "trust.csv").read_text() == before
    assert "computed anew" in capsys.readouterr().err


@pytest.mark.slow
def test_more_images_than_are_compared(tmp_path, monkeypatch):
    monkeypatch.setattr(looking, "MOST", 24)
    look(painter(), colours(60), tmp_path)
    assert len(rows(tmp_path, "images.csv")) == 60
    points = rows(tmp_path, "points.csv")
    assert len(points) == 2 * 24 or len(points) == 3 * 24
    chosen = {row["file"] for row in rows(tmp_path, "regions.csv")}
    assert chosen <= {row["file"] for row in points} and len(chosen) == CHOSEN


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda i: i.subset(np.arange(19)), "at least 20 images, got 19"),
        (lambda i: ImageSet(i.images, i.labels, (*i.categories, "more"), "held_out"), "do not fit 4 categories"),
    ],
)
def test_what_no_report_can_be_of_is_refused(change, said, tmp_path):
    with pytest.raises(ValueError, match=said):
        look(painter(), change(colours(30)), tmp_path)


# What is found


def planted(n=200, categories=4, seed=0, noise=1.0):
    """Activations of a network that is mostly right, and the projection fitted to them."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, categories, n)
    features = 4 * np.eye(categories)[labels] + noise * rng.normal(size=(n, categories))
    activations = Activations(2 * features, features, labels, tuple(map(str, range(categories))))
    return activations, SampleProjection().fit(features, 2 * features)


def test_findings_agree_with_the_projection():
    activations, samples = planted()
    found = find(activations, samples)
    np.testing.assert_allclose(found.p, softmax(activations.logits, axis=1))
    np.testing.assert_allclose(found.strength, np.linalg.norm(samples.transform(activations.features), axis=1))
    np.testing.assert_allclose(np.exp(-found.loss), found.of(found.p, activations.labels))
    assert set(found.suspects) == set(np.flatnonzero(found.said != activations.labels))
    assert np.all(np.diff(found.loss[found.suspects]) <= 0) and np.all(np.diff(found.strength[found.faintest]) >= 0)


def test_no_image_is_chosen_twice():
    activations, samples = planted(n=40, noise=3.0)
    found = find(activations, samples)
    kinds = list(found.chosen().values())
    assert [kinds.count(kind) for kind in KINDS] == [FEW, FEW, CHOSEN - 2 * FEW]
    assert [image for image, kind in found.chosen().items() if kind == "suspect"] == found.suspects[:FEW].tolist()


def test_where_no_label_is_suspect_more_images_are_drawn():
    activations, samples = planted(n=40, noise=0.1)
    kinds = list(find(activations, samples).chosen().values())
    assert [kinds.count(kind) for kind in KINDS] == [0, FEW, CHOSEN - FEW]


def test_the_drill_knows_a_perfect_ranking_from_a_useless_one():
    sure, samples = planted(noise=0.3)
    rounds = drill(find(sure, samples))
    assert set(rounds) == set(RANKINGS) and min(its.mean() for its in rounds.values()) > 0.95
    noise = np.random.default_rng(1).normal(size=(200, 4))
    clueless = Activations(noise, noise, sure.labels, sure.categories)
    assert all(0.3 < its.mean() < 0.7 for its in drill(find(clueless, SampleProjection().fit(noise, noise))).values())


def test_explained_is_one_for_a_perfect_projection_and_nothing_for_the_mean():
    activations, samples = planted()
    logits = samples.temperature * np.log(samples.predict_proba(activations.features))
    assert explained(samples, activations.features, logits) == pytest.approx(1)
    flat = SampleProjection()
    flat.components_, flat.directions_ = 0 * samples.components_, samples.directions_
    flat.weights_ = softmax(logits / samples.temperature, axis=1).mean(axis=0)
    assert explained(flat, activations.features, logits) == pytest.approx(0, abs=1e-9)


def test_a_fit_to_outputs_dealt_out_anew_explains_less():
    activations, samples = planted(n=400)
    judged = judge(activations, samples)
    seen, unseen, dealt = judged["explained"]
    assert seen > unseen > 0.5 > dealt and judged["agreement"][0] > 0.8
    assert judged["lengths"].shape == (4, 2) and np.all(np.abs(judged["lengths"]) <= 1)


@pytest.mark.slow
def test_suspects_of_scenes_are_ranked_well_and_the_projection_does_not_beat_the_loss():
    study = Study("scenes")
    activations = study.activations(images=study.images().subset(per_category=20))
    rounds = drill(find(activations, SampleProjection().fit(activations.features, activations.logits)))
    assert next(iter(rounds.values())).mean() > 0.95
    assert "do not beat the network's loss" in of_drill(rounds)


@pytest.mark.slow
def test_a_transformer_is_looked_at_where_its_patches_still_matter(tmp_path):
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    small = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 4, "num_heads": 2, "num_classes": 3}
    body = timm.models.VisionTransformer(**small)
    network = Network.of(body, size=32, mean=(0.5,) * 3, std=(0.5,) * 3)
    page = look(network, colours(24), tmp_path)
    deepest = list(network.layers)[-1]
    assert f"{deepest} is left out" in page.read_text(encoding="utf-8")
    assert deepest not in {row["layer"] for row in rows(tmp_path, "points.csv")}
    assert {row["shapley"] for row in rows(tmp_path, "regions.csv")} - {"", "0"}


# What is said of it


def test_words_follow_the_numbers():
    assert "has not learned" in of_accuracy(0.12, 10) and "has not learned" not in of_accuracy(0.9, 10)
    judged = {"explained": np.array([0.9, 0.85, 0.1]), "agreement": np.array([0.95]), "lengths": np.zeros((4, 2))}
    assert "keep most" in of_projection(judged)[0] and "85 %" in of_projection(judged)[0]
    judged["explained"] = np.array([0.5, 0.1, 0.45])
    lines = " ".join(of_projection(judged))
    assert "keep little" in lines and "hardly more than nothing" in lines and "only the first one counts" in lines


@pytest.mark.parametrize(
    ("correlations", "said"),
    [
        ([-0.95, 0.09, -0.2, -0.1], "tell less: 0.09 for f"),
        ([-0.95, -0.97, -0.2, -0.1], "tell as much: −0.97 for f"),
        ([-0.2, 0.1, 0.0, float("nan")], "do not read a length as sureness"),
        ([float("nan")] * 4, "do not read a length as sureness"),
    ],
)
def test_lengths_are_held_against_lengths_that_need_no_fit(correlations, said):
    assert said in of_lengths(np.array(correlations))


def test_regions_are_held_against_controls():
    names = ["w with length of h", "w with length of f", "w with x", "Shapley with w", "Shapley with length of f"]
    values = dict(zip(names, np.array([[0.8, 0.9], [0.5, 0.5], [0.1, 0.2], [0.7, 0.8], [0.1, np.nan]]), strict=True))
    first, second = of_regions(values, "conv")
    assert "follows its importance" in first and "more than controls" in first and "0.85" in first
    assert "agrees with" in second and "0.75 over 2 images" in second
    values |= {"w with length of f": np.array([0.9, 0.9])}
    del values["Shapley with w"], values["Shapley with length of f"]
    first, second = of_regions(values, "conv")
    assert "no more than controls" in first and "could not be held" in second


def test_the_report_says_when_suspects_are_ranked_badly():
    names = list(RANKINGS)
    good = of_drill({name: np.array([0.99, 0.97]) - 0.01 * i for i, name in enumerate(names)})
    assert "98.00 %" in good and "do not beat the network's loss" in good and "hint only" not in good
    bad = of_drill({name: np.array([0.6, 0.7]) + 0.01 * i for i, name in enumerate(names)})
    assert "hint only" in bad and f"better here: {names[1]}" in bad


# Which output is which folder


@pytest.mark.parametrize(
    ("folders", "count", "names", "indices"),
    [
        (["Golf_ball", "GAS-PUMP"], 3, ["gas pump", "tench", "golf ball"], (2, 0)),
        (["n01440764", "n03888257"], 1000, None, (0, 701)),
        (["b", "a"], 2, None, (0, 1)),
        (["b", "a"], 2, ["LABEL_0", "LABEL_1"], (0, 1)),
    ],
)
def test_outputs_are_matched(folders, count, names, indices):
    assert match_outputs(folders, count, names).indices == indices


def test_ids_are_shown_by_the_names_of_the_network():
    names = [f"thing {i}" for i in range(999)] + ["thing 0"]
    assert match_outputs(["n01443537", "n01484850"], 1000, names).categories == ("thing 1", "thing 2")
    twice = match_outputs(["n01440764", "n15075141", "n01443537"], 1000, names)
    assert twice.categories == ("thing 0 (n01440764)", "thing 0 (n15075141)", "thing 1")
    assert twice.indices == (0, 999, 1)


@pytest.mark.parametrize(
    ("folders", "count", "names", "said"),
    [
        (["a"], 2, None, "at least two folders"),
        (["a", "b"], 3, None, "'a'.*Nothing tells.*folder,output"),
        (["cat", "dog"], 3, ["tabby cat", "dog", "car"], "'cat' .alike: tabby cat"),
        (["n01440764", "n99999999"], 1000, None, "n99999999 is none"),
        (["cat", "Cat"], 3, ["cat", "dog", "car"], "two folders are the output 0"),
        (["cat", "dog"], 3, ["cat", "dog", "dog"], "'cat'|'dog'"),
        (["cat", "dog"], 2, ["yes", "no"], "'cat'"),
        (["cat", "dog"], 2, ["cat"], "2 outputs, but 1 names"),
    ],
)
def test_outputs_that_nothing_tells_are_refused(folders, count, names, said):
    with pytest.raises(ValueError, match=said):
        match_outputs(folders, count, names)


@pytest.mark.parametrize(
    ("content", "result"),
    [
        ("cat,2\ndog,0\n", (2, 0)),
        ("\ufeffdog, car\ncat,1\n\n", (1, 2)),
        ("cat,2", "no line for the folder 'dog'"),
        ("cat,2\ndog,2", "two folders are the output 2"),
        ("cat,2\ndog,3", "'3' is no output"),
        ("cat,2\ndog,-1", "'-1' is no output"),
        ("cat,2,1\ndog,0", "'cat,2,1' is not 'folder,output'"),
        ("cat 2\ndog 0", "is not 'folder,output'"),
    ],
)
def test_a_list_of_outputs(content, result, tmp_path):
    path = tmp_path / "outputs.csv"
    path.write_text(content, encoding="utf-8")
    if isinstance(result, tuple):
        assert match_outputs(["cat", "dog"], 3, ["dog", "cat", "car"], path).indices == result
    else:
        with pytest.raises(ValueError, match=re.escape(result)):
            match_outputs(["cat", "dog"], 3, ["dog", "cat", "car"], path)


def test_a_list_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "outputs.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="no list of lines"):
        match_outputs(["cat", "dog"], 3, None, path)


def test_an_order_is_refused_only_where_another_is_far_better():
    labels = np.arange(30) % 3
    right, turned = np.eye(3)[labels], np.eye(3)[(labels + 1) % 3]
    check_order(right, labels, ["a", "b", "c"])
    check_order(np.random.default_rng(0).normal(size=(30, 3)), labels, ["a", "b", "c"])  # it knows nothing
    with pytest.raises(ValueError, match=r"0 % of the images right, and 100 % if its outputs are b, c, a|c, a, b"):
        check_order(turned, labels, ["a", "b", "c"])


# Layers and grids


@pytest.mark.parametrize(
    ("shapes", "asked", "result"),
    [
        ({"a": (4, 56, 56), "b": (8, 28, 28), "c": (8, 14, 14), "d": (9, 7, 7)}, None, ["b", "c", "d"]),
        ({"a": (4, 14, 14), "b": (8, 7, 7), "c": (8, 2, 2)}, None, ["a", "b"]),
        ({"a": (4, 14, 14), "b": (8, 7, 7)}, ["b", "a"], ["a", "b"]),
        ({"a": (4, 2, 2), "b": (8,)}, None, "no layer has 3 or more.*a .2x2., b .no grid."),
        ({"a": (4, 14, 14), "b": (8,)}, ["b"], "no regions in b"),
        ({"a": (4, 14, 14)}, ["z"], "no regions in z"),
    ],
)
def test_layers_with_regions_are_chosen(shapes, asked, result):
    if isinstance(result, list):
        assert choose_layers(shapes, asked) == result
    else:
        with pytest.raises(ValueError, match=result):
            choose_layers(shapes, asked)


def test_grids_are_halved_as_long_as_halves_are_whole():
    assert [common_grid(own) for own in ((7, 7), (14, 28), (56, 8), (15, 9))] == [(7, 7), (7, 7), (7, 8), (15, 9)]
