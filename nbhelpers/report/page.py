"""The page of a report: it opens without a server and without a network, and names of folders and files are text."""

from __future__ import annotations

# ruff: noqa: E402
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path

import numpy as np

from nbhelpers.extras import require
from nbhelpers.files import replace_file
from nbhelpers.images import ImageSet
from nbhelpers.method.knowledge import THRESHOLD, KnowledgePoints
from nbhelpers.report.content import Content
from nbhelpers.report.words import of_accuracy, of_drill, of_projection, of_regions, percent

require("figures")

from nbhelpers.show.map_browser import map_browser
from nbhelpers.show.neighbours import neighbours
from nbhelpers.show.page.document import document
from nbhelpers.show.page.inline import data_uri, pillow
from nbhelpers.show.page.table import Table
from nbhelpers.show.region_maps import points_on_images
from nbhelpers.show.sphere import sample_space
from nbhelpers.show.text import page, visible

SHOWN, FAINT, DRAWN = 24, 12, 2000
"""Suspects with a picture, images that say least, and images among the arrows: more would make a page slow."""


def write_page(content: Content, files: Sequence[str], folder: Path) -> Path:
    """Write ``index.html``, with links to the files of numbers beside it."""
    path = folder / "index.html"
    text = document(render(content, files), content.title)
    replace_file(path, lambda part: part.write_text(text, encoding="utf-8", errors="backslashreplace"))
    return path


def render(content: Content, files: Sequence[str]) -> str:
    """All parts of the page."""
    parts = {
        "trust": ("Read this before you believe the picture", _trust(content)),
        "arrows": ("The arrows", _arrows(content)),
        "neighbours": ("Which categories are neighbours", _neighbours(content)),
        "suspects": ("Suspect labels", _suspects(content)),
        "faint": ("Images that say nothing", _faint(content)),
        "points": ("What regions say, layer by layer", _points(content)),
        "regions": ("Regions that matter", _regions(content)),
        "made": ("How this was made, and all numbers", _made(content, files)),
    }
    links = "".join(f'<li><a href="#{key}">{page(title)}</a></li>' for key, (title, _) in parts.items())
    sections = "".join(
        f'<section id="{key}"{_FIRST if key == "trust" else ""}><h2>{page(title)}</h2>{body}</section>'
        for key, (title, body) in parts.items()
    )
    found = content.findings
    summary = (
        f"{len(content.images):,} images in {len(content.images.categories)} folders; the network names the folder of "
        f"{percent(found.accuracy, 1)}; {len(found.suspects):,} images it takes for another category."
    )
    style = resources.files("nbhelpers.report").joinpath("page.css").read_text(encoding="utf-8")
    return (
        f'<div class="report"><style>{style}</style>'
        f"<header><h1>{page(visible(content.title))}</h1><p>{page(summary)}</p>"
        f'<nav aria-label="Parts of this page"><ul>{links}</ul></nav></header>{sections}</div>'
    )


_FIRST = ' class="first"'


def _say(*lines: str, kind: str = "") -> str:
    """Paragraphs."""
    return "".join(f"<p{f' class={kind}' if kind else ''}>{page(visible(line))}</p>" for line in lines)


