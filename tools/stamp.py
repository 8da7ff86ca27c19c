"""Write the repository's address into the notebooks, so that Colab can install aecore from it.

    python tools/stamp.py                        from `repository:` in _config.yml
    python tools/stamp.py --url https://github.com/someone/book --branch main
    python tools/stamp.py --check                do the notebooks agree with _config.yml?
    python tools/stamp.py --clear                back to unstamped

--url and --branch are written into _config.yml too. --ref is what Colab installs: a branch, a tag or a commit; without
it, the branch. In a notebook only the line REPOSITORY = "..." of its first code cell changes.
"""

import argparse
import json
import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
LINE = re.compile(r'^REPOSITORY = "([^"]*)"')
# file:// is for the tests and for a mirror on a disk.
URL = re.compile(r"(https://[A-Za-z0-9.-]+(:\d+)?/[\w.-]+(/[\w.-]+)+|file:///[\w./-]+)")
REF = re.compile(r"[A-Za-z0-9_][\w./-]*")


def checked_url(url):
    url = url.rstrip("/").removesuffix(".git")
    if not URL.fullmatch(url):
        raise ValueError(f"wanted an address like https://github.com/owner/repository, got {url!r}.")
    return url


def checked_ref(ref):
    if not REF.fullmatch(ref) or ".." in ref:
        raise ValueError(f"wanted the name of a branch or tag, or a commit, got {ref!r}.")
    return ref


def configured(root):
    """Returns: (url, branch) from _config.yml, the url empty where the book is unstamped."""
    repository = yaml.safe_load((root / "_config.yml").read_text("utf8"))["repository"]
    return repository["url"] or "", repository["branch"]


def configure(root, url, branch):
    """Change the two values in _config.yml and nothing else there, comments included."""
    path = root / "_config.yml"
    text = path.read_text("utf8")
    for key, value in (("url", f'"{url}"'), ("branch", branch)):
        pattern = rf"(^repository:\n(?:[ #].*\n)*?  {key}:[ ]*)[^\s#]+"
        text, times = re.subn(pattern, lambda m, value=value: m.group(1) + value, text, flags=re.MULTILINE)
        if times != 1:
            raise ValueError(f"_config.yml: found no line `{key}:` below `repository:`.")
    path.write_text(text, "utf8")
    if configured(root) != (url, branch):
        raise ValueError(
            "_config.yml: could not write `repository:`; its url and branch must stand on lines of their own."
        )


def setup_line(path):
    """Returns: the line REPOSITORY = "..." of the notebook's first code cell."""
    cells = json.loads(path.read_text("utf8"))["cells"]
    source = next((cell["source"] for cell in cells if cell["cell_type"] == "code"), "")
    first = "".join(source).split("\n")[0]
    if not LINE.match(first):
        raise ValueError(f'{path.name}: its first code cell does not begin with REPOSITORY = "...".')
    return first


def stamp(path, address):
    """Write `address` into one notebook. Returns: True where that changed it."""
    old = setup_line(path)
    new = LINE.sub(lambda _: f'REPOSITORY = "{address}"', old)
    if new == old:
        return False
    text = path.read_text("utf8")
    # As it stands in the file, without the closing quote: the source may be one string or a list of lines.
    before, after = (json.dumps(line, ensure_ascii=False)[:-1] for line in (old, new))
    path.write_text(text.replace(before, after, 1), "utf8")
    if setup_line(path) != new:
        path.write_text(text, "utf8")
        raise ValueError(f"{path.name}: the line stands somewhere else in the file too; change it by hand.")
    return True


def disagreements(root):
    """Returns: the notebooks whose address is not that of _config.yml."""
    url, branch = configured(root)
    wanted = re.compile(rf"git\+{re.escape(url)}@({re.escape(branch)}|[0-9a-f]{{40}})" if url else "")
    addresses = {path.relative_to(root / "book"): LINE.match(setup_line(path)).group(1) for path in notebooks(root)}
    return [f"{name} has {address!r}" for name, address in addresses.items() if not wanted.fullmatch(address)]


def notebooks(root):
    return sorted(p for p in (root / "book").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)


def main(arguments=None, root=ROOT):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="address of the repository")
    parser.add_argument("--branch", help="branch that the launch buttons open")
    parser.add_argument("--ref", help="what Colab installs from: branch, tag or commit")
    parser.add_argument("--clear", action="store_true", help="back to unstamped")
    parser.add_argument("--check", action="store_true", help="change nothing; status 1 where they disagree")
    options = parser.parse_args(arguments)
    try:
        if options.check:
            wrong = disagreements(root)
            print("\n".join(wrong) or f"All notebooks agree with _config.yml: {configured(root)[0] or 'unstamped'}.")
            return 1 if wrong else 0
        url, branch = configured(root)
        if options.clear:
            url, address = "", ""
        else:
            url = options.url or url
            if not url:
                raise ValueError("no address: give --url, or set `repository: url` in _config.yml.")
            url, branch = checked_url(url), checked_ref(options.branch or branch)
            address = f"git+{url}@{checked_ref(options.ref or branch)}"
        for path in notebooks(root):
            setup_line(path)  # all of them can be stamped, or none is
        configure(root, url, branch)
        changed = sum(stamp(path, address) for path in notebooks(root))
    except ValueError as error:
        print(f"stamp: {error}", file=sys.stderr)
        return 2
    print(f"{changed} of {len(notebooks(root))} notebooks changed: {address or 'unstamped'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
