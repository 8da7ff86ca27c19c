#!/bin/sh
# environment.sh FOLDER: make the book's own Python environment there, or bring it up to date.
# Uses $PYTHON, or the first of the interpreters below that runs and is 3.11, 3.12 or 3.13.
set -eu
folder=$1

names='python3.13 python3.12 python3.11 python3'
suitable='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
works() { "$folder/bin/python" -c "$suitable" && "$folder/bin/python" -m pip --version; }
if ! works >/dev/null 2>&1; then
    # A name on the PATH is not enough: pyenv's shims exist for versions that do not run.
    found= incomplete=
    for candidate in ${PYTHON:-$names}; do
        if ! "$candidate" -c "$suitable" 2>/dev/null; then
            continue
        elif "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then
            found=$candidate
            break
        fi
        incomplete=${incomplete:-$candidate}
    done
    if [ -z "$found" ] && [ -n "$incomplete" ]; then
        echo "$incomplete cannot make environments: its module venv or ensurepip is missing." >&2
        echo "On Debian and Ubuntu: sudo apt install python3-venv" >&2
        exit 1
    elif [ -z "$found" ]; then
        echo "No suitable Python: the book needs Python 3.11, 3.12 or 3.13 (tried: ${PYTHON:-$names})." >&2
        echo "Install one, or name it: make book PYTHON=/path/to/python3.12" >&2
        exit 1
    fi
    echo "Making an environment in $folder with $("$found" --version)."
    "$found" -m venv --clear "$folder"
fi

echo "Installing what the book needs; the first time this takes minutes."
"$folder/bin/python" -m pip install --upgrade pip
"$folder/bin/python" -m pip install -r requirements.txt -e .
