"""Choose: from what somebody has, needs and cares for to a short list and a network to take along."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from msgspec.structs import replace

from ecnas_core.analysis import candidates, choose, sensitivity
from ecnas_core.analysis.candidates import Candidates
from ecnas_core.analysis.choose import Choice
from ecnas_core.analysis.needs import QUANTITIES, ChooseView, Task, assumptions
from ecnas_core.analysis.sensitivity import Sweep
from ecnas_core.analysis.view import View
from ecnas_core.errors import EcnasError
from ecnas_core.figures import choose as figures
from ecnas_core.figures.theme import config
from pages.widgets import (
    card,
    chart,
    choose_answer,
    choose_costs,
    choose_export,
    choose_needs,
    downloads,
    html,
    page,
    pairwise_preferences,
    session,
)

WEIGHTS = "weights"
EXPLANATION = """\
**Who can be chosen**: every cell of the space whose energy and accuracy are known under the lens; artefacts of the
surrogate cannot. A limit is kept or not; a cell whose figure is unknown does not keep it.

**Short list**: *cheapest* takes the least energy of those that qualify and *best* has the highest accuracy; *knee* is
the point of their front farthest from the line between these two (paper, section 3); *yours* costs least by your
weights; *safest* does so when the unfavourable end of every 90 % interval counts, for your limits too. Intervals are
there only for what is predicted; figures that were published, measured or are the surrogate's count as they stand.

**Weights** are of energy, validation error and parameters, each from 0, its least on the front of all cells, to 1, its
most; what a cell costs you is the weighted sum. With equal weights for energy and accuracy and no limits this is the
paper's knee. **Would you rather** asks for the pair that would tell most (the largest expected information), holds
every weight for possible that your answers leave, contradictions included (a logistic choice), and takes their mean.

**What would change it** finds exactly where another cell is chosen as one limit, or the weight of energy against
accuracy, moves and all else stays.

**When nothing qualifies**: the smallest sets of limits that no cell keeps together; and the relaxation whose largest
relative change is least, of an accuracy the change of the error that is allowed.

**Other tasks**: energy and time are multiplied by images / 40 000 and by the multiply-adds of your images over those of
the benchmark's. Parameters follow the classes exactly. In 4V a released GPU's measured cells count, elsewhere its
energies are predicted from them. Footprint is energy times the intensity of the lens's grid.

**The picture** has no room for the 0.5 % of cells that are least accurate."""
state = st.session_state


@st.cache_resource(max_entries=4, show_spinner="Looking at every cell")
def loaded(task: Task, stamp: object) -> Candidates:
    """Every cell for a task; `stamp` changes with the data."""
    return candidates.load(session.bench(), task)


@st.cache_resource(max_entries=16, show_spinner=False)
def chosen(view: ChooseView, stamp: object) -> tuple[Choice, pd.DataFrame]:
    """The choice and the front of those that qualify; `stamp` changes with the data."""
    choice = choose.among(session.bench(), loaded(view.task, stamp), view)
    return choice, candidates.details(session.bench(), choice.candidates, choice.front)


@st.cache_resource(max_entries=32, show_spinner=False)
def swept(view: ChooseView, varied: str | None, stamp: object) -> Sweep:
    """How the choice moves; `stamp` changes with the data."""
    return sensitivity.sweep(chosen(view, stamp)[0], varied)


@st.cache_resource(max_entries=16, show_spinner=False)
def robust(view: ChooseView, stamp: object) -> dict[str | None, tuple[float, float]]:
    """Between which values the choice stays; `stamp` changes with the data."""
    return sensitivity.robustness(chosen(view, stamp)[0])


def picture(choice: Choice, front: pd.DataFrame) -> None:
    """All cells, the limits, the front of those that qualify, the short list."""
    view = choice.view
    headline = figures.headline(choice)
    st.markdown(f"**{html.plain(headline)}**")
    drawn = figures.plane(choice, front, session.dark(), state.cell)
    chart.cells("choose_plane", drawn, headline)
    downloads.row(
        f"ec-nas-choose-{view.task.space}",
        lambda: front,
        drawn.figure,
        view.to_python(),
        "One row a cell of the front of those that qualify",
    )
    for told in assumptions(view.task):
        st.caption(f":material/info: {told}")


def change(choice: Choice, view: ChooseView) -> ChooseView:
    """What would change the choice."""
    stamp = session.bench().stamp
    st.header("What would change it", anchor=False)
    html.quantities(
        ["The choice stays while", "it is between", ""],
        [
            [*figures.stays(varied, stretch), now(choice, varied)]
            for varied, stretch in robust(replace(view, varied=None), stamp).items()
        ],
        notes=True,
    )
    labels = {WEIGHTS: "Weights", **figures.LABELS}
    state.setdefault("choose_varied", view.varied or WEIGHTS)
    picked = st.segmented_control(
        "Move", [WEIGHTS, *QUANTITIES], format_func=labels.get, key="choose_varied", required=True
    )
    varied = None if picked == WEIGHTS else picked
    sweep = swept(replace(view, varied=None), varied, stamp)
    headline = figures.moved_headline(sweep)
    st.markdown(f"**{headline}**")
    if not sweep.steps.empty:
        drawn = figures.moved(sweep, session.dark())
        st.plotly_chart(drawn, theme=None, config=config("ec-nas-choose-moved"), key="choose_moved", alt=headline)
        downloads.row(
            "ec-nas-choose-moved",
            lambda: sweep.steps,
            drawn,
            replace(view, varied=varied).to_python(),
            "One row a stretch in which the choice stays",
        )
    return replace(view, varied=varied)


def now(choice: Choice, varied: str | None) -> str:
    """Where a limit or the weight stands."""
    if varied is None:
        weights = choice.view.weights
        return f"now {weights.energy / (weights.energy + weights.accuracy):.0%}"
    return f"now {figures.limit(varied, choice.view.needs.limits[varied])}"


def open_card(view: ChooseView) -> None:
    """The card of the open cell, with the benchmark's own figures."""
    if not state.cell:
        return
    st.divider()
    st.caption("The card shows the benchmark's figures: 40 000 images of 32 pixels, one training, the lens's unit.")
    shown = View(space=view.task.space, epochs=view.task.budgets[-1], lens=state.lens)
    card.show(shown, state.cell, view.to_params())


def explained() -> None:
    """How the page's figures come about."""
    with st.expander("How is this computed?", icon=":material/function:"):
        st.markdown(EXPLANATION)


def main() -> None:
    """The page."""
    session.through_app()
    view = session.from_link("choose_view", ChooseView.from_params)
    choose_needs.seed(view)
    page.header("Choose")
    choose_needs.presets()
    controls, answer = st.columns([3, 8], gap="medium")
    with controls:
        view, below = choose_needs.controls(view)
    try:
        choice, front = chosen(replace(view, varied=None), session.bench().stamp)
    except EcnasError as error:
        with answer:
            st.info(html.sentence(str(error)), icon=":material/info:")
        state.choose_view = view
        session.publish(view.to_params())
        explained()
        return
    with below:
        pairwise_preferences.show(choice)
    with answer:
        if choice.conflict is None:
            picture(choice, front)
            choose_answer.funnel(choice)
        else:
            st.markdown(f"**{html.plain(figures.headline(choice))}**")
            choose_answer.conflict(choice)
    if choice.conflict is None:
        choose_answer.shortlist(choice)
        view = change(choice, view)
        choose_costs.show(choice)
        choose_export.show(choice)
    open_card(view)
    explained()
    state.choose_view = view
    session.publish(view.to_params())


main()
