"""Helpers for plugins written in Python 3.9 or newer, of the standard library only.

A plugin beside this file begins with

    import selfservice

and is started with the task's surroundings: arguments, `SELFSERVICE_*` variables, the task as one JSON line on
standard input. What it prints is shown line by line, without a flush. docs/PLUGINS.md has the contract and an example.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import sys
from typing import Any, Callable, Mapping, NoReturn, Optional, Sequence

OK, WARNING, CRITICAL, UNKNOWN = 0, 1, 2, 3
_WORDS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")

if isinstance(sys.stdout, io.TextIOWrapper):
    sys.stdout.reconfigure(line_buffering=True)


class Arguments(argparse.ArgumentParser):
    """An argument parser that keeps the contract: a bad argument is one line and exit code 3."""

    def __init__(self, description: str) -> None:
        super().__init__(prog=os.path.basename(sys.argv[0]), description=description, allow_abbrev=False)
        self.add_argument("--check", action="store_true", help="verify everything, change nothing")

    def format_help(self) -> str:
        return super().format_help().replace("usage:", "Usage:", 1)

    def error(self, message: str) -> NoReturn:
        finish(UNKNOWN, f"{self.prog}: {one_line(message)} (see --help)")


def one_line(text: object, limit: int = 200) -> str:
    """The text without control characters, cut to `limit` characters."""
    shown = "".join(c if c.isprintable() else "?" for c in str(text))
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def finish(code: int, summary: str, perfdata: Optional[Mapping[str, object]] = None) -> NoReturn:
    """Prints the summary with performance data, and ends with one of the four results.

    The summary is what lists show, where it is the first line that the plugin prints.
    """
    data = "".join(f" '{name}'={value}" for name, value in (perfdata or {}).items())
    print(f"{_WORDS[code]} - {one_line(summary)}{' |' + data if data else ''}", flush=True)
    sys.exit(code)


def task() -> dict[str, Any]:
    """The task from standard input: uuid, handler, user, host, service, environment, parameters, alert.

    Empty where the plugin is called by hand.
    """
    if sys.stdin is None or sys.stdin.isatty():
        return {}
    try:
        found = json.loads(sys.stdin.readline() or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def secret(name: str) -> str:
    """A secret that the handler declares; where it is missing the plugin ends with UNKNOWN."""
    value = os.environ.get(f"SELFSERVICE_SECRET_{name}")
    if value is None:
        finish(UNKNOWN, f"the secret {name} was not given; the handler must declare it")
    return value


def on_cancel(stop: Callable[[], Optional[str]]) -> None:
    """Calls `stop` when the task is cancelled or timed out; it ends what was begun and says what is confirmed.

    A second TERM is ignored, since KILL follows after the grace period anyway.
    """

    def stopped(_number: int, _frame: object) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        try:
            said = stop()
        except Exception as error:  # whatever it was, the person must hear of it
            said = f"the end could not be confirmed: {error!r}"
        line = f"CRITICAL - stopped; {one_line(said or 'nothing was left half done')}\n"
        try:
            sys.stdout.flush()
        except RuntimeError:
            pass  # the signal came in the middle of a print, whose text is written at the exit
        os.write(1, line.encode())
        sys.exit(CRITICAL)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stopped)


def steps(names: Sequence[str]) -> None:
    """Announces the plan."""
    _progress({"steps": [str(name) for name in names]})


def step(name: str, note: Optional[str] = None) -> None:
    """Makes a step current; those before it are done."""
    _progress({"step": name} if note is None else {"step": name, "note": note})


def percent(number: float) -> None:
    """How much is done, 0 to 100."""
    _progress({"percent": min(100.0, max(0.0, float(number)))})


def _progress(line: Mapping[str, object]) -> None:
    """One line to the FIFO. It never blocks and never fails: progress is only for the eye."""
    path = os.environ.get("SELFSERVICE_PROGRESS")
    if not path:
        return
    text = (json.dumps(line) + "\n").encode()
    if len(text) > 4096:
        return  # beyond what a pipe takes in one piece, lines of two writers could mix
    try:
        fifo = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.write(fifo, text)
    except OSError:
        pass
    finally:
        os.close(fifo)
