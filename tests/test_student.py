"""Notebooks for students: no solution is left, all else is, and what is left runs."""

import ast
import builtins
import doctest
import re
from collections.abc import Iterable
from pathlib import Path

import nbformat
import pytest
import student
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = sorted((ROOT / "book" / "chapters").glob("*.ipynb"))
SITE = "https://example.org/book"
START = "```{solution-start} ex-one\n:class: dropdown\n```"
END = "```{solution-end}\n```"


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a student gets."""
    out = tmp_path_factory.mktemp("student")
    student.write(ROOT / "book" / "chapters", out, SITE)
    return out


def chapter(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def parts(notebook: NotebookNode) -> tuple[list[str], list[str]]:
    """The lines outside and inside of solutions, found line by line and not as the script finds them."""
    outside, inside = [], []
    now, fence = outside, False
    for line in (line for cell in notebook.cells for line in [*cell.source.splitlines(), ""]):
        if line.startswith("```{solution-"):
            now, fence = (inside, True) if "{solution-start}" in line else (outside, True)
        elif fence:  # options and the end of the directive
            fence = line != "```"
        elif line.strip():
            now.append(line)
    return outside, inside


def unlinked(text: str) -> str:
    return re.sub(r"\]\([^)]*\)", "](...)", text)


def stubs(cell: NotebookNode) -> list[str]:
    """The functions of a cell whose body is `...`."""
    if cell.cell_type != "code":
        return []
    found = ast.parse(TransformerManager().transform_cell(cell.source)).body
    return [node.name for node in found if isinstance(node, ast.FunctionDef) and ast.unparse(node.body[-1]) == "..."]


def unknown_names(cells: Iterable[NotebookNode]) -> set[str]:
    """Names that a cell uses but neither it nor a cell above binds, and stubs that a later cell uses."""
    known = {*dir(builtins), "display", "get_ipython"}
    unfinished, unknown = set(), set()
    for cell in cells:
        if cell.cell_type != "code":
            continue
        bound, used = set(), set()
        for node in ast.walk(ast.parse(TransformerManager().transform_cell(cell.source))):
            if isinstance(node, ast.Name):
                (used if isinstance(node.ctx, ast.Load) else bound).add(node.id)
            elif isinstance(node, ast.alias):
                bound.add((node.asname or node.name).split(".")[0])
            elif isinstance(node, ast.arg):
                bound.add(node.arg)
            elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.ExceptHandler) and node.name:
                bound.add(node.name)
        unknown |= used - known - bound | used & unfinished
        known |= bound
        unfinished |= {*stubs(cell)}
    return unknown


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_nothing_of_a_solution_is_left_and_all_else_is(path: Path, copies: Path) -> None:
    outside, inside = parts(chapter(path))
    left, none = parts(chapter(copies / path.name))
    assert inside and not none
    assert [unlinked(line) for line in left] == [unlinked(line) for line in outside]
    text = "\n".join(left)
    assert "{solution" not in text
    unique = set(inside) - set(outside)
    assert len(unique) > len(inside) / 2
    assert not unique & set(left)
    assert not re.search(r"^[^#\n]*checks\.check_", text, re.M), "a check that runs stands outside of solutions"


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_exercise_keeps_its_stub_and_check(path: Path, copies: Path) -> None:
    cells = chapter(copies / path.name).cells
    exercises = re.findall(r"\{exercise-start\}", "\n".join(cell.source for cell in cells))
    left = [cell.source for cell in cells if stubs(cell)]
    assert len(left) == len(exercises) >= 4
    assert all("\n# checks.check_" in source for source in left)
    assert left == [cell.source for cell in chapter(path).cells if stubs(cell)]


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_other_cells_are_untouched(path: Path, copies: Path) -> None:
    """Every cell before the first solution, in order; text may differ in links only, and only in those that leave."""
    cells = chapter(path).cells
    first = next(i for i, cell in enumerate(cells) if "{solution-start}" in cell.source)
    pairs = list(zip(cells[:first], chapter(copies / path.name).cells, strict=False))
    assert len(pairs) == first > 20
    for old, new in pairs:
        if "](../" in old.source:
            assert unlinked(old.source) == unlinked(new.source)
        else:
            assert old == new


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_no_link_leaves_the_folder(path: Path, copies: Path) -> None:
    text = "\n".join(cell.source for cell in chapter(copies / path.name).cells if cell.cell_type == "markdown")
    for link in re.findall(r"\]\(([^)#\s]+)", text):
        if link.startswith(SITE):
            page = ROOT / "book" / link.removeprefix(f"{SITE}/")
            assert any(page.with_suffix(end).is_file() for end in (page.suffix, ".ipynb", ".md")), link
        else:
            assert link.startswith("https://") or (copies / link).is_file(), link


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_what_is_left_needs_no_solution(path: Path, copies: Path) -> None:
    assert not unknown_names(chapter(copies / path.name).cells)


def test_names_of_solutions_and_stubs_are_noticed() -> None:
    cells = [
        new_code_cell("import numpy as np\ndef f(a): ..."),
        new_code_cell("def g(b):\n    return [np.sum(c) + shift for c in b]"),
        new_code_cell("print(f(1), g(2))"),
    ]
    assert unknown_names(cells) == {"shift", "f"}


def broken(*sources: str) -> NotebookNode:
    return new_notebook(cells=[new_markdown_cell(source) for source in sources])


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ([START, "text"], r"01\.ipynb.*ex-one never ends"),
        (["text", END], "first exercise.*not begun"),
        ([START, END, f"text\n\n{END}"], "after ex-one.*not begun"),
        ([START, START.replace("one", "two"), END], "ex-two begins before.*ex-one"),
        ([START, END, START.replace("one", "two").removesuffix("\n```")], "mark.*after ex-one"),
        (["```{solution} ex-one\nIn one block.\n```"], "mark.*after the first"),
        ([f"- {START}", END], r"01\.ipynb: a mark"),
    ],
    ids=["open", "no start", "two ends", "nested", "open fence", "other form", "indented"],
)
def test_broken_notebook_is_refused(sources: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        student.without_solutions(broken(*sources), "01.ipynb")


def test_cells_are_cut_inside_and_empty_ones_vanish() -> None:
    cells = [
        new_markdown_cell(f"Task.\n\n{START}"),
        new_code_cell("secret = 1"),
        new_markdown_cell(f"Told.\n{END}\n\nBetween.\n\n{START}\n\nTold again."),
        new_markdown_cell("Told a third time."),
        new_markdown_cell(END),
        new_markdown_cell("\n as it was \n\n"),
        new_code_cell("open = 2", metadata={"tags": ["keep"]}, outputs=[new_output("stream", text="2")]),
    ]
    cells[-1].execution_count = 7
    notebook = new_notebook(cells=cells, metadata={"widgets": {"state": "secret"}})
    cut = student.without_solutions(notebook, "01.ipynb")
    assert [cell.source for cell in cut.cells] == ["Task.", "Between.", "\n as it was \n\n", "open = 2"]
    assert cut.cells[-1].metadata == {"tags": ["keep"]}
    assert cut.cells[-1].outputs == [] and cut.cells[-1].execution_count is None
    assert "secret" not in nbformat.writes(cut)
    assert len(notebook.cells) == 7 and "secret" in notebook.cells[1].source


def test_a_changed_file_is_kept_and_an_unchanged_one_may_be_written_again(tmp_path: Path) -> None:
    chapters, out = tmp_path / "chapters", tmp_path / "out"
    chapters.mkdir()
    for name in ("01", "02"):
        nbformat.write(broken("text", START, END), chapters / f"{name}.ipynb")
    assert [path.name for path in student.write(chapters, out, SITE)] == ["01.ipynb", "02.ipynb"]
    student.write(chapters, out, SITE)
    (out / "01.ipynb").unlink()
    (out / "02.ipynb").write_text("a student's own work", encoding="utf-8")
    with pytest.raises(FileExistsError, match=r"02\.ipynb.*differs"):
        student.write(chapters, out, SITE)
    assert (out / "02.ipynb").read_text(encoding="utf-8") == "a student's own work"
    assert not (out / "01.ipynb").exists(), "nothing is written if something is in the way"
    with pytest.raises(ValueError, match=r"nowhere.*no notebook"):
        student.write(tmp_path / "nowhere", out, SITE)


def test_command_tells_what_it_did_and_why_it_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    student.main([str(tmp_path), "--site", SITE])
    assert SITE in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == [path.name for path in CHAPTERS]
    (tmp_path / CHAPTERS[0].name).write_text("mine", encoding="utf-8")
    with pytest.raises(SystemExit) as stopped:
        student.main([str(tmp_path), "--site", SITE])
    assert stopped.value.code == 1
    assert "differs" in capsys.readouterr().err


def test_site_follows_the_settings(tmp_path: Path) -> None:
    settings = tmp_path / "_config.yml"
    settings.write_text("repository:\n  url: https://github.com/ann/patterns/\n", encoding="utf-8")
    assert student.site_of(settings) == "https://ann.github.io/patterns"


def test_examples_of_the_script_hold() -> None:
    found = doctest.testmod(student)
    assert found.attempted and not found.failed


def test_the_first_cell_of_a_copy_installs_from_the_repository_of_the_book(tmp_path: Path) -> None:
    mine = "https://github.com/ann/patterns"
    for path in student.write(ROOT / "book" / "chapters", tmp_path, SITE, mine):
        text = path.read_text(encoding="utf-8")
        assert f'@ {mine}/archive/published.zip\\"' in text
        assert student.PLACEHOLDER not in text