def _listed(lines: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{page(visible(line))}</li>' for line in lines)}</ul>"


def _trust(content: Content) -> str:
    lines = [of_accuracy(content.findings.accuracy, len(content.images.categories)), *of_projection(content.judged)]
    return _listed([*lines, *of_regions(content.correlations, content.deepest)])


def _arrows(content: Content) -> str:
    found = content.findings
    drawn = np.arange(len(content.images))
    if len(drawn) > DRAWN:
        lot = np.random.default_rng(0).permutation(len(drawn))
        drawn = np.sort(np.array(list(dict.fromkeys([*found.suspects[:SHOWN], *lot]))[:DRAWN]))
    told = _say(
        "Each point is an image, each arrow a category. The direction of a point says which category the network sees, "
        "its distance from the centre how surely. Colours are folders: a point of one colour along the arrow of "
        "another is an image that the network takes for something else."
    )
    if len(drawn) < len(content.images):
        told += _say(f"Of {len(content.images):,} images {len(drawn):,} are drawn, by lot, and the most suspect ones.")
    figure = sample_space(
        found.g[drawn],
        content.images.subset(drawn),
        content.samples.directions_,
        probabilities=found.q[drawn],
        names=[content.files[i] for i in drawn],
        thumbnails=True,
        alt=f"{len(drawn):,} images around the arrows of {len(content.images.categories)} categories.",
    )
    return told + figure.html()


def _neighbours(content: Content) -> str:
    names = content.images.categories
    if not (counts := content.confusion).any(axis=1).all():
        return _say("A folder has no image among those looked at, so that there is nothing to compare.")
    upper = np.triu_indices(len(names), 1)
    order = np.argsort(content.between[upper], kind="stable")[:5]
    pairs = [(upper[0][k], upper[1][k]) for k in order]
    lines = [
        f"{names[a]} and {names[b]}: {content.between[a, b]:.0f}° apart; {counts[a, b] + counts[b, a]} of their "
        f"{counts[a].sum() + counts[b].sum()} images are taken for the other"
        for a, b in pairs
    ]
    figure = neighbours(
        content.samples.directions_,
        counts,
        names,
        alt="The angles between all pairs of arrows, beside how often the network takes one category for another.",
    )
    return _say("The pairs of arrows that are closest:") + _listed(lines) + figure.html()


def _suspects(content: Content) -> str:
    found, names = content.findings, content.images.categories
    if not len(found.suspects):
        return _say("The network names the folder of every image: no label is suspect to it.") + _say(
            of_drill(content.rounds), kind="soft"
        )
    shown = found.suspects[:SHOWN]
    told = _say(
        "Images that the network takes for another category than their folder's, the most suspect first. Either the "
        "label is wrong, or the network is: the picture tells. The list with all of them is images.csv."
    )
    captions = [
        [
            f"{place}. folder {names[found.labels[i]]}",
            f"network: {names[found.said[i]]} ({percent(found.p[i, found.said[i]])}); folder: "
            f"{percent(found.p[i, found.labels[i]], 1)}",
            f"arrow: strength {found.strength[i]:.1f}, {found.angles[i, found.said[i]]:.0f}° from the network's, "
            f"{found.angles[i, found.labels[i]]:.0f}° from the folder's",
            content.files[i],
        ]
        for place, i in enumerate(shown, 1)
    ]
    more = len(found.suspects) - len(shown)
    rest = _say(f"{more:,} more are in images.csv.") if more else ""
    return told + _say(of_drill(content.rounds), kind="soft") + _gallery(content.images, shown, captions) + rest


def _faint(content: Content) -> str:
    found, names = content.findings, content.images.categories
    shown = found.faintest[:FAINT]
    unsure = int(np.sum(found.q.max(axis=1) < 0.5))
    told = _say(
        "The images with the shortest arrows: the network sees nothing in them that speaks for one of these "
        f"categories. For {unsure:,} of {len(found.q):,} images no category has half of the projection's probability."
    )
    captions = [
        [
            f"{names[found.labels[i]]}, strength {found.strength[i]:.2f}",
            f"network: {names[found.said[i]]} ({percent(found.p[i, found.said[i]])})",
            f"entropy {found.entropy[i]:.2f} nats",
            content.files[i],
        ]
        for i in shown
    ]
    return told + _gallery(content.images, shown, captions)


def _gallery(images: ImageSet, shown: np.ndarray, captions: Sequence[Sequence[str]]) -> str:
    """Pictures with lines below each, the first of them in bold."""
    items = []
    for pixels, (title, *lines) in zip(images.images[shown], captions, strict=True):
        small = pillow(pixels)
        small.thumbnail((224, 224))
        text = "<br>".join([f"<strong>{page(visible(title))}</strong>", *(page(visible(line)) for line in lines)])
        items.append(
            f'<li><img alt="" src="{data_uri(small, quality=75)}" width="{small.width}" height="{small.height}">'
            f"<p>{text}</p></li>"
        )
    return f'<ul class="gallery">{"".join(items)}</ul>'


def _points(content: Content) -> str:
    told = _say(
        f"A knowledge point is a region that speaks for one category (its probability is above {THRESHOLD}); it is "
        f"reliable where that is the folder's. Counted on {len(content.compared):,} images, on a grid of "
        f"{content.grid[0]} by {content.grid[1]} regions, strengths of all layers brought to that of {content.deepest}."
    )
    rows = [
        [
            visible(layer),
            f"{points.total.mean():.1f}",
            f"{points.reliable.mean():.1f}",
            percent(points.ratio) if points.total.sum() else "–",
        ]
        for layer, points in content.points.items()
    ]
    headers = ["layer", "points an image", "reliable", "reliable share"]
    table = Table(headers, rows, "Means over images; layers from shallow to deep")
    return told + f'<div class="wide" tabindex="0" role="group" aria-label="{headers[1]}">{table.html()}</div>'


def _regions(content: Content) -> str:
    view, names = content.views[content.deepest], content.images.categories
    places = np.array(list(content.chosen))
    images = content.images.subset(content.compared[places])
    counts = Counter(content.chosen.values())
    kinds = ", ".join(f"{counts[kind]} {told}" for kind, told in _KINDS.items() if counts[kind])
    told = _say(
        f"{len(places)} images, chosen by rule: {kinds}. Where does the network look, in {content.deepest}? Importance "
        "w tells the regions that make an image alike to those that the network takes for the same; Shapley values "
        "tell what its score loses without a region; the lengths of h and of the plain feature f are shown beside."
    )
    maps = {"w": view.weights[places]}
    if content.shapley:
        maps["Shapley"] = content.shapley["values"]
        rough = content.shapley["errors"].max(axis=1) / np.maximum(np.ptp(content.shapley["values"], axis=1), 1e-12)
        told += _say(
            f"Shapley values are sampled: standard errors are at most {percent(float(rough.max()), 1)} of "
            "the range of an image's values.",
            kind="soft",
        )
    maps |= {"‖h‖": view.strength[places], "‖f‖": view.raw_strength[places]}
    said = content.findings.said[content.compared[places]]
    captions = [f"{names[label]} ({why})" for label, why in zip(images.labels, content.chosen.values(), strict=True)]
    alt = f"Maps of the regions of {len(places)} images, chosen with the slider."
    browser = map_browser(images, maps, content.grid, captions, alt=alt)
    points = content.points[content.deepest]
    parts = (points.category, points.probability, points.masks, points.reliable_masks)
    drawn = KnowledgePoints(*(part[places] for part in parts))
    cells = points_on_images(
        images,
        drawn,
        content.grid,
        [f"{names[label]}\nnetwork: {names[c]}" for label, c in zip(images.labels, said, strict=True)],
        alt=f"The knowledge points of {content.deepest} on the same images.",
    )
    return told + browser.html() + _say(f"The knowledge points of {content.deepest} on the same images:") + cells.html()


_KINDS = {"suspect": "whose labels are most suspect", "says least": "that say least", "by lot": "by lot"}
"""What a reader is told of :data:`~nbhelpers.report.findings.KINDS`."""


def _made(content: Content, files: Sequence[str]) -> str:
    links = "".join(f'<li><a href="{page(name)}">{page(name)}</a></li>' for name in files)
    rows = [[stage, f"{seconds:.1f}"] for stage, seconds in content.seconds.items()]
    caption = "What this took; a stage that an earlier command finished counts as it did then"
    table = Table(["stage", "seconds"], rows, caption)
    return _listed(content.notes) + f"<ul>{links}</ul>" + table.html()
