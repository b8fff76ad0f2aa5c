"""EC-NAS Explorer: page configuration, navigation and the lens."""

import streamlit as st

from pages.widgets import footer, lens, session, style, tray
from pages.widgets.page import PAGES

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
    [st.Page(each.path, title=each.title, icon=each.icon, default=each is PAGES[0]) for each in PAGES],
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
