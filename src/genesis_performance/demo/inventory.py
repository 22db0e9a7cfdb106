"""A SQLite database with real content: what the running interpreter's standard library consists of."""

from __future__ import annotations

import ast
import sqlite3
import sysconfig
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

SCHEMA = """
CREATE TABLE module (name TEXT PRIMARY KEY, file TEXT NOT NULL, lines INTEGER NOT NULL,
                     summary TEXT NOT NULL);
CREATE TABLE definition (id INTEGER PRIMARY KEY, module TEXT NOT NULL REFERENCES module (name),
                         kind TEXT NOT NULL, name TEXT NOT NULL, line INTEGER NOT NULL,
                         arguments INTEGER NOT NULL, summary TEXT NOT NULL);
CREATE INDEX definitions ON definition (module);
"""
INSERT_DEFINITION = (
    "INSERT INTO definition (module, kind, name, line, arguments, summary) VALUES (?, ?, ?, ?, ?, ?)"
)


def create(path: Path, *, folder: Path | None = None, most: int = 150) -> tuple[int, int]:
    """Make the database; returns how many modules and definitions it has.

    Args:
        folder: with Python sources; the standard library's by default. They are read, not imported.
        most: modules, in order of name.
    """
    found = sorted((folder or Path(sysconfig.get_path("stdlib"))).glob("*.py"))[:most]
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(SCHEMA)
        for file in found:
            source = file.read_text(encoding="utf-8", errors="replace")
            try:
                tree = ast.parse(source)
            except SyntaxError:
                continue
            lines = source.count("\n")
            database.execute(
                "INSERT INTO module VALUES (?, ?, ?, ?)", (file.stem, file.name, lines, _summary(tree))
            )
            database.executemany(
                INSERT_DEFINITION,
                ((file.stem, *definition) for definition in _definitions(tree)),
            )
        (modules,) = database.execute("SELECT count(*) FROM module").fetchone()
        (definitions,) = database.execute("SELECT count(*) FROM definition").fetchone()
    return modules, definitions


def _definitions(tree: ast.Module) -> Iterator[tuple[str, str, int, int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield "class", node.name, node.lineno, 0, _summary(node)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            given = len(node.args.posonlyargs) + len(node.args.args) + len(node.args.kwonlyargs)
            yield "function", node.name, node.lineno, given, _summary(node)


def _summary(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    lines = (ast.get_docstring(node) or "").strip().splitlines()
    return lines[0] if lines else ""
