"""Studies on a Dask cluster of two workers on the loopback address."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
from distributed import Client, LocalCluster, Worker

from ecnas_core.errors import Cancelled
from ecnas_core.search import Setting, runner, study_repository
from ecnas_core.search.cluster import ClusterMissing, InvalidAddress
from ecnas_core.search.study import Advance, FiguresChanged, Plan
from ecnas_core.search.task import Figures
from tests.studies import carried_out
from tests.waiting import until

PLAN = Plan(Setting(space="5V"), {"MS-EHVI": 100, "RS": 60}, (0,))


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Two workers, which are spawned and so would run the main file again: after an AppTest that is gone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "__main__", ModuleType("__main__"))
        with LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as found:
            yield found


def executing(dask_worker: Worker) -> int:
    return dask_worker.state.executing_count


def test_a_worker_is_killed_and_the_result_is_the_local_one(cluster: LocalCluster, tmp_path: Path) -> None:
    killed: list[int] = []

    with Client(cluster, set_as_default=False) as client:
        pids = client.run(os.getpid)

        def tell(_: Advance) -> None:
            progress = runner.progress(runner.find("mine", tmp_path / "cluster"))
            running = [each for each in progress.trials if each.state == "running" and 0 < each.evaluations < 60]
            if running and not killed:
                working = {address: tasks for address, tasks in client.processing().items() if tasks}
                killed.append(pids[next(iter(working))])
                os.kill(killed[0], signal.SIGKILL)

        study = runner.run(PLAN, tmp_path / "cluster", "mine", scheduler=cluster.scheduler_address, tell=tell)
        assert len(killed) == 1
        assert (study.state, study.missing) == ("done", ())
        assert killed[0] not in client.run(os.getpid).values()
    told = runner.progress(study)
    assert [each.evaluations for each in told.trials] == [100, 60]
    local = carried_out(PLAN, tmp_path / "local", "mine")
    pd.testing.assert_frame_equal(
        study_repository.evaluations(study), study_repository.evaluations(local), check_exact=True
    )
    assert runner.progress(local).figures == told.figures


def test_cancelled_trials_leave_the_workers(cluster: LocalCluster, tmp_path: Path) -> None:
    def tell(advance: Advance) -> None:
        if advance.evaluations:
            runner.cancel(runner.find("mine", tmp_path))

    plan = Plan.of(Setting(space="5V"), ("MS-EHVI",), 900, 3)
    with Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(2)
        with pytest.raises(Cancelled):
            runner.run(plan, tmp_path, "mine", scheduler=cluster.scheduler_address, tell=tell)
        assert runner.find("mine", tmp_path).state == "cancelled"
        until(lambda: set(client.run(executing).values()) == {0})


def test_a_worker_with_other_figures_is_refused(
    cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecnas_core.search.cluster.figures_of", lambda *_: Figures("other", (1.0, 0.2), 0.1, 1, 1, 1))
    with pytest.raises(FiguresChanged, match="other figures than this machine"):
        runner.run(PLAN, tmp_path, scheduler=cluster.scheduler_address)


def test_nobody_at_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecnas_core.search.cluster._PATIENCE_S", 0.1)
    with pytest.raises(ClusterMissing, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        runner.run(PLAN, tmp_path, scheduler="tcp://127.0.0.1:9")
    with pytest.raises(InvalidAddress, match=r"^'nowhere' is no address of a Dask scheduler; give it as tcp://"):
        runner.run(PLAN, tmp_path, scheduler="nowhere")


def test_dask_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ClusterMissing, match=r"pip install -r requirements-cluster\.txt"):
        runner.run(PLAN, tmp_path, scheduler="tcp://127.0.0.1:9")
