"""Which output of a network is which folder of images: by a list, by name, by WordNet id, or by the alphabet."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from nbhelpers.datasets.telling import shown

IMAGENET = 1000
"""Outputs of a network that was trained on ImageNet, in the order of the WordNet ids."""
_WORDNET_ID = re.compile(r"n\d{8}")
_ADVICE = "name the output of each folder in a file, one line 'folder,output' each, and give it by --outputs"


class Outputs(NamedTuple):
    """Which of the network's outputs are looked at.

    Attributes
    ----------
    indices : tuple of int
        One for each folder, in the order of the folders.
    categories : tuple of str
        What the folders are called in the report.
    how : str
        A sentence that says how they were told.
    by_order : bool
        Whether only the order of the alphabet speaks for them: then :func:`check_order` has to judge.
    """

    indices: tuple[int, ...]
    categories: tuple[str, ...]
    how: str
    by_order: bool = False


def match_outputs(
    folders: Sequence[str], count: int, names: Sequence[str] | None = None, listed: Path | None = None
) -> Outputs:
    """Find the output of every folder, or refuse.

    Parameters
    ----------
    folders : sequence of str
        Their names.
    count : int
        Of the network's outputs.
    names : sequence of str, optional
        What the network calls its outputs, where it knows.
    listed : path, optional
        A file with a line ``folder,output`` for each folder; an output is a number from 0 on, or one of the names.

    Raises
    ------
    ValueError
        If there are fewer than two folders, a folder has no output or two have the same, or the list does not fit.
    OSError
        If the list cannot be read.

    Examples
    --------
    >>> match_outputs(["Golf_ball", "church"], 3, ["church", "tench", "golf ball"]).indices
    (2, 0)
    >>> match_outputs(["n03028079", "n01440764"], 1000).indices
    (497, 0)
    >>> match_outputs(["no", "yes"], 2).by_order
    True
    """
    if len(folders) < 2:
        raise ValueError(f"a report compares categories: it needs at least two folders of images, got {len(folders)}")
    if names is not None and len(names) != count:
        raise ValueError(f"the network has {count} outputs, but {len(names)} names of them")
    if listed is not None:
        return _by_list(folders, count, names, listed)
    if all(map(_WORDNET_ID.fullmatch, folders)) and count == IMAGENET:
        return _by_wordnet_id(folders, names)
    if names is not None and (matches := _by_name(folders, names)) is not None:
        return matches
    if len(folders) == count and (names is None or _numbered(names)):
        how = "There are as many folders as outputs: they were taken in the order of the alphabet."
        return Outputs(tuple(range(count)), tuple(folders), how, by_order=True)
    has = f"{count} outputs" + ("" if names is None else f" (such as {', '.join(map(shown, names[:3]))})")
    raise ValueError(f"which of the network's {has} is the folder {_lacking(folders, names)}? Nothing tells: {_ADVICE}")


def check_order(logits: np.ndarray, labels: np.ndarray, categories: Sequence[str]) -> None:
    """Refuse the order of the alphabet where another order of the folders explains far better what the network says.

    Parameters
    ----------
    logits : (N, C)
    labels : (N,)
    categories : sequence of str

    Raises
    ------
    ValueError
        If the best of all orders is right for most images, and for twice as many as that of the alphabet.

    Examples
    --------
    >>> check_order(np.eye(2)[[0, 0, 1, 1]], np.array([0, 0, 1, 1]), ["cat", "dog"])
    >>> check_order(np.eye(2)[[0, 0, 1, 1]], np.array([1, 1, 0, 0]), ["cat", "dog"])
    Traceback (most recent call last):
    ValueError: in the order of the alphabet the network names 0 % of the images right, and 100 % if its outputs are
    dog, cat: name the output of each folder in a file, one line 'folder,output' each, and give it by --outputs
    """
    called = logits.argmax(axis=1)
    counts = np.zeros((len(categories), len(categories)))
    np.add.at(counts, (called, labels), 1)
    said, meant = linear_sum_assignment(-counts)
    here, best = np.trace(counts) / len(labels), counts[said, meant].sum() / len(labels)
    if best > 0.5 and best >= 2 * here:
        order = ", ".join(shown(categories[c]) for c in meant[:10]) + (", ..." if len(meant) > 10 else "")
        raise ValueError(
            f"in the order of the alphabet the network names {here:.0%} of the images right, and {best:.0%} if its "
            f"outputs are {order}: {_ADVICE}".replace("%", " %")
        )


def _by_list(folders: Sequence[str], count: int, names: Sequence[str] | None, path: Path) -> Outputs:
    try:
        lines = [line for line in csv.reader(path.read_text(encoding="utf-8-sig").splitlines()) if any(line)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is no list of lines 'folder,output' in UTF-8: {error}") from None
    if wrong := next((line for line in lines if len(line) != 2), None):
        raise ValueError(f"{path}: the line {shown(','.join(wrong))!r} is not 'folder,output'")
    stated = {folder.strip(): output.strip() for folder, output in lines}
    if missing := [folder for folder in folders if folder not in stated]:
        raise ValueError(f"{path} has no line for the folder {shown(missing[0])!r} ({len(missing)} are missing)")
    indices = [_index(stated[folder], count, names, path) for folder in folders]
    _check_different(folders, indices)
    return Outputs(tuple(indices), _called(folders, indices, names), f"The file {path.name} lists the outputs.")


def _index(output: str, count: int, names: Sequence[str] | None, path: Path) -> int:
    if output.isdecimal() and int(output) < count:
        return int(output)
    if names is not None and list(names).count(output) == 1:
        return list(names).index(output)
    known = f"a number from 0 to {count - 1}" + ("" if names is None else " or the name of one")
    raise ValueError(f"{path}: {shown(output)!r} is no output of the network, which is {known}")


def _by_wordnet_id(folders: Sequence[str], names: Sequence[str] | None) -> Outputs:
    order = _wordnet_ids()
    if unknown := [folder for folder in folders if folder not in order]:
        raise ValueError(f"{unknown[0]} is none of the 1,000 WordNet ids of ImageNet's categories; {_ADVICE}")
    indices = [order[folder] for folder in folders]
    how = "The folders are WordNet ids of ImageNet's categories, whose sorted order is that of the 1,000 outputs."
    return Outputs(tuple(indices), _called(folders, indices, names), how)


@cache
def _wordnet_ids() -> dict[str, int]:
    text = resources.files("nbhelpers.report").joinpath("imagenet.txt").read_text(encoding="ascii")
    return {f"n{number}": index for index, number in enumerate(text.split())}


def _by_name(folders: Sequence[str], names: Sequence[str]) -> Outputs | None:
    """None where not every folder has exactly one output of its name."""
    plain = [_plain(name) for name in names]
    times = Counter(plain)
    wanted = [_plain(folder) for folder in folders]
    if any(times[name] != 1 for name in wanted):
        return None
    indices = [plain.index(name) for name in wanted]
    _check_different(folders, indices)
    return Outputs(tuple(indices), tuple(folders), "The folders are called as the network calls its outputs.")


def _plain(name: str) -> str:
    """Letters and digits alone: upper and lower case, spaces, hyphens and underscores tell no two names apart."""
    return re.sub(r"[\W_]+", " ", name.casefold()).strip()


def _numbered(names: Sequence[str]) -> bool:
    """Whether names only count, as a library's do where it was told none."""
    return all(re.fullmatch(r"(LABEL_|class_?)?\d+", name, flags=re.IGNORECASE) for name in names)


