"""What contains tasks (roles and playbooks), and the tree that contains those."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from evolve.role_lint.literals import Literals
from evolve.role_lint.nodes import Entry, Node
from evolve.role_lint.reach import Reachability
from evolve.role_lint.tasks import AnsibleTask


@dataclass(frozen=True, slots=True)
class TextFile:
    """A template, a job, a unit or a script: text that is copied to a host."""

    path: str
    lines: tuple[str, ...]
    is_template: bool

    @property
    def name(self) -> str:
        """The file's name without Jinja's suffix."""
        name = Path(self.path).name
        return name.removesuffix(".j2").removesuffix(".jinja2").removesuffix(".jinja")

    @property
    def is_job(self) -> bool:
        """Whether it is a Nomad job."""
        return self.name.endswith((".nomad", ".hcl")) and any(line.lstrip().startswith("job ") for line in self.lines)


@dataclass(eq=False)
class TaskScope:
    """A role, or a playbook."""

    name: str
    folder: Path
    is_role: bool = True
    tasks: tuple[AnsibleTask, ...] = ()
    """Tasks and handlers, in the files' order."""
    literals: Literals = field(default_factory=Literals)
    reach: Reachability = field(default_factory=Reachability)
    texts: tuple[TextFile, ...] = ()
    variables: Mapping[str, Mapping[str, Entry]] = field(default_factory=dict)
    """All files of variables of the role: path to entries."""
    specs: Node | None = None
    """The document of `meta/argument_specs.yml`."""
    dependencies: tuple[str, ...] = ()
    """The roles that `meta/main.yml` lists as dependencies."""
    runs_on_debian: bool = True
    """False if `meta/main.yml` lists platforms and none of them is of Debian's family."""
    used_roles: tuple[str, ...] = ()
    """The roles that tasks include or plays list."""

    @cached_property
    def handlers(self) -> tuple[AnsibleTask, ...]:
        """Its handlers."""
        return tuple(task for task in self.tasks if task.in_handlers)

    @cached_property
    def plain_tasks(self) -> tuple[AnsibleTask, ...]:
        """Its tasks without the handlers."""
        return tuple(task for task in self.tasks if not task.is_handler)


@dataclass(eq=False)
class Tree:
    """Everything that one call of the lint checks."""

    homes: tuple[TaskScope, ...]
    shared: Mapping[str, Entry] = field(default_factory=dict)
    """Variables of `group_vars`."""
    texts: tuple[TextFile, ...] = ()
    """Jobs and scripts outside of the roles."""
    settings: tuple[TextFile, ...] = ()
    """`ansible.cfg`."""
    around: tuple[TaskScope, ...] = ()
    """Roles and playbooks next to the given places: not checked, but they may define handlers."""

    @property
    def tasks(self) -> Iterator[AnsibleTask]:
        """Every task and handler."""
        return (task for home in self.homes for task in home.tasks)

    @property
    def roles(self) -> Iterable[TaskScope]:
        """The roles."""
        return (home for home in self.homes if home.is_role)

    def role(self, name: str) -> TaskScope | None:
        """Return the role with a name, ignoring a collection's prefix; None if there is none."""
        last = name.rsplit(".", 1)[-1]
        return next((home for home in self.roles if home.name == last), None)

    def all_texts(self) -> Iterator[tuple[TaskScope | None, TextFile]]:
        """Yield every template, job, unit and script, with the role that contains it."""
        for home in self.homes:
            yield from ((home, text) for text in home.texts)
        yield from ((None, text) for text in self.texts)
