"""Run the cells of a notebook as a kernel would, and keep what they show.

`python -m tests.support.notebooks` writes the outputs of a build's file into the
notebooks; a test runs them again and compares.
"""

from __future__ import annotations

import ast
import base64
import io
import json
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def read(name: str) -> dict[str, Any]:
    """A notebook as it is committed."""
    return json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))


def run(notebook: dict[str, Any]) -> dict[str, Any]:
    """Run the code cells in order, in this process and folder.

    Parameters
    ----------
    notebook : dict
        Its cells get the outputs and their counts.

    Returns
    -------
    dict
        What the cells defined.
    """
    import matplotlib

    defined: dict[str, Any] = {}
    with matplotlib.rc_context():
        matplotlib.use("Agg", force=True)
        count = 0
        for place, cell in enumerate(notebook["cells"]):
            if cell["cell_type"] != "code":
                continue
            count += 1
            cell["execution_count"] = count
            cell["outputs"] = _outputs("".join(cell["source"]), place, count, defined)
    return defined


def _outputs(source: str, place: int, count: int, defined: dict) -> list[dict]:
    tree = ast.parse(source)
    last = tree.body[-1] if tree.body else None
    value = None
    printed = io.StringIO()
    with redirect_stdout(printed):
        if isinstance(last, ast.Expr):
            tree.body.pop()
            exec(compile(tree, f"cell {place}", "exec"), defined)
            value = eval(
                compile(ast.Expression(last.value), f"cell {place}", "eval"), defined
            )
        else:
            exec(compile(tree, f"cell {place}", "exec"), defined)
    out = []
    if text := printed.getvalue():
        out.append({"name": "stdout", "output_type": "stream", "text": _lines(text)})
    if value is not None:
        out.append(
            {
                "data": _shown(value),
                "execution_count": count,
                "metadata": {},
                "output_type": "execute_result",
            }
        )
    return out


def _shown(value: Any) -> dict[str, Any]:
    if hasattr(value, "savefig"):
        buffer = io.BytesIO()
        value.savefig(buffer, format="png", dpi=72, metadata={"Software": None})
        return {
            "image/png": base64.b64encode(buffer.getvalue()).decode(),
            "text/plain": ["<Figure>"],
        }
    data: dict[str, Any] = {"text/plain": _lines(repr(value))}
    if hasattr(value, "_repr_html_") and (text := value._repr_html_()):
        data["text/html"] = _lines(text)
    return data


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def texts(notebook: dict[str, Any]) -> list[str]:
    """What the cells show as text, in order."""
    return [
        "".join(out.get("text") or out["data"]["text/plain"])
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
        for out in cell["outputs"]
    ]


def main() -> None:
    """Write the outputs of the file in this folder into the notebooks."""
    root = NOTEBOOKS.parent
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        notebook = read(path.stem)
        os.chdir(root)
        run(notebook)
        text = json.dumps(notebook, ensure_ascii=False, indent=1)
        path.write_text(text + "\n", encoding="utf-8")
        print(path, file=sys.stderr)


if __name__ == "__main__":
    main()
