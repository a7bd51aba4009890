"""Fetches the voice's models and Piper; `./bootstrap.sh voice` runs it."""

import os
import sys

from evolve.core.model.errors import ExitCode
from evolve.system.cache_folder import cache_folder
from pipecatapp.serving.commands import guarded
from pipecatapp.voice.models import fetch_voice_model, voice_models
from pipecatapp.voice.piper_environment import PIPER, install_piper


def main() -> int:
    """Fetch what is missing; return 0, or 4 where the machine or the index is at fault."""
    with guarded("voice") as outcome:
        cache = cache_folder(os.environ)
        for model in voice_models():
            is_new = fetch_voice_model(model, cache)
            how = "was fetched" if is_new else "is here already"
            _say(f"{model.name} {how}: {model.about}; licence: {model.licence}")
        how = "was installed" if install_piper(cache) else "is here already"
        _say(f"{PIPER} {how}, as a program; licence: GPL-3.0-or-later")
    return ExitCode(outcome.code)


def _say(line: str) -> None:
    print(f"voice: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