def _called(folders: Sequence[str], indices: Sequence[int], names: Sequence[str] | None) -> tuple[str, ...]:
    """The network's names in place of ids, which say nothing to a reader; with the ids where two have one name."""
    pairs = list(zip(folders, indices, strict=True))
    told = [folder if names is None or not _WORDNET_ID.fullmatch(folder) else names[index] for folder, index in pairs]
    return tuple(
        f"{name} ({folder})" if told.count(name) > 1 else name for name, folder in zip(told, folders, strict=True)
    )


def _check_different(folders: Sequence[str], indices: Sequence[int]) -> None:
    for place, index in enumerate(indices):
        if index in indices[:place]:
            twice = ", ".join(shown(folders[i]) for i in (list(indices).index(index), place))
            raise ValueError(f"two folders are the output {index}: {twice}; put their images into one")


def _lacking(folders: Sequence[str], names: Sequence[str] | None) -> str:
    """The first folder without an output, with what is called most alike."""
    if names is None:
        return repr(shown(folders[0]))
    plain = {_plain(name): name for name in names}
    folder = next((folder for folder in folders if _plain(folder) not in plain), folders[0])
    within = [name for name in plain if _plain(folder) in name.split()]
    close = list(dict.fromkeys([*within, *get_close_matches(_plain(folder), plain)]))[:3]
    return repr(shown(folder)) + (f" (alike: {', '.join(shown(plain[name]) for name in close)})" if close else "")
