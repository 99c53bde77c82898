"""The bucket as hosts speak to it: against a local S3, and against servers that misbehave."""

import hashlib
import importlib.util
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest

ANSIBLE = Path(__file__).parents[2] / "hcl_template" / "omnileads-hosts" / "ansible"
KEYS = {"access_key": "AKIAEXAMPLE0000TEST", "secret_key": "s3cret/Access+Key=of-acme-77"}
MIB = 1 << 20


def load(name: str, path: str):
    """Return a file of the blueprint as a module; nothing is written beside it."""
    spec = importlib.util.spec_from_file_location(name, ANSIBLE / path)
    module = importlib.util.module_from_spec(spec)
    was, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        sys.modules[name] = module
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = was
    return module


@pytest.fixture(scope="module")
def parts():
    """Return what the host gets: the store, and the module of Ansible that uses it."""
    name = "ansible.module_utils.object_store"
    try:
        yield load(name, "module_utils/object_store.py"), load("told", "library/backup_object.py")
    finally:
        sys.modules.pop(name, None)


@pytest.fixture
def s3(aws):
    """Return a client of the test's own at a local S3 with the bucket acme."""
    client = aws.client("s3")
    client.create_bucket(
        Bucket="acme", CreateBucketConfiguration={"LocationConstraint": "us-east-2"}
    )
    return client


@pytest.fixture
def store(parts, aws, s3):
    return parts[0].Store(aws.url, "acme", **KEYS, part_bytes=5 * MIB)


@pytest.fixture
def no_pause(parts, monkeypatch):
    """Let a second try follow at once."""
    monkeypatch.setattr(parts[0].time, "sleep", lambda _seconds: None)


@pytest.mark.parametrize("size", [0, 1, 5 * MIB, 12 * MIB])
def test_a_file_goes_there_and_comes_back(parts, store, s3, tmp_path, size):
    source, back = tmp_path / "dump", tmp_path / "back"
    source.write_bytes(b"x" * (size // 2) + b"y" * (size - size // 2))
    done = parts[1].put(store, "backup/acme/a b+c/database.dump", str(source), False)
    wanted = hashlib.sha256(source.read_bytes()).hexdigest()
    assert (done["sha256"], done["size"]) == (wanted, size)
    kept = s3.get_object(Bucket="acme", Key="backup/acme/a b+c/database.dump")["Body"].read()
    assert kept == source.read_bytes()
    parts[1].fetch(store, "backup/acme/a b+c/database.dump", str(back), wanted)
    assert back.read_bytes() == kept and back.stat().st_mode & 0o777 == 0o600


def test_a_large_file_goes_in_parts_and_a_small_one_does_not(store, s3, tmp_path):
    for name, size in (("large", 12 * MIB), ("small", 5 * MIB)):
        (tmp_path / name).write_bytes(b"x" * size)
        store.put(name, str(tmp_path / name))
    tags = {one["Key"]: one["ETag"] for one in s3.list_objects_v2(Bucket="acme")["Contents"]}
    assert tags["large"].strip('"').endswith("-3") and "-" not in tags["small"]
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="acme")


def test_an_upload_in_parts_that_fails_leaves_no_part(store, s3, tmp_path, monkeypatch, no_pause):
    (tmp_path / "large").write_bytes(b"x" * (6 * MIB))
    send = store._send

    def fails(method, key, query, body, part):
        if query.get("partNumber") == "2":
            raise ConnectionResetError("gone")
        return send(method, key, query, body, part)

    monkeypatch.setattr(store, "_send", fails)
    with pytest.raises(Exception, match="No answer from"):
        store.put("large", str(tmp_path / "large"))
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="acme")
    assert "Contents" not in s3.list_objects_v2(Bucket="acme")


