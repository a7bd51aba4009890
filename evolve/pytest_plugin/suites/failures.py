"""A suite's failure as pytest shows it: with its line in the suite, in long reports, `--tb=line` and the summary."""

from typing import Any

from _pytest._code.code import ReprEntry, ReprExceptionInfo, ReprFileLocation, ReprTraceback

from evolve.core.model.errors import Location


class _SuiteLine(ReprFileLocation):
    """The line of `--tb=line`, without the place, which its message already names."""

    def toterminal(self, tw: Any) -> None:
        tw.line(self.message, red=True)


def suite_failure(text: str, where: Location | None, file: str) -> ReprExceptionInfo:
    """Return the report of a failure.

    The classes are pytest's own, so that pytest-xdist can send it between its processes.

    Args:
        text: the whole report; its first line becomes the message.
        where: the place in the suite; None if only the file is known.
        file: the suite's path for messages.
    """
    line = where.line if where and where.line else None
    place = f"{file if where is None or where.file == file else where.file}:{line}" if line else file
    title, _, rest = text.partition("\n")
    message = f"{place}: {title}"
    crash = _SuiteLine(place.rpartition(":")[0] if line else file, line or 0, message)
    entry = ReprEntry([message, *rest.split("\n")], None, None, None, "value")
    return ReprExceptionInfo(reprtraceback=ReprTraceback([entry], None, "value"), reprcrash=crash)
