"""The tests that a change can break, by what their files import or name: ``python -m tests.affected``.

Prints the test files for what differs from main, committed or not. A change of data, of requirements or of settings
affects all of them, and so does one that cannot be placed.
"""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from tests.imports import ROOT, imported, is_module, nodes

JOURNEYS = ROOT / "tests" / "journeys"
APP, PAGES = ROOT / "app.py", ROOT / "pages"
OF_NO_TEST = {".md", ".png"}


@cache
def uses(path: Path) -> frozenset[Path]:
    """The files of the project that a file imports, names in a text, or is set up by."""
    found = {file for _, name in imported(path) for file in files_of(name)}
    for node in nodes(path):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= set(named(node.value, path))
        elif isinstance(node, ast.Call) and path.is_relative_to(ROOT / "tests"):
            found |= set(opened(node))
    if path.is_relative_to(ROOT / "tests"):
        found |= {folder / "conftest.py" for folder in path.parents if (folder / "conftest.py").is_file()}
    return frozenset(found - {path})


def files_of(name: str) -> list[Path]:
    """A module's file and those of the packages that it is in, but the outermost, which loads what is asked of it."""
    parts = name.split(".")
    depths = range(min(2, len(parts)), len(parts) + 1)
    modules = [ROOT.joinpath(*parts[:depth]) for depth in depths] if is_module(name) else []
    files = [each for module in modules for each in (module / "__init__.py", module.with_suffix(".py"))]
    return [each for each in files if each.is_file()]


def named(text: str, path: Path) -> Iterable[Path]:
    """The files that a text in a file can mean: a module, or a file from the root or beside it."""
    if not text or len(text) > 100 or any(each.isspace() or each == "\0" for each in text):
        return
    yield from files_of(text.partition(":")[0])
    for place in (ROOT / text, path.parent / text, path.parent / f"{path.stem}{text}"):
        if place.is_file():
            yield place


def opened(call: ast.Call) -> list[Path]:
    """The pages that a call in a test opens: the one that it names, or any."""
    if getattr(call.func, "attr", getattr(call.func, "id", "")) not in ("open_page", "go"):
        return []
    first = call.args[0] if call.args else None
    name = first.value if isinstance(first, ast.Constant) else "*"
    return list(PAGES.glob(f"{name}.py"))


@cache
def reached(path: Path) -> frozenset[Path]:
    """Every file that a file depends on, itself among them."""
    seen: set[Path] = set()
    ahead = [path]
    while ahead:
        each = ahead.pop()
        if each not in seen:
            seen.add(each)
            ahead += uses(each) if each.suffix == ".py" else ()
    return frozenset(seen)


def without_browser() -> list[Path]:
    """Every file of tests that needs no browser."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return [each for each in files if not each.is_relative_to(JOURNEYS)]


def affected(changed: Iterable[Path]) -> list[Path]:
    """The files of tests that a change of these files can break."""
    reach = {test: reached(test) for test in without_browser()}
    placed = set().union(*reach.values())
    concerning = {each for each in changed if matters(each)}
    if any(each not in placed or not is_code(each) for each in concerning):
        return list(reach)
    return [test for test, files in reach.items() if files & concerning]


def matters(path: Path) -> bool:
    """Whether a change of a file can make a test fail that needs no browser."""
    deleted_test = path.name.startswith("test_") and not path.exists()
    elsewhere = any(path.is_relative_to(folder) for folder in (JOURNEYS, ROOT / "benchmarks"))
    return not (path.suffix in OF_NO_TEST or elsewhere or deleted_test)


def is_code(path: Path) -> bool:
    """Whether a file concerns those alone that use it."""
    return path == APP or any(path.is_relative_to(ROOT / folder) for folder in ("ecnas_core", "pages", "tests"))


def changes() -> list[Path]:
    """The files that differ from main, in commits of a branch or not yet committed."""
    [base] = git("merge-base", "HEAD", "main")
    return [
        ROOT / name for name in git("diff", "--name-only", base) + git("ls-files", "--others", "--exclude-standard")
    ]


def git(*arguments: str) -> list[str]:
    done = subprocess.run(["git", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.splitlines()


if __name__ == "__main__":
    print(*(each.relative_to(ROOT) for each in affected(changes())), sep="\n")
