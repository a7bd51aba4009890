"""How long `evolve lint-roles` takes, start-up included: `python -m benchmarks.lint_roles [DIR] [--roles 20]`.

Without DIR the bad and good samples of the tests are roles, as many as asked for. `--ansible-lint` asks ansible-lint,
where it is installed, what its production profile finds on the bad samples: that would be no rule of ours.
"""

import argparse
import itertools
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

TARGET_S = 2.0
SAMPLES = Path(__file__).parents[1] / "suites/unit/role_lint/samples"
CONTROL = "control"
_TASKS_OF_A_ROLE = 12
"""Samples in each role: about 40 tasks."""


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", help="roles to lint instead of samples")
    parser.add_argument("--roles", type=int, default=20)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--ansible-lint", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.ansible_lint:
            _compare(Path(folder))
            return
        place = options.folder or str(_write_roles(Path(folder), options.roles))
        runs = [_timed(place) for _ in range(options.runs)]
    _print(runs, options.runs)


def _write_roles(folder: Path, count: int) -> Path:
    """Roles of samples: each with a dozen files of tasks that its main.yml includes."""
    files = itertools.cycle(sorted(SAMPLES.glob("*/*.yml")))
    for number in range(count):
        tasks = folder / f"roles/role{number}/tasks"
        tasks.mkdir(parents=True)
        for index in range(_TASKS_OF_A_ROLE):
            shutil.copy(next(files), tasks / f"part{index}.yml")
        includes = (f"- ansible.builtin.import_tasks: part{index}.yml\n" for index in range(_TASKS_OF_A_ROLE))
        (tasks / "main.yml").write_text("".join(includes), encoding="utf-8")
    return folder / "roles"


def _timed(place: str) -> tuple[float, float, str]:
    """Wall and CPU seconds of the whole process, and its last line."""
    before, began = os.times(), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "evolve", "lint-roles", place], capture_output=True, text=True, check=False
    )
    wall, after = time.perf_counter() - began, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, cpu, (done.stdout or done.stderr).rstrip().rsplit("\n", 1)[-1]


def _print(runs: list[tuple[float, float, str]], count: int) -> None:
    wall, cpu = statistics.median(run[0] for run in runs), statistics.median(run[1] for run in runs)
    print(f"{runs[0][2]}\n")
    print("| whole process | median | target |\n|---|---:|---:|")
    print(f"| wall | {wall:.2f} s | {TARGET_S:.1f} s |\n| CPU | {cpu:.2f} s | |\n")
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores"
    print(f"({count} runs; {machine}; {date.today()}; `python -m benchmarks.lint_roles`)")


def _compare(folder: Path) -> None:
    """Prints what ansible-lint finds on each rule's bad samples."""
    names = dict(_place_bad_samples(folder / "roles"))
    _place_control(folder / "roles" / CONTROL)
    config = "profile: production\noffline: true\nskip_list: ['var-naming[no-role-prefix]']\n"
    (folder / ".ansible-lint").write_text(config, encoding="utf-8")
    command = ["ansible-lint", "--offline", "--profile", "production", "--nocolor", "-f", "json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise SystemExit(done.stderr or "ansible-lint said nothing")
    found: dict[str, set[str]] = {rule: set() for rule in names.values()}
    for item in json.loads(done.stdout):
        role = Path(item["location"]["path"]).parts[1]
        found.setdefault(names.get(role, CONTROL), set()).add(item["check_name"])
    if not found.pop(CONTROL, None):
        raise SystemExit("ansible-lint did not find the smell of the control role, so its silence says nothing")
    silent = [rule for rule, checks in found.items() if not checks]
    print(f"ansible-lint finds nothing on the bad samples of {len(silent)} of {len(found)} rules")
    for rule, checks in found.items():
        if checks:
            print(f"  {rule}: {', '.join(sorted(checks))}")


def _place_control(role: Path) -> None:
    """A role with a smell that ansible-lint is known to find."""
    (role / "tasks").mkdir(parents=True)
    text = "---\n- name: List\n  ansible.builtin.command: ls\n"
    (role / "tasks/main.yml").write_text(text, encoding="utf-8")


def _place_bad_samples(roles: Path) -> Iterator[tuple[str, str]]:
    """Role name to rule; a role's name may hold no dash."""
    for bad in sorted(SAMPLES.glob("*/bad*")):
        rule = bad.parent.name
        name = f"{rule}_{bad.stem}".replace("-", "_")
        inner = sorted((bad / "roles").iterdir()) if (bad / "roles").is_dir() else [bad]
        for number, role in enumerate(inner):
            target = roles / f"{name}_{number}"
            if role.is_file():
                (target / "tasks").mkdir(parents=True)
                shutil.copy(role, target / "tasks/main.yml")
            else:
                shutil.copytree(role, target)
            yield target.name, rule


if __name__ == "__main__":
    main()
