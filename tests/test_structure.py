"""The house itself: levels, one door to the backends, size, docstrings, readers of every name, bounds of versions."""

import ast
import importlib.metadata
import inspect
import json
import re
import sys
import tomllib
from pathlib import Path

import keras
import pytest

import aecore

ROOT = Path(aecore.__file__).parents[1]
TREES = {p.stem: ast.parse(p.read_text()) for p in sorted((ROOT / "aecore").glob("*.py"))}
EXERCISES = {p.stem: ast.parse(p.read_text()) for p in sorted((ROOT / "aecore" / "exercises").glob("*.py"))}
LEVELS = (
    {
        "_backend",
        "_version",
        "callbacks",
        "corruption",
        "crf",
        "divergences",
        "downloads",
        "kernels",
        "layers",
        "metrics",
        "pretrained",
        "regions",
        "shapes",
        "synthetic",
    },
    {"data", "dense", "metrics_codes", "metrics_masks", "metrics_objects", "objectives"},
    {
        "adversarial",
        "appearance",
        "distributions",
        "export",
        "inference",
        "motion",
        "networks",
        "profile",
        "quantisers",
        "scenes",
        "slot_layers",
        "sprites",
        "training",
    },
    {"games", "priors", "slot_decoders", "slot_editing"},
    {
        "ae",
        "classifier",
        "estimators",
        "flow",
        "gan",
        "gos",
        "gos_video",
        "hybrids",
        "slots",
        "translation",
        "vae",
        "vq",
    },
    {"slots_video", "viz"},
    {"widgets"},
    {"widgets_codes", "widgets_training"},
    {"widgets_adversarial", "widgets_segmentation", "widgets_slots"},
)
EXERCISE_LEVELS = (
    {"_verdict"},
    {"_calling"},
    {"_kinds"},
    {"_experiments"},
    {"ch01_compare", "ch02_sweep", "ch03_dead", "ch09_fits", "ch12_means", "ch18_central", "ch19_ari", "ch20_switches"},
    {
        "preface",
        "ch01",
        "ch02",
        "ch03",
        "ch09",
        "ch10",
        "ch11",
        "ch12",
        "ch13",
        "ch14",
        "ch15",
        "ch16",
        "ch17",
        "ch18",
        "ch19",
        "ch20",
    },
    {"quiz"},
    {"__init__"},
)
LEVEL = {name: i for i, names in enumerate(LEVELS) for name in names}
OTHERS = ("test_book.py", "test_notebooks.py")  # of the book's tools, not of the package
SITTINGS = sorted(
    [
        *(ROOT / "aecore").rglob("*.py"),
        *ROOT.glob("tests/answers/*.py"),
        *(p for p in ROOT.glob("tests/*.py") if p.name not in OTHERS),
    ]
)
# Names without a reader in the book yet, and the chapter that will read them.
PLANNED = {
    "networks.conv_encoder": "5 Convolutional autoencoders",
    "networks.conv_decoder": "5 Convolutional autoencoders",
    "data.fashion_mnist": "5 Convolutional autoencoders",
    "data.cifar10": "6 Compression",
    "metrics.psnr": "7 Restoration",
    "metrics.ssim": "7 Restoration",
    "corruption.SaltAndPepper": "7 Restoration",
    "metrics_codes.code_entropy": "12 Discrete codes",
    "metrics.cluster_accuracy": "8 Representations",
    "widgets_codes.Traversals": "10 Variational autoencoders",
    "widgets_codes.Tokens": "12 Discrete codes",
    "synthetic.ring_of_gaussians": "13 GANs",
    "data.davis": "20 Objects that move",
    "sprites.films": "20 Objects that move",
    "metrics_objects.ari": "19 Many objects",
    "metrics_objects.mbo": "19 Many objects",
    "metrics_objects.identity": "20 Objects that move",
    "metrics_objects.consistency": "20 Objects that move",
}


