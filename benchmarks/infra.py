"""Six roles verified by Anneal and by stock `molecule test`, one after the other on the same machine.

    python benchmarks/infra.py [--roles NAME ...] [--rounds N]

Needs Docker (`./bootstrap.sh hosts`) and `pip install -e '.[test,infra,molecule]'`. Both do the same checks: converge,
idempotence, the role's testinfra tests, on hosts of the same image. Then Anneal does all its checks, and the table
says what each costs.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from pathlib import Path

from evolve.infra.engine.docker_engine import find

HERE = Path(__file__).resolve().parent.parent
ROLES = ("common", "docker", "mqtt", "nomad", "power_manager", "preflight_checks")
SAME_CHECKS = "converge or idempotence or function"
REPORT = HERE / "reports" / "benchmark_roles"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--roles", nargs="+", default=list(ROLES), help="which roles (default: six)")
    parser.add_argument("--rounds", type=int, default=1, help="alternating rounds; the table has their medians")
    given = parser.parse_args()
    ours, theirs, totals = [], [], []
    for _ in range(given.rounds):
        theirs.append([_molecule(role) for role in given.roles])
        ours.append(_anneal(given.roles, SAME_CHECKS))
        totals.append(sum(theirs[-1]))
    _print(given.roles, theirs, ours, totals)
    _print_costs(_costs(given.roles))


def _timed(command: list[str], folder: Path) -> float:
    began = time.monotonic()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # Molecule knows an engine by DOCKER_HOST only; both must use the same one.
    environment = {**os.environ, "PATH": path, "DOCKER_HOST": find().url}
    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} in {folder} ended with {done.returncode}:\n{done.stdout[-4_000:]}")
    return time.monotonic() - began


def _molecule(role: str) -> float:
    print(f"molecule test: {role}", file=sys.stderr)
    return _timed([sys.executable, "-m", "molecule", "test"], HERE / "roles" / role)


def _anneal(roles: list[str], checks: str) -> float:
    print(f"anneal: {checks or 'all checks'}", file=sys.stderr)
    words = f"({' or '.join(roles)})" + (f" and ({checks})" if checks else "")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--infra-roles", "roles", "-k", words]
    return _timed([*command, "--infra-report", str(REPORT)], HERE)


def _costs(roles: list[str]) -> dict[str, float]:
    """Seconds of each check over the roles, from the JUnit file of a run with all checks."""
    found: dict[str, float] = defaultdict(float)
    found["all checks, wall clock"] = _anneal(roles, "")
    for case in ElementTree.parse(REPORT / "junit.xml").getroot().iter("testcase"):
        found[str(case.get("name"))] += float(case.get("time") or 0)
    return dict(found)


def _print(roles: list[str], theirs: list[list[float]], ours: list[float], totals: list[float]) -> None:
    print(
        f"{os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}, {time.strftime('%F')}"
    )
    print("python benchmarks/infra.py " + " ".join(sys.argv[1:]))
    print("\n| `molecule test` | seconds |\n|---|---|")
    for number, role in enumerate(roles):
        print(f"| {role} | {statistics.median(row[number] for row in theirs):.1f} |")
    total, own = statistics.median(totals), statistics.median(ours)
    print(f"| all {len(roles)}, one after the other | {total:.1f} |")
    print(f"\n| Anneal, the same checks | {own:.1f} |\n|---|---|\n| ratio | {total / own:.1f} |")
    sys.stdout.flush()


def _print_costs(costs: dict[str, float]) -> None:
    print("\n| Anneal, each check over all roles | seconds |\n|---|---|")
    for name, seconds in costs.items():
        print(f"| {name} | {seconds:.1f} |")


if __name__ == "__main__":
    main()
