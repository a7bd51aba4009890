"""Fetches the voice's models; `./bootstrap.sh voice` runs it."""

import os
import sys

from evolve.core.model.errors import ExitCode
from evolve.system.cache_folder import cache_folder
from pipecatapp.serving.commands import guarded
from pipecatapp.voice.models import fetch_voice_model, voice_models


def main() -> int:
    """Fetch what is missing; return 0, or 4 where the machine or the index is at fault."""
    with guarded("voice") as outcome:
        for model in voice_models():
            is_new = fetch_voice_model(model, cache_folder(os.environ))
            how = "was fetched" if is_new else "is here already"
            print(f"voice: {model.name} {how}: {model.about}; licence: {model.licence}", file=sys.stderr)
    return ExitCode(outcome.code)


if __name__ == "__main__":
    sys.exit(main())
