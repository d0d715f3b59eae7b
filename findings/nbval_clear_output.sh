#!/usr/bin/env bash
# nbval fails what papermill has just executed wherever a cell calls clear_output.
# Guess: a notebook that papermill ran without an error passes pytest --nbval at once, on the same kernel.
# What happens: papermill obeys clear_output and stores the last line alone. nbval collects all that the cell printed,
#   0, 1 and 2 here, and compares that with the stored 2. The cell is deterministic, and never passes.
# Versions: nbval 0.11.0, papermill 2.7.0, ipykernel 7.4.0, pytest 9.2.0.
# Why it matters: live curves of a training, the usual reason for clear_output, make the notebook's check red.
# Instead: tag the cell nbval-ignore-output, or print and draw once, at the end.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile nbval==0.11.0 papermill==2.7.0 ipykernel==7.4.0 pytest==9.2.0
venv/bin/python - <<'PY'
import subprocess
import sys
from importlib.metadata import version

import nbformat
import papermill

print("Python", sys.version.split()[0], *(f"{name} {version(name)}" for name in ("nbval", "papermill", "pytest")))
LIVE = """from IPython.display import clear_output
for epoch in range(3):
    clear_output(wait=True)
    print(epoch)"""


def verdict(code, tags=()):
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python", "language": "python"}}
    notebook = nbformat.v4.new_notebook(metadata=kernel)
    notebook.cells = [nbformat.v4.new_code_cell(code, metadata={"tags": list(tags)})]
    nbformat.write(notebook, "in.ipynb")
    papermill.execute_notebook("in.ipynb", "run.ipynb", progress_bar=False)
    stored = nbformat.read("run.ipynb", 4).cells[0].outputs[0].text
    command = [sys.executable, "-m", "pytest", "-q", "--nbval", "run.ipynb"]
    tested = subprocess.run(command, capture_output=True, text=True)
    return f"stored {stored!r}, nbval says {tested.stdout.splitlines()[-1].split(' in ')[0]}"


seen = {
    "print(2)": verdict("print(2)"),
    "with clear_output": verdict(LIVE),
    "and the tag nbval-ignore-output": verdict(LIVE, ["nbval-ignore-output"]),
}
print("expected: passed, each")
for case, result in seen.items():
    print(f"{case:32} {result}")
if ["failed" in result for result in seen.values()] != [False, True, False]:
    sys.exit("the behaviour has changed")
PY
