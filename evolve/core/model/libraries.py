"""Optional libraries, imported when an assertion first needs them."""

import importlib
from typing import Any

from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.extras import install_command


def import_optional(name: str) -> Any:
    """Return the module `name`.

    Raises:
        CannotEvaluate: it is not installed; the message has the command that installs it.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        package = name.partition(".")[0]
        raise CannotEvaluate(f"the library {package} is not installed: {install_command('formats')}") from exc
