"""The page of notation: each symbol of the book is on it, each of its names exists, each word stands in its chapter."""

import ast
import json
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"
NOTATION = BOOK / "appendices" / "notation.md"
PAGES = sorted(
    path
    for kind in ("*.md", "*.ipynb")
    for path in BOOK.rglob(kind)
    if path != NOTATION and not {"_build", ".ipynb_checkpoints"} & set(path.parts)
)
GREEK = set(
    "alpha beta gamma delta epsilon varepsilon zeta eta theta kappa lambda mu nu xi pi rho sigma tau phi varphi chi psi"
    " omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega".split()
)


def prose(path: Path) -> str:
    """A page's Markdown: of a notebook, its text cells."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return text


# Symbols


def symbols(markdown: str) -> set[str]:
    r"""The letters of all formulas, with accents, primes and words below them, but without indices.

    >>> sorted(symbols(r"Of $\kappa_\text{max}$ and $h_t^{(r')}$; not of `$code$`"))
    ['\\kappa@max', 'h', "r'", 't']
    """
    markdown = re.sub(r"^```.*?^```", "", markdown, flags=re.S | re.M)
    markdown = re.sub(r"`[^`\n]*`", "", markdown)
    found = set()
    for pair in re.findall(r"\$\$(.+?)\$\$|\$([^$\n]+)\$", markdown, flags=re.S):
        formula = re.sub(r"_\{?\\text\{(\w+)\}\}?", r"@\1 ", "".join(pair))
        formula = re.sub(r"\\(text|operatorname|begin|end)\{[^{}]*\}", " ", formula)
        found |= set(re.findall(r"\\mathrm\{\w+\}", formula))
        formula = re.sub(r"\\mathrm\{\w+\}", " ", formula)
        pattern = r"(?:\\(tilde|hat|bar|mathcal|mathbb)\s*\{?)?(?:\\([A-Za-z]+)|([A-Za-z]))('?)(@\w+)?"
        for accent, command, letter, prime, below in re.findall(pattern, formula):
            if letter or command in GREEK:
                found.add((f"{accent} " if accent else "") + (letter or f"\\{command}") + prime + below)
    return found


def table_rows(markdown: str) -> list[list[str]]:
    r"""The cells of all tables, without heads.

    >>> table_rows("| a | b |\n|---|---|\n| 1 | `2` |")
    [['1', '`2`']]
    """
    rows = re.findall(r"^\|(.+)\|$(?!\n\|-)", markdown, flags=re.M)
    return [[cell.strip() for cell in row.split("|")] for row in rows if not row.startswith("-")]


def defined(page: Path) -> set[str]:
    """The symbols that the notation defines for a page: those of the whole book, and those of this place only."""
    head, everywhere = NOTATION.read_text(encoding="utf-8").split("## Symbols")
    everywhere, here = everywhere.split("### Letters of one place")
    cells = [row[0] for row in table_rows(everywhere)]
    chapter = f"chapter {int(page.stem[:2])}" if page.stem[:2].isdigit() else page.stem
    cells += [row[0] for row in table_rows(here) if chapter in row[1]]
    return symbols(head + "\n".join(cells))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_each_symbol_is_on_the_page_of_notation(page: Path) -> None:
    missing = symbols(prose(page)) - defined(page)
    assert not missing, f"{page.name} uses symbols that notation.md does not define: {sorted(missing)}"


def test_there_are_pages_with_formulas() -> None:
    assert {"01_samples", "02_regions", "03_importance", "04_attacks", "05_distillation", "06_your_own", "method"} <= {
        page.stem for page in PAGES if symbols(prose(page))
    }


def test_no_symbol_is_defined_twice_for_the_whole_book() -> None:
    everywhere = NOTATION.read_text(encoding="utf-8").split("## Symbols")[1].split("### Letters of one place")[0]
    cells = [part.strip() for row in table_rows(everywhere) for part in row[0].split(", ") if part]
    assert len(cells) == len(set(cells)) > 50


# Names in code


class Names:
    """What nbhelpers calls its modules, functions, classes, parameters and attributes; private ones left out."""

    def __init__(self) -> None:
        self.modules: dict[str, set[str]] = {}
        self.parameters: dict[str, set[str]] = {}
        self.members: dict[str, set[str]] = {}
        self.strings: set[str] = set()
        for path in (ROOT / "nbhelpers").rglob("*.py"):
            module = path.parent.name if path.stem == "__init__" else path.stem
            self._read(module, ast.parse(path.read_text(encoding="utf-8")))

    def _read(self, module: str, tree: ast.Module) -> None:
        top = self.modules.setdefault(module, set())
        self.strings |= {node.value for node in ast.walk(tree) if _is_text(node)}
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                top.add(node.name)
                self._take(node.name, node)
            elif isinstance(node, ast.ClassDef):
                top.add(node.name)
                self._read_class(node)
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                top |= {name.id for name in ast.walk(node) if isinstance(name, ast.Name) and _is_stored(name)}

    def _read_class(self, node: ast.ClassDef) -> None:
        members = self.members.setdefault(node.name, set())
        fields = {line.target.id for line in node.body if isinstance(line, ast.AnnAssign)}
        self.parameters[node.name] = set(fields)
        members |= fields
        for method in node.body:
            if isinstance(method, ast.FunctionDef):
                members.add(method.name)
                self._take(node.name if method.name == "__init__" else f"{node.name}.{method.name}", method)
        members |= {
            target.attr for target in ast.walk(node) if isinstance(target, ast.Attribute) and _is_stored(target)
        }

    def _take(self, name: str, function: ast.FunctionDef) -> None:
        arguments = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
        self.parameters.setdefault(name, set()).update({argument.arg for argument in arguments} - {"self"})

    @property
    def words(self) -> set[str]:
        sets = [self.modules, *self.modules.values(), *self.parameters.values(), *self.members.values()]
        return {name for names in sets for name in names if not name.startswith("_")}

    def has(self, code: str) -> bool:
        """Whether all names of ``a``, ``A.b`` or ``f(a, b="c")`` exist, each in its place."""
        node = ast.parse(code, mode="eval").body
        if not isinstance(node, ast.Call):
            return self._has_name(node)
        called = ast.unparse(node.func)
        owner, _, name = called.rpartition(".")
        known = self.parameters.get(name if owner in self.modules else called, set())
        given = [word.arg for word in node.keywords]
        given += [word.id for word in node.args if isinstance(word, ast.Name)]
        texts = [*node.args, *(word.value for word in node.keywords)]
        return (
            self._has_name(node.func)
            and set(given) <= known
            and all(text.value in self.strings for text in texts if _is_text(text))
        )

    def _has_name(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value)
            return node.attr in self.modules.get(owner, set()) | self.members.get(owner, set())
        return isinstance(node, ast.Name) and node.id in self.words


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_stored(node: ast.Name | ast.Attribute) -> bool:
    return isinstance(node.ctx, ast.Store) and not ast.unparse(node).startswith("_")


@cache
def names() -> Names:
    return Names()


@pytest.mark.parametrize(
    "code",
    [
        "SampleProjection.components_",
        "SampleProjection.transform(features)",
        "vmf.log_density",
        "h",
        "BASELINES",
        "Trail.fooled",
        "region_shapley(players)",
        "KappaCurve(dim)",
        'datasets.load(split="held_out")',
    ],
)
def test_a_name_that_exists_is_found(code: str) -> None:
    assert names().has(code)


@pytest.mark.parametrize(
    "code",
    [
        "SampleProjection.component_",
        "SampleProjection.transform(logits)",
        "vmf.log_densities",
        "hh",
        "_checks",
        "Trail.fooled_",
        "Trail.components_",
        "region_shapley(player)",
        "RegionProjection(beta)",
        'datasets.load(split="heldout")',
    ],
)
def test_a_name_that_does_not_exist_is_missed(code: str) -> None:
    assert not names().has(code)


def test_each_name_of_the_symbols_exists() -> None:
    symbols_part = NOTATION.read_text(encoding="utf-8").split("## Symbols")[1].split("### Letters of one place")[0]
    codes = [code for row in table_rows(symbols_part) for code in re.findall("`([^`]+)`", row[3])]
    assert len(codes) > 50
    assert [code for code in codes if not names().has(code)] == []


def test_what_fit_has_learned_belongs_to_the_class_that_is_named_above_its_table() -> None:
    seen = 0
    for section in NOTATION.read_text(encoding="utf-8").split("### "):
        learned = {code for row in table_rows(section) for code in re.findall(r"`(\w+_)`", row[-1])}
        said = re.search(r"^Names in code that end in an underscore are those of (.+)\.$", section, flags=re.M)
        owners = re.findall(r"`(\w+)`", said[1]) if said else []
        assert learned <= {member for owner in owners for member in names().members[owner]}
        seen += len(learned)
    assert seen >= 6


# Words


@cache
def glossary() -> dict[str, str]:
    block = re.search(r"```\{glossary\}\n(.+?)\n```", NOTATION.read_text(encoding="utf-8"), flags=re.S)
    assert block
    entries = [entry.split("\n", maxsplit=1) for entry in block[1].split("\n\n")]
    return {term: " ".join(line.strip() for line in meaning.split("\n")) for term, meaning in entries}


def spoken(text: str) -> str:
    """Small letters, and names in code as words: ``trajectory_types`` says what *trajectory type* says."""
    return text.replace("_", " ").casefold()


def test_words_are_in_alphabetical_order() -> None:
    assert list(glossary()) == sorted(glossary(), key=str.casefold)
    assert len(glossary()) > 50


@pytest.mark.parametrize("term", glossary())
def test_a_word_has_a_meaning_a_chapter_that_uses_it_and_a_name_in_code(term: str) -> None:
    meaning, _, code = glossary()[term].rpartition("In code: ")
    places = re.findall(r"\]\((.+?\.ipynb)\)", meaning)
    assert places
    for place in places:
        said = spoken(term) in spoken((NOTATION.parent / place).read_text(encoding="utf-8"))
        assert said, f"{place} never says {term!r}"
    assert code.startswith("none") or re.search("`", code)
    assert [name for name in re.findall("`([^`]+)`", code) if not names().has(name)] == []
