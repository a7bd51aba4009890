"""Print each failed test of JUnit reports with the end of what it says."""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

LINES = 12


def print_failures(report: Path) -> None:
    """Print the failures and errors of one report."""
    stage = report.name.removesuffix(".junit.xml")
    for case in ElementTree.parse(report).iter("testcase"):
        for fault in case:
            if fault.tag in ("failure", "error"):
                print(f"== {stage}: {case.get('classname')}::{case.get('name')}: {fault.tag}")
                print("\n".join(f"     {line[:300]}" for line in (fault.text or "").strip().splitlines()[-LINES:]))


for path in map(Path, sys.argv[1:]):
    if path.exists():  # a pattern without files is passed as it is
        try:
            print_failures(path)
        except ElementTree.ParseError as error:
            print(f"== {path}: not readable as JUnit: {error}")
