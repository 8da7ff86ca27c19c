"""Make an assignment out of chosen exercises: the notebook to hand out, and the key.

The exercises come from master notebooks (book/solutions). A master's exercise is what stands under a heading of the
second level; code before the first of these headings is taken along, since the exercises need it.
"""

import copy
import datetime
import re

import cells
import key as keys
import nbformat

MASTERS = keys.ROOT / "book" / "solutions"
HEADING = re.compile(r"^(?=## )", re.MULTILINE)
FRONT = """# {title}

**Due: {due}.** {total} points in {count}.

| exercise | points |
|---|---|
{rows}

Write your answers into the cells that are there, and run the check below each of them: it says what is wrong and where
to reread. Your numbers and data are those of this course, so the answers of another one will not pass. The instructor's
tests are run on further data; cells with a check are restored before, so changing them changes nothing. Save the
notebook, and hand it in."""
SEED = """import os

os.environ["AECORE_COURSE_SEED"] = "{seed}"  # the numbers and data of this course"""


def sections(master):
    """Split a master at its headings of the second level. Returns: lists of cells; the first is the preamble."""
    parts = [[]]
    for cell in master.cells:
        if keys.LEFT_OUT in cell.metadata.get("tags", ()):
            continue
        if cell.cell_type != "markdown":
            parts[-1].append(cell)
            continue
        for i, text in enumerate(HEADING.split(cell.source)):
            if text.startswith("## "):
                parts.append([])
            if text.strip():
                part = copy.deepcopy(cell)
                part.source, part.id = text.strip(), f"{cell.id}-{i}" if i else cell.id
                parts[-1].append(part)
    return parts


def catalogue(folder=MASTERS):
    """All exercises. Returns: dict name -> (path of the master, number of the section, points)."""
    found = {}
    for path in sorted(folder.glob("*.ipynb")):
        for number, section in enumerate(sections(nbformat.read(path, as_version=4))):
            for name, own in cells.exercises(as_cells(section)).items():
                if name in found:
                    raise ValueError(f"{path} and {found[name][0]} both have an exercise {name!r}.")
                found[name] = path, number, sum(cell.points for cell in own)
    return found


def as_cells(section):
    return keys.as_cells(nbformat.v4.new_notebook(cells=section))


def choose(wanted, known):
    """Names of exercises ("ch01.pca") or chapters ("ch01") -> names of exercises, each once, in the order asked for."""
    chosen = []
    for item in wanted:
        fits = [name for name in known if name == item or name.startswith(f"{item}.")]
        if not fits:
            raise ValueError(f"There is no exercise or chapter {item!r}. There are: {', '.join(known)}.")
        chosen += [name for name in fits if name not in chosen]
    return chosen


def day(due):
    """A date in words: "2027-01-15" or "2027-01-15 18:00" -> "15 January 2027, 18:00"."""
    try:
        moment = datetime.datetime.fromisoformat(due)
    except ValueError:
        raise ValueError(f"The due date wants the form 2027-01-15 or 2027-01-15 18:00, got {due!r}.") from None
    return f"{moment.day} {moment:%B %Y}" + (f", {moment:%H:%M}" if len(due) > 10 else "")


def make(wanted, title, due, seed, folder=MASTERS):
    """Make the key of an assignment.

    Args: wanted, names of exercises or chapters; title; due, ISO date; seed of the course, int >= 0; folder of masters.
    Returns: a notebook. Raises: ValueError.
    """
    if seed < 0:
        raise ValueError(f"The course seed wants a whole number >= 0, got {seed}.")
    known = catalogue(folder)
    chosen = choose(wanted, known)
    points = {name: known[name][2] for name in chosen}
    front = FRONT.format(
        title=title, due=day(due), total=f"{sum(points.values()):g}",
        count=f"{len(chosen)} exercise{'s' * (len(chosen) > 1)}",
        rows="\n".join(f"| {name} | {value:g} |" for name, value in points.items()),
    )  # fmt: skip
    locked = {"grade_id": "course-seed", "locked": True, "schema_version": 3}
    locked |= dict.fromkeys(("grade", "solution", "task"), False)
    numbers = nbformat.v4.new_code_cell(SEED.format(seed=seed), id="course-seed", metadata={"nbgrader": locked})
    result = [nbformat.v4.new_markdown_cell(front, id="front-page"), numbers]
    masters = {}
    for path in dict.fromkeys(known[name][0] for name in chosen):
        masters[path] = sections(nbformat.read(path, as_version=4))
        for cell in masters[path][0]:
            again = "setup" in cell.metadata.get("tags", ()) and len(masters) > 1  # one chapter has set up for all
            if cell.cell_type == "code" and not again:
                result.append(named(cell, path))
    places = list(dict.fromkeys(known[name][:2] for name in chosen))
    for count, (path, number) in enumerate(places, 1):
        together = {name for name, place in known.items() if place[:2] == (path, number)}
        if not together <= set(chosen):
            raise ValueError(f"{' and '.join(sorted(together))} stand under one heading: choose all of them, or none.")
        for cell in masters[path][number]:
            if cell.cell_type == "markdown":
                cell.source = re.sub(r"^## (\d+ )?", f"## {count} ", cell.source)
            result.append(named(cell, path))
    metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "aecore": {"title": title, "due": due, "seed": seed},
    }
    return nbformat.v4.new_notebook(cells=result, metadata=metadata)


def named(cell, path):
    """A copy of a cell whose id no other master has."""
    cell = copy.deepcopy(cell)
    cell.id = (cell.metadata.get("nbgrader", {}).get("grade_id") or f"{path.stem}-{cell.id}")[:64]
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None
    return cell


def assign(wanted, title, due, seed, target, name=None, folder=MASTERS):
    """Write release/NAME.ipynb and key/NAME.ipynb below `target`.

    Returns: (path to hand out, path of the key). Raises: FileExistsError: nothing that is there is written over.
    """
    notebook = make(wanted, title, due, seed, folder)
    name = name or re.sub(r"\W+", "-", title.lower()).strip("-")
    texts = {
        target / "release" / f"{name}.ipynb": nbformat.writes(keys.handed_out(notebook)) + "\n",
        target / "key" / f"{name}.ipynb": nbformat.writes(notebook) + "\n",
    }
    there = [path for path in texts if path.exists() or path.is_symlink()]
    if there:
        raise FileExistsError(
            f"{' and '.join(map(str, there))} exists already, and somebody may have worked in it: nothing was written. "
            "Give another --name, or another folder with --to."
        )
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf8") as file:  # "x": not even a file that has come up since
            file.write(text)
    keys.load(target / "key" / f"{name}.ipynb")
    return tuple(texts)
