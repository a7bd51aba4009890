"""Clients use the broker: they publish, subscribe, are refused, and find retained messages after a restart."""

import shlex
import uuid

from testinfra.host import Host

HOUSE = ("house", "a scenario's only secret")
SENSOR = ("sensor", "another one")


def _client(program: str, host: Host, user: tuple[str, str] | None, arguments: str) -> str:
    # Not by loopback: other hosts reach the same address.
    address = host.check_output("hostname -I").split()[0]
    login = f"-u {user[0]} -P {shlex.quote(user[1])}" if user else ""
    return f"{program} -h {address} {login} {arguments}"


def _publish(user: tuple[str, str] | None, host: Host, topic: str, message: str, more: str = "") -> str:
    return _client("mosquitto_pub", host, user, f"-q 1 -t {topic} -m {message} {more}")


def _subscribe(user: tuple[str, str], host: Host, topic: str, seconds: int = 10) -> str:
    return _client("mosquitto_sub", host, user, f"-q 1 -t {topic} -C 1 -W {seconds}")


def test_the_broker_runs_and_starts_at_boot(host: Host) -> None:
    service = host.service("mosquitto")
    assert service.is_running
    assert service.is_enabled


def test_a_message_reaches_its_subscriber(host: Host) -> None:
    message = uuid.uuid4().hex
    topic = f"home/{uuid.uuid4().hex}"
    # The session exists before the message is sent, so that no wait is needed for the subscriber.
    host.check_output(_client("mosquitto_sub", host, HOUSE, f"-q 1 -t {topic} -i listener -c -E"))
    host.check_output(_publish(HOUSE, host, topic, message))
    listen = _client("mosquitto_sub", host, HOUSE, f"-q 1 -t {topic} -i listener -c -C 1 -W 10")
    assert host.check_output(listen) == message
    host.check_output(_client("mosquitto_sub", host, HOUSE, f"-t {topic} -i listener -E"))


def test_a_wrong_password_is_refused(host: Host) -> None:
    answer = host.run(_publish(("house", "a wrong one"), host, "home/door", "open"))
    assert answer.failed
    assert "not authorised" in (answer.stdout + answer.stderr).lower()


def test_a_client_without_a_name_is_refused(host: Host) -> None:
    answer = host.run(_publish(None, host, "home/door", "open"))
    assert answer.failed
    assert "not authorised" in (answer.stdout + answer.stderr).lower()


def test_a_user_reads_only_what_the_rules_allow(host: Host) -> None:
    message = uuid.uuid4().hex
    host.check_output(_publish(SENSOR, host, "home/temperature", message, "-r"))
    assert host.check_output(_subscribe(HOUSE, host, "home/temperature")) == message
    assert host.run(_subscribe(SENSOR, host, "home/temperature", seconds=2)).stdout == ""


def test_a_user_writes_only_what_the_rules_allow(host: Host) -> None:
    topic = f"home/{uuid.uuid4().hex}"
    host.run(_publish(SENSOR, host, topic, "forged", "-r"))
    assert host.run(_subscribe(HOUSE, host, topic, seconds=2)).stdout == ""
    host.check_output(_publish(HOUSE, host, topic, "genuine", "-r"))
    assert host.check_output(_subscribe(HOUSE, host, topic)) == "genuine"


def test_retained_messages_survive_a_restart(host: Host) -> None:
    message = uuid.uuid4().hex
    host.check_output(_publish(HOUSE, host, "home/kept", message, "-r"))
    host.check_output("systemctl restart mosquitto")
    assert host.check_output(_subscribe(HOUSE, host, "home/kept")) == message


def test_the_broker_is_no_root_and_may_not_become_it(host: Host) -> None:
    pid = host.check_output("systemctl show --value -p MainPID mosquitto")
    status = host.check_output(f"cat /proc/{pid}/status")
    fields = dict(line.split(":", 1) for line in status.splitlines())
    assert fields["Uid"].split()[0] == host.check_output("id -u mosquitto")
    assert fields["NoNewPrivs"].strip() == "1"
    assert int(fields["CapBnd"], 16) == 0


def test_the_password_file_holds_no_password_and_is_closed_to_others(host: Host) -> None:
    file = host.file("/etc/mosquitto/passwd")
    assert file.mode == 0o640
    assert (file.user, file.group) == ("root", "mosquitto")
    assert HOUSE[1] not in file.content_string
