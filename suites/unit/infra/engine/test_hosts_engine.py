import socket
import threading
from pathlib import Path

import docker
import pytest

from evolve.core.model.errors import DockerFault, EnvironmentFault
from evolve.infra.engine import docker_engine, local_engine
from evolve.infra.engine.docker_engine import addresses, docker_faults
from fixtures.scripted_engine import scripted_engine


def test_docker_host_is_tried_first_then_our_engine_then_the_usual_one():
    tried = addresses({"DOCKER_HOST": "tcp://127.0.0.1:1", "EVOLVE_CACHE_DIR": "/some/cache"})
    assert tried == (
        "tcp://127.0.0.1:1",
        "unix:///some/cache/docker/docker.sock",
        "unix:///var/lib/anneal/docker/docker.sock",
        "unix:///var/run/docker.sock",
    )


def test_an_address_that_is_named_twice_is_tried_once():
    usual = "unix:///var/run/docker.sock"
    assert addresses({"DOCKER_HOST": usual}).count(usual) == 1


def test_each_address_that_does_not_answer_is_named_with_its_reason(tmp_path: Path):
    stale = tmp_path / "stale.sock"
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(stale))
    with pytest.raises(EnvironmentFault) as caught:
        docker_engine.first_of([f"unix://{tmp_path}/none.sock", f"unix://{stale}"])
    message = str(caught.value)
    assert f"unix://{tmp_path}/none.sock: no such socket" in message
    assert f"unix://{stale}: Connection refused: no engine listens there" in message
    assert "./bootstrap.sh hosts" in message
    assert "python -m evolve.infra.prepare_hosts" in message


def test_something_that_is_no_engine_is_passed_over_with_what_it_said(tmp_path: Path):
    path = tmp_path / "other.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        thread = threading.Thread(target=_answer_nonsense, args=(server,), daemon=True)
        thread.start()
        with pytest.raises(EnvironmentFault, match="nonsense"):
            docker_engine.connect(f"unix://{path}")
        thread.join(10)


def _answer_nonsense(server: socket.socket) -> None:
    """Answers the first request; a connection without one only looks whether somebody listens."""
    is_answered = False
    while not is_answered:
        connection, _ = server.accept()
        with connection:
            if connection.recv(4096):
                connection.sendall(b"nonsense\r\n\r\n")
                is_answered = True


def test_a_wrong_address_is_a_fault_and_no_traceback():
    with pytest.raises(EnvironmentFault, match="Invalid bind address"):
        docker_engine.connect("gopher://127.0.0.1")


def test_an_error_of_docker_says_what_was_being_done():
    with pytest.raises(DockerFault, match="start host a: no space left"), docker_faults("start host a"):
        raise docker.errors.DockerException("no space left")


def test_limits_of_open_files_are_given_only_where_the_machine_refuses_more():
    assert local_engine.nofile_options(20_000, may_raise=False) == ["--default-ulimit", "nofile=1024:20000"]
    assert local_engine.nofile_options(512, may_raise=False) == ["--default-ulimit", "nofile=512:512"]
    assert local_engine.nofile_options(20_000, may_raise=True) == []
    assert local_engine.nofile_options(1_048_576, may_raise=False) == []


def test_a_process_file_that_names_another_process_is_not_our_engine(tmp_path: Path):
    (tmp_path / "docker.pid").write_text("1\n", encoding="ascii")
    assert local_engine.running_pid(tmp_path) is None
    assert local_engine.stop(tmp_path) is False


@pytest.mark.parametrize("content", ["", "many", "-1", "99999999"])
def test_a_damaged_process_file_is_no_engine(tmp_path: Path, content: str):
    (tmp_path / "docker.pid").write_text(content, encoding="ascii")
    assert local_engine.running_pid(tmp_path) is None


def test_who_set_docker_host_is_reported_when_another_engine_was_taken():
    with scripted_engine() as server:
        engine = docker_engine.first_of(["unix:///nowhere.sock", server.url])
        engine.client.close()
    reported = engine.ignored_docker_host({"DOCKER_HOST": "unix:///nowhere.sock"})
    assert reported == "DOCKER_HOST was passed over: unix:///nowhere.sock: no such socket"
    assert engine.ignored_docker_host({"DOCKER_HOST": server.url}) == ""
    assert engine.ignored_docker_host({}) == ""
