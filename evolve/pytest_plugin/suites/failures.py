"""A suite's failure as pytest shows it: at its line in the suite, in long reports, with `--tb=line`, in the summary."""

from typing import Any

from _pytest._code.code import ReprEntry, ReprExceptionInfo, ReprFileLocation, ReprTraceback

from evolve.core.model.errors import Location


class _SuiteLine(ReprFileLocation):
    """The line of `--tb=line`, whose message names the place already."""

    def toterminal(self, tw: Any) -> None:
        tw.line(self.message, red=True)


def suite_failure(text: str, where: Location | None, file: str) -> ReprExceptionInfo:
    """Return the report of a failure.

    The classes are pytest's own, so that pytest-xdist can send it between its processes.

    Args:
        text: the whole report; its first line becomes the message.
        where: the place in the suite; None where only the file is known.
        file: the suite as people name it.
    """
    line = where.line if where and where.line else None
    place = f"{file if where is None or where.file == file else where.file}:{line}" if line else file
    title, _, rest = text.partition("\n")
    message = f"{place}: {title}"
    crash = _SuiteLine(place.rpartition(":")[0] if line else file, line or 0, message)
    entry = ReprEntry([message, *rest.split("\n")], None, None, None, "value")
    return ReprExceptionInfo(reprtraceback=ReprTraceback([entry], None, "value"), reprcrash=crash)
