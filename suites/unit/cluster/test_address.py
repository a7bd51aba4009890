"""Addresses come from Nomad's and Consul's own variables; a token shows nowhere, and TLS is always checked."""

import ssl

import pytest

from evolve.cluster.address import ClusterAddress, consul_address, nomad_address
from evolve.core.model.errors import InputError

TOKEN = "7e57ab1e-5ec2-4e75-a11d-0123456789ab"


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://10.0.0.1:4646", "http://10.0.0.1:4646"),
        ("http://10.0.0.1", "http://10.0.0.1:4646"),
        ("10.0.0.1:4700", "http://10.0.0.1:4700"),
        ("https://nomad.internal/", "https://nomad.internal:4646"),
        ("http://[::1]:4646", "http://[::1]:4646"),
    ],
)
def test_an_address_has_scheme_host_and_port(given, url):
    assert nomad_address({"NOMAD_ADDR": given}).url == url


def test_without_the_variable_there_is_none():
    assert nomad_address({}) is None
    assert consul_address({"CONSUL_HTTP_ADDR": ""}) is None


def test_consul_s_address_may_leave_out_the_scheme():
    assert consul_address({"CONSUL_HTTP_ADDR": "127.0.0.1:8500"}).url == "http://127.0.0.1:8500"
    assert consul_address({"CONSUL_HTTP_ADDR": "c:8501", "CONSUL_HTTP_SSL": "true"}).url == "https://c:8501"


@pytest.mark.parametrize(
    "given", ["http://user:secret-word@h:1", "http://h:1/?token=secret-word", "ftp://h", "http://h:x"]
)
def test_a_login_a_query_or_another_scheme_is_an_error_that_shows_no_secret(given):
    with pytest.raises(InputError) as raised:
        nomad_address({"NOMAD_ADDR": given})
    assert "secret-word" not in str(raised.value)


def test_the_token_is_in_no_repr():
    address = nomad_address({"NOMAD_ADDR": "http://h", "NOMAD_TOKEN": TOKEN, "NOMAD_CLIENT_KEY": "/key.pem"})
    assert address.token == TOKEN
    assert TOKEN not in repr(address) + str(address)


def test_certificates_are_always_checked():
    trust = ClusterAddress("https://h:1").trust()
    assert trust.verify_mode is ssl.CERT_REQUIRED
    assert trust.check_hostname
    assert ClusterAddress("http://h:1").trust() is None


def test_a_missing_certificate_file_is_the_user_s_mistake():
    with pytest.raises(InputError, match=r"nowhere\.pem"):
        ClusterAddress("https://h:1", ca_file="/nowhere.pem").trust()
