"""Twenty processes share one ledger: nothing is bought twice, and each comes to the end that it would find alone."""

import json
from pathlib import Path

from fixtures.small_evolution import bought_twice, finished, small_evolution

WORKERS = 20
SEEDS = 2
BUDGET = 80


def test_twenty_processes_buy_no_answer_twice_and_all_end(tmp_path: Path) -> None:
    work = small_evolution(tmp_path / "work")
    begun = [work.start("--json", seed=1 + number % SEEDS, budget=BUDGET) for number in range(WORKERS)]
    ended = [finished(process) for process in begun]
    assert [process.returncode for process in ended] == [0] * WORKERS, [e.stderr[-900:] for e in ended if e.returncode]
    assert bought_twice(work.bought) == []

    reported = [json.loads(process.stdout) for process in ended]
    accounts = [one["account"] for one in reported]
    assert all(account["search"] + account["gate"] <= BUDGET for account in accounts)
    assert all(account["repeated"] == 0 for account in accounts)
    assert len(work.bought) <= SEEDS * BUDGET
    assert len({(one["run"], one["outcome"], one["winner"]) for one in reported}) == SEEDS, "one end for each seed"
    assert all(len(work.events(one["run"])) == len(work.events(reported[0]["run"])) for one in reported[::SEEDS])

    gates = [json.loads(line) for line in (work.folder / "gate_log.jsonl").read_text().splitlines()]
    assert len(gates) == 2 * SEEDS, "each run opened its gate and recorded its decision once"

    alone = small_evolution(tmp_path / "alone")
    assert json.loads(alone.run("--json", budget=BUDGET).stdout)["run"] == reported[0]["run"]
