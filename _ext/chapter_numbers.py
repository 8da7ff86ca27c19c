"""A chapter's number is that of its file: 09_name.ipynb is chapter 9, also while chapters before it are not written."""

import re

from docutils import nodes
from sphinx_external_toc.collectors import TocTreeCollectorWithStyles as Collector

NUMBER = re.compile(r"(?:.*/)?0*(\d+)_[^/]*")


def renumber(env):
    """Put the file's number in the place of the first of every section number."""
    for name, numbers in env.toc_secnumbers.items():
        found = NUMBER.fullmatch(name)
        if not found:
            continue
        first = int(found[1])
        for anchor, number in numbers.items():
            numbers[anchor] = number and (first, *number[1:])
        for node in (*env.tocs[name].findall(nodes.reference), env.titles[name]):
            if node.get("secnumber"):
                node["secnumber"] = [first, *node["secnumber"][1:]]


def extend(app):
    count = Collector.assign_section_numbers  # it counts through all parts
    if getattr(count, "extended", False):
        return

    def assign_section_numbers(self, env):
        before = {name: dict(numbers) for name, numbers in env.toc_secnumbers.items()}
        count(self, env)
        renumber(env)
        return [name for name, numbers in env.toc_secnumbers.items() if numbers != before.get(name)]

    assign_section_numbers.extended = True
    Collector.assign_section_numbers = assign_section_numbers


def setup(app):
    app.connect("builder-inited", extend)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
