"""How an exchange ends: whole, certainly not sent, or without an answer."""

import socket
import ssl
import struct
import subprocess
import time
from pathlib import Path

import pytest

from engine.shell import blob_http
from engine.shell.blob_http import Buffer, ConnectionPool, Endpoint, NoAnswer, NotSent, Timeouts
from tests.store.scripted_service import Script, ok, read_request, scripted_service

PATIENT = Timeouts(connect_seconds=60.0, answer_seconds=60.0)
QUICK = Timeouts(connect_seconds=1.0, answer_seconds=1.0)
"""For a service that does not answer."""


def pool_to(port: int, timeouts: Timeouts = PATIENT) -> ConnectionPool:
    return ConnectionPool(Endpoint("127.0.0.1", port, tls=False), timeouts)


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_an_answer_arrives_whole_and_the_connection_is_used_again() -> None:
    with scripted_service(ok(b"four", "ETag: x", "X-Two: a:b")) as service:
        pool = pool_to(service.port)
        for _ in range(3):
            response = pool.exchange("GET", "/a?b=c", {"x-own": "1"})
            assert (response.status, response.body) == (200, b"four")
            assert response.headers["etag"] == "x"
            assert response.headers["x-two"] == "a:b"
        pool.close()
    assert service.connections == 1
    assert service.heads[0].split(b"\r\n") == [
        b"GET /a?b=c HTTP/1.1",
        f"host: 127.0.0.1:{service.port}".encode(),
        b"x-own: 1",
    ]


def test_parts_are_sent_in_order_and_not_lost_when_the_kernel_takes_a_piece_at_a_time() -> None:
    got: list[bytes] = []

    def slow_reader(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        got.append(read_request(connection))
        connection.sendall(ok())

    parts = [bytes([number % 251]) * (1 + number * 7 % 5000) for number in range(1500)]
    length = sum(map(len, parts))
    with scripted_service(slow_reader) as service:
        pool = pool_to(service.port, PATIENT)
        pool.exchange("PUT", "/", {"content-length": str(length)}, [memoryview(p) for p in parts])
        pool.close()
    assert got[0].partition(b"\r\n\r\n")[2] == b"".join(parts)


def test_chunks_and_interim_answers_are_understood() -> None:
    answer = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"4\r\nfour\r\n3;why=not\r\nsix\r\n0\r\nTrailer: x\r\n\r\n"
    )
    with scripted_service(answer) as service:
        pool = pool_to(service.port)
        assert pool.exchange("GET", "/", {}).body == b"foursix"
        assert pool.exchange("GET", "/", {}).body == b"foursix"
        pool.close()
    assert service.connections == 1


def test_a_head_answer_has_no_body_though_it_has_a_length() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n"
    with scripted_service(answer) as service:
        pool = pool_to(service.port)
        response = pool.exchange("HEAD", "/", {})
        pool.close()
    assert (response.headers["content-length"], response.body) == ("1048576", b"")


def test_nobody_listening_means_not_sent() -> None:
    with pytest.raises(NotSent, match=r"cannot be reached.*nothing was sent"):
        pool_to(unused_port()).exchange("GET", "/", {})


def test_a_host_without_address_means_not_sent() -> None:
    pool = ConnectionPool(Endpoint("no-such-host.invalid", 80, tls=False), QUICK)
    with pytest.raises(NotSent):
        pool.exchange("GET", "/", {})


