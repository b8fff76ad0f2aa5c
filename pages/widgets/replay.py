"""A trial played again: a slider over its generations, a button that plays them, the population and its parents."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from ecnas_core.analysis.replay import Replay
from ecnas_core.figures import replay as figures
from ecnas_core.figures.search_live import color
from ecnas_core.figures.theme import config
from ecnas_core.search.results import Results, Series
from pages.widgets.session import dark

TICK_S = 0.6
TICKS_AT_MOST = 60
state = st.session_state


def show(found: Results, series: Series, number: int, pair: Sequence[str]) -> None:
    """Show one trial, generation by generation.

    Args:
        found: the results.
        series: whose trial.
        number: of the trial in its study.
        pair: the objectives of both axes.
    """
    played = _read(found, series, number, tuple(pair))
    which = f"{series.study}~{series.algorithm}~{number}"
    if state.get("replay_of") != which or "replay_generation" not in state:
        state.replay_of = which
        state.replay_playing = False
        state.replay_generation = played.generations
    st.fragment(run_every=TICK_S if state.replay_playing else None)(_scene)(found, series, played, tuple(pair))


def _read(found: Results, series: Series, number: int, pair: tuple[str, ...]) -> Replay:
    trial = next(each for each in series.trials if each.trial == number)
    rows = found.frame.iloc[trial.rows].sort_values("question", kind="stable")
    return Replay(rows, pair)


def _scene(found: Results, series: Series, played: Replay, pair: tuple[str, ...]) -> None:
    last = played.generations
    if _rerun_needed():
        st.rerun()
    if state.replay_playing:
        if state.replay_generation >= last:
            state.replay_playing = False
            st.rerun()
        state.replay_generation = min(last, state.replay_generation + max(1, round(last / TICKS_AT_MOST)))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        if state.replay_playing:
            st.button("Pause", key="replay_pause", icon=":material/pause:", on_click=_pause)
        else:
            st.button(
                "Play",
                key="replay_play",
                icon=":material/play_arrow:",
                on_click=_play,
                args=(last,),
                disabled=last == 1,
            )
        if last > 1:
            st.slider("Generation", 1, last, key="replay_generation", width=520)
    scene = played.at(state.replay_generation - 1)
    headline = figures.headline(scene, played)
    st.markdown(f"**{headline}**")
    metrics = [each for key in pair for each in found.metrics if each.key == key]
    truth = found.truth.front[list(pair)].to_numpy(np.float64)
    figure = figures.scene_figure(played, scene, metrics, truth, color(series.algorithm, dark()), dark())
    st.plotly_chart(figure, theme=None, config=config("ec-nas-search-replay"), key="search_replay", alt=headline)
    st.caption(
        "Circles are the cells asked for in this generation, thin lines lead to them from their parents as they were "
        "last asked for, faint dots are all cells before."
    )


def _play(last: int) -> None:
    state.replay_playing = True
    state.replay_started = True
    if state.replay_generation >= last:
        state.replay_generation = 1


def _pause() -> None:
    state.replay_playing = False
    state.replay_started = True


def _rerun_needed() -> bool:
    """Whether playing was begun or ended in this run of the fragment: only the whole page sets how often it runs."""
    return bool(state.pop("replay_started", False))
