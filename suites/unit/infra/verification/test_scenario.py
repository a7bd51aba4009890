"""What is read from a role's Molecule files."""

from pathlib import Path

import pytest

from evolve.core.model.errors import InputError
from evolve.infra.verification.scenario import load_scenario


def role(folder: Path, **files: str) -> Path:
    scenario = folder / "demo" / "molecule" / "default"
    scenario.mkdir(parents=True)
    for name, text in files.items():
        path = scenario / name.replace("__", "/")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder / "demo"


def test_a_role_without_scenario_gets_one_host(tmp_path: Path) -> None:
    (tmp_path / "my_role").mkdir()
    scenario = load_scenario(tmp_path / "my_role")
    assert [platform.name for platform in scenario.platforms] == ["my-role"]
    assert (scenario.converge, scenario.prepare, scenario.tests, scenario.faults) == (None, None, None, ())


def test_platforms_variables_and_plays_are_read(tmp_path: Path) -> None:
    config = """
platforms:
  - {name: "a-${EVOLVE_INSTANCE:-x}", groups: [servers], networks: [{name: net}], tmpfs: ["/data:size=1m"]}
  - {name: b}
provisioner:
  env: {DEMO: "yes"}
  inventory: {group_vars: {all: {demo_port: 1}}, host_vars: {b: {demo_port: 2}}}
"""
    path = role(tmp_path, **{"molecule.yml": config, "converge.yml": "[]", "tests__test_demo.py": ""})
    scenario = load_scenario(path)
    assert [(one.name, one.groups, one.networks) for one in scenario.platforms] == [
        ("a-host", ("servers",), ("net",)),
        ("b", (), ()),
    ]
    assert scenario.variables == {"group_vars/all": {"demo_port": 1}, "host_vars/b": {"demo_port": 2}}
    assert scenario.environment["DEMO"] == "yes"
    assert scenario.converge == path / "molecule" / "default" / "converge.yml"
    assert scenario.tests == path / "molecule" / "default" / "tests"


@pytest.mark.parametrize(
    ("text", "value"), [("${NOPE:-d}", "d"), ("${NOPE}", ""), ("$NOPE", ""), ("$$NOPE", "$NOPE"), ("${NOPE-d}", "d")]
)
def test_variables_are_filled_in_as_molecule_does(tmp_path: Path, text: str, value: str) -> None:
    path = role(tmp_path, **{"molecule.yml": f'provisioner: {{env: {{X: "{text}"}}}}'})
    assert load_scenario(path).environment["X"] == value


def test_a_playbook_of_another_name_is_found_and_a_missing_one_reported(tmp_path: Path) -> None:
    config = "provisioner: {playbooks: {converge: play.yml, prepare: gone.yml}}"
    path = role(tmp_path, **{"molecule.yml": config, "play.yml": "[]"})
    with pytest.raises(InputError, match=r"gone\.yml: the playbook for prepare does not exist"):
        load_scenario(path)


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    faults = "- {name: a}\n- {message: b}\n"
    config = "platforms: [{name: a}, {name: a}]"
    path = role(tmp_path, **{"molecule.yml": config, "preflight_faults.yaml": faults, "verification.yaml": "a: [\n"})
    with pytest.raises(InputError) as found:
        load_scenario(path)
    texts = [problem.message for problem in found.value.problems]
    assert "two platforms are called 'a'" in texts
    assert "entry 1 lacks message" in texts
    assert "entry 2 lacks name" in texts
    assert len(texts) == 4


def test_what_is_not_followed_is_noted(tmp_path: Path) -> None:
    config = "driver: {name: vagrant}\nprovisioner: {inventory: {links: {group_vars: x}}}"
    scenario = load_scenario(role(tmp_path, **{"molecule.yml": config, "side_effect.yml": "[]"}))
    assert len(scenario.notes) == 3
    assert scenario.notes[0].startswith("the driver vagrant is not used")


def test_releases_and_varying_files_are_read(tmp_path: Path) -> None:
    own = "releases: {bullseye: too old}\nvaries: [{path: /etc/k*, reason: made there}]"
    scenario = load_scenario(role(tmp_path, **{"verification.yaml": own}))
    assert scenario.exceptions == {"bullseye": "too old"}
    assert [(one.path, one.reason) for one in scenario.varying] == [("/etc/k*", "made there")]


def problems(folder: Path, **files: str) -> list[str]:
    """What is wrong with a scenario's files, without the folder that they are in."""
    path = role(folder, **files)
    with pytest.raises(InputError) as found:
        load_scenario(path)
    return [str(problem).removeprefix(f"{path}/molecule/default/") for problem in found.value.problems]


def test_keys_that_nobody_reads_are_reported_with_line_and_what_was_meant(tmp_path: Path) -> None:
    own = "varying: []\nreleases: {}\nrelease: {}\nvaries:\n  - path: /etc/k*\n    reason: made there\n    resaon: x\n"
    faults = "- name: a port\n  message: port\n  task: []\n- name: a name\n  message: name\n  colour: red\n"
    assert problems(tmp_path, **{"verification.yaml": own, "preflight_faults.yaml": faults}) == [
        "verification.yaml:1: unknown key 'varying' (known: varies, releases)",
        "verification.yaml:3: unknown key 'release' (did you mean 'releases'?)",
        "verification.yaml:7: unknown key 'varies[0].resaon' (did you mean 'reason'?)",
        "preflight_faults.yaml:3: unknown key '[0].task' (did you mean 'tasks'?)",
        "preflight_faults.yaml:6: unknown key '[1].colour' (known: name, message, tasks, vars)",
    ]


