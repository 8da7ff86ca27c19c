"""Run a course on the book's exercises: make assignments, grade what is handed in.

    python tools/course list
    python tools/course assign ch01.pca ch01.turn --title "Sheet 1" --due 2027-01-15 --seed 7 --to course/sheet-1
    python tools/course grade submissions/ --key course/sheet-1/key/sheet-1.ipynb --to graded/sheet-1

book/instructors.md says how a course is run with them.
"""

import argparse
import os
import sys
from dataclasses import fields
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"  # what the book speaks of; and before anything loads Keras
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")  # grades do not depend on the machine's GPU
HERE = Path(__file__).resolve().parent
ROOT = str(HERE.parents[1])
# For the process that loads TensorFlow once and is forked for each submission.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (ROOT, str(HERE), os.environ.get("PYTHONPATH"))))
sys.path.insert(0, ROOT)  # this copy's aecore


def parser():
    import assign
    from sandbox import Limits

    layout = argparse.RawDescriptionHelpFormatter
    main = argparse.ArgumentParser("tools/course", description=__doc__, formatter_class=layout)
    commands = main.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list", help="the exercises there are, with their points")
    making = commands.add_parser("assign", help="make the notebook to hand out, and the key")
    making.add_argument("exercises", nargs="+", metavar="EXERCISE", help="ch01.pca, or ch01 for all of a chapter")
    making.add_argument("--title", required=True)
    making.add_argument("--due", required=True, help="2027-01-15, or '2027-01-15 18:00'")
    making.add_argument("--seed", type=int, required=True, help="of the course: another one each year")
    making.add_argument("--to", type=Path, required=True, help="a folder: gets release/NAME.ipynb and key/NAME.ipynb")
    making.add_argument("--name", help="of the files; else made from the title")
    for command in (listing, making):
        command.add_argument("--masters", type=Path, default=assign.MASTERS, help="folder of master notebooks")
    grading = commands.add_parser("grade", help="grade a folder of submissions")
    grading.add_argument("folder", type=Path, help="one notebook, or one folder with a notebook, for each student")
    grading.add_argument("--key", type=Path, required=True)
    grading.add_argument("--to", type=Path, help="folder for the results; else FOLDER-graded")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    grading.add_argument("--workers", type=int, default=cores, help="submissions at once; else one for each core")
    grading.add_argument("--regrade", action="store_true", help="grade again what is graded already")
    grading.add_argument("--no-isolation", action="store_true", help="run students' code with your rights: DANGEROUS")
    units = {"cpu": "s of a cell", "idle": "s of a cell", "total": "s of a submission", "processes": "at once"}
    for limit in fields(Limits):
        what = f"limit, {units.get(limit.name, 'MB')}"
        grading.add_argument(f"--{limit.name}", type=type(limit.default), default=limit.default, help=what)
    return main


def main(arguments=None):
    options = parser().parse_args(arguments)
    try:
        return globals()[f"run_{options.command}"](options)
    except (ValueError, FileExistsError, FileNotFoundError) as error:
        print(f"tools/course: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nInterrupted. The same command goes on from here.", file=sys.stderr)
        return 130


def run_list(options):
    import assign

    for name, (path, _, points) in assign.catalogue(options.masters).items():
        print(f"{name:24} {points:3g} points   {path.name}")
    return 0


def run_assign(options):
    import assign

    wanted = (options.exercises, options.title, options.due, options.seed, options.to, options.name, options.masters)
    handed_out, key = assign.assign(*wanted)
    print(f"to hand out   {handed_out}\nto keep       {key}   (solutions and hidden tests)")
    return 0


def run_grade(options):
    import grade
    from sandbox import Limits

    target = options.to or options.folder.with_name(f"{options.folder.resolve().name}-graded")
    limits = Limits(**{limit.name: getattr(options, limit.name) for limit in fields(Limits)})
    if options.no_isolation:
        print("WARNING: no isolation. Students' code can read and delete whatever you can.", file=sys.stderr)
    say = lambda line: print(line, flush=True)
    batch = grade.Batch(options.folder, options.key, target, options.workers, limits, not options.no_isolation, say)
    results = batch.run(options.regrade)
    batch.publish(results)
    print(f"{target / 'grades.csv'}, {target / 'feedback'}/*.html")
    if (target / grade.HAND).is_file():
        print(f"To mark by hand: fill in {target / grade.HAND}, then give the same command again.")
    return 1 if any(result["status"].startswith("not graded") for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
