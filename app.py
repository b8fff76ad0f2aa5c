"""EC-NAS Explorer: page configuration, navigation and the lens."""

import streamlit as st

from pages.widgets import footer, lens, session, style, tray

st.set_page_config(
    page_title="EC-NAS Explorer",
    page_icon="pages/widgets/icon.svg",
    layout="wide",
    initial_sidebar_state=256,
    menu_items={"About": "EC-NAS Explorer: what neural architectures cost in energy and give in accuracy."},
)
style.apply()
session.start()
st.logo("pages/widgets/logo.svg", icon_image="pages/widgets/icon.svg", size="large")
page = st.navigation(
    [
        st.Page("pages/home.py", title="Home", icon=":material/home:", default=True),
        st.Page("pages/explore.py", title="Explore", icon=":material/scatter_plot:"),
        st.Page("pages/swaps.py", title="Swaps", icon=":material/swap_horiz:"),
        st.Page("pages/hardware.py", title="Hardware", icon=":material/memory:"),
        st.Page("pages/scaling.py", title="Scaling", icon=":material/straighten:"),
        st.Page("pages/search.py", title="Search", icon=":material/search:"),
        st.Page("pages/surrogate.py", title="Surrogate", icon=":material/model_training:"),
        st.Page("pages/carbon.py", title="Carbon", icon=":material/eco:"),
        st.Page("pages/choose.py", title="Choose", icon=":material/checklist:"),
        st.Page("pages/measure.py", title="Measure", icon=":material/speed:"),
        st.Page("pages/learn.py", title="Learn", icon=":material/school:"),
        st.Page("pages/data.py", title="Data", icon=":material/database:"),
        st.Page("pages/activity.py", title="Activity", icon=":material/pending_actions:"),
    ],
    position="sidebar",
    expanded=True,
)
with st.sidebar:
    lens.control()
    tray.sidebar()
session.notices()
page.run()
footer.show()
session.settle(page.title)
