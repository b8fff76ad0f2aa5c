"""The command line: every command as text for people and, with ``--json``, as one JSON document for programs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from ecnas_core import __version__
from ecnas_core.commands import analysis, benchmark, choose, measure, runs, search, surrogate
from ecnas_core.commands.base import Handler
from ecnas_core.errors import EcnasError
from ecnas_core.records import to_json


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: as after ``python -m ecnas_core``; by default those of the process.

    Returns:
        The exit status: 0 success, 2 bad input, 1 a failure; errors are one line on stderr.
    """
    options = _parser().parse_args(arguments)
    try:
        document, text = options.handler(options)
    except EcnasError as error:
        print(f"ecnas_core {options.command}: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print(f"ecnas_core {options.command}: cancelled; nothing half-written is left", file=sys.stderr)
        return 1
    try:
        print(to_json(document) if options.json else text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    status: int = options.status
    return status


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m ecnas_core", description="What neural architectures cost in energy and give.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)

    def command(name: str, handler: Handler, purpose: str, examples: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name,
            help=purpose,
            description=purpose,
            epilog=f"examples:\n{examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.add_argument("--json", action="store_true", help="print one JSON document on stdout")
        sub.set_defaults(handler=handler, status=0)
        return sub

    for group in (benchmark, analysis, search, surrogate, measure, choose, runs):
        group.register(command)
    return parser
