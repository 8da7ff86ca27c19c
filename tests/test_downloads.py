"""Downloads from a server of our own, with everything that can go wrong on the way."""

import gzip
import hashlib
import http.server
import io
import pickle
import tarfile
import threading

import numpy as np
import pytest

from aecore import data, downloads
from aecore.downloads import File


def images(n, *shape):
    """Every image is different, and all are packed in no time."""
    ramp = np.arange(np.prod(shape)).reshape(shape) // 8
    return ((np.arange(n).reshape(n, *[1] * len(shape)) + ramp) % 256).astype("u1")


LABELS = (np.arange(5010) % 10).astype("u1")
ARRAYS = {
    name: {
        "x_train": images(5010, *shape),
        "y_train": LABELS,
        "x_test": 255 - images(12, *shape),
        "y_test": LABELS[3:15],
    }
    for name, shape in (("mnist", (28, 28)), ("fashion_mnist", (28, 28)), ("cifar10", (32, 32, 3)))
}


def npz(arrays, **extra):
    file = io.BytesIO()
    np.savez_compressed(file, **arrays, **extra)
    return file.getvalue()


def idx(array):
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
    return gzip.compress(head + array.tobytes(), 1)


def cifar(arrays):
    """Five training batches and a test batch of rows of 3072 values, channel after channel, pickled."""
    batches = {f"data_batch_{i + 1}": (arrays["x_train"][i * 1002 : (i + 1) * 1002],
                                       arrays["y_train"][i * 1002 : (i + 1) * 1002]) for i in range(5)}  # fmt: skip
    batches["test_batch"] = arrays["x_test"], arrays["y_test"]
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as tar:
        for name, (x, y) in batches.items():
            content = {b"data": x.transpose(0, 3, 1, 2).reshape(len(x), -1), b"labels": y.tolist()}
            packed = pickle.dumps(content, protocol=2)
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(packed)
            tar.addfile(info, io.BytesIO(packed))
    return file.getvalue()


def npz_digest(arrays):
    return hashlib.sha256(b"".join(arrays[k].tobytes() for k in sorted(arrays))).hexdigest()


PARTS = {"train-3.gz": "x_train", "train-1.gz": "y_train", "t10k-3.gz": "x_test", "t10k-1.gz": "y_test"}
FILES = {
    "mnist.npz": npz(ARRAYS["mnist"]),
    **{p: idx(ARRAYS["fashion_mnist"][key]) for p, key in PARTS.items()},
    "cifar.tar.gz": cifar(ARRAYS["cifar10"]),
}


