"""The house stands as its maps say: rooms, the arrows between them, a thin core, and public names that are there."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import nbhelpers
from nbhelpers.extras import EXTRAS

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "nbhelpers"
CORE = ("maths", "method")
CORE_NEEDS = {"numpy", "scipy", "torch", "sklearn", "tqdm", "threadpoolctl"}
DRAWING = {"plotly", "matplotlib", "ipywidgets", "IPython"}


def dotted(path: Path) -> str:
    """A module's name, such as ``nbhelpers.maths.vmf``; of a package, the package's."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {dotted(path): ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}
ROOMS = {name.split(".")[1] for name in MODULES if "." in name} - {"__main__"}  # the door of the command line


def imports(tree: ast.Module) -> set[tuple[str, str]]:
    """What a module imports anywhere in its code: the module, and the name from it, or none.

    >>> sorted(imports(ast.parse("import numpy\\ndef f():\\n    from nbhelpers.maths.vmf import sample")))
    [('nbhelpers.maths.vmf', 'sample'), ('numpy', '')]
    """
    pairs = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            pairs |= {(alias.name, "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level and node.module, "write absolute imports"
            pairs |= {(node.module, alias.name) for alias in node.names}
    return pairs


def room(module: str, name: str = "") -> str:
    """The room of ``nbhelpers`` that an import leads to; empty for the package itself and for all others."""
    top, _, below = f"{module}.{name}".partition(".")
    return below.split(".")[0] if top == "nbhelpers" and below.split(".")[0] in ROOMS else ""


def of(*rooms: str) -> dict[str, ast.Module]:
    """The modules that stand in these rooms, on the disk."""
    return {name: tree for name, tree in MODULES.items() if room(name) in rooms}


def arrows(name: str) -> set[str]:
    """The rooms that one room imports from."""
    return {room(*pair) for tree in of(name).values() for pair in imports(tree)} - {"", name}


def the_map() -> dict[str, tuple[str, set[str]]]:
    """The page's rooms from the top to the ground: what is in each, and what it may import."""
    text = (ROOT / "book" / "about" / "contributing.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|(.*)\|$", text.split("### The rooms")[1].split("\n## ")[0], flags=re.M)
    return {name: (what, set(re.findall(r"`(\w+)`", may))) for name, what, may in rows}


# The map


def test_each_room_is_on_the_map_and_nothing_else() -> None:
    assert set(the_map()) == ROOMS


def test_the_package_says_what_the_page_says() -> None:
    rows = re.findall(r"^``(\w+)`` +(.+)$", nbhelpers.__doc__ or "", flags=re.M)
    assert rows == [(name, what) for name, (what, _) in the_map().items()]


@pytest.mark.parametrize("name", the_map())
def test_a_room_imports_what_the_map_allows_and_the_map_allows_no_more(name: str) -> None:
    assert arrows(name) == the_map()[name][1]


@pytest.mark.parametrize("name", the_map())
def test_arrows_point_down(name: str) -> None:
    names = list(the_map())
    assert the_map()[name][1] <= set(names[names.index(name) + 1 :])


# The core


@pytest.mark.parametrize("module", of(*CORE))
def test_the_core_needs_five_libraries_and_nothing_else_of_the_house(module: str) -> None:
    allowed = CORE_NEEDS | set(sys.stdlib_module_names)
    below = {"maths"} if room(module) == "maths" else set(CORE)
    for source, name in imports(MODULES[module]):
        top = source.split(".")[0]
        assert top in allowed or (top == "nbhelpers" and room(source, name) in below), f"{source} {name}"


def test_the_core_is_thin() -> None:
    lines = sum(len(path.read_bytes().splitlines()) for name in CORE for path in (PACKAGE / name).rglob("*.py"))
    assert 1000 < lines <= 3000


@pytest.mark.parametrize("module", [name for name in MODULES if room(name) != "show"])
def test_only_figures_draw(module: str) -> None:
    assert not {source.split(".")[0] for source, _ in imports(MODULES[module])} & DRAWING


def extras(tree: ast.Module) -> set[str]:
    """The extras that a module requires before it imports what they bring."""
    calls = [node.value for node in tree.body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)]
    return {call.args[0].value for call in calls if ast.unparse(call.func) == "require"}


@pytest.mark.parametrize("module", MODULES)
def test_what_the_core_does_not_bring_is_required_by_the_name_of_its_extra(module: str) -> None:
    tree = MODULES[module]
    at_once = ast.Module([node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)], [])
    beyond = {source.split(".")[0] for source, _ in imports(at_once)} - CORE_NEEDS - set(sys.stdlib_module_names)
    required = extras(tree) | extras(MODULES.get(f"nbhelpers.{room(module)}", tree))
    brought = {name for extra in required for name in EXTRAS[extra]}
    assert beyond <= brought | {"nbhelpers"} | ({"IPython"} if "ipywidgets" in brought else set())


