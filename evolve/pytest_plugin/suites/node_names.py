"""Names of pytest's items: the ids of a suite's evaluations, in a form that pytest does not change.

pytest takes what follows the first `[` of a name for parameters, and closes the bracket if the name does not end with
one. Then `a [b` and `a [b]` are one test to `--nf` and JUnit, and the name in the summary finds no test.
"""

import re

_NUMBERED = re.compile(r"(.*?)((?:\[[^\[\]]*\])+)#(\d+)", re.S)
"""An id with the labels of its prompt or provider and a number: the number goes before the labels."""
_ROUND = str.maketrans("[]", "()")


class NodeNames:
    """Gives each id of a file its name; no two names are equal."""

    def __init__(self) -> None:
        self._used: set[str] = set()

    def of(self, id: str) -> str:
        """Return the name of the next id."""
        base = _node_name(id)
        name, number = base, 1
        while name in self._used:
            number += 1
            name = _node_name(f"{base}#{number}")
        self._used.add(name)
        return name


def _node_name(id: str) -> str:
    numbered = _NUMBERED.fullmatch(id)
    name = f"{numbered[1]}#{numbered[3]}{numbered[2]}" if numbered else id
    return name if "[" not in name or name.endswith("]") else name.translate(_ROUND)
