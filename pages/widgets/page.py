"""The pages, and what each opens with: its name, its purpose, and the questions it answers."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st


@dataclass(frozen=True)
class Page:
    """What a page is for.

    Attributes:
        title: its name.
        icon: in the navigation.
        purpose: one sentence.
        questions: what can be found out there, each one sentence.
    """

    title: str
    icon: str
    purpose: str = ""
    questions: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """Its file."""
        return f"pages/{self.title.lower()}.py"


PAGES = (
    Page("Home", ":material/home:"),
    Page(
        "Explore",
        ":material/scatter_plot:",
        "What each neural architecture costs in energy, and what it gives in accuracy.",
        (
            "Which cell reaches an accuracy for the least energy?",
            "Where does more energy stop buying accuracy: where is the knee?",
            "What would I gain by leaving a given cell, and for which one?",
            "How do depth, width and operations show in cost and accuracy?",
            "Where does each number come from, and how sure is it?",
        ),
    ),
    Page(
        "Swaps",
        ":material/swap_horiz:",
        "What one operation in the place of another saves in energy, and what it costs in accuracy.",
        (
            "Which operation costs the most energy, and which accuracy does it buy?",
            "Do our figures agree with the paper's Figure 2?",
            "Does it matter where in the cell the operation stands, and what is around it?",
            "Which swap gives the most energy back for an accuracy point lost?",
            "How can I make a given cell leaner, step by step?",
        ),
    ),
    Page(
        "Hardware",
        ":material/memory:",
        "The same 91 cells on different devices: what each costs, and whether the ranking carries over.",
        (
            "What does a cell cost on another GPU?",
            "If a cell is leaner on one device, is it leaner on another?",
            "How much energy do I waste by choosing on one device and training on another?",
            "Which published records cannot be trusted?",
            "Where do my own measurements stand?",
        ),
    ),
    Page(
        "Scaling",
        ":material/straighten:",
        "How far a short training, scaled up, is from the long one.",
        (
            "Is 4 epochs times 27 the energy of 108 epochs?",
            "Does it depend on the cell, or is it noise?",
            "Which correction is worth it, and how sure is a corrected figure?",
            "How does the energy divide between GPU and CPU?",
        ),
    ),
    Page(
        "Search",
        ":material/search:",
        "Let algorithms search for cells that give much for little energy, and watch them.",
        (
            "How close does a search come to the true front, and how soon?",
            "Which algorithm is better, and is that more than chance?",
            "What would these trainings take for real, and what does the search itself?",
            "Which cells are the ends and the knee of what was found?",
            "How do the authors' published searches compare?",
        ),
    ),
    Page(
        "Surrogate",
        ":material/model_training:",
        "Energy and accuracy of cells that nobody has trained, and how far to trust that.",
        (
            "How good are the predictions, and are their intervals honest?",
            "Does the paper's surrogate do what the paper says, and can it be beaten?",
            "What would this cell of mine take and give?",
            "How many measured cells are needed?",
            "Can the same models learn my own search space?",
        ),
    ),
    Page(
        "Carbon",
        ":material/eco:",
        "What a training emits, and how much the place decides.",
        (
            "What does training this cell emit in my country?",
            "How much does the grid matter, and how much the cell?",
            "What if I train it a thousand times, or on more images?",
            "What is that like in everyday terms?",
            "What did EC-NAS spare by not training everything, and do the paper's numbers hold?",
        ),
    ),
    Page(
        "Choose",
        ":material/checklist:",
        "Say what you have, need and care for; leave with a network and its paper trail.",
        (
            "Which network fits my limits for the least energy?",
            "What does it give up against the most accurate one, and what does it save?",
            "How sure is that, and what would change the choice?",
            "My limits exclude each other: which one, and what is the nearest that can be had?",
            "How do I take it along?",
        ),
    ),
    Page(
        "Measure",
        ":material/speed:",
        "What a cell of your own takes on this machine.",
        (
            "What does this cell cost on my GPU, and how sure is that?",
            "Where does my device stand beside the benchmark's?",
            "What would a whole training of it take, in energy and in time?",
            "Which few cells tell most about my device, and what do they tell of the others?",
            "What can this machine measure, and what keeps it from more?",
        ),
    ),
    Page(
        "Learn",
        ":material/school:",
        "Six lessons of ten minutes, every number from the data.",
        (
            "What does the energy of a training count, and what does it not?",
            "Where does accuracy flatten, and what do its last points cost?",
            "How do I teach this, and what does a word mean?",
        ),
    ),
    Page(
        "Data",
        ":material/database:",
        "Where every figure comes from, how to get more of them, and how to ask your own questions.",
        (
            "Which sources is the benchmark made of, under which licences?",
            "Which official files are missing, what would they bring, and how do I get them?",
            "How do I take in a file of my own, and how do I get rid of it again?",
            "What do the tables and columns mean, and how do I query them in SQL?",
        ),
    ),
    Page(
        "Activity",
        ":material/pending_actions:",
        "Everything that takes time, whoever started it: this tab, another one, or the command line.",
        (
            "What runs on this machine now, and how far is it?",
            "How do I stop it?",
            "How did the last ones end, and where are their results?",
        ),
    ),
)
"""In the order of the navigation; the first is where the app opens."""


def header(title: str) -> None:
    """Show the head of a page.

    Args:
        title: of one of ``PAGES``.
    """
    page = next(each for each in PAGES if each.title == title)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.title(page.title, anchor=False, width="content")
        st.markdown(page.purpose, width="content")
        with st.popover("Questions this page answers", icon=":material/help:", type="tertiary"):
            st.markdown("\n".join(f"- {question}" for question in page.questions))
