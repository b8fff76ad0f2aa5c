"""Data: where the figures come from, more of them, and questions in SQL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import streamlit as st

from ecnas_core.benchmark import catalogue, jobs
from ecnas_core.benchmark.catalogue import Official, Source
from ecnas_core.benchmark.jobs import BringBack, Derive, Download, Ingest, Request, SetAside
from ecnas_core.benchmark.layout import Stamp
from ecnas_core.figures.theme import format_prefixed, format_quantity
from ecnas_core.runs import Run
from pages.widgets import html, page, problem, runs, session, sql_box
from pages.widgets.sql_box import DataView

POLL_S = 0.5
SECTIONS = {"sources": "Sources", "sql": "SQL"}
ORIGINS = {"bundled": "Bundled", "ingested": "Ingested", "computed": "Computed"}
DOING = {SetAside: "Setting aside ", BringBack: "Bringing back ", Derive: "Deriving "}
Job = Run[Request]
state = st.session_state


@st.cache_resource(max_entries=8, show_spinner=False)
def listed(folder: Path, stamp: Stamp) -> tuple[list[Source], list[str]]:
    """The sources, and those whose results are gone; `stamp` changes with the data."""
    bench = session.bench()
    return catalogue.sources(bench), catalogue.left_behind(bench)


def start(begin: Callable[[str], Request], subject: str) -> None:
    """Start a job on the user's folder."""
    bench = session.bench()
    problem.attempt(lambda: jobs.start(begin(subject), bench.data, bundled=bench.bundled))


def size(number: int) -> str:
    """Bytes for the eye."""
    return format_prefixed(number, "B")


def summary(sources: list[Source], official: list[Official]) -> None:
    """The numbers on top."""
    count = lambda number: format_quantity(number, digits=None)  # noqa: E731
    ingested = [source for source in sources if source.origin == "ingested"]
    missing = [each for each in official if each.here == "missing"]
    html.facts(
        [
            ("Sources", count(len(sources)), f"{count(sum(source.records for source in sources))} training results"),
            (
                "Official files",
                f"{len(official) - len(missing)} of {len(official)}",
                f"{len(missing)} can be downloaded" if missing else "all of them are here",
            ),
            (
                "Ingested",
                count(len(ingested)),
                size(sum(source.bytes or 0 for source in ingested)) if ingested else "bundled figures alone",
            ),
        ]
    )


def watch() -> None:
    """The files that are missing and every job, live as long as one runs."""
    found = jobs.store(session.bench().data).all()
    running = {job.id: job.started for job in found if job.running}
    before = state.get("data_running", running)
    state.data_running = running
    if running != before:
        st.rerun()  # to begin or end looking at them, and because the data may be another one now
    fetching = {job.request.name: job for job in found if isinstance(job.request, Download)}
    missing = [each for each in catalogue.official(session.bench()) if each.here == "missing"]
    if missing:
        st.header("Official files that are not here", anchor=False)
    for each in missing:
        offer(each, fetching.pop(each.file.name, None))
    others = [job for job in found if not isinstance(job.request, Download) or job.request.name in fetching]
    if others:
        st.header("Jobs", anchor=False)
    for job in others:
        with st.container(horizontal=True, vertical_alignment="center"):
            name = job.id if job.request is None else Path(jobs.subject(job.request)).name
            st.markdown(f"{DOING.get(type(job.request), '')}{html.code(name)}", width="stretch")
            actions(job)
        progress(job)


def offer(each: Official, job: Job | None) -> None:
    """One official file that is missing: what it would bring, how to get it, how far that is."""
    name = each.file.name
    with st.container(horizontal=True, vertical_alignment="center"):
        fetched = f", {size(each.fetched)} of it fetched" if each.fetched > 0 and not (job and job.running) else ""
        st.markdown(f"`{name}` {size(each.file.bytes)}{fetched}  \n{each.adds}.", width="stretch")
        if job is None or job.state == "done":
            label = "Resume" if each.fetched else "Download"
            st.button(label, key=f"data_get_{name}", icon=":material/download:", on_click=start, args=(Download, name))
        else:
            actions(job)
    if job is not None:
        progress(job)


