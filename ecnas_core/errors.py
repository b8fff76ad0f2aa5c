"""The exceptions that every part of the project raises on purpose."""

from __future__ import annotations


class EcnasError(Exception):
    """A failure with a reason and a remedy, told in one line.

    Attributes:
        exit_status: what the command line exits with: 2 for bad input, 1 for a failure that is not the input's.
    """

    exit_status = 2


class Cancelled(EcnasError):
    """Work was stopped because somebody asked for it."""

    exit_status = 1
