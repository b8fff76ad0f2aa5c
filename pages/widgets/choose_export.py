"""A chosen cell to take along: what is in the zip, a look at it, and the download."""

from __future__ import annotations

import streamlit as st
from msgspec.structs import replace

from ecnas_core.analysis.choose import Choice
from ecnas_core.errors import EcnasError
from ecnas_core.export import bundle, onnx
from ecnas_core.figures import choose as figures
from ecnas_core.records import script
from pages.widgets import downloads, html
from pages.widgets.session import bench

state = st.session_state


def show(choice: Choice) -> None:
    """Choose one of the short list and download it."""
    st.header("Take it along", anchor=False)
    cells = {(row.hash, row.epochs): row.roles.split(",") for row in choice.shortlist.itertuples()}
    if state.get("choose_taken") not in cells:
        state.choose_taken = next(iter(cells))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        digest, epochs = st.selectbox(
            "Cell",
            list(cells),
            key="choose_taken",
            width=320,
            format_func=lambda each: f"{each[0][:8]}, {', '.join(figures.ROLE_NAMES[role] for role in cells[each])}",
        )
        missing = onnx.missing()
        with_onnx = st.toggle(
            "With ONNX",
            key="choose_onnx",
            disabled=bool(missing),
            help=(
                f"torch's exporter needs {' and '.join(missing)}, which are not installed here."
                if missing
                else "The untrained network, by torch's exporter; it takes some seconds."
            ),
        )
        task = replace(choice.view.task, epochs=int(epochs))
        name = f"ec-nas-{digest[:8]}"
        downloads.button(
            "Zip",
            name,
            ".zip",
            "application/zip",
            lambda: bundle.zipped(bundle.files(bench(), digest, task, with_onnx=with_onnx), name),
            "Source, training script, model card, specification, licence",
        )
        with st.popover("Copy as Python", icon=":material/code:", type="tertiary"):
            st.code(
                script(
                    f'files = bundle.files(Benchmark.open(), "{digest}", task)',
                    f"bundle.write(files, Path({name!r}))",
                    uses=["pathlib:Path", "ecnas_core.export:bundle"],
                    task=task,
                ),
                language="python",
            )
    st.caption(
        "PyTorch source of exactly this network that needs torch alone, a script that trains it with NAS-Bench-101's "
        "recipe on CIFAR-10 or a folder of images with carbontracker on, and a model card. No trained weights: the "
        "benchmark publishes none."
    )
    try:
        contents = bundle.files(bench(), digest, task)
    except EcnasError as error:
        st.error(html.sentence(str(error)), icon=":material/error:")
        return
    with st.expander("Look into it", icon=":material/folder_open:"):
        shown = st.segmented_control("File", list(contents), key="choose_file", default="network.py", required=True)
        language = {"py": "python", "md": "markdown", "json": "json"}.get(shown.rpartition(".")[2])
        st.code(contents[shown].decode(), language=language, height=420)
