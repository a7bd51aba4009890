"""Lists: of one namespace, filtered, in order, in pages."""

from __future__ import annotations

from collections.abc import Callable

from .answers import READ, Answer, Refused, Request
from .filtering import BadFilter, matcher
from .shapes import Json


def listed(request: Request, records: list[Json], show: Callable[[Json], Json], index: int) -> Answer:
    """The page of a list that a request asks for.

    Args:
        request: its query has the namespace, the filter and the page.
        records: all of them, in any order.
        show: a record as the list has it.
        index: of the last change of such records.
    """
    query = request.query
    namespace = query.get("namespace", "default")
    found = [one for one in records if namespace in ("*", one.get("Namespace", "default"))]
    try:
        matches = matcher(query.get("filter", ""))
        found = [one for one in found if matches(one)]
    except BadFilter as fault:
        raise Refused(400, str(fault)) from fault
    found.sort(key=_place, reverse=query.get("reverse") == "true")
    page, following = _page(found, query)
    return Answer(200, [show(one) for one in page], READ, index, following)


def _place(record: Json) -> tuple[int, str]:
    return (0 if "TaskGroups" in record and "JobID" not in record else record["CreateIndex"], record["ID"])


def token_of(record: Json) -> str:
    """The token of the page that begins with a record."""
    begins_with = record["CreateIndex"] if "JobID" in record else record["Namespace"]
    return f"{begins_with}.{record['ID']}"


def _page(found: list[Json], query: dict[str, str]) -> tuple[list[Json], str]:
    size = query.get("per_page") or "0"
    if not size.isdigit():
        raise Refused(400, "Expect a number for `per_page` query string parameter")
    if query.get("next_token"):
        tokens = [token_of(one) for one in found]
        found = found[tokens.index(query["next_token"]) :] if query["next_token"] in tokens else []
    if not int(size) or len(found) <= int(size):
        return found, ""
    return found[: int(size)], token_of(found[int(size)])