# Names


def holds(module: str) -> set[str]:
    """The names that a module defines itself, and those of the modules in it."""
    defined = {name.rpartition(".")[2] for name in MODULES if name.rpartition(".")[0] == module}
    for node in MODULES[module].body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.If):
            defined |= {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
    return defined


@pytest.mark.parametrize("module", MODULES)
def test_inside_the_house_names_are_imported_from_where_they_live(module: str) -> None:
    own = {(source, name) for source, name in imports(MODULES[module]) if source.split(".")[0] == "nbhelpers" and name}
    assert {(source, name) for source, name in own if name not in holds(source)} == set()


@pytest.mark.parametrize("name", nbhelpers.__all__)
def test_public_names_are_there(name: str) -> None:
    value = getattr(nbhelpers, name)
    assert name in dir(nbhelpers)
    assert getattr(value, "__module__", "nbhelpers").startswith("nbhelpers")


def test_an_unknown_name_is_refused_with_those_that_exist() -> None:
    with pytest.raises(AttributeError, match=r"SampleProjektion.*SampleProjection"):
        getattr(nbhelpers, "SampleProjektion")  # noqa: B009


def test_the_door_opens_without_the_heavy_libraries() -> None:
    """What takes the time of an import is what it loads: nearly nothing, and none of the libraries."""
    code = "import sys; before = set(sys.modules); import nbhelpers; print(*sorted(set(sys.modules) - before))"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT).split()
    assert "nbhelpers" in loaded
    assert {name.split(".")[0] for name in loaded} <= {"nbhelpers", *sys.stdlib_module_names}
    assert len(loaded) < 15


def tracked() -> dict[str, str]:
    """Every text of the repository that may name a module, by path."""
    listed = subprocess.check_output(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT)
    ends = (".py", ".md", ".ipynb", ".toml", ".yml", ".cff", "Makefile")
    paths = [path for path in listed.decode().split("\0") if path.endswith(ends) and (ROOT / path).is_file()]
    return {path: (ROOT / path).read_text(encoding="utf-8") for path in paths}


def leads_somewhere(name: str) -> bool:
    """Whether a dotted name is that of a module, or of what the last module in it holds or offers."""
    module = "nbhelpers"
    for part in name.split(".")[1:]:
        if f"{module}.{part}" not in MODULES:
            offered = {alias for _, alias in imports(MODULES[module])} if module != "nbhelpers" else nbhelpers.__all__
            return part in holds(module) or part in offered or part.startswith("__")
        module = f"{module}.{part}"
    return True


@pytest.mark.parametrize("name", ["nbhelpers.show.table1", "nbhelpers.Study", "nbhelpers.method.samples.fit_along"])
def test_a_path_that_is_there_is_found(name: str) -> None:
    assert leads_somewhere(name)


@pytest.mark.parametrize("name", ["samples", "method.vmf", "vmf.sample", "show.table3", "maths.vmf.fit_along"])
def test_a_path_that_is_gone_is_missed(name: str) -> None:
    assert not leads_somewhere(f"nbhelpers.{name}")


def test_no_old_path_is_left() -> None:
    lost = set()
    for path, text in tracked().items():
        dots = re.findall(r"\bnbhelpers(?:\.[a-z_]\w*)+", text.replace("nbhelpers.css", ""), flags=re.I)
        files = re.findall(r"\bnbhelpers/[\w/]+\.(?:py|js|css)\b", text.replace("NAME.py", ""))
        lost |= {(path, name) for name in dots if not leads_somewhere(name)}
        lost |= {(path, name) for name in files if not (ROOT / name).is_file()}
    assert lost == set()