def actions(job: Job) -> None:
    """What can be done with a job."""
    data = session.bench().data
    if job.running:
        runs.cancel_button(jobs.store(data), job, f"data_cancel_{job.id}")
        return
    if isinstance(job.request, Download | Ingest) and job.state != "done":
        label = "Resume" if job.state == "cancelled" and isinstance(job.request, Download) else "Try again"
        st.button(
            label,
            key=f"data_again_{job.id}",
            icon=":material/refresh:",
            on_click=start,
            args=(type(job.request), jobs.subject(job.request)),
        )
    st.button(
        "Dismiss",
        key=f"data_dismiss_{job.id}",
        icon=":material/close:",
        type="tertiary",
        on_click=problem.attempt,
        args=(jobs.store(data).dismiss, job.id),
    )


def progress(job: Job) -> None:
    """How far a job is, or how it ended."""
    if job.running:
        runs.bar(job, jobs.progress(job))
    elif job.state == "done":
        report = jobs.ingested(job)
        text = (
            "Done."
            if report is None
            else (
                f"{format_quantity(report.records, digits=None)} training results of "
                f"{format_quantity(report.cells, digits=None)} cells, "
                f"{'official: the benchmark counts it' if report.official else 'your own: in the view results'}, "
                f"read in {format_quantity(report.seconds, 's', 2)}."
            )
        )
        st.caption(f":material/check_circle: {text}")
    else:
        download = isinstance(job.request, Download)
        runs.outcome(job, kept="What was fetched is kept." if download else "Nothing has changed.")


def source_table(sources: list[Source]) -> None:
    """Every source as a row."""
    st.header("Every source", anchor=False)
    rows = pd.DataFrame(
        {
            "Source": [source.name for source in sources],
            "From": [ORIGINS[source.origin] for source in sources],
            "Results": [source.records for source in sources],
            "Cells": [source.cells for source in sources],
            "Energy": [source.energy for source in sources],
            "Accuracy": [source.accuracy for source in sources],
            "Checked": [source.checked for source in sources],
            "Licence": [source.licence for source in sources],
            "Devices": [source.devices for source in sources],
            "Ingested": pd.Series([source.since for source in sources], dtype="datetime64[us]"),
            "kB": [None if source.bytes is None else source.bytes / 1e3 for source in sources],
        }
    )
    number = st.column_config.NumberColumn(format="localized")
    st.dataframe(
        rows,
        hide_index=True,
        row_height=34,
        height=34 * len(rows) + 37,
        column_config={
            "Results": number,
            "Cells": number,
            "kB": st.column_config.NumberColumn(format="%.0f", help="Size of its Parquet file."),
            "Ingested": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
        },
        placeholder="–",
        alt=f"{len(rows)} sources with counts, provenance, licence and what is known of their bytes",
    )


def yours(sources: list[Source]) -> None:
    """What was ingested and can be set aside, and what was set aside and can come back."""
    data = session.bench().data
    ingested = [source for source in sources if source.origin == "ingested"]
    aside = catalogue.set_aside(data)
    if not ingested and not aside:
        return
    st.header("What you ingested", anchor=False)
    for source in ingested:
        with st.container(horizontal=True, vertical_alignment="center"):
            results = f"{format_quantity(source.records, digits=None)} results"
            st.markdown(f"{html.code(source.name)} {results}", width="stretch")
            st.button(
                "Set aside",
                key=f"data_remove_{source.file}",
                type="tertiary",
                icon=":material/inventory_2:",
                on_click=start,
                args=(SetAside, source.file),
            )
    if ingested:
        st.button(
            "Go back to bundled",
            key="data_bundled",
            icon=":material/undo:",
            help="Sets everything ingested aside; nothing is deleted, and it can come back.",
            on_click=problem.attempt,
            args=(catalogue.go_back_to_bundled, data),
        )
    for each in aside:
        with st.container(horizontal=True, vertical_alignment="center"):
            names = ", ".join(html.code(name.removesuffix(".parquet")) for name in each.files)
            st.markdown(f"Set aside {each.since:%Y-%m-%d %H:%M}: {names}", width="stretch")
            st.button(
                "Bring back",
                key=f"data_restore_{each.name}",
                type="tertiary",
                icon=":material/redo:",
                on_click=start,
                args=(BringBack, each.name),
            )


