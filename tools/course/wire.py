"""The pipe between the examiner and a student's process: plain data crosses it, nothing else does.

The examiner runs the tests; the student's code runs in another process. What the tests need of it comes as data
(numbers, text, arrays, tensors, models, and lists, tuples and dicts of these), and whatever is not plain data, a
function above all, as a `Remote`: a stand-in that sends its arguments over the pipe, has the student's process do the
work and returns the answer, again as plain data. So the student's code has no way to reach the tests, their tools or
their results: an object that calls itself equal to everything arrives as a stand-in that is equal to nothing.

The two ends trust differently. The student's end unpickles what the examiner sends; the examiner's end refuses
pickles, arrays of objects and frames above MOST_BYTES.

A frame is two lengths, a JSON text and the bytes of its arrays.
"""

import builtins
import inspect
import io
import json
import os
import pickle
import struct
import traceback

import models
import numpy as np

MOST_BYTES = 128 * 2**20
LENGTHS = struct.Struct("<II")
PLAIN = (bool, int, float, str, type(None))


class Gone(BaseException):
    """The other process has ended, or no longer keeps to the protocol. No `except Exception` of a test swallows it."""


class StudentError(Exception):
    """An exception in the student's code; where Python has its class, it is of that class too. `trace`: its lines."""

    trace = ""


def student_error(name, message, trace):
    """Make the exception that stands for one of the student's process."""
    kind = getattr(builtins, name, None)
    usual = isinstance(kind, type) and issubclass(kind, Exception)
    try:
        error = type(name, (StudentError, kind) if usual else (StudentError,), {})(message)
    except TypeError:  # a class whose constructor wants more than a message
        error = type(name, (StudentError,), {})(message)
    error.trace = trace
    return error


def is_tensor(value):
    return type(value).__module__.split(".")[0] in ("tensorflow", "jaxlib", "jax") and hasattr(value, "__array__")


class Remote:
    """Something of the student's process that is not plain data. Its public attributes can be read."""

    def __init__(self, peer, number, name, parameters):
        self.__dict__.update(_peer=peer, _number=number, __name__=name, __qualname__=name)
        if parameters is not None:
            kinds = [inspect.Parameter(p, k, default=None if d else inspect.Parameter.empty) for p, k, d in parameters]
            self.__dict__["__signature__"] = inspect.Signature(kinds)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self._peer.request("attribute", of=self, name=name)

    def __deepcopy__(self, memo):
        return self

    def __repr__(self):
        return f"<{self.__name__} of the student>"


class RemoteFunction(Remote):
    """A callable of the student's process. Arrays that it changes in place are changed here too."""

    def __call__(self, *args, **kwargs):
        if any(map(is_tensor, args)):
            return self._peer.call_with_gradient(self, args, kwargs)
        return self._peer.call(self, args, kwargs)


