"""Which modules of the project a file imports, read from its source and at any depth."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOP_LEVEL = ("ecnas_core", "pages", "app", "tests")


def sources() -> list[Path]:
    """Every file of the product."""
    return [path for folder in ("ecnas_core", "pages") for path in sorted((ROOT / folder).rglob("*.py"))] + [
        ROOT / "app.py"
    ]


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Everything in a file's syntax tree."""
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))))


@cache
def imported(path: Path) -> tuple[tuple[int, str], ...]:
    """Line and full name of everything a file imports, at any depth, ``from a import b`` as a.b where that is a module."""
    found = []
    package = module_name(path) if path.name == "__init__.py" else module_name(path).rpartition(".")[0]
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base] if base else parents)
            found += [
                (node.lineno, f"{base}.{alias.name}" if is_module(f"{base}.{alias.name}") else base)
                for alias in node.names
            ]
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in (
            "import_module",
            "__import__",
        ):
            named = node.args[0]
            assert isinstance(named, ast.Constant), f"{path}:{node.lineno} imports what cannot be known"
            found.append((node.lineno, named.value))
    return tuple(found)


@cache
def is_module(name: str) -> bool:
    if name.split(".")[0] not in TOP_LEVEL:
        return False
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()