def take_upload() -> None:
    """Keep the file that the browser sent and ingest it."""
    sent = state.data_file
    if sent is None:
        problem.tell("no file is chosen; choose a TFRecord file first")
    else:
        problem.attempt(lambda: start(Ingest, str(catalogue.keep_upload(sent.name, sent, session.bench().data))))


def take_path() -> None:
    """Ingest the file whose path is given."""
    path = state.data_path.strip()
    if path:
        start(Ingest, str(Path(path).expanduser().resolve()))
    else:
        problem.tell("no path is given; write the path of a TFRecord file")


def bring_in() -> None:
    """A file of the user's, sent by the browser or read where it lies."""
    limit = st.get_option("server.maxUploadSize")
    st.header("Add a file of your own", anchor=False)
    st.caption(
        "TFRecord files of EC-NAS-Bench or NAS-Bench-101. A file that is, byte for byte, an official one counts in the "
        "whole app; any other is in the view results alone: it may be of another device and another energy scale."
    )
    upload, path = st.columns(2, gap="large")
    with upload, st.form("data_upload", clear_on_submit=True, border=False):
        st.file_uploader(f"Upload, at most {limit} MB", type=["tfrecord", "tfrecords"], key="data_file")
        st.form_submit_button("Upload and ingest", icon=":material/upload:", key="data_send", on_click=take_upload)
    with path, st.form("data_path_form", clear_on_submit=True, border=False):
        st.text_input(
            "Or a path on the machine that runs this app",
            key="data_path",
            placeholder="/home/me/energy_7V9E_surrogate.tfrecord",
            help="For large files: nothing is sent, the file is read where it lies.",
        )
        st.form_submit_button("Ingest", icon=":material/input:", key="data_ingest", on_click=take_path)


def sources_section() -> None:
    """Where the figures come from, and more of them."""
    bench = session.bench()
    sources, gone = listed(bench.data, bench.stamp)
    summary(sources, catalogue.official(bench))
    if gone:
        st.warning(
            f"The benchmark still counts {', '.join(gone)}, whose results are no longer there.",
            icon=":material/warning:",
        )
        st.button("Derive it anew", key="data_derive", on_click=start, args=(lambda _: Derive(), ""))
    alive = any(job.running for job in jobs.store(bench.data).all())
    st.fragment(watch, run_every=POLL_S if alive else None)()
    source_table(sources)
    bring_in()
    yours(sources)
    explained(bench.data)


def explained(data: Path) -> None:
    """How the page's figures come about."""
    with st.expander("How is this computed?", icon=":material/function:"):
        st.markdown(
            "**Bundled** figures come with the app and never change. **Ingested** ones lie in your data folder, "
            f"`{data}`, as Parquet: results in `results`, what the benchmark shows of each space, derived anew when an "
            "official file comes or goes, in `benchmark`. A page takes new data into account the next time it runs; no "
            "restart is needed.\n\n"
            "**Official** is a file whose SHA-256 is that of a file which EC-NAS-Bench released. It is compared when "
            "the TFRecord file is read, not again for the Parquet file made of it. Every record's own checksum, its "
            "cell, hash and parameters are checked as well, for your own files too.\n\n"
            "**A download** goes on where it was stopped, even after a restart. It and every ingest run in a process "
            "of their own: leave the page, or close the browser, and they go on. Downloaded files are kept in "
            "`downloads`, uploads in `uploads`.\n\n"
            "**Set aside** means moved to `set-aside` by renaming. Nothing is deleted."
        )


def main() -> None:
    """The page."""
    session.through_app()
    view = session.from_link("data_view", DataView.from_params)
    page.header("Data")
    state.setdefault("data_section", view.section)
    section = st.segmented_control(
        "Section", SECTIONS, format_func=SECTIONS.get, key="data_section", required=True, label_visibility="collapsed"
    )
    problem.show()
    question = view.question
    if section == "sql":
        question = sql_box.show(question)
    else:
        sources_section()
    state.data_view = DataView(section, question)
    session.publish(state.data_view.to_params())


main()
