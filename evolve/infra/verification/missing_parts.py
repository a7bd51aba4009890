"""What a play needs and this machine does not have: roles, collections, Python libraries of filters."""

import re
from pathlib import Path
from typing import Final

from evolve.core.model.extras import install_command
from evolve.infra.verification.scenario import Scenario
from evolve.system.role_layout import needed_roles, read_requirements

_ROLE: Final = re.compile(r"the role '([^']+)' was not found")
_MODULE: Final = re.compile(r"couldn't resolve module/action '(\w+\.\w+)\.\w+'")
_PLUGIN: Final = re.compile(
    r"(?:Could not load|No filter named|No test named|lookup plugin|filter) [\"'](\w+\.\w+)\.\w+[\"']"
)
_LIBRARIES: Final = ("passlib", "netaddr", "jmespath")
"""Libraries on this machine that filters of Ansible import; they come with the part `infra`."""
_NEEDS_LIBRARY: Final = re.compile(
    rf"\b({'|'.join(_LIBRARIES)})\b.*?(?:install|required|import|not found|missing)|"
    rf"(?:install|requires|import|No module named)\W+({'|'.join(_LIBRARIES)})\b",
    re.I | re.S,
)
_FILES: Final = ("requirements.yml", "requirements.yaml", "collections.yml", "meta/requirements.yml")
_FOLDER: Final = "anneal-roles"
"""The folder that the printed commands install into."""


def find_missing_part(text: str, scenario: Scenario) -> str:
    """Return what is missing here, with the command that installs it, when a failure is about that; otherwise empty.

    Args:
        text: the play's message or output.
        scenario: names what the role requires.
    """
    if role := _ROLE.search(text):
        return _missing("role", role[1], scenario)
    for pattern in (_MODULE, _PLUGIN):
        if (found := pattern.search(text)) and found[1] != "ansible.builtin":
            return _missing("collection", found[1], scenario)
    if library := _NEEDS_LIBRARY.search(text):
        return f"a filter needs the Python library {library[1] or library[2]}: {install_command('infra')}"
    return ""


def _missing(kind: str, name: str, scenario: Scenario) -> str:
    source = _named_in(kind, name, scenario)
    named = f", which {source} names," if source else ""
    install = f"ansible-galaxy {kind} install -p {_FOLDER} {name}"
    return f"the {kind} {name}{named} is not installed here: {install}, then add --infra-roles-path {_FOLDER}"


def _named_in(kind: str, name: str, scenario: Scenario) -> str:
    """Return the file that requires a role or collection; empty when none does."""
    for path in requirement_files(scenario):
        found = read_requirements(path)
        if name in (found.roles if kind == "role" else found.collections):
            return path.name
    return "meta/main.yml" if kind == "role" and name in needed_roles(scenario.role_dir) else ""


def requirement_files(scenario: Scenario) -> list[Path]:
    """Return the files of requirements that exist: the scenario's, the role's, the project's."""
    plays = [path.parent for path in (scenario.converge, scenario.prepare, scenario.verify) if path]
    folders = [*plays, scenario.role_dir, *(folder.parent.parent for folder in plays)]
    found = [folder / name for folder in folders for name in _FILES]
    return list(dict.fromkeys(path for path in found if path.is_file()))
