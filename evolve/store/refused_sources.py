"""Services that tests and prompts are not read from; each is refused by its name."""

import re
from collections.abc import Mapping
from typing import Final

_NAMES: Final[Mapping[str, str]] = {
    r"https?://docs\.google\.com/spreadsheets/": "Google Sheets",
    r"https?://[^/?#]+\.sharepoint\.com(:\d+)?/": "SharePoint",
    "huggingface://(?!datasets/)": "huggingface other than datasets",
    "az://": "az",
    "s3://": "s3",
    "gs://": "gs",
    "langfuse://": "langfuse",
    "portkey://": "portkey",
    "helicone://": "helicone",
}


def refused_source(name: str) -> str:
    """Return the service behind an address; empty for everything else, such as a text that only begins with one."""
    if re.search(r"\s", name.strip()):
        return ""
    return next((what for start, what in _NAMES.items() if re.match(start, name.strip(), re.I)), "")
