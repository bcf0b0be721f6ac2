"""What stand-ins of miners and batteries can be asked by tests: one small server for both."""

from http.client import HTTPConnection

from standins.control import Said, serve


def read(path: str) -> Said | None:
    return {"watts": 12} if path == "/meter" else None


def change(path: str, body: Said) -> Said | None:
    return {"changed": body} if path == "/behaviour" else None


def ask(port: int, method: str, path: str, body: str | None = None) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, body)
    with connection.getresponse() as answer:
        return answer.status, answer.read().decode()


def test_what_is_read_or_changed_is_answered_and_an_unknown_path_is_not_found() -> None:
    port = serve(read, change, 0)
    assert ask(port, "GET", "/meter") == (200, '{"watts": 12}')
    assert ask(port, "POST", "/behaviour", '{"a": 1}') == (200, '{"changed": {"a": 1}}')
    assert ask(port, "POST", "/behaviour") == (200, '{"changed": {}}')
    assert [ask(port, method, "/x")[0] for method in ("GET", "POST")] == [404, 404]
