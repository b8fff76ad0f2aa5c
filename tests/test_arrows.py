"""Who may import whom, and what an import must not load.

pages, commands -> figures -> analysis, search, surrogates, measure, carbon, export -> benchmark -> runs -> cells
-> records, files, errors
"""

from __future__ import annotations

import subprocess
import sys
from graphlib import TopologicalSorter
from importlib.util import find_spec

from tests import imports
from tests.imports import ROOT, imported, is_module, module_name, sources

ROOMS = [
    {"pages", "app", "commands"},
    {"figures"},
    {"analysis", "search", "surrogates", "measure", "carbon", "export"},
    {"benchmark"},
    {"runs"},
    {"cells"},
]
LEVEL = {room: level for level, rooms in enumerate(ROOMS) for room in rooms}
HEAVY = {"torch", "pymoo", "carbontracker", "sklearn", "scipy", "matplotlib", "tensorflow"}
LAZY_TORCH = ROOT / "ecnas_core" / "cells" / "network.py"


def room_of(module: str) -> str | None:
    """The room that a module of the project stands in; None for the others and for the core's own top level."""
    head, *rest = module.split(".")
    if head in ("pages", "app"):
        return head
    return rest[0] if head == "ecnas_core" and rest and rest[0] in LEVEL else None


def test_imports_are_read_in_all_their_forms(tmp_path, monkeypatch):
    """The check itself: it must see an import wherever and however it stands."""
    monkeypatch.setattr(imports, "ROOT", tmp_path)
    is_module.cache_clear()
    folder = tmp_path / "ecnas_core" / "cells"
    folder.mkdir(parents=True)
    for path in (tmp_path / "ecnas_core" / "__init__.py", folder / "__init__.py", folder / "cell.py"):
        path.write_text("")
    path = folder / "graph.py"
    path.write_text(
        "import numpy.typing as npt\n"
        "from ecnas_core.cells import cell\n"
        "from ecnas_core.cells.cell import Cell\n"
        "from . import cell\n"
        "from .cell import Cell\n"
        "from .. import errors\n"
        "def f():\n"
        "    if True:\n"
        "        import torch\n"
        "        importlib.import_module('pymoo.core')\n"
    )
    try:
        assert imported(path) == (
            (1, "numpy.typing"),
            (2, "ecnas_core.cells.cell"),
            (3, "ecnas_core.cells.cell"),
            (4, "ecnas_core.cells.cell"),
            (5, "ecnas_core.cells.cell"),
            (6, "ecnas_core"),
            (9, "torch"),
            (10, "pymoo.core"),
        )
        assert (room_of("ecnas_core.cells.cell"), room_of("ecnas_core.errors"), room_of("pages.widgets.card")) == (
            "cells",
            None,
            "pages",
        )
    finally:
        is_module.cache_clear()


def test_every_folder_is_a_room():
    folders = {path.name for path in (ROOT / "ecnas_core").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders <= LEVEL.keys()
    assert {"cells", "benchmark", "analysis", "carbon", "figures", "measure"} <= folders


def test_arrows_point_downwards():
    wrong = []
    for path in sources():
        own = room_of(module_name(path))
        for line, name in imported(path):
            other = room_of(name)
            where = f"{path.relative_to(ROOT)}:{line} imports {name}"
            if own is not None and other is not None and LEVEL[other] < LEVEL[own]:
                wrong.append(where)
            if own not in (None, "commands") and other == "commands":
                wrong.append(f"{where}: the command line alone knows its commands")
            if own is not None and name in ("ecnas_core.cli", "ecnas_core.__main__"):
                wrong.append(f"{where}: nothing stands above the command line")
            if path.is_relative_to(ROOT / "ecnas_core") and other in ("pages", "app"):
                wrong.append(f"{where}: the core does not know the app")
    assert not wrong


def test_rooms_of_one_level_do_not_import_each_other_in_a_circle():
    edges: dict[str, set[str]] = {room: set() for room in LEVEL}
    for path in sources():
        own = room_of(module_name(path))
        for _, name in imported(path):
            other = room_of(name)
            if own and other and own != other:
                edges[own].add(other)
    order = list(TopologicalSorter(edges).static_order())
    assert len(order) == len(LEVEL)


def test_errors_and_records_stand_below_everything():
    assert [name for _, name in imported(ROOT / "ecnas_core" / "errors.py") if name != "__future__"] == []
    names = {name for _, name in imported(ROOT / "ecnas_core" / "records.py")}
    assert {name for name in names if name.split(".")[0] not in sys.stdlib_module_names} == {
        "msgspec",
        "msgspec.structs",
        "ecnas_core.errors",
    }


def test_cells_import_numpy_records_and_the_standard_library():
    wrong = []
    for path in sorted((ROOT / "ecnas_core" / "cells").rglob("*.py")):
        allowed = sys.stdlib_module_names | {"numpy", "msgspec"} | ({"torch"} if path == LAZY_TORCH else set())
        for line, name in imported(path):
            own = name in ("ecnas_core", "ecnas_core.errors", "ecnas_core.records") or name.startswith(
                "ecnas_core.cells"
            )
            if not own and name.split(".")[0] not in allowed:
                wrong.append(f"{path.name}:{line} imports {name}")
    assert not wrong


def test_core_does_not_know_streamlit():
    wrong = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted((ROOT / "ecnas_core").rglob("*.py"))
        for line, name in imported(path)
        if name.split(".")[0] == "streamlit"
    ]
    assert not wrong


def loaded_by(*modules: str) -> set[str]:
    """The top-level modules that importing these loads in a fresh process."""
    code = f"import sys\nimport {', '.join(modules)}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def modules_below(folder: str) -> list[str]:
    return [module_name(path) for path in sorted((ROOT / folder).rglob("*.py")) if path.name != "__main__.py"]


def test_the_heavy_libraries_are_there_to_be_loaded():
    """Otherwise the tests below would pass for want of them."""
    assert all(find_spec(name) for name in ("torch", "pymoo", "carbontracker"))


def test_cells_load_numpy_alone():
    loaded = loaded_by("ecnas_core.cells")
    assert "numpy" in loaded
    assert loaded.isdisjoint(HEAVY | {"streamlit", "plotly"})


def test_library_and_command_line_load_nothing_heavy():
    loaded = loaded_by(
        "ecnas_core", "ecnas_core.cli", *modules_below("ecnas_core/analysis"), *modules_below("ecnas_core/carbon")
    )
    assert loaded.isdisjoint(HEAVY | {"streamlit", "plotly", "pandas", "jinja2", "moocore"})


def test_app_loads_nothing_heavy():
    loaded = loaded_by("ecnas_core.figures.explore", *modules_below("pages/widgets"))
    assert {"streamlit", "plotly"} <= loaded
    assert loaded.isdisjoint({"torch", "pymoo", "carbontracker", "sklearn", "matplotlib", "tensorflow"})


def test_core_loads_no_streamlit():
    loaded = loaded_by(*[name for name in modules_below("ecnas_core") if not name.endswith((".network", ".workload"))])
    assert loaded.isdisjoint({"streamlit", "torch", "pymoo", "carbontracker", "jinja2", "moocore"})
