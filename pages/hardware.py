"""Hardware."""

from __future__ import annotations

from pages.widgets import page, session


def main() -> None:
    """The page."""
    session.through_app()
    page.header("Hardware", "", ())
    session.publish({})


main()