def test_folders_are_told_with_what_is_in_them(parts, store, s3):
    for key in ("20260101T000000Z/a", "20260101T000000Z/b", "20260102T000000Z/a", "loose"):
        s3.put_object(Bucket="acme", Key=f"backup/acme/{key}", Body=b"four")
    s3.put_object(Bucket="acme", Key="backup/acme2/20260103T000000Z/a", Body=b"x")
    found = parts[1].list_folders(store, "backup/acme/")
    second, first = "20260102T000000Z", "20260101T000000Z"
    assert found == [
        {"key": f"backup/acme/{second}/", "taken_at": second, "names": ["a"], "size": 4},
        {"key": f"backup/acme/{first}/", "taken_at": first, "names": ["a", "b"], "size": 8},
    ]
    assert parts[1].remove(store, "backup/acme/20260101T000000Z/") == {"changed": True}
    assert [one["names"] for one in parts[1].list_folders(store, "backup/acme/")] == [["a"]]
    assert parts[1].remove(store, "backup/acme/20260101T000000Z/") == {"changed": False}


def test_a_list_leaves_out_what_another_tenant_of_the_name_left(parts, store, s3):
    told = {"1": b'{"stack": "stk_mine"}', "2": b'{"stack": "stk_gone"}', "3": b"{}", "4": b"cut"}
    for name, body in told.items():
        s3.put_object(Bucket="acme", Key=f"backup/acme/{name}/manifest.json", Body=body)
    s3.put_object(Bucket="acme", Key="backup/acme/5/database.dump", Body=b"half")
    found = parts[1].list_folders(store, "backup/acme/")
    mine = parts[1].without_others(store, found, "stk_mine")
    assert [one["taken_at"] for one in mine] == ["5", "3", "1"]


def test_an_object_that_was_cut_is_no_file(parts, store, s3, tmp_path):
    s3.put_object(Bucket="acme", Key="dump", Body=b"half")
    wanted = hashlib.sha256(b"half of it").hexdigest()
    with pytest.raises(parts[0].StoreError, match=r"is not what was backed up: 4 bytes"):
        parts[1].fetch(store, "dump", str(tmp_path / "dump"), wanted)
    assert not (tmp_path / "dump").exists()


def test_a_bucket_that_is_not_there_is_told_or_made(parts, aws, tmp_path):
    other = parts[0].Store(aws.url, "globex", **KEYS)
    (tmp_path / "dump").write_bytes(b"x")
    with pytest.raises(parts[0].StoreError, match=r"NoSuchBucket.*Make it, or name another one"):
        parts[1].put(other, "dump", str(tmp_path / "dump"), False)
    parts[1].put(other, "dump", str(tmp_path / "dump"), True)
    assert other.ensure_bucket() is False


@pytest.mark.parametrize(
    ("method", "key", "query"),
    [
        ("GET", "", {"list-type": "2", "prefix": "backup/acme/", "continuation-token": "a=/+ b"}),
        ("PUT", "backup/acme/20260101T000000Z/a b+~(c).dump", {}),
        ("POST", "large", {"uploads": ""}),
        ("PUT", "large", {"partNumber": "2", "uploadId": "Xy/_=="}),
    ],
)
def test_a_signature_is_that_of_the_provider_s_own_library(parts, method, key, query):
    store = parts[0].Store("https://s3.example.com:8443/base/", "acme", **KEYS, region="eu-west-3")
    sent = []
    store._connection = lambda: type("Connection", (), {
        "request": lambda _self, *told: sent.append(told), "getresponse": lambda _self: None,
        "close": lambda _self: None,
    })()  # fmt: skip
    store._send(method, key, query, b"body", None)
    ((method, target, _body, headers),) = sent
    wanted = botocore.awsrequest.AWSRequest(
        method=method, url=f"https://s3.example.com:8443{target}", data=b"body",
        headers={"X-Amz-Content-SHA256": headers["x-amz-content-sha256"]},
    )  # fmt: skip
    keys = botocore.credentials.Credentials(KEYS["access_key"], KEYS["secret_key"])
    signer = botocore.auth.S3SigV4Auth(keys, "s3", "eu-west-3")
    wanted.context["timestamp"] = headers["x-amz-date"]
    wanted.headers["X-Amz-Date"] = headers["x-amz-date"]
    text = signer.string_to_sign(wanted, signer.canonical_request(wanted))
    assert headers["Authorization"].endswith(signer.signature(text, wanted))
    assert target.startswith("/base/acme") and " " not in target


