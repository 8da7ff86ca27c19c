"""Published data sets: found in a folder or downloaded, verified by their content, never half there."""

import gzip
import hashlib
import os
import pickle
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

FOLDER_VARIABLE = "AECORE_DATA"


class File(NamedTuple):
    """A file of a data set: its place in the folder, where it is published, its content's digest."""

    path: str
    url: str
    digest: str


_KERAS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"

# The files that Keras' own loaders read. Digests: of an .npz the SHA-256 of its arrays (a file packed again
# is as good as the first one), of other files the published MD5 (Fashion-MNIST) or SHA-256 (CIFAR-10).
SOURCES = {
    "mnist": [
        File("mnist.npz", _KERAS + "mnist.npz", "c868f4cc70f1ec2961bd3b26437ea3a5d0e93cba4d95b336c6d475dd9dabb021"),
    ],
    "fashion_mnist": [
        File("fashion-mnist/" + name, _KERAS + name, digest)
        for name, digest in (
            ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
            ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
            ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
            ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
        )
    ],
    "cifar10": [
        File(
            "cifar-10-python.tar.gz",
            "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
            "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
        ),
    ],
}


def folder():
    """Where data sets live: the folder named by AECORE_DATA, else Keras' own cache."""
    if os.environ.get(FOLDER_VARIABLE):
        return Path(os.environ[FOLDER_VARIABLE]).expanduser()
    return Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "datasets"


def load(name):
    """Read a data set; download what is missing.

    Args: name, a key of SOURCES.
    Returns: dict with x_train, y_train, x_test, y_test, uint8 in the published order.
    Raises: OSError where a file is missing and cannot be downloaded or written, ValueError where a file in
        the folder is damaged. Both say what to do; neither leaves half a file behind or deletes a file.
    """
    return _READERS[name](*[_fetch(file, name) for file in SOURCES[name]])


def digest(path):
    """Digest of a file's content: MD5 for .gz of one file, else SHA-256; of an .npz over its arrays."""
    if path.suffix == ".npz":
        sha = hashlib.sha256()
        with np.load(path, allow_pickle=False) as arrays:
            for key in sorted(arrays.files):
                sha.update(np.ascontiguousarray(arrays[key]).tobytes())
        return sha.hexdigest()
    kind = "sha256" if path.name.endswith(".tar.gz") else "md5"
    with open(path, "rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


def _matches(path, wanted):
    try:
        return digest(path) == wanted
    except (PermissionError, IsADirectoryError):
        raise
    except Exception:  # no .npz: a damaged zip file raises any of a dozen kinds
        return False


def _fetch(file, name):
    target = folder() / file.path
    if target.exists():
        if not _matches(target, file.digest):
            raise ValueError(
                f"{target} is not the published {name} file: it is damaged, incomplete or another version. "
                "Move it away, and it will be downloaded again."
            )
        return target
    elsewhere = (
        f"Put the file there yourself (or name its folder in {FOLDER_VARIABLE}), or use the quick profile, "
        "which needs no download: AECORE_PROFILE=quick."
    )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        waiting = tempfile.TemporaryDirectory(dir=target.parent, prefix=".part-")
    except OSError as error:
        raise OSError(
            f"Cannot write {target} ({error}). Name a folder that you may write to in {FOLDER_VARIABLE}."
        ) from error
    with waiting:
        try:
            arrived = Path(keras.utils.get_file(target.name, file.url, cache_dir=waiting.name))
        except Exception as error:  # Keras raises a bare Exception for every failed download
            raise OSError(f"Cannot download {file.url} to {target} ({error}). {elsewhere}") from error
        if not _matches(arrived, file.digest):
            raise OSError(
                f"What arrived from {file.url} is not the published {name} file: the download was cut off or "
                f"changed on its way. Try again. {elsewhere}"
            )
        os.replace(arrived, target)
    return target


def _read_npz(path):
    with np.load(path, allow_pickle=False) as file:
        return {key: file[key] for key in ("x_train", "y_train", "x_test", "y_test")}


def _read_idx(*paths):
    arrays = []
    for path in paths:
        with gzip.open(path, "rb") as file:
            content = file.read()
        rank = content[3]
        shape = np.frombuffer(content, ">i4", rank, 4)
        arrays.append(np.frombuffer(content, "u1", offset=4 + 4 * rank).reshape(shape))
    return dict(zip(("x_train", "y_train", "x_test", "y_test"), arrays, strict=True))


def _read_cifar(path):
    batches = {}
    with tarfile.open(path, "r:gz") as tar:
        for member in tar:
            if "_batch" in member.name:
                # Pickle runs code: only after the digest has said that this is the published file.
                batches[Path(member.name).name] = pickle.load(tar.extractfile(member), encoding="bytes")
    train = [batches[name] for name in sorted(batches) if name.startswith("data_batch")]
    arrays = {}
    for part, parts in (("train", train), ("test", [batches["test_batch"]])):
        x = np.concatenate([b[b"data"] for b in parts])
        arrays[f"x_{part}"] = x.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        arrays[f"y_{part}"] = np.concatenate([np.asarray(b[b"labels"], "u1") for b in parts])
    return arrays


_READERS = {"mnist": _read_npz, "fashion_mnist": _read_idx, "cifar10": _read_cifar}
