"""The page that a student gets: points, and why, for each exercise. Plain HTML without scripts, read well aloud."""

import html

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: {student}</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 48rem; margin: 2rem auto; padding: 0 1rem }}
body {{ color: #1a1a1a; background: #fff }}
table {{ border-collapse: collapse }}
th, td {{ text-align: left; padding: 0.25rem 1rem 0.25rem 0; border-bottom: 1px solid #ccc }}
pre {{ background: #f4f4f4; padding: 0.75rem; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere }}
</style>
</head>
<body>
<main>
<h1>{title}: {student}</h1>
<p>{points} of {of} points{pending}. Graded from the file <code>{file}</code>.</p>
{remarks}
<table>
<caption>Points of each exercise</caption>
<thead><tr><th scope="col">Exercise</th><th scope="col">Points</th><th scope="col">Of</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
{sections}
</main>
</body>
</html>
"""


def text(value):
    return html.escape(str(value))


def listed(sentences):
    items = "".join(f"<li>{text(s).replace(chr(10), '<br>')}</li>" for s in sentences)
    return f"<ul>{items}</ul>" if items else ""


def page(key, result):
    """The page of one student. Args: key, key.Key; result, a dict of grade.job. Returns: HTML."""
    exercises = result["exercises"]
    pending = sum(e["by_hand"] for e in exercises)
    remarks = [] if result["status"] == "graded" else [f"Your notebook {result['status']}."]
    got = lambda e: "to be marked" if e["by_hand"] else f"{e['points']:g}"
    row = lambda e: f'<tr><th scope="row">{text(e["name"])}</th><td>{got(e)}</td><td>{e["of"]:g}</td></tr>'
    return PAGE.format(
        title=text(key.title), student=text(result["student"]), file=text(result["file"]),
        points=f"{sum(e['points'] for e in exercises):g}", of=f"{sum(e['of'] for e in exercises):g}",
        pending=f"; {pending} to be marked by hand" if pending else "",
        remarks=listed([*remarks, *result["notes"]]),
        rows="\n".join(map(row, exercises)),
        sections="\n".join(section(e, result.get("printed", ())) for e in exercises),
    )  # fmt: skip


def section(exercise, printed):
    parts = [f"<h2>{text(exercise['name'])}</h2>"]
    if not exercise["by_hand"]:
        full = exercise["points"] >= exercise["of"]
        parts.append(f"<p>{exercise['points']:g} of {exercise['of']:g} points{': passed' if full else ''}.</p>")
    if exercise.get("comment"):
        parts.append(f"<p>Comment: {text(exercise['comment'])}</p>")
    parts.append(listed(exercise["why"]))
    for title, content in (
        ("What the checks said", exercise["feedback"]),
        ("What your cell printed", "".join(output for name, output in printed if name == exercise["name"])),
        ("What you handed in", exercise["answer"]),
    ):
        if content.strip():
            parts.append(f"<h3>{title}</h3><pre>{text(content)}</pre>")
    return "\n".join(parts)