def test_own_files_may_end_in_yml(tmp_path: Path) -> None:
    files = {"verification.yml": "releases: {bullseye: old}", "preflight_faults.yml": "[{name: a, message: b}]"}
    scenario = load_scenario(role(tmp_path, **files))
    assert scenario.exceptions == {"bullseye": "old"}
    assert [fault.name for fault in scenario.faults] == ["a"]


def test_two_files_of_which_one_would_be_lost_are_a_problem(tmp_path: Path) -> None:
    found = problems(tmp_path, **{"verification.yml": "releases: {}", "verification.yaml": "releases: {}"})
    assert found == ["verification.yml: verification.yaml exists too: only one of them would be read; remove one"]


@pytest.mark.parametrize(
    ("platform", "said"),
    [
        ("networks: [{nme: x}]", "networks: entry 1 lacks name: it is {'nme': 'x'}"),
        ("networks: 3", "platforms[0].networks must be a list, not 3"),
        ("env: [A=b]", "platforms[0].env must be a mapping, not ['A=b']"),
        ("groups: web", "platforms[0].groups must be a list, not 'web'"),
        ("tmpfs: 5", "platforms[0].tmpfs must be a list, not 5"),
    ],
)
def test_a_platform_of_another_shape_is_reported_with_its_line(tmp_path: Path, platform: str, said: str) -> None:
    found = problems(tmp_path, **{"molecule.yml": f"---\nplatforms:\n  - name: a\n    {platform}\n"})
    assert found == [f"molecule.yml:4: {said}"]


def test_platforms_and_faults_that_are_no_lists_are_reported(tmp_path: Path) -> None:
    faults = "- name: a\n  message: b\n  tasks: {command: x}\n- name: c\n  message: d\n  tasks: [x]\n  vars: [y]\n"
    assert problems(tmp_path, **{"molecule.yml": "platforms: 3\n", "preflight_faults.yaml": faults}) == [
        "molecule.yml:1: platforms must be a list, not 3",
        "preflight_faults.yaml:3: [0].tasks must be a list, not {'command': 'x'}",
        "preflight_faults.yaml:6: [1].tasks[0] must be a mapping, not 'x'",
        "preflight_faults.yaml:7: [1].vars must be a mapping, not ['y']",
    ]


def test_an_alias_into_itself_does_not_hang(tmp_path: Path) -> None:
    assert problems(tmp_path, **{"verification.yaml": "x: &a [*a]\n"}) == [
        "verification.yaml:1: unknown key 'x' (known: varies, releases)"
    ]


def test_settings_that_hosts_do_not_follow_are_noted_with_what_is_used_instead(tmp_path: Path) -> None:
    config = """
platforms:
  - {name: one, image: "geerlingguy/docker-ubuntu:latest", privileged: true, volumes: ["/a:/b", "/sys/fs/cgroup:/x"]}
  - {name: two, image: "anneal-host:bookworm"}
provisioner: {inventory: {host_vars: {one: {ansible_user: ansible, demo_port: 1}}, hosts: {targets: {hosts: {}}}}}
"""
    scenario = load_scenario(role(tmp_path, **{"molecule.yml": config}))
    text = "\n".join(scenario.notes)
    for part in (
        "docker-ubuntu:latest of one is not used",
        "--infra-privileged",
        "/a:/b",
        "ansible_user",
    ):
        assert part in text
    assert "anneal-host" not in text
    assert scenario.wants_privileged
    assert scenario.groups == {"targets": {"hosts": {}}}
    assert scenario.variables["host_vars/one"] == {"demo_port": 1}


def test_the_repositorys_base_configuration_is_read_below_the_scenarios(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    base = tmp_path / ".config" / "molecule" / "config.yml"
    base.parent.mkdir(parents=True)
    base.write_text("platforms: [{name: x}, {name: y}]\nprovisioner: {env: {A: base, B: base}}\n")
    scenario = load_scenario(role(tmp_path, **{"molecule.yml": "provisioner: {env: {B: own}}"}))
    assert (scenario.environment["A"], scenario.environment["B"]) == ("base", "own")
    assert len(scenario.platforms) == 1


@pytest.mark.parametrize("place", ["molecule/ssh", "extensions/molecule/ssh"])
def test_a_role_of_a_collection_may_have_its_scenario_at_the_collections_root(tmp_path: Path, place: str) -> None:
    (tmp_path / "galaxy.yml").write_text("{namespace: dev, name: hard}")
    (tmp_path / "roles" / "ssh").mkdir(parents=True)
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / place / "converge.yml").write_text("[]")
    scenario = load_scenario(tmp_path / "roles" / "ssh")
    assert scenario.converge == tmp_path / place / "converge.yml"
    assert scenario.environment["MOLECULE_PROJECT_DIRECTORY"] == str((tmp_path / place).parent.parent)