def imports(tree):
    """Top-level packages and, of aecore, modules that a module imports anywhere."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{a.name}" if node.module == "aecore" else node.module for a in node.names)


def test_every_module_has_a_level():
    assert set(LEVEL) | {"__init__"} == set(TREES)


@pytest.mark.parametrize("name", sorted(LEVEL))
def test_a_module_imports_only_lower_levels(name):
    for imported in imports(TREES[name]):
        if imported.split(".")[0] == "aecore":
            assert LEVEL[imported.split(".")[1]] < LEVEL[name], f"{name} imports {imported}"


def test_exercises_stand_on_the_package_and_on_one_another_in_one_direction():
    order = {name: i for i, names in enumerate(EXERCISE_LEVELS) for name in names}
    assert set(order) == set(EXERCISES)
    for name, tree in EXERCISES.items():
        for imported in imports(tree):
            parts = imported.split(".")
            if parts[:2] == ["aecore", "exercises"]:
                inner = [a for a in (parts[2:3] or names_from(tree, imported)) if a in order]
                assert all(order[a] < order[name] for a in inner), f"{name} imports {imported}"
    assert not any("exercises" in i for tree in TREES.values() for i in imports(tree))
    assert not [name for name, tree in EXERCISES.items() if not ast.get_docstring(tree)]


def names_from(tree, module):
    nodes = (n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module == module)
    return [alias.name for node in nodes for alias in node.names]


def test_one_module_names_a_backend():
    for name, tree in (TREES | EXERCISES).items():
        if name != "_backend":
            assert not {i.split(".")[0] for i in imports(tree)} & {"tensorflow", "jax", "torch"}, name
            names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
            assert not names & {"tf", "tensorflow", "jax", "jnp"}, name


def at_import(tree):
    """The imports that run when the module is imported: not those inside functions."""
    inside = {n for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for n in ast.walk(f)}
    outside = [n for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom)) and n not in inside]
    return {i.split(".")[0] for i in imports(ast.Module(outside, []))}


def test_importing_aecore_needs_little(python):
    allowed = {"aecore", "keras", "numpy", *sys.stdlib_module_names}
    for name, tree in TREES.items():
        extra = {
            "_backend": {"tensorflow", "jax"},
            "viz": {"matplotlib"},
            "widgets": {"anywidget", "matplotlib", "PIL", "traitlets"},
            "widgets_codes": {"traitlets"},
            "widgets_training": {"traitlets"},
            "widgets_adversarial": {"traitlets"},
            "widgets_segmentation": {"traitlets"},
            "widgets_slots": {"traitlets"},
        }.get(name, set())
        assert at_import(tree) <= allowed | extra, name
    missing = ["matplotlib", "ipywidgets", "IPython", "sklearn", "skimage", "anywidget", "pandas"]
    code = f"import sys; sys.modules.update(dict.fromkeys({missing})); import aecore; print(aecore.data.split.__name__)"
    assert python("-c", code, KERAS_BACKEND=keras.backend.backend()).stdout == "split\n"  # as if not installed


@pytest.mark.parametrize("path", SITTINGS, ids=lambda p: p.name)
def test_a_file_is_one_sitting(path):
    assert len(path.read_text().splitlines()) <= 300


def public():
    """Every public function and class of aecore, and every public method of its own, by its dotted name."""
    for name in LEVEL:
        module = importlib.import_module(f"aecore.{name}")
        for key, thing in vars(module).items():
            mine = (inspect.isclass(thing) or inspect.isfunction(thing)) and thing.__module__ == module.__name__
            if mine and not key.startswith("_"):
                yield f"{name}.{key}", thing


def test_every_public_name_has_a_docstring():
    own = lambda thing: vars(thing)["__doc__"] if inspect.isclass(thing) else thing.__doc__
    assert not [name for name, thing in public() if not own(thing)]
    assert not [name for name, tree in TREES.items() if name != "_version" and not ast.get_docstring(tree)]
    for method in ("fit", "evaluate", "compile", "encode", "decode", "reconstruct"):
        assert getattr(aecore.Autoencoder, method).__doc__


def code_of_the_book():
    for path in sorted((ROOT / "book").glob("*.ipynb")):
        for cell in json.loads(path.read_text())["cells"]:
            if cell["cell_type"] == "code":
                yield "".join(cell["source"])


def test_every_public_name_has_a_reader():
    book = "\n".join(code_of_the_book())
    if not book:
        pytest.skip("there is no book beside the package")
    nodes = [node for tree in TREES.values() for node in ast.walk(tree)]
    used = {n.id for n in nodes if isinstance(n, ast.Name)} | {n.attr for n in nodes if isinstance(n, ast.Attribute)}
    keys = {name: name.split(".")[1] for name, _ in public()}
    unread = {name for name, key in keys.items() if key not in used and not re.search(rf"\b{key}\b", book)}
    assert unread <= set(PLANNED), "use the name in a chapter, plan it for one, or bury it"
    assert set(PLANNED) <= set(keys), "planned, but not there"


def requirement(text):
    """Name and bounds of a requirement: 'keras>=3.13,<3.16' -> ('keras', {'>=': (3, 13), '<': (3, 16)})."""
    name, bounds = re.match(r"([\w-]+)(.*)", text.split("#")[0].strip()).groups()
    pairs = re.findall(r"(>=|<)\s*([\d.]+)", bounds)
    return name.lower(), {sign: tuple(map(int, version.split("."))) for sign, version in pairs}


def test_the_two_lists_of_requirements_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (line.split("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines())
    bounded = dict(requirement(line) for line in lines if line)
    for name, bounds in bounded.items():
        assert set(bounds) == {">=", "<"}, f"{name} is not bounded on both sides"
        assert bounds[">="] < bounds["<"], name
    groups = project["optional-dependencies"]
    optional = [r for name in groups if name != "bench" for r in groups[name]]  # what to compare with is no part of it
    for name, bounds in map(requirement, [*project["dependencies"], *optional]):
        assert set(bounds) == {">="}, f"pyproject.toml has a lower bound alone for {name}"
        if name != "ipython":  # comes with jupyterlab
            assert bounds[">="] <= bounded[name][">="], name
    for name in ("keras", "numpy", "scipy", "tensorflow", "jax", "matplotlib"):
        version = tuple(map(int, importlib.metadata.version(name).split(".")[:2]))
        assert bounded[name][">="][:2] <= version < bounded[name]["<"], f"{name} {version} is out of its bounds"
