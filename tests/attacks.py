"""What students write in the tests of grading: honest answers in several ways, and attacks.

The sheet has four exercises of the book. An attack comes in the place of the answer to ch01.pca.
"""

SHEET = {"ch01.predict": 1, "ch01.pca": 2, "ch01.gradient": 2, "ch01.turn": 2}
HONEST = {
    "ch01.pca": """
def pca(x, d):
    mean = x.mean(axis=0)
    V = np.linalg.svd(x - mean, full_matrices=False)[2][:d].T
    return mean + (x - mean) @ V @ V.T""",
    "ch01.gradient": """
def slopes(X, E, G):
    Z = X @ E
    R = Z @ G - X
    return 2 / len(X) * X.T @ R @ G.T, 2 / len(X) * Z.T @ R""",
    "ch01.turn": """
def turn(W, b, V, c, A):
    return W @ A, b @ A, A.T @ V, c""",
}
OTHER_WAYS = {
    "ada": HONEST["ch01.pca"],
    "ben": """
def pca(x, d):
    centre = np.mean(x, axis=0)
    values, vectors = np.linalg.eigh(np.cov(x, rowvar=False))
    directions = vectors[:, np.argsort(values)[-d:]]
    return (x - centre) @ directions @ directions.T + centre""",
    "cem": """
def pca(x, d):
    x = keras.ops.convert_to_tensor(x, "float64")
    mean = keras.ops.mean(x, axis=0)
    u, s, v = keras.ops.svd(x - mean, full_matrices=False)
    return mean + keras.ops.matmul(u[:, :d] * s[:d], v[:d])""",
    "dora": """
from sklearn.decomposition import PCA

pca = lambda x, d: (lambda model: model.inverse_transform(model.fit_transform(x)))(PCA(d))""",
    "eli": """
class Rebuild:
    def __call__(self, x, d):
        total = np.zeros_like(x)
        rest = x - x.mean(axis=0)
        for _ in range(d):  # one component after another
            v = np.linalg.svd(rest, full_matrices=False)[2][0]
            part = np.outer(rest @ v, v)
            total, rest = total + part, rest - part
        return x.mean(axis=0) + total

pca = Rebuild()
print("works on my machine")""",
}
ATTACKS = {
    "wrong": ("def pca(x, d):\n    V = np.linalg.svd(x)[2][:d].T\n    return x @ V @ V.T", "not centred"),
    "raises": ("def pca(x, d):\n    return x / undefined_name", "NameError"),
    "hard_coded": ("def pca(x, d):\n    return np.full(x.shape, 3.14159)", "numbers"),
    "huge": ("pca = 'x' * 10**8", "Wanted a function"),
    "syntax": ("def pca(x, d:\n    return x", "SyntaxError"),
    "segfault": ("import ctypes\nctypes.string_at(0)", "the process ended"),
    "loops_in_cell": ("while True:\n    pass", "endless loop"),
    "loops_when_called": ("def pca(x, d):\n    while True:\n        d += 1", "endless loop"),
    "sleeps": ("import time\ntime.sleep(10_000)", "waiting"),
    "eats_memory": ("hoard = []\nwhile True:\n    hoard.append(np.ones(10**7))", "emory"),
    "eats_memory_when_called": ("""
hoard = []
def pca(x, d):
    while True:
        hoard.append(np.ones(10**7))""", "emory"),
    "eats_memory_in_processes": ("""
import time
for _ in range(8):
    if not os.fork():
        hoard = np.ones(60 * 2**20)
        time.sleep(100)
time.sleep(100)""", "MB of memory"),
    "fills_the_disk": ("""
for i in range(10_000):
    for folder in ("/tmp", "/dev/shm", "/", os.path.expanduser("~")):
        try:
            open(f"{folder}/{i}", "wb").write(bytes(10**8))
        except OSError as error:
            last = error
raise last""", "Error"),
    "floods": ("while True:\n    print('all work and no play ' * 1000)", "printed more than"),
    "forks": ("import time\nfor _ in range(7):\n    os.fork()\ntime.sleep(100)", "processes"),
    "answers_twice": ("os.fork()\ndef pca(x, d):\n    os.fork()\n    return x", "numbers"),
    "sys_exit": ("import sys\nsys.exit(0)", "SystemExit"),
    "interrupts": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "exits_when_called": ("def pca(x, d):\n    os._exit(0)", "the process ended"),
    "kills": ("""
import signal
for pid in (os.getppid(), 1, -1, *(int(p) for p in os.listdir("/proc") if p.isdecimal())):
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass
os.kill(os.getpid(), signal.SIGKILL)""", "the process ended"),
    "prints_marks": ("""
print("ch01.pca: \\u2713 passed. Right.\\nch01.pca 2/2\\n### END HIDDEN TESTS\\n{'points': 2.0, 'passed': True}")
class Passed:
    passed = True
    points = 2.0
    def __bool__(self): return True
pca = Passed()""", "Wanted a function"),
    "replaces_tools": ("""
import aecore.exercises
from types import SimpleNamespace
right = lambda *args, **kwargs: SimpleNamespace(passed=True, message="Right.")
aecore.exercises.check = check = right
np.allclose = np.isclose = np.array_equal = lambda *args, **kwargs: True
np.testing.assert_allclose = lambda *args, **kwargs: None
def pca(x, d):
    return x""", "numbers"),
    "equals_everything": ("""
class Everything(float):
    __array_priority__ = 1e9
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __lt__ = __gt__ = __le__ = __ge__ = __sub__ = __rsub__ = lambda self, other: Everything()
    def __abs__(self): return 0.0
    def __array__(self, *args, **kwargs): return np.zeros(())
    def __getattr__(self, name): return Everything()
    def __call__(self, *args): return Everything()
pca = Everything()""", "The result is"),
    "copies_the_reference": ("""
from aecore.exercises import solution
from aecore.exercises.ch01 import by_covariance
pca = by_covariance""", "No module named"),
    "leaves_threads": ("""
import threading
def meddle():
    while True:
        globals()["check"] = lambda *args, **kwargs: True
        os.write(1, b"passed\\n")
threading.Thread(target=meddle, daemon=True).start()
pca = lambda x, d: x""", "numbers"),
    "writes_into_the_pipe": ("""
import json, struct
def frame(value):
    text = json.dumps({"!": "dict", "v": [["op", "value"], ["v", value]]}).encode()
    return struct.pack("<II", len(text), 0) + text
for fd in range(3, 64):
    try:
        for _ in range(50):
            os.write(fd, frame({"!": "pickle", "v": [0, 0]}))
    except OSError:
        pass
pca = lambda x, d: x""", "pipe of the examiner"),
    "asks_for_more": ("""
import sys
frames = [f for f in sys._current_frames().values()]
peer = next(o for o in __import__("gc").get_objects() if type(o).__name__ == "Peer")
pca = peer.request("call", of=print, args=["graded"], kwargs={})""", "Error"),
    "harms": ("""
import glob, shutil, socket, subprocess
CANARY, KEY, PORT = {canary!r}, {key!r}, {port}
found = []
for place in (CANARY, KEY, os.path.dirname(KEY), "/root", "/home", "/etc/passwd", os.path.dirname(CANARY)):
    try:
        found.append((place, os.listdir(place) if os.path.isdir(place) else open(place).read()))
    except OSError as error:
        found.append((place, str(error)))
    shutil.rmtree(place, ignore_errors=True)
    try:
        open(os.path.join(place, "was_here"), "w").write("x")
    except OSError:
        pass
for target in (("127.0.0.1", PORT), ("localhost", PORT), ("192.0.2.1", 80)):
    try:
        connection = socket.create_connection(target, timeout=2)
        found.append("CONNECTED")
    except OSError:
        pass
subprocess.run("rm -rf --no-preserve-root / 2>/dev/null", shell=True)
print("FOUND", found)
def pca(x, d):
    return x""", "numbers"),
}  # fmt: skip
