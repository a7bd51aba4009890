"""What a person would read of an HTML page; a program of its own, from standard input to standard output.

A hostile page makes the extraction take minutes, in which no other thread of its process runs. A process can be ended.
"""

import resource
import sys
from typing import Final

_SHORT: Final = 200
"""Characters: where the main part of a page has fewer, the search for it found the wrong one."""
_MOST_S: Final = 30
"""Of computing: also an orphan ends."""
_MEMORY: Final = 2 * 2**30


def readable_text(html: str) -> str:
    """Return the main part of a page with its links; all of it where no main part is found."""
    from resiliparse.extract.html2text import extract_plain_text

    main = extract_plain_text(html, main_content=True, links=True)
    if len(main) >= _SHORT:
        return main
    return extract_plain_text(html, links=True) or main


def main() -> None:
    """Write the readable text of a page in UTF-8."""
    resource.setrlimit(resource.RLIMIT_CPU, (_MOST_S, _MOST_S))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    html = sys.stdin.buffer.read().decode("utf-8", "replace")
    sys.stdout.buffer.write(readable_text(html).encode("utf-8", "replace"))


if __name__ == "__main__":
    main()
