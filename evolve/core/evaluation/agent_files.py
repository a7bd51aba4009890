"""Reading and checking an agent file: every problem at once, each with its line and column."""

import re
from collections.abc import Iterator

from evolve.core.formats.front_matter import FrontMatter, read_front_matter
from evolve.core.model.agents import CASE_SECTION, Agent, parse_agent
from evolve.core.model.errors import Location, Problem
from evolve.core.suites.references import names_needed_by
from evolve.core.templating.templates import syntax_problem
from evolve.core.text.did_you_mean import did_you_mean

_TEMPLATE_LINE = re.compile(r"template line (\d+): ")
"""How `syntax_problem` begins a message; the number counts inside the template and must become the file's line."""


def read_agent(text: str, file: str) -> Agent:
    """Return the agent that a file's text holds.

    Raises:
        InputError: the file has problems; it lists all of them, also those of the template of the case.
    """
    found = read_front_matter(text, file)

    def locate(path: tuple[str, ...], is_key: bool) -> Location:
        if not path:
            return Location(file, 1, 1)
        return (found.document.locate_key if is_key else found.document.locate)(*path)

    return parse_agent(found.settings, found.body, file, locate=locate, further=[*_case_problems(found, file)])


def _case_problems(found: FrontMatter, file: str) -> Iterator[Problem]:
    """Yield the problems of the template that shows the case."""
    lines = found.body.splitlines()
    start = next((n for n, line in enumerate(lines) if re.match(rf"## +{CASE_SECTION} *$", line)), None)
    if start is None:
        return
    rest = lines[start + 1 :]
    end = next((n for n, line in enumerate(rest) if re.match(r"## +\S", line)), len(rest))
    first_line = found.body_line + start + 1
    template = "\n".join(rest[:end])
    problem = syntax_problem(template)
    if problem:
        line = _TEMPLATE_LINE.match(problem)
        message = problem[line.end() :] if line else problem
        yield Problem(
            f"the template of ## {CASE_SECTION}: {message}",
            Location(file, first_line + (int(line[1]) - 1 if line else 0), 1),
            "only this section is a template; {% raw %}...{% endraw %} keeps braces as text",
        )
        return
    inputs = found.settings.get("inputs")
    known = list(inputs) if isinstance(inputs, dict) else []
    for name in sorted(names_needed_by(template) - set(known)):
        at = next(n for n, line in enumerate(rest[:end]) if name in line)
        where = Location(file, first_line + at, rest[at].index(name) + 1)
        hint = did_you_mean(name, known) or f"known inputs: {', '.join(known) or 'none'}"
        yield Problem(f"## {CASE_SECTION} shows {name!r}, which is not an input of the agent", where, hint)