# -- servers that misbehave ----------------------------------------------------------------------


@pytest.fixture
def odd(parts, no_pause):
    """Return a function that starts a server whose answers are given, and a store at it."""
    started = []

    def start(answer) -> object:
        class Handler(BaseHTTPRequestHandler):
            asked: list[str] = []

            def log_message(self, *_words):
                pass

            def do_GET(self):
                size = int(self.headers.get("Content-Length") or 0)
                self.rfile.read(size)
                Handler.asked.append(f"{self.command} {self.path} {self.headers['Authorization']}")
                answer(self, len(Handler.asked))

            do_PUT = do_POST = do_DELETE = do_GET

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        started.append((server, thread))
        url = f"http://127.0.0.1:{server.server_port}"
        return parts[0].Store(url, "acme", **KEYS), Handler.asked

    yield start
    for server, thread in started:
        server.shutdown()
        thread.join()
        server.server_close()


def says(handler, status: int, body: bytes, length: int | None = None) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    handler.wfile.write(body)


def test_a_server_that_stumbles_is_asked_again(odd, tmp_path):
    (tmp_path / "dump").write_bytes(b"whole")
    store, asked = odd(lambda to, turn: says(to, 503 if turn < 3 else 200, b""))
    store.put("dump", str(tmp_path / "dump"))
    assert len(asked) == 3


def test_an_answer_that_breaks_off_is_read_again(odd):
    store, asked = odd(lambda to, turn: says(to, 200, b"whole"[: 5 if turn > 1 else 2], 5))
    assert store.read("dump") == (hashlib.sha256(b"whole").hexdigest(), 5)
    assert len(asked) == 2


def test_a_listing_of_more_than_a_page_is_whole(odd):
    page = (
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Contents>'
        "<Key>many/%s&amp;</Key><Size>4</Size></Contents>%s</ListBucketResult>"
    )
    more = "<NextContinuationToken>on=/</NextContinuationToken>"
    store, asked = odd(
        lambda to, turn: says(to, 200, (page % (turn, more if turn == 1 else "")).encode())
    )
    assert list(store.listed("many/")) == [("many/1&", 4), ("many/2&", 4)]
    assert "continuation-token=on%3D%2F&list-type=2" in asked[1]


def test_a_store_that_hands_out_other_bytes_makes_no_backup(parts, odd, tmp_path):
    (tmp_path / "dump").write_bytes(b"whole")
    store, _asked = odd(lambda to, _turn: says(to, 200, b"WHOLE" if to.command == "GET" else b""))
    with pytest.raises(parts[0].StoreError, match="came back as another one"):
        parts[1].put(store, "dump", str(tmp_path / "dump"), False)


def test_a_refusal_tells_the_next_step_and_no_key(parts, odd, tmp_path):
    (tmp_path / "dump").write_bytes(b"x")
    said = (
        f"<Error><Code>SignatureDoesNotMatch</Code><Message>It does not match.</Message>"
        f"<AWSAccessKeyId>{KEYS['access_key']}</AWSAccessKeyId></Error>"
    )
    store, asked = odd(lambda to, _turn: says(to, 403, said.encode()))
    with pytest.raises(parts[0].StoreError) as refused:
        store.put("dump", str(tmp_path / "dump"))
    assert "bucket_secret_key" in str(refused.value) and len(asked) == 1
    assert KEYS["access_key"] not in str(refused.value)
    assert KEYS["secret_key"] not in asked[0] and "us-east-1/s3/aws4_request" in asked[0]


def test_no_way_to_the_store_is_told(parts, no_pause):
    store = parts[0].Store("http://127.0.0.1:9", "acme", **KEYS)
    with pytest.raises(parts[0].StoreError, match=r"No answer from 127.0.0.1:9.*bucket_url"):
        store.read("dump")
