"""What runs or ran, from any page or command: list it, cancel it, forget it."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Any

from ecnas_core.commands.base import Command, table, with_data


def register(command: Command) -> None:
    """Add ``runs``.

    Args:
        command: adds one.
    """
    runs = command(
        "runs",
        _runs,
        "What runs or ran: downloads, ingests, searches, trainings, measurements",
        "  python -m ecnas_core runs\n"
        "  python -m ecnas_core runs cancel semoa-l-in-5v-1a2b3c4d\n"
        "  python -m ecnas_core runs clean",
    )
    runs.add_argument(
        "action",
        choices=["list", "cancel", "clean"],
        nargs="?",
        default="list",
        help="clean forgets what has ended; studies and trainings stay, and so does everything stored",
    )
    runs.add_argument("id", metavar="ID", nargs="?", help="of the run to cancel")
    with_data(runs)


def _runs(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ecnas_core.runs import RunError, UnknownRun, activity

    if (options.action == "cancel") != (options.id is not None):
        raise UnknownRun("cancel needs the ID of a run, list and clean take none; see the command runs for the IDs")
    match options.action:
        case "cancel":
            found = activity.find(options.id, options.data)
            if not found.run.running:
                raise RunError(f"the {found.kind.name} {found.title!r} does not run: {found.run.state}")
            found.store.cancel(found.run)
            return _document([found]), f"{found.title} is being cancelled"
        case "clean":
            gone = activity.clean(options.data)
            return _document(gone), f"{len(gone)} runs forgotten"
    listed = _document(activity.activities(options.data))
    rows = [
        {name: row[name] for name in ("id", "kind", "title", "state")}
        | {"done": f"{row['share']:.0%}" if row["state"] == "running" else "", "started": row["started"]}
        for row in listed["runs"]
    ]
    return listed, table(rows) or "nothing runs and nothing ran"


def _document(found: list[Any]) -> dict[str, Any]:
    return {
        "runs": [
            {
                "id": each.run.id,
                "kind": each.kind.name,
                "title": each.title,
                "state": each.run.state,
                "share": None if each.progress is None else each.progress.share,
                "seconds_left": None if each.progress is None else each.progress.seconds_left,
                "started": datetime.fromtimestamp(each.run.started, UTC).isoformat(timespec="seconds"),
                "error": each.run.error,
            }
            for each in found
        ]
    }
