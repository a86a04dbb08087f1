"""The pages for teachers keep up with the chapters: every exercise is graded, every command and section exists."""

import re
from pathlib import Path

import chapter_shape
import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
TEACHING = ROOT / "book" / "teaching"
CHAPTERS = sorted((ROOT / "book" / "chapters").glob("*.ipynb"))
POINTS = {"★": ("1 + 1", 2), "★★": ("2 + 2", 4), "★★★": ("2 + 6", 8)}


def exercises(path: Path) -> list[tuple[str, str]]:
    """Labels and stars of a chapter's exercises, in order."""
    found = chapter_shape.exercises(nbformat.read(path, as_version=4))
    return [(exercise.label, exercise.card.split()[0]) for exercise in found]


def section(page: str, chapter: Path) -> str:
    """What a page says below the heading that links to a chapter."""
    (found,) = re.findall(
        rf"^## \[[^\]]*\]\(\.\./chapters/{chapter.name}[^)]*\)(.*?)(?=^## |\Z)",
        (TEACHING / page).read_text(encoding="utf-8"),
        flags=re.M | re.S,
    )
    return found


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_exercise_has_its_points(path: Path) -> None:
    rows = re.findall(r"^\| ([\d.]+) `(ex-[^`]+)` (★+) \| ([^|]*?) \|", section("grading.md", path), flags=re.M)
    wanted = exercises(path)
    number = int(path.name[:2])
    assert rows == [(f"{number}.{i}", label, stars, POINTS[stars][0]) for i, (label, stars) in enumerate(wanted, 1)]
    total = re.search(r"^, (\d+) points", section("grading.md", path))
    assert total and int(total[1]) == sum(POINTS[stars][1] for _, stars in wanted)


def test_table_to_copy_names_every_exercise() -> None:
    (table,) = re.findall(r"```text\n(.*?)```", (TEACHING / "grading.md").read_text(encoding="utf-8"), flags=re.S)
    assert re.findall(r"ex-[\w-]+", table) == [label for path in CHAPTERS for label, _ in exercises(path)]


def test_pages_name_exercises_that_exist() -> None:
    known = {label for path in CHAPTERS for label, _ in exercises(path)}
    for page in TEACHING.glob("*.md"):
        named = set(re.findall(r"`(ex-[^`]+)`", page.read_text(encoding="utf-8")))
        assert named <= known, f"{page.name}: {named - known}"


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_chapter_has_misunderstandings_that_are_mended_there(path: Path) -> None:
    rows = re.findall(r'^\| ".*" \|.*\|(.*)\|$', section("misunderstandings.md", path), flags=re.M)
    assert len(rows) >= 4
    linked = [row for row in rows if f"](../chapters/{path.name}#" in row]
    assert len(linked) >= len(rows) - 2, "a row without a link says 'the same section'"


def test_commands_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.M))
    for page in TEACHING.glob("*.md"):
        named = set(re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8")))
        assert named <= targets, f"{page.name}: make {named - targets}"


def test_script_of_the_grading_sheet_uncomments_the_checks_of_every_stub() -> None:
    """The script itself runs a chapter; here only its two patterns are tried, on every commented check of the book."""
    (script,) = re.findall(r"```python\n(.*?)```", (TEACHING / "grading.md").read_text(encoding="utf-8"), flags=re.S)
    compile(script, "grade.py", "exec")
    (pattern, new) = re.search(r're\.sub\(\s*r"(.*?)",\s*r"(.*?)",\s*cell\.source', script).groups()
    (name,) = re.findall(r're\.search\(\s*r"(.*?)",\s*cell\.source', script)
    for path in CHAPTERS:
        sources = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        stubs = [source for source in sources if re.search(r"^# .*checks\.", source, flags=re.M)]
        assert len(stubs) == len(exercises(path))
        for source in stubs:
            live = re.sub(pattern, new, source, flags=re.M)
            compile(live, path.name, "exec")
            assert re.search(name, live, flags=re.M)
