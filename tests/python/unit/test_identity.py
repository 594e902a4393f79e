"""The digest of the library's files."""

import shutil
from importlib.metadata import version
from pathlib import Path

import citypanel
from citypanel.identity import digest_of, running_code


def test_running_code_is_the_imported_package():
    code = running_code()
    assert code.folder == Path(citypanel.__file__).resolve().parent
    assert code.digest == digest_of(code.folder)
    assert code.version == version("citypanel")


def test_digest_depends_on_names_and_bytes_alone(tmp_path):
    package = tmp_path / "package"
    (package / "inner").mkdir(parents=True)
    (package / "b.py").write_text("b = 1\n")
    (package / "inner" / "a.yml").write_text("a: 1\n")
    digest = digest_of(package)

    other = tmp_path / "other"
    (other / "inner").mkdir(parents=True)
    (other / "inner" / "a.yml").write_text("a: 1\n")
    (other / "b.py").write_text("b = 1\n")
    (other / "__pycache__").mkdir()
    (other / "__pycache__" / "b.pyc").write_bytes(b"compiled elsewhere")
    assert digest_of(other) == digest

    (other / "inner" / "a.yml").write_text("a: 2\n")
    assert digest_of(other) != digest
    shutil.copy(package / "inner" / "a.yml", other / "inner" / "a.yml")
    assert digest_of(other) == digest
    (other / "b.py").rename(other / "c.py")
    assert digest_of(other) != digest
