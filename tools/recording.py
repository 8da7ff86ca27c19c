"""A pytest plugin: what nbval runs goes into the cache that the build reads, so that no notebook runs twice.

    python -m pytest -p tools.recording --nbval-lax book/*.ipynb

The kernels get the environment of the build. nbval compares the outputs as ever; nbclient, which runs notebooks
elsewhere, reads the same messages of the kernel and writes them down as it would have. A notebook in which a cell
failed or was left out is not kept. At the end one process fills the cache, which bears no two at a time.
"""

import contextlib
import copy
import os
import pickle
import sys
import time
from pathlib import Path

import nbval.plugin
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionComplete
from nbval.kernel import RunningKernel

sys.path.insert(0, str(Path(__file__).parent))
from build import ROOT, kernels
from running import keep

CACHE = pytest.StashKey()


class Recorded(RunningKernel):
    """nbval's kernel, with a client beside it that hears the same messages."""

    client = None

    def record(self, notebook):
        notebook = copy.deepcopy(notebook)
        self.client = NotebookClient(notebook, record_timing=False)
        self.client.reset_execution_trackers()
        self.cells = [(i, cell) for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
        self.current = iter(self.cells)
        self.passed, self.start = 0, time.perf_counter()

    def execute_cell_input(self, cell_input, allow_stdin=None):
        self.index, self.cell = next(self.current)
        self.cell.outputs, self.client.clear_before_next_output = [], False
        # Unlike nbval's own call this keeps the history, without which a kernel shows what a `;` should hide.
        self.message = self.kc.execute(cell_input, allow_stdin=allow_stdin, stop_on_error=False)
        return self.message

    def get_message(self, stream, timeout=None):
        message = super().get_message(stream, timeout)
        if self.client and stream == "iopub" and message["parent_header"].get("msg_id") == self.message:
            with contextlib.suppress(CellExecutionComplete):
                heard = {**message, "header": dict(message["header"])}  # the client changes its type
                self.client.process_message(heard, self.cell, self.index)
        return message


def pytest_configure(config):
    cache, environment = kernels(ROOT)
    os.environ.update(environment)
    config.stash[CACHE] = cache
    nbval.plugin.RunningKernel = Recorded


@pytest.hookimpl(trylast=True)
def pytest_runtest_setup(item):
    if isinstance(item, nbval.plugin.IPyNbCell) and item.parent.kernel.client is None:
        item.parent.kernel.record(item.parent.nb)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if isinstance(item, nbval.plugin.IPyNbCell) and call.when == "call":
        item.parent.kernel.passed += report.passed
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item, nextitem):
    if not isinstance(item, nbval.plugin.IPyNbCell) or (nextitem and nextitem.parent is item.parent):
        return
    kernel = item.parent.kernel
    if kernel.passed == len(kernel.cells):
        kernel.client.set_widgets_metadata()
        run = kernel.client.nb, item.path, time.perf_counter() - kernel.start
        file = item.config.stash[CACHE] / "ran" / "-".join(item.path.parts[-2:])
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(pickle.dumps(run))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    if hasattr(session.config, "workerinput"):  # of pytest-xdist: the process that started the workers does it
        return
    cache = session.config.stash[CACHE]
    for file in cache.glob("ran/*"):
        notebook, path, seconds = pickle.loads(file.read_bytes())
        keep(notebook, path, cache, seconds)
        file.unlink()
