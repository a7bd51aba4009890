"""The environment variables that a suite's templates may see: captured or copied text must not read secrets."""

import json
from collections.abc import Mapping

from evolve.core.model.json_value import JsonValue
from evolve.core.text.secret_names import is_secret_name

_CASES_FOLDER = "failure_cases"
_HOLD_CASES = frozenset({"tests", "scenarios", "defaultTest"})


def visible_env(env: Mapping[str, str], path: str, config: JsonValue) -> dict[str, str]:
    """Return the variables of `env` that the suite at `path` may see.

    A variable that looks like a credential is visible only if the config itself names it, outside of tests and
    scenarios, which may hold captured text. A failure case sees only EVOLVE_* variables, without credentials.
    """
    if is_case_path(path):
        ours = {name: value for name, value in env.items() if name.startswith("EVOLVE_")}
        return {name: value for name, value in ours.items() if not is_secret_name(name)}
    own = {key: part for key, part in config.items() if key not in _HOLD_CASES} if isinstance(config, dict) else {}
    written = json.dumps(own, default=str)
    return {name: value for name, value in env.items() if not is_secret_name(name) or name in written}


def is_case_path(path: str) -> bool:
    """Return whether a file lies in a folder of failure cases, whose files may come from strangers."""
    return _CASES_FOLDER in path.replace("\\", "/").split("/")
