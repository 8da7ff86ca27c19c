"""Run the notebooks one after another and note what each costs, for the page "What each notebook costs".

    python benchmarks/notebooks.py                  all chapters, AECORE_PROFILE or else quick
    python benchmarks/notebooks.py 01 03            those whose names begin so

A figure replaces the older one of the same notebook, profile and device in results/notebooks.json.
"""

import argparse
import datetime
import json
import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "notebooks.json"
# Run in the notebook's own process, after its last cell: only there its largest memory is known.
ASK = """
import json as _json, os as _os, platform as _platform, sys as _sys, keras as _keras
from aecore import _backend
_seconds, _gigabytes = aecore.cost()
_sys.stdout.write(_json.dumps({"profile": run.profile, "device": run.device, "cores": _os.cpu_count(),
    "gigabytes": _gigabytes and round(_gigabytes, 2),
    "versions": f"Python {_platform.python_version()}, Keras {_keras.__version__}, {_backend.version()}"}))
"""


def measure(path):
    """Run one notebook. Returns: dict; seconds are wall time with the start of the kernel and all imports."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(ASK))
    started = time.perf_counter()
    NotebookClient(notebook, timeout=None, resources={"metadata": {"path": str(path.parent)}}).execute()
    seconds = time.perf_counter() - started
    text = "".join(output.get("text", "") for output in notebook.cells[-1].outputs)
    answer = json.loads(text[text.index("{") :])
    date = datetime.date.today().isoformat()
    return {"notebook": path.stem, **answer, "seconds": round(seconds, 1), "date": date}


def merge(rows, new):
    same = ("notebook", "profile", "device")
    kept = [row for row in rows if any(row[key] != new[key] for key in same)]
    return sorted([*kept, new], key=lambda row: [row[key] for key in same])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="beginnings of notebooks' names; all where there is none")
    names = tuple(parser.parse_args().names)
    os.environ["AECORE_PROFILE"] = os.environ.get("AECORE_PROFILE") or "quick"
    # costs.ipynb only prints this table.
    paths = [path for path in sorted((ROOT / "book").glob("*.ipynb")) if path.stem != "costs"]
    for path in paths:
        if names and not path.stem.startswith(names):
            continue
        print(f"{path.stem} ...", end=" ", flush=True)
        row = measure(path)
        print(f"{row['seconds']:.0f} s, {row['gigabytes']} GB")
        rows = json.loads(RESULTS.read_text("utf8")) if RESULTS.exists() else []
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(merge(rows, row), indent=1) + "\n", "utf8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