def _reset(connection: socket.socket) -> None:
    read_request(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _silence(connection: socket.socket) -> None:
    read_request(connection)
    connection.recv(1)  # until the client gives up


def _say(answer: bytes) -> Script:
    def script(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(answer)

    return script


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(_reset, id="reset"),
        pytest.param(_silence, id="silence"),
        pytest.param(_say(b""), id="closed"),
        pytest.param(_say(b"HTTP/1.1 201 Created\r\nContent-Le"), id="half a head"),
        pytest.param(_say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfour"), id="half a body"),
        pytest.param(_say(b"HTTP/1.1 200 OK\r\n\r\n"), id="no length"),
        pytest.param(_say(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), id="bad length"),
        pytest.param(
            _say(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
            id="two lengths",
        ),
        pytest.param(
            _say(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"), id="huge length"
        ),
        pytest.param(
            _say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"), id="unknown encoding"
        ),
        pytest.param(
            _say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), id="bad chunk"
        ),
        pytest.param(
            _say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxyz\r\n0\r\n\r\n"),
            id="overlong chunk",
        ),
        pytest.param(
            _say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n"),
            id="huge chunk",
        ),
        pytest.param(_say(b"SSH-2.0-OpenSSH\r\n\r\n"), id="no HTTP"),
        pytest.param(_say(b"HTTP/1.1 200 OK\r\n folded\r\n\r\n"), id="no header name"),
        pytest.param(_say(b"HTTP/1.1 200 OK\r\n" + b"x" * 200_000), id="endless head"),
    ],
)
def test_what_is_no_whole_answer_leaves_the_outcome_unknown(script: Script) -> None:
    with scripted_service(script) as service:
        pool = pool_to(service.port, Timeouts(60.0, 0.4))
        with pytest.raises(NoAnswer):
            pool.exchange("PUT", "/", {"content-length": "4"}, [b"data"])
        pool.close()


def test_a_trickle_does_not_outlast_the_time_out() -> None:
    def trickle(connection: socket.socket) -> None:
        read_request(connection)
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Padding: so slow\r\n\r\n":
            connection.sendall(bytes([byte]))
            time.sleep(0.05)

    with scripted_service(trickle) as service:
        pool = pool_to(service.port, Timeouts(60.0, 0.3))
        with pytest.raises(NoAnswer, match="time-out"):
            pool.exchange("GET", "/", {})
        pool.close()


def test_a_refusal_before_the_body_was_read_is_heard() -> None:
    def refuse_early(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(ok(b"", "x-ms-error-code: ServerBusy", status="503 Busy"))
        connection.shutdown(socket.SHUT_WR)
        time.sleep(0.2)

    with scripted_service(refuse_early) as service:
        pool = pool_to(service.port)
        body = bytes(4 << 20)
        response = pool.exchange("PUT", "/", {"content-length": str(len(body))}, [body])
        assert response.status == 503
        pool.close()


def test_success_before_the_body_was_read_is_not_believed() -> None:
    def lie(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(ok(status="201 Created"))
        connection.shutdown(socket.SHUT_WR)
        time.sleep(0.2)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with scripted_service(lie) as service:
        pool = pool_to(service.port)
        body = bytes(64 << 20)
        with pytest.raises(NoAnswer):
            pool.exchange("PUT", "/", {"content-length": str(len(body))}, [body])
        pool.close()


def test_an_idle_connection_that_the_service_closed_is_not_used() -> None:
    with scripted_service(_say(ok(b"one")), ok(b"two")) as service:
        pool = pool_to(service.port)
        assert pool.exchange("GET", "/", {}).body == b"one"
        (idle,) = pool._idle
        while idle.is_fresh():  # until the service's end of the connection has arrived
            time.sleep(0.001)
        assert pool.exchange("GET", "/", {}).body == b"two"
        pool.close()
    assert service.connections == 2


def test_a_connection_idle_for_too_long_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert blob_http.IDLE_SECONDS_MAX == 4.0
    with scripted_service(ok()) as service:
        pool = pool_to(service.port)
        pool.exchange("GET", "/", {})
        monkeypatch.setattr(blob_http, "IDLE_SECONDS_MAX", -1.0)
        pool.exchange("GET", "/", {})
        monkeypatch.setattr(blob_http, "IDLE_SECONDS_MAX", 3600.0)
        pool.exchange("GET", "/", {})
        pool.close()
    assert service.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(ok(b"", "Connection: close"), id="says so"),
        pytest.param(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", id="HTTP/1.0"),
        pytest.param(ok(b"") + b"more than was asked for", id="says too much"),
    ],
)
def test_a_connection_that_will_not_stay_is_not_used_again(answer: bytes) -> None:
    with scripted_service(answer) as service:
        pool = pool_to(service.port)
        pool.exchange("GET", "/", {})
        pool.exchange("GET", "/", {})
        pool.close()
    assert service.connections == 2


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "a\rb"])
def test_a_line_end_in_a_header_is_refused_before_anything_is_sent(value: str) -> None:
    with scripted_service(ok()) as service:
        pool = pool_to(service.port)
        with pytest.raises(ValueError, match="line end"):
            pool.exchange("GET", "/", {"if-match": value})
        pool.close()
    assert service.connections == 0


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    key, pem = folder / "key.pem", folder / "certificate.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    make = ["openssl", "req", "-x509", "-nodes", "-days", "2", "-newkey", "ec"]
    make += ["-pkeyopt", "ec_paramgen_curve:prime256v1"]
    subprocess.run(
        [*make, "-keyout", str(key), "-out", str(pem), *subject], check=True, capture_output=True
    )
    pem.write_bytes(pem.read_bytes() + key.read_bytes())
    return pem


def test_tls_with_a_trusted_certificate_works_kept_alive(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    with scripted_service(ok(b"safe"), tls=server) as service:
        pool = ConnectionPool(Endpoint("localhost", service.port, tls=True), PATIENT)
        body: list[Buffer] = [b"parts", memoryview(b"of it")]
        for _ in range(3):
            assert pool.exchange("PUT", "/", {"content-length": "10"}, body).body == b"safe"
        pool.close()
    assert len(service.heads) == 3


def test_tls_with_an_unknown_certificate_means_not_sent(certificate: Path) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    with scripted_service(ok(), tls=server) as service:
        pool = ConnectionPool(Endpoint("localhost", service.port, tls=True), PATIENT)
        with pytest.raises(NotSent, match="certificate"):
            pool.exchange("GET", "/", {})
        pool.close()
    assert service.heads == []