class Peer:
    """One end of the pipe.

    Args:
        read, write: file descriptors.
        trusts: whether the other end is believed; only the student's end does.
        serve: function(op, fields) -> value, for what the other end asks.
    Attributes: waiting, whether this end waits for the other one.
    """

    def __init__(self, read, write, trusts, serve):
        self.read, self.write, self.trusts, self.serve = read, write, trusts, serve
        self.things, self.process, self.waiting = {}, os.getpid(), False

    def _receive_bytes(self, size):
        parts = bytearray()
        while len(parts) < size:
            part = os.read(self.read, min(size - len(parts), 2**20))
            if not part:
                raise Gone("the process ended")
            parts += part
        return bytes(parts)

    def receive(self):
        """Wait for a frame. Returns: dict. Raises: Gone."""
        self.waiting = True
        try:
            head, tail = LENGTHS.unpack(self._receive_bytes(LENGTHS.size))
            if head + tail > MOST_BYTES:
                raise Gone(f"an answer of {(head + tail) / 2**20:.0f} MB; at most {MOST_BYTES / 2**20:.0f} MB are read")
            frame = self.decode(json.loads(self._receive_bytes(head)), memoryview(self._receive_bytes(tail)))
            if not isinstance(frame, dict) or not isinstance(frame.get("op"), str):
                raise ValueError("no frame")
        except OSError as error:
            raise Gone("the process ended") from error
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, MemoryError) as error:
            if self.trusts:
                raise
            raise Gone(f"the process wrote something of its own into the pipe of the examiner ({error})") from error
        finally:
            self.waiting = False
        return frame

    def send(self, op, **fields):
        blobs = []
        try:
            head = json.dumps(self.encode({"op": op, **fields}, blobs)).encode()
        except (RecursionError, ValueError) as error:
            raise TypeError(f"the value is nested too deeply, or holds itself: {error}") from error
        tail = b"".join(blobs)
        if len(head) + len(tail) > MOST_BYTES:
            raise ValueError(
                f"the value has {(len(head) + len(tail)) / 2**20:.0f} MB; at most 256 MB can be handed over"
            )
        data = memoryview(LENGTHS.pack(len(head), len(tail)) + head + tail)
        try:
            while data:
                data = data[os.write(self.write, data) :]
        except OSError as error:
            raise Gone("the process ended") from error

    def encode(self, value, blobs):
        """The JSON form of a value; the bytes of arrays are appended to `blobs`."""
        again = lambda v: self.encode(v, blobs)
        if type(value) in PLAIN:
            return value
        if type(value) is list:
            return list(map(again, value))
        if type(value) is dict:
            return {"!": "dict", "v": [[again(k), again(v)] for k, v in value.items()]}
        if isinstance(value, (tuple, set, frozenset)) and (type(value) in (tuple, set, frozenset) or not self.trusts):
            return {"!": "tuple" if isinstance(value, tuple) else "set", "v": list(map(again, value))}
        if isinstance(value, Remote):
            return {"!": "yours", "v": value._number}
        tensor = is_tensor(value)
        if tensor or isinstance(value, (np.ndarray, np.generic)):
            array = np.asarray(value)
            if array.dtype.kind in "biufcU":
                blobs.append(np.ascontiguousarray(array).tobytes())
                kind = "tensor" if tensor else "scalar" if isinstance(value, np.generic) else "array"
                return {"!": kind, "v": [array.dtype.str, list(array.shape), sum(map(len, blobs[:-1]))]}
        if isinstance(value, complex):
            return {"!": "complex", "v": [value.real, value.imag]}
        if self.trusts and models.is_model(value):
            try:
                return {"!": "model", "v": self.encode(models.pack(value), blobs)}
            except Exception:
                pass  # a model with parts of the student's own: it stays where it is
        # The examiner sends objects as copies, but its functions stay here and are called back: they may know too much.
        if not self.trusts and (models.is_model(value) or not callable(value)):
            file = io.BytesIO()
            try:
                pickle.dump(value, file)
            except Exception as error:
                raise TypeError(f"a test cannot hand a {type(value).__name__} to the student's code") from error
            blobs.append(file.getvalue())
            return {"!": "pickle", "v": [len(blobs[-1]), sum(map(len, blobs[:-1]))]}
        self.things[id(value)] = value
        return {"!": "mine", "v": [id(value), callable(value), *describe(value)]}

    def decode(self, form, blob):
        """The value that a JSON form stands for."""
        if isinstance(form, list):
            return [self.decode(v, blob) for v in form]
        if not isinstance(form, dict):
            return form
        kind, v = form["!"], form["v"]
        if kind == "dict":
            return {self.decode(k, blob): self.decode(item, blob) for k, item in v}
        if kind in ("tuple", "set"):
            return (tuple if kind == "tuple" else set)(self.decode(v, blob))
        if kind in ("array", "scalar", "tensor"):
            dtype, (name, shape, start) = np.dtype(str(v[0])), v
            if dtype.kind not in "biufcU" or not all(type(n) is int and n >= 0 for n in shape):
                raise ValueError(f"no array: {name}, {shape}")
            size = int(np.prod(shape, dtype=object)) * dtype.itemsize
            array = np.frombuffer(bytes(blob[start : start + size]), dtype).reshape(shape).copy()
            if kind == "tensor":
                import keras

                return keras.ops.convert_to_tensor(array)
            return array[()] if kind == "scalar" else array
        if kind == "model":
            return models.unpack(*self.decode(v, blob))
        if kind == "complex":
            return complex(*v)
        if kind == "yours":
            return self.things[v]
        if kind == "mine":
            number, function, kind, name, parameters = v
            stand_in = type(str(kind)[:80], (RemoteFunction if function else Remote,), {})  # messages name its type
            return stand_in(self, int(number), str(name)[:80], parameters)
        if kind == "pickle" and self.trusts:
            return pickle.loads(blob[v[1] : v[1] + v[0]])
        raise ValueError(f"unknown kind {kind!r}")

    def request(self, op, **fields):
        """Ask the other end, and serve what it asks until it answers. Raises: StudentError, Gone."""
        self.send(op, **fields)
        while True:
            frame = self.receive()
            op = frame.pop("op")
            if op == "value":
                return frame["v"]
            if op == "error":
                raise student_error(str(frame["name"]), str(frame["message"]), str(frame["trace"]))
            self.answer(op, frame)

    def answer(self, op, fields):
        """Serve one question and send what came out."""
        try:
            value = self.serve(op, fields)
            if os.getpid() == self.process:
                self.send("value", v=value)
        except Gone:
            raise
        except BaseException as error:
            if os.getpid() == self.process:
                self.send("error", name=type(error).__name__, message=text(error), trace=shown(error))
        if os.getpid() != self.process:  # a fork of the student's code came back: only one process answers
            os._exit(0)

    def call(self, function, args, kwargs):
        value, changed = self.request("call", of=function, args=list(args), kwargs=dict(kwargs))
        for i, array in changed.items():
            args[i][...] = array
        return value

    def call_with_gradient(self, function, args, kwargs):
        """Call on tensors so that a tape of the tests sees the gradient; TensorFlow alone, eagerly."""
        import tensorflow as tf

        value = self.call(function, args, kwargs)
        if not is_tensor(value):
            return value

        @tf.custom_gradient
        def through(*tensors):
            ask = {"of": function, "args": list(args), "kwargs": dict(kwargs)}
            return tf.identity(value), lambda *upstream: self.request("gradient", **ask, upstream=list(upstream))

        return through(*filter(is_tensor, args))


def describe(thing):
    """Type, name and parameters of something: (type, name, [(parameter, kind, has a default), ...] or None)."""
    name = getattr(thing, "__name__", None)
    try:
        parameters = inspect.signature(thing).parameters.values() if callable(thing) else None
    except (TypeError, ValueError):
        parameters = None
    if parameters is not None:
        parameters = [[p.name, int(p.kind), p.default is not inspect.Parameter.empty] for p in parameters]
    kind = type(thing).__name__
    return kind, name if isinstance(name, str) else kind, parameters


def text(error):
    try:
        return str(error)[:2000]
    except Exception:
        return "(the message of the exception cannot be shown)"


def shown(error):
    """The lines of a traceback that lie in the notebook's cells."""
    try:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "ipy" in f.filename or f.filename[0] == "<"]
        return "".join(traceback.format_list(frames[-5:])) + "".join(traceback.format_exception_only(error))[-2000:]
    except Exception:
        return type(error).__name__
