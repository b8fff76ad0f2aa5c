"""The list of seeded faults fits the project as it stands."""

from __future__ import annotations

from collections import Counter

from tests.faults.catalogue import FAULTS
from tests.faults.fault import ROOT


def test_every_fault_can_be_put_in_once_and_names_tests_that_exist():
    wrong = []
    for fault in FAULTS:
        times = (ROOT / fault.path).read_text(encoding="utf-8").count(fault.right)
        if times != 1:
            wrong.append(f"{fault.path}: {times} times {fault.right!r}")
        wrong += [f"{fault.what}: no {test}" for test in fault.tests if not (ROOT / test).exists()]
    assert not wrong


def test_every_package_and_every_page_has_one():
    at = Counter(fault.path for fault in FAULTS)
    packages = [folder for folder in (ROOT / "ecnas_core").iterdir() if (folder / "__init__.py").exists()]
    assert [each.name for each in packages if not any(path.startswith(f"ecnas_core/{each.name}/") for path in at)] == []
    pages = {path.stem for path in (ROOT / "pages").glob("*.py")}
    tested = " ".join(test for fault in FAULTS for test in fault.tests if fault.path.startswith("pages/"))
    assert [page for page in sorted(pages) if page not in tested] == []
    assert len(FAULTS) >= 40
