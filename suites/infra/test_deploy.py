"""`./bootstrap.sh deploy` before any host is asked: what is missing is named, and what it would play."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from evolve.infra import deploying
from evolve.infra.deploying import main

ROOT = Path(__file__).parents[2]
DIGEST = f"registry.test:5000/some@sha256:{'0' * 64}"
GROUPS = ("controllers", "workers", "monitoring", "home", "supervisors", "gateways", "agents")


def inventory(folder: Path, **changes: dict[str, object]) -> str:
    """An inventory of one host, which is in every group, with changes of some."""
    groups = {name: {"hosts": {"one": {}}} for name in GROUPS} | changes
    file = folder / "hosts.yaml"
    hosts = {"one": {"ansible_host": "198.51.100.7"}, "two": {"ansible_host": "198.51.100.8"}}
    file.write_text(yaml.safe_dump({"all": {"hosts": hosts, "children": groups}}))
    return str(file)


def problems(capfd: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert main(words) == 2
    return [line.removeprefix("deploy: ") for line in capfd.readouterr().err.splitlines()]


def test_without_an_inventory_the_example_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    assert problems(capfd) == ["no inventory given (copy inventory/hosts.yaml, put your hosts there, and pass -i FILE)"]
    assert problems(capfd, "-i", "nowhere.yaml")[0].startswith("nowhere.yaml: no such inventory")


def test_the_example_is_not_deployed_to(capfd: pytest.CaptureFixture[str]) -> None:
    found = problems(capfd, "-i", str(ROOT / "inventory/hosts.yaml"), "--run-local")
    assert [line.partition(": ")[2].split()[0] for line in found] == ["controller-1", "worker-1", "worker-2"]


def test_containers_need_images_of_both_programs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = problems(capfd, "-i", inventory(tmp_path))
    assert [line.partition("=")[0] for line in found] == ["moe_gateway_image", "pipecatapp_image"]
    assert "--registry HOST:PORT builds and pushes it" in found[0]
    with_tag = {"hosts": {"one": {"pipecatapp_image": "some:latest", "moe_gateway_image": DIGEST}}}
    found = problems(capfd, "-i", inventory(tmp_path, agents=with_tag))
    assert [line.partition(" of ")[0] for line in found] == ["pipecatapp_image='some:latest'"]


def test_every_problem_of_the_groups_comes_at_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    given = inventory(tmp_path, controllers={}, agents={"hosts": {"two": {}}})
    found = problems(capfd, "-i", given, "--run-local")
    assert [line.removeprefix(f"{given}: ").partition(" (")[0] for line in found] == [
        "no host in the group controllers",
        "two of agents is not in workers, which run Nomad's jobs",
    ]
    both = {"hosts": {"one": {}, "two": {}}}
    found = problems(capfd, "-i", inventory(tmp_path, workers=both, gateways=both), "--run-local")
    assert found == [
        f"{given}: gateways has one, two, and Nomad's job runs on one host"
        " (name one there, or pass -e moe_gateway_driver=systemd)"
    ]


def test_units_run_on_any_hosts_and_need_no_image(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    both = {"hosts": {"one": {}, "two": {}}}
    units = ["-e", "moe_gateway_driver=systemd", "-e", "pipecatapp_driver=systemd"]
    assert main(["-i", inventory(tmp_path, gateways=both, agents=both), *units, "--syntax-check"]) == 0
    capfd.readouterr()
    # What makes one program a unit says nothing about the other.
    found = problems(capfd, "-i", inventory(tmp_path, gateways=both), *units[:2])
    assert [line.partition("=")[0] for line in found] == ["pipecatapp_image"]


def test_what_ansible_cannot_read_is_reported_in_its_words(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "hosts.yaml").write_text("all: {children: [")
    assert "Ansible cannot read it" in "\n".join(problems(capfd, "-i", str(tmp_path / "hosts.yaml"), "--run-local"))


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (["--run-local"], "moe_gateway_driver: raw_exec; pipecatapp_driver: raw_exec"),
        (
            ["-e", f"moe_gateway_image={DIGEST} pipecatapp_image={DIGEST}"],
            "moe_gateway_driver: docker; pipecatapp_driver: docker",
        ),
        (["--extra-vars=@images.yaml"], "moe_gateway_driver: docker; pipecatapp_driver: docker"),
    ],
)
def test_what_it_plays_is_the_playbook_from_wherever_it_was_called(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str], given: str
) -> None:
    inventory(tmp_path)
    (tmp_path / "images.yaml").write_text(f"moe_gateway_image: {DIGEST}\npipecatapp_image: {DIGEST}\n")
    monkeypatch.chdir(tmp_path)
    assert main(["-i", "hosts.yaml", *words, "--syntax-check"]) == 0
    out, err = capfd.readouterr()
    assert f"playbook: {ROOT}/playbook.yaml" in out
    assert f"== {given}" in err


@pytest.mark.parametrize("check", ["--check", "-C", "-vCD", "-DC", "--chec", "--syntax-check", "--list-ho"])
def test_a_check_with_a_registry_builds_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, check: str
) -> None:
    played: list[dict[str, str]] = []
    monkeypatch.setattr(deploying, "_play", lambda _files, variables, _further: played.append(variables))
    words = ["-i", inventory(tmp_path), "--registry", "registry.test:5000", check]
    assert main(words) == 0
    assert played[0]["moe_gateway_image"] == f"registry.test:5000/anneal-gateway@sha256:{'0' * 64}"
    err = capfd.readouterr().err
    assert "nothing is built or pushed; a deployment would push anneal-gateway and" in err


@pytest.mark.parametrize("words", [["--ask-become-pass"], ["-e", "C=1"], ["-eC=1"], ["--limit", "C"], ["-i", "C"]])
def test_other_options_are_no_check(words: list[str]) -> None:
    assert not deploying._has_option(words, deploying._CHANGES_NOTHING)
    assert not any(map(deploying._CHECK.match, words))


@pytest.mark.parametrize(
    ("mine", "own", "kept"),
    [
        ({"pipecatapp_driver": "raw_exec"}, {}, []),
        ({"pipecatapp_driver": "raw_exec"}, {"pipecatapp_image": DIGEST}, ["pipecatapp_driver: raw_exec"]),
        ({"pipecatapp_driver": "raw_exec"}, {"pipecatapp_driver": "docker"}, ["pipecatapp_driver: raw_exec"]),
        ({"pipecatapp_driver": "docker"}, {"pipecatapp_image": DIGEST}, []),
        ({"pipecatapp_driver": "docker", "pipecatapp_image": DIGEST}, {}, [f"pipecatapp_image: {DIGEST}"]),
    ],
)
def test_it_names_the_variables_that_keep_what_it_deployed(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    mine: dict[str, str],
    own: dict[str, object],
    kept: list[str],
) -> None:
    known = deploying.read_inventory([inventory(tmp_path, agents={"hosts": {"one": own}})])
    capfd.readouterr()
    deploying._say_what_to_keep(known, mine, [])
    assert [line.removeprefix("==").strip() for line in capfd.readouterr().err.splitlines()][1:] == kept
    deploying._say_what_to_keep(known, mine, [f"-e{name}=x" for name in mine])
    assert capfd.readouterr().err == ""


def test_variables_in_a_vault_are_read_with_the_password_of_the_command_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    given, password, variables = inventory(tmp_path), tmp_path / "password", tmp_path / "group_vars/all.yaml"
    password.write_text("correct horse")
    variables.parent.mkdir()
    variables.write_text("cluster_agent_key: sk-1\n")
    vault = Path(sys.executable).parent / "ansible-vault"
    subprocess.run([vault, "encrypt", "--vault-password-file", password, variables], check=True, capture_output=True)
    assert "no vault secrets found" in "\n".join(problems(capfd, "-i", given, "--run-local", "--syntax-check"))
    assert main(["-i", given, "--run-local", "--syntax-check", "--vault-password-file", str(password)]) == 0


def test_each_of_several_inventories_counts(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "more").mkdir()
    more = inventory(tmp_path / "more", controllers={}, workers={"hosts": {"three": {"ansible_host": "198.51.100.9"}}})
    assert main(["-i", inventory(tmp_path), "-i", more, "--run-local", "--list-hosts", "--limit", "one:three"]) == 0
    listed = capfd.readouterr().out
    assert "      one\n" in listed
    assert "      three\n" in listed
    assert problems(capfd, "-i", more, "-i", "a.yaml", "-i", "b.yaml", "--run-local") == [
        f"{one}: no such inventory (inventory/hosts.yaml is an example to copy)" for one in ("a.yaml", "b.yaml")
    ]


def test_a_registry_and_no_images_are_not_asked_for_together(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["-i", "hosts.yaml", "--run-local", "--registry", "registry.test:5000"])
    assert ended.value.code == 2
    assert "not allowed with argument" in capfd.readouterr().err


def test_a_failed_play_is_the_machines_fault(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["-i", inventory(tmp_path), "--run-local", "--no-such-option"]) == 4
    assert "deploy: ansible-playbook ended with" in capfd.readouterr().err


def test_without_ansible_the_command_that_installs_it_is_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deploying.sys, "executable", str(tmp_path / "python"))
    assert main(["-i", inventory(tmp_path), "--run-local"]) == 4
    assert "./bootstrap.sh deploy installs it" in capfd.readouterr().err


SLOW_PLAY = """\
#!/bin/sh
trap 'sleep 1; echo ended by itself; exit 99' INT
echo begun
while true; do sleep 0.1; done
"""


def test_ctrl_c_lets_ansible_end_what_it_does_on_the_hosts(tmp_path: Path) -> None:
    given, folder = inventory(tmp_path), tmp_path / "bin"
    folder.mkdir()
    (folder / "ansible-inventory").symlink_to(Path(sys.executable).parent / "ansible-inventory")
    (folder / "ansible-playbook").write_text(SLOW_PLAY)
    (folder / "ansible-playbook").chmod(0o755)
    code = f"import sys; from evolve.infra import deploying; sys.executable = {str(folder / 'python')!r}; "
    command = [sys.executable, "-c", f"{code}sys.exit(deploying.main({['-i', given, '--run-local']!r}))"]
    process = subprocess.Popen(
        command, cwd=ROOT, text=True, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "ended by itself\n")
    assert err.endswith("deploy: interrupted; the same command goes on from there\n")


def test_its_help_says_what_else_may_follow() -> None:
    command = [sys.executable, "-m", "evolve.infra.deploying", "--help"]
    done = subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=True)
    assert "Further options are those of ansible-playbook" in done.stdout
