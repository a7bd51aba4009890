import pytest

from evolve.core.text.diagnostics import digest

REPORT = {"job_id": "j", "driver": "docker", "status": "failed", "stdout": "", "stderr": ""}


def test_facts_come_first():
    text = digest({**REPORT, "exit_code": 137, "oom_killed": True, "restarts": 2})
    assert text.splitlines()[0] == "docker, failed, exit 137, restarts 2, oom killed"


def test_use_near_a_limit_is_reported_and_other_use_is_not():
    near = digest({**REPORT, "limits": {"memory_mb": 512}, "usage": {"memory_mb": 509}})
    far = digest({**REPORT, "limits": {"memory_mb": 512}, "usage": {"memory_mb": 100}})
    assert "memory 509 of 512" in near
    assert "memory" not in far


def test_a_telling_line_is_kept_where_noise_is_dropped():
    noise = "\n".join(f"2025-01-01T00:00:{second:02}Z INFO tick {'abcdefgh'[second % 8] * 9}" for second in range(40))
    text = digest({**REPORT, "stdout": f"{noise}\nERROR cannot open /srv/x: permission denied\n{noise}"}, 200)
    assert "permission denied" in text
    assert len(text) <= 200


def test_timestamps_ids_and_repeats_are_left_out():
    lines = [f"2025-06-0{day}T10:00:00.123Z error: worker 4fd2a1b09c77{day} failed" for day in range(1, 9)]
    text = digest({**REPORT, "stderr": "\n".join(lines)})
    assert text.splitlines() == ["docker, failed", "error: worker ID failed"]


def test_json_records_are_shown_by_their_message():
    line = '{"ts":"2025-06-01T10:00:00Z","level":"error","caller":"x.go:12","msg":"bind: address already in use"}'
    assert "ERROR bind: address already in use" in digest({**REPORT, "stderr": line})


def test_control_and_bidirectional_characters_are_stripped():
    text = digest({**REPORT, "stderr": "\x1b[31merror\x1b[0m \u202eevil\u202c \x07failed"})
    assert text.endswith("error evil failed")


def test_routine_events_are_left_out_and_others_reported_once():
    events = [
        {"type": "Received", "message": "Task received by client"},
        {"type": "Driver Failure", "message": "Failed to pull `x:1`: manifest unknown"},
        {"type": "Driver Failure", "message": "Failed to pull `x:1`: manifest unknown"},
        {"type": "Terminated", "message": "Exit Code: 1"},
    ]
    text = digest({**REPORT, "events": events})
    assert text.count("manifest unknown") == 1
    assert "received" not in text
    assert "Exit Code" not in text


def test_keys_that_an_agent_wants_to_see_come_before_the_log():
    report = {**REPORT, "image": "r/web@sha256:1b0c2d91ab00ff", "limits": {"memory_mb": 512}, "stderr": "error: x"}
    text = digest(report, 200, ("image", "limits", "usage"))
    assert text.splitlines() == [
        "docker, failed",
        "image: r/web@sha256:1b0c2d91ab00ff",
        "limits: memory_mb=512",
        "error: x",
    ]


def test_no_key_takes_more_than_a_quarter_or_brings_control_characters():
    text = digest({**REPORT, "image": "r/\x1b[31m\u202eweb\n" + "x" * 500, "stderr": "error: x"}, 200, ("image",))
    assert text.splitlines()[1] == ("image: r/web " + "x" * 50)[:50]
    assert text.endswith("error: x")


SURROUNDINGS = {
    "since": "2026-11-30T07:00:00Z",
    "failures": 12,
    "changes": [{"field": "app.main.image", "before": "web:1", "after": "web:2"}, {"field": "app.main.Env.MODE"}],
    "dependencies": [{"name": "cache", "status": "passing"}, {"name": "db", "status": "critical"}],
    "node_facts": {"status": "ready", "memory_mb": 2048, "drain": False, "disk_mb": None},
}


def test_what_surrounds_a_failure_reaches_the_model():
    assert digest({**REPORT, **SURROUNDINGS}).splitlines() == [
        "docker, failed",
        "failed: since 2026-11-30T07:00:00Z, 12 times",
        "changed: app.main.image web:1 -> web:2, app.main.Env.MODE",
        "depends on: db critical, cache passing",
        "node: status ready, memory_mb 2048, drain False",
    ]


@pytest.mark.parametrize("size", [300, 400, 700])
def test_neither_events_nor_logs_nor_each_other_displace_the_surroundings(size: int):
    noise = [{"type": "Driver Failure", "message": f"error {'abcdefghijklmnopqrst'[n] * 90}"} for n in range(20)]
    logs = "\n".join(f"fatal error: failed {'abcdefghijklmnopqrst'[n] * 90}" for n in range(20))
    long = [{"field": f"field-{n}", "before": "x" * 50, "after": "y" * 50} for n in range(50)]
    text = digest({**REPORT, **SURROUNDINGS, "changes": long, "events": noise, "stderr": logs}, size)
    assert len(text) <= size
    starts = [line.partition(":")[0] for line in text.splitlines()]
    assert starts[1:5] == ["failed", "changed", "depends on", "node"]
    assert "db critical" in text
    assert len(starts) > 5, "there is room for an event or a log line"


@pytest.mark.parametrize("key", sorted(SURROUNDINGS))
@pytest.mark.parametrize("value", [None, "", 7, [], {}, [None, 3, "word", {}], {"a": {"b": "c"}}, "\x1b[31m\u202eevil"])
def test_any_shape_of_the_surroundings_is_bounded_text_without_control_characters(key: str, value):
    text = digest({**REPORT, "stderr": "error: x", key: value}, 200)
    assert len(text) <= 200
    assert text.endswith("error: x")
    assert not set(text) & set("\x1b\u202e")
