"""All clients connect directly to this machine, and to other addresses through the proxy of the environment."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from typer.testing import CliRunner

from creditflow.core.errors import CannotRunError, ServiceUnavailableError
from creditflow.core.redaction import redactor
from creditflow.run.command_line import app
from creditflow.target.drivers import proxies
from creditflow.target.drivers.http import Http
from creditflow.target.drivers.keycloak import Keycloak
from creditflow.target.drivers.lago import Lago

DEAD = "http://127.0.0.1:9"
NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*NAMES, *map(str.upper, NAMES)):
        monkeypatch.delenv(name, raising=False)


class Counting(BaseHTTPRequestHandler):
    """A proxy that answers each request itself and stores its URL."""

    asked: ClassVar[list[str]]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        said = b'{"version": "1", "access_token": "a-token", "expires_in": 60, "customers": []}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def counting() -> Iterator[tuple[str, list[str]]]:
    """Start a server that is both proxy and target; yield its address and the requested paths or URLs."""

    class Handler(Counting):
        asked: ClassVar[list[str]] = []

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", Handler.asked
        server.shutdown()


def use_all_clients(url: str) -> None:
    http = Http("Ops-Center", url, 5)
    http.send("GET", "/ops-center")
    http.close()
    keycloak = Keycloak(url, "uchub", "client", "secret", 5)
    keycloak.check()
    assert keycloak.answers()
    assert keycloak.token("somebody", "word")["access_token"] == "a-token"
    lago = Lago(url, "key", 5)
    assert lago.version() == "1"
    with pytest.raises(ServiceUnavailableError, match="an answer that can't be read"):
        lago.customer("somebody")
    lago.http.close()


PATHS = [
    "/ops-center",
    "/realms/uchub/protocol/openid-connect/token",
    "/realms/uchub/.well-known/openid-configuration",
    "/realms/uchub/protocol/openid-connect/token",
    "/health",
    "/api/v1/customers/somebody",
]


@pytest.mark.parametrize("value", [DEAD, "127.0.0.1:9", "socks5://127.0.0.1:9", "socks4://127.0.0.1:9", "no proxy"])
@pytest.mark.parametrize(("name", "host"), [("HTTP_PROXY", "127.0.0.1"), ("all_proxy", "localhost")])
def test_all_clients_connect_directly_to_this_machine(
    monkeypatch: pytest.MonkeyPatch, host: str, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with counting() as (url, asked):
        use_all_clients(url.replace("127.0.0.1", host))
    assert [path.partition("?")[0] for path in asked] == PATHS


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_all_clients_use_the_proxy_for_another_machine(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with counting() as (proxy, asked):
        monkeypatch.setenv(name, proxy)
        use_all_clients("http://ops.example:8084")
    assert [path.partition("?")[0] for path in asked] == [f"http://ops.example:8084{path}" for path in PATHS]


def test_all_clients_name_a_proxy_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://somebody:a-pass-word@127.0.0.1:9")
    url = "http://ops.example"
    through = "can't be reached through the proxy http://127.0.0.1:9"
    for ask in (
        lambda: Http("Ops-Center", url, 5).send("GET", "/"),
        Keycloak(url, "uchub", "client", "secret", 5).check,
        lambda: Lago(url, "key", 5).customer("somebody"),
    ):
        with pytest.raises(ServiceUnavailableError, match=through) as away:
            ask()
        assert "a-pass-word" not in str(away.value)
    assert "a-pass-word" not in redactor.clean("it is a-pass-word")


@pytest.mark.parametrize(
    ("url", "environment", "proxy"),
    [
        ("http://127.0.0.1:8084", {"HTTP_PROXY": DEAD}, ""),
        ("http://127.8.9.10", {"HTTP_PROXY": DEAD}, ""),
        ("http://[::1]:8084", {"HTTP_PROXY": DEAD}, ""),
        ("http://[::ffff:127.0.0.1]", {"HTTP_PROXY": DEAD}, ""),
        ("https://localhost", {"HTTPS_PROXY": DEAD}, ""),
        ("http://LocalHost.:1", {"HTTP_PROXY": DEAD}, ""),
        ("http://ops.localhost", {"ALL_PROXY": DEAD}, ""),
        ("http://localhost.example", {"HTTP_PROXY": DEAD}, DEAD),
        ("http://128.0.0.1", {"HTTP_PROXY": DEAD}, DEAD),
        ("http://ops.example", {"HTTP_PROXY": DEAD}, DEAD),
        ("http://ops.example", {"http_proxy": DEAD}, DEAD),
        ("http://ops.example", {"HTTPS_PROXY": DEAD}, ""),
        ("https://ops.example", {"HTTPS_PROXY": DEAD}, DEAD),
        ("https://ops.example", {"ALL_PROXY": "socks5://127.0.0.1:9"}, "socks5://127.0.0.1:9"),
        ("http://ops.example", {"HTTP_PROXY": "proxy.example:3128"}, "http://proxy.example:3128"),
        ("http://ops.example", {"HTTP_PROXY": DEAD, "NO_PROXY": "ops.example"}, ""),
        ("http://ops.example", {"HTTP_PROXY": DEAD, "no_proxy": ".example"}, ""),
        ("http://ops.example", {"HTTP_PROXY": DEAD, "NO_PROXY": "*"}, ""),
        ("http://10.1.2.3", {"HTTP_PROXY": DEAD, "NO_PROXY": "10.0.0.0/8"}, ""),
        ("http://ops.example", {}, ""),
    ],
)
def test_the_proxy_of_an_address(
    monkeypatch: pytest.MonkeyPatch, url: str, environment: dict[str, str], proxy: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxies.of(url) == proxy


@pytest.mark.parametrize(
    "value", ["socks4://127.0.0.1:9", "ftp://proxy.example", "http://", "http://proxy.example:word"]
)
def test_an_unusable_proxy_is_one_sentence(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", value)
    with pytest.raises(CannotRunError, match=r"^HTTP_PROXY has no usable proxy address: write an address such as "):
        proxies.summary({"Ops-Center": "http://ops.example"})


def test_the_summary_names_the_proxies_and_the_services_that_use_them(monkeypatch: pytest.MonkeyPatch) -> None:
    services = {"Ops-Center": "http://ops.example", "Keycloak": "https://id.example", "Lago": "http://127.0.0.1:3000"}
    assert proxies.summary(services) == ""
    monkeypatch.setenv("http_proxy", "http://somebody:a-pass-word@proxy.example:3128")
    assert proxies.summary(services) == (
        "A proxy is set (http_proxy): http://proxy.example:3128 is used for Ops-Center. "
        "Direct connections: Keycloak, Lago, PostgreSQL, Redis."
    )
    assert proxies.summary({"Lago": "http://127.0.0.1:3000"}) == ("A proxy is set (http_proxy). No service uses it.")


def test_doctor_reports_that_a_proxy_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    with counting() as (proxy, asked):
        monkeypatch.setenv("HTTP_PROXY", proxy.replace("//", "//somebody:a-pass-word@"))
        for name, value in {"OPS_CENTER_URL": "http://ops.example", "KEYCLOAK_URL": "http://id.example",
                            "KEYCLOAK_CLIENT_SECRET": "a-client-secret"}.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        ran = CliRunner().invoke(app, ["doctor"])
    assert f"A proxy is set (HTTP_PROXY): {proxy} is used for Ops-Center, Keycloak." in ran.output
    assert "a-pass-word" not in ran.output
    assert any(path.startswith("http://ops.example/api/v1/") for path in asked)
