"""Fetches the voice's models and Piper; `./bootstrap.sh voice` runs it."""

import os
import sys
from pathlib import Path

from evolve.core.model.errors import EnvironmentFault, ExitCode
from evolve.system.cache_folder import cache_folder, make_cache_folder
from evolve.system.locks import locked
from pipecatapp.serving.commands import guarded
from pipecatapp.voice.installed import voice_folder
from pipecatapp.voice.models import fetch_voice_model, voice_models
from pipecatapp.voice.piper_environment import PIPER, install_piper


def main() -> int:
    """Fetch what is missing; return 0, or 4 where the machine or the index is at fault."""
    with guarded("voice") as outcome:
        _install(cache_folder(os.environ))
    return ExitCode(outcome.code)


def _install(cache: Path) -> None:
    folder = make_cache_folder(voice_folder(cache))
    with locked(folder, wait_s=0) as is_alone:
        if not is_alone:
            raise EnvironmentFault(f"another process installs the voice in {folder}; wait until it has ended")
        for model in voice_models():
            how = "was fetched" if fetch_voice_model(model, cache) else "is here already"
            _say(f"{model.name} {how}: {model.about}; licence: {model.licence}")
        how = "was installed" if install_piper(cache) else "is here already"
        _say(f"{PIPER} {how}, as a program; licence: GPL-3.0-or-later")


def _say(line: str) -> None:
    print(f"voice: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
