"""How many secrets leak, and how many harmless ids are hidden: `python -m benchmarks.redaction [--show]`.

A third of the contexts is held out: `--show` prints the failing texts of the others only.
"""

import argparse
import contextlib
import datetime
import platform
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from evolve.core.cases.redaction import CannotRedact, Redactor
from fixtures.redaction_texts import PlantedText, leaks, planted_texts

LOG_BYTES = 100_000
PIECES = (
    *(" ", "\t", "\n", "a", "0", "-", ".", "/", ":", "=", "(", '"', "<", "\\", "\ue000"),
    *(
        "x=",
        "pw: ",
        "password ",
        "password>",
        "password: ",
        "password is ",
        "password from a ",
        "Passwort der ",
        "пароль от ",
    ),
    *(
        "密码是",
        "パスワードは",
        "पासवर्ड आम ",
        "admin / ",
        "(admin:",
        "log in with a ",
        "login?\n",
        "password: |\n  ",
        "`a` ",
        "%20",
        "&amp;",
    ),
    *('"password", "', "https://hook/", "mail@x.io:", "call(a, 'b', ", "-p x ", "Aa1"),
)
"""Texts of one of these, repeated, are the worst for rules that look back or ahead."""
SMALL, LARGE = 16_000, 64_000


class Outcome(NamedTuple):
    """What redaction did to one text."""

    text: PlantedText
    masked: str
    is_wrong: bool


def masked(text: PlantedText) -> str:
    """Return the text as a failure case holds it."""
    return str(Redactor(text.own).redact({"job_id": "web-7", "stderr": text.text})["stderr"])  # type: ignore[index, call-overload]


def secrets(name: str, seed: int) -> list[Outcome]:
    """Return what became of each secret; wrong is a leak."""
    found = [(text, masked(text)) for text in planted_texts(name, seed)]
    return [Outcome(text, after, any(leaks(one, after) for one in text.marked)) for text, after in found]


def harmless(name: str, seed: int) -> list[Outcome]:
    """Return what became of each harmless id; wrong is hidden."""
    found = [(text, masked(text)) for text in planted_texts(name, seed)]
    return [Outcome(text, after, any(one not in after for one in text.marked)) for text, after in found]


def rate(outcomes: Sequence[Outcome]) -> str:
    """Return `wrong of all (percent)`."""
    wrong = sum(outcome.is_wrong for outcome in outcomes)
    return f"{wrong} of {len(outcomes)} ({100 * wrong / max(1, len(outcomes)):.1f} %)"


def rows(title: str, outcomes: Sequence[Outcome]) -> Iterable[str]:
    """Yield one line for all texts, and one for each kind with a wrong text."""
    held_out = [outcome for outcome in outcomes if outcome.text.is_held_out]
    seen = [outcome for outcome in outcomes if not outcome.text.is_held_out]
    yield f"| {title} | {rate(outcomes)} | {rate(seen)} | {rate(held_out)} |"
    kinds: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        kinds[outcome.text.kind].append(outcome)
    for kind, ones in kinds.items():
        if any(one.is_wrong for one in ones):
            yield f"| {kind} | {rate(ones)} | | |"


def seconds(texts: Sequence[PlantedText]) -> float:
    """Return the CPU seconds for a log of 100 kB made of the texts."""
    log = "\n".join(text.text for text in texts)
    log = (log * (LOG_BYTES // len(log) + 1))[:LOG_BYTES]
    start = time.process_time()
    try:
        Redactor().redact({"stderr": log})
    except CannotRedact as error:
        print(f"\nrefused: {error}")
    return time.process_time() - start


def growth(piece: str) -> str:
    """Return a row with the CPU seconds for two lengths of a repeated piece, and their ratio; 4 is linear."""
    short, long = (_repeated(piece, length) for length in (SMALL, LARGE))
    return f"| `{piece!r}` | {short:.2f} | {long:.2f} | {long / max(short, 0.001):.1f} |"


def _repeated(piece: str, length: int) -> float:
    text = (piece * (length // len(piece) + 1))[:length]
    start = time.process_time()
    with contextlib.suppress(CannotRedact):
        Redactor().redact({"stderr": text})
    return time.process_time() - start


def main() -> None:
    """Print the rates as a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--show", action="store_true", help="print the failing texts that are not held out")
    parser.add_argument("--all", action="store_true", help="with --show, print also the texts that are held out")
    parser.add_argument("--secrets", default="secrets", help="file of secrets in fixtures/redaction")
    parser.add_argument("--harmless", default="harmless", help="file of harmless ids in fixtures/redaction")
    parser.add_argument("--growth", action="store_true", help="print how the time grows with the text instead")
    options = parser.parse_args()
    if options.growth:
        Redactor().redact("password: warms the patterns up")
        print("| piece | 16 kB | 64 kB | ratio |\n|---|---:|---:|---:|", *map(growth, PIECES), sep="\n")
        return
    print(f"{datetime.date.today()}; {platform.machine()}, Python {platform.python_version()}; seed {options.seed}\n")
    leaked, hidden = secrets(options.secrets, options.seed), harmless(options.harmless, options.seed)
    print("| | all | seen | held out |\n|---|---:|---:|---:|")
    print("\n".join([*rows("**secrets that leak**", leaked), *rows("**harmless ids hidden**", hidden)]))
    for title, outcomes in (("harmless log", hidden), ("a log dense with secrets", leaked)):
        print(f"\n100 kB of {title}: {seconds([one.text for one in outcomes]):.2f} CPU s")
    if options.show:
        print()
        for outcome in (*leaked, *hidden):
            if outcome.is_wrong and (options.all or not outcome.text.is_held_out):
                print(f"{outcome.text.kind}\n   {outcome.text.text!r}\n   {outcome.masked!r}\n   {outcome.text.marked}")


if __name__ == "__main__":
    main()
