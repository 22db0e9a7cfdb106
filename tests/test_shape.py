"""The shape of the code: sizes, names, and who may do what."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
FILES = sorted(SOURCE.rglob("*.py"))

MOST_LINES = 500
REFUSED = ("manager", "helper", "helpers", "utils", "util", "handler", "common")
PUBLIC_NAMES = {"OptimizedSecretManager"}  # fixed by the requirements

MAY_READ_THE_ENVIRONMENT = {
    "config/loading.py": "the one reader of settings",
    "config/core_choice.py": "decides what is imported, before there are settings",
    "demo/processes.py": "hands the environment on to child processes, without our settings",
    "demo/stage.py": "is the demo's own process: its settings are those of the local cloud it started",
    "pytest_plugin.py": "leaves a folder that the tests chose themselves",
}
MAY_PRINT = ("cli/", "demo/")
LARGE_INITS = {
    "genesis_performance/__init__.py": "the lazy facade",
    "core/performance/__init__.py": "the alias, which must be there",
}


def _name(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def _part(path: Path) -> str:
    return _name(path).removeprefix("genesis_performance/")


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _words(name: str) -> list[str]:
    """``HTTPHandler_x`` is http, handler, x."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]


def test_there_is_code_to_look_at() -> None:
    assert len(FILES) > 100


def test_no_file_is_long() -> None:
    lines = {_name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert not {name: count for name, count in lines.items() if count > MOST_LINES}


def test_no_module_has_a_name_that_says_nothing() -> None:
    said = [_name(path) for path in FILES if set(_words(path.stem)) & set(REFUSED)]
    assert not [name for name in said if name not in _about_secret_manager(said)]


def _about_secret_manager(names: list[str]) -> list[str]:
    """Secret Manager is Google's product; a module about it carries its name."""
    return [name for name in names if name.endswith("secret_manager.py")]


def test_no_class_has_a_name_that_says_nothing() -> None:
    said = [
        f"{_name(path)}: {node.name}"
        for path in FILES
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.ClassDef)
        and set(_words(node.name)) & set(REFUSED)
        and node.name not in PUBLIC_NAMES
        and "SecretManager" not in node.name  # Google's product
    ]
    assert not said


def test_packages_only_hand_names_on() -> None:
    """An ``__init__.py`` holds a docstring, imports and ``__all__``, nothing that does something."""
    wrong = []
    for path in FILES:
        if path.name != "__init__.py" or _name(path) in LARGE_INITS:
            continue
        for node in _tree(path).body:
            handed = isinstance(node, ast.Import | ast.ImportFrom) or (
                isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            )
            if not handed and not _is_lazy_or_all(node):
                wrong.append(f"{_name(path)}:{node.lineno}")
    assert not wrong


def _is_lazy_or_all(node: ast.stmt) -> bool:
    """Tables of names, and what PEP 562 needs: ``__getattr__`` and imports for type checkers."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name in ("__all__", "_HOMES", "TYPE_CHECKING", "SERVICES")
        case ast.FunctionDef(name=name):
            return name in ("__getattr__", "__dir__")
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
    return False


def test_only_the_settings_read_the_environment() -> None:
    found = {
        _part(path)
        for path in FILES
        for node in ast.walk(_tree(path))
        if (isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv"))
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and {"environ", "getenv"} & _names(node))
    }
    assert not found - set(MAY_READ_THE_ENVIRONMENT)


def _names(node: ast.ImportFrom) -> set[str]:
    return {alias.name for alias in node.names}


def test_nothing_prints_but_the_command_line_and_the_demo() -> None:
    found = [
        f"{_part(path)}:{node.lineno}"
        for path in FILES
        if not _part(path).startswith(MAY_PRINT)
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not found


def test_no_file_names_a_place_of_one_machine() -> None:
    patterns = ("/home/[a-z]", "/Users/[A-Za-z]", "/root/", r"C:\\\\Users", "/" + "work/")
    wanted = re.compile("|".join(patterns))
    folders = ("src", "docs", "examples", "tests", "bench", "web", ".ci")
    kinds = {".py", ".md", ".toml", ".json", ".sql", ".css", ".html", ".yaml", ".ts", ""}
    files = [path for folder in folders for path in (ROOT / folder).rglob("*")]
    files += [path for path in ROOT.glob("*") if path.name != "requirements.lock"]
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in files
        if path.is_file()
        and path.suffix in kinds
        and path != Path(__file__)
        and not path.name.startswith(".cov")
        for match in [wanted.search(path.read_text(encoding="utf-8", errors="replace"))]
        if match
    ]
    assert not found


def test_every_module_says_what_it_is_for() -> None:
    """An empty ``__init__.py`` only marks a folder."""
    trees = {_name(path): _tree(path) for path in FILES}
    assert not [name for name, tree in trees.items() if tree.body and not ast.get_docstring(tree)]
