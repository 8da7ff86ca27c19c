"""Run the notebooks of the book side by side, into the cache that the build reads."""

import os
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, DeadKernelError

GIGABYTES = 2  # what a notebook may take


def workers():
    """How many notebooks to run at a time: as many as there are cores, and memory for."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, ValueError, OSError):
        memory = 8
    return max(1, min(os.cpu_count() or 1, int(memory / GIGABYTES) - 1, 8))


def keep(notebook, path, cache, seconds):
    """Put a notebook that was run, in so many seconds, into the cache."""
    bundle = CacheBundleIn(notebook, str(path), data={"execution_seconds": seconds})
    get_cache(str(cache)).cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


def execute(paths, cache, environment, timeout):
    """Run the notebooks that the cache does not have yet, the largest first.

    A notebook that fails is left out: jupyter-book runs it again, and reports it.

    Args: paths of notebooks; cache, its folder; environment of the kernels; timeout of a cell, seconds.
    """
    store = get_cache(str(cache))
    todo = []
    for path in sorted(paths, key=lambda path: -path.stat().st_size):
        notebook = nbformat.read(path, as_version=4)
        try:
            store.match_cache_notebook(notebook)
        except KeyError:
            todo.append((path, notebook))

    def run(path, notebook):
        start = time.perf_counter()
        where = {"metadata": {"path": str(path.parent)}}
        # Times in the cells' metadata would change what the cache knows the notebook by.
        client = NotebookClient(notebook, timeout=timeout, record_timing=False, resources=where)
        client.execute(env=environment)
        return time.perf_counter() - start

    with ThreadPoolExecutor(workers()) as pool:
        jobs = {pool.submit(run, path, notebook): (path, notebook) for path, notebook in todo}
        for job in as_completed(jobs):
            path, notebook = jobs[job]
            try:
                seconds = job.result()
            except (CellControlSignal, DeadKernelError) as error:
                print(f"{path.name}: {type(error).__name__}", flush=True)
                continue
            keep(notebook, path, cache, seconds)
            print(f"{path.parent.name}/{path.name}: {seconds:.0f} s", flush=True)
