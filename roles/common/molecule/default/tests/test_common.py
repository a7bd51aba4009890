"""What people and programs find on a host: an account with sudo by password, variables, logs that are rotated."""

from testinfra.host import Host

PASSWORD = "only for tests"


def as_account(host: Host, command: str) -> str:
    return host.check_output("su --login anneal --command %s", command)


def test_sudo_without_a_password_is_refused(host: Host) -> None:
    refused = host.run("su --login anneal --command 'sudo -k; sudo -n id -u'")
    assert refused.rc != 0
    assert "password is required" in refused.stderr


def test_sudo_with_a_wrong_password_is_refused(host: Host) -> None:
    assert host.run("su --login anneal --command 'sudo -k; echo wrong | sudo -S id -u'").rc != 0


def test_sudo_with_the_password_gives_root(host: Host) -> None:
    assert as_account(host, f"sudo -k; echo '{PASSWORD}' | sudo -S -p '' id -u") == "0"


def test_no_rule_of_sudo_goes_without_a_password(host: Host) -> None:
    rights = host.check_output("LC_ALL=C sudo -l -U anneal")
    assert "(ALL : ALL) PASSWD: ALL" in rights
    assert "NOPASSWD" not in rights


def test_groups_that_existed_stay_and_missing_ones_are_created(host: Host) -> None:
    assert host.group("plotters").gid == 4711
    assert {"plotters", "readers"} <= set(host.user("anneal").groups)


def test_both_keys_may_log_in_and_nobody_else_may_change_them(host: Host) -> None:
    keys = host.file("/home/anneal/.ssh/authorized_keys")
    assert keys.content_string.count("ssh-ed25519 ") == 2
    assert (keys.user, keys.mode) == ("anneal", 0o600)


def test_a_login_shell_has_the_variables_word_for_word(host: Host) -> None:
    assert as_account(host, 'printf %s "$NOMAD_ADDR"') == "http://127.0.0.1:4646"
    assert as_account(host, 'printf %s "$GREETING"') == 'it\'s a "word"; $HOME'


def test_a_log_is_rotated_and_the_account_goes_on_writing(host: Host) -> None:
    log = "/var/log/anneal/rotated.log"
    as_account(host, f"echo before > {log}")
    try:
        host.check_output("logrotate --force --state /tmp/logrotate.state /etc/logrotate.d/anneal")
        as_account(host, f"echo after >> {log}")
        assert host.check_output("zcat %s.1.gz", log) == "before"
        assert host.file(log).content_string == "after\n"
    finally:
        host.run("rm -f %s %s.1.gz /tmp/logrotate.state", log, log)