@pytest.fixture(scope="module")
def server():
    """A web server; `server.files` maps paths to what is sent, `server.short` holds paths that are cut off."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.strip("/")
            body = self.server.files.get(name)
            if body is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(body) * (2 if name in self.server.short else 1)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{server.server_port}/"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


@pytest.fixture
def published(server, tmp_path, monkeypatch):
    """The three data sets on our server, and an empty folder to download into: returns the folder."""
    server.files, server.short = dict(FILES), set()
    file = lambda path, digest: File(path, server.url + path.rsplit("/", 1)[-1], digest)
    monkeypatch.setattr(downloads, "SOURCES", {
        "mnist": [file("mnist.npz", npz_digest(ARRAYS["mnist"]))],
        "fashion_mnist": [file("fashion/" + p, hashlib.md5(FILES[p]).hexdigest()) for p in PARTS],
        "cifar10": [file("cifar.tar.gz", hashlib.sha256(FILES["cifar.tar.gz"]).hexdigest())],
    })  # fmt: skip
    monkeypatch.setenv("AECORE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def everything(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*")) if folder.exists() else []


@pytest.mark.parametrize("name", ARRAYS)
def test_what_is_published_arrives(name, published, server):
    want = ARRAYS[name]
    got = getattr(data, name)()
    images = (want[k] if want[k].ndim == 4 else want[k][..., None] for k in ("x_train", "x_test"))
    x_train, x_test = (a.astype("float32") / 255 for a in images)
    for part, x, y in (
        (got.train, x_train[:-5000], want["y_train"][:-5000]),
        (got.validation, x_train[-5000:], want["y_train"][-5000:]),
        (got.test, x_test, want["y_test"]),
    ):
        np.testing.assert_array_equal(part.x, x)
        np.testing.assert_array_equal(part.y, y)
        assert (part.x.dtype, part.y.dtype) == (np.float32, np.int64)
    assert not [p for p in everything(published) if ".part" in p]
    server.files = {}  # the second time without a server
    np.testing.assert_array_equal(getattr(data, name)().test.x, got.test.x)


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("trouble", ["other content", "cut off", "shortened", "no such page"])
def test_a_bad_transfer_leaves_nothing_behind(name, trouble, published, server):
    file = downloads.SOURCES[name][0].url.rsplit("/", 1)[1]
    content = server.files[file]
    if trouble == "other content":
        server.files[file] = spoil(content, 100)
    elif trouble == "cut off":
        server.short.add(file)
    elif trouble == "shortened":
        server.files[file] = content[: len(content) // 2]
    else:
        del server.files[file]
    downloading = trouble in ("cut off", "no such page")
    message = (
        f"Cannot download {server.url}" if downloading else "is not the published .* file: the download was cut off"
    )
    with pytest.raises(OSError, match=f"{message}.*AECORE_DATA.*AECORE_PROFILE=quick"):
        getattr(data, name)()
    assert not [p for p in everything(published) if (published / p).is_file()]
    assert not [p for p in everything(published) if ".part" in p]


def test_no_server_says_what_to_do(published, monkeypatch):
    monkeypatch.setattr(downloads, "SOURCES", {"mnist": [File("mnist.npz", "http://127.0.0.1:9/mnist.npz", "0")]})
    with pytest.raises(OSError, match=r"Cannot download http://127.0.0.1:9/mnist.npz to .*Put the file there yourself"):
        data.mnist()
    assert everything(published) == []


def test_an_interrupted_download_leaves_nothing_behind(published, monkeypatch):
    def interrupt(name, url, cache_dir):
        (published / "mnist.npz").parent.joinpath(cache_dir, "half").write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr("keras.utils.get_file", interrupt)
    with pytest.raises(KeyboardInterrupt):
        data.mnist()
    assert everything(published) == []


@pytest.mark.parametrize("place", ["file", "/proc/aecore"])
def test_a_folder_that_cannot_be_written_is_named(place, published, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("AECORE_DATA", str(tmp_path / place))
    with pytest.raises(OSError, match=r"Cannot write .*mnist.npz .*Name a folder that you may write to in AECORE_DATA"):
        data.mnist()
    assert (tmp_path / "file").read_text() == "in the way"


def spoil(content, at):
    return content[:at] + bytes([content[at] ^ 255]) + content[at + 1 :]


DAMAGE = {
    "cut": lambda b: b[: len(b) // 2],
    "empty": lambda b: b"",
    "text": lambda b: b"<html>404</html>",
    "middle": lambda b: spoil(b, len(b) // 3),
    "kind of packing": lambda b: spoil(b, b.rfind(b"PK\x01\x02") + 10),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("name", ARRAYS)
def test_a_damaged_file_is_named_and_kept(name, damage, published, server):
    getattr(data, name)()
    target = published / downloads.SOURCES[name][0].path
    target.write_bytes(damage(target.read_bytes()))
    damaged, files = target.read_bytes(), everything(published)
    with pytest.raises(ValueError, match=f"{target} is not the published {name} file: .*Move it away"):
        getattr(data, name)()
    assert target.read_bytes() == damaged
    assert everything(published) == files


def test_an_array_in_place_of_an_archive_is_damaged(published):
    published.mkdir()
    with open(published / "mnist.npz", "wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ValueError, match="is not the published mnist file"):
        data.mnist()


def test_a_file_packed_again_is_as_good_and_is_not_touched(published, server):
    published.mkdir()
    again = io.BytesIO()
    np.savez(again, **dict(reversed(ARRAYS["mnist"].items())))  # not compressed, in another order
    (published / "mnist.npz").write_bytes(again.getvalue())
    server.files = {}
    np.testing.assert_array_equal(data.mnist().test.y, ARRAYS["mnist"]["y_test"])
    assert (published / "mnist.npz").read_bytes() == again.getvalue()


def test_one_missing_file_of_four_is_fetched_alone(published, server):
    data.fashion_mnist()
    paths = [published / f.path for f in downloads.SOURCES["fashion_mnist"]]
    paths[2].unlink()
    server.files = {k: v for k, v in server.files.items() if k == paths[2].name}
    times = [p.stat().st_mtime_ns for p in paths if p != paths[2]]
    np.testing.assert_array_equal(data.fashion_mnist().test.y, ARRAYS["fashion_mnist"]["y_test"])
    assert times == [p.stat().st_mtime_ns for p in paths if p != paths[2]]


def test_the_folder_is_chosen_by_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("AECORE_DATA", "~/mine")
    assert downloads.folder() == tmp_path / "mine"
    monkeypatch.setenv("AECORE_DATA", "")
    assert downloads.folder() == tmp_path / "keras" / "datasets"
    monkeypatch.delenv("KERAS_HOME")
    assert downloads.folder() == tmp_path / ".keras" / "datasets"


def test_the_published_sources_are_named_once():
    files = [f for group in downloads.SOURCES.values() for f in group]
    assert len({f.path for f in files}) == len({f.digest for f in files}) == len(files) == 6
    assert all(f.url.startswith("https://") and f.url.endswith(f.path.rsplit("/", 1)[-1]) for f in files)
