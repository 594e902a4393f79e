"""Files of a Dataverse dataset: found by DOI, checked by checksum, kept in a cache."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from citypanel.errors import ImporterError, describe
from citypanel.importers.cells import harmless, printed
from citypanel.importers.files import LARGEST_FILE, NOTHING_WRITTEN

DOI = re.compile(r"(?:doi:)?(10\.[0-9]{4,9}/[A-Za-z0-9._;()/:-]{1,200})")
SERVER = "https://dataverse.harvard.edu"
SAFE_NAME = re.compile(r"[\w .()-]{1,120}")
CHECKSUMS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-512": "sha512"}
SECONDS = 60


@dataclass(frozen=True)
class DatasetFile:
    """A file of a dataset as its metadata describe it."""

    name: str
    url: str
    checksum: str
    size: int


@dataclass(frozen=True)
class Dataset:
    """A dataset's files and where it comes from."""

    doi: str
    files: tuple[DatasetFile, ...]
    origin: Mapping[str, str]
    from_cache: bool


def default_cache() -> Path:
    """Where downloads are kept, outside the project."""
    import pooch

    return Path(pooch.os_cache("citypanel"))


def find_dataset(doi: str, *, server: str = SERVER, cache: Path) -> Dataset:
    """A dataset's newest published version: its files, title, publisher and terms.

    Where the server cannot be reached, the metadata of the last visit are used.

    Raises
    ------
    ImporterError
        When the DOI is none, or the server does not answer and never did.
    """
    matched = DOI.fullmatch(doi.strip())
    if not matched:
        raise _failed(f"{printed(doi)} is no DOI", "give it as doi:10.7910/DVN/NUYREO")
    parts = urlsplit(server)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise _failed(
            f"{printed(server)} is no address of a server", f"such as {SERVER}"
        )
    import requests

    doi = matched[1]
    kept = cache / f"{hashlib.sha256(f'{server} {doi}'.encode()).hexdigest()[:24]}.json"
    address = f"{server.rstrip('/')}/api/datasets/:persistentId/"
    from_cache = False
    try:
        answer = requests.get(
            address, params={"persistentId": f"doi:{doi}"}, timeout=SECONDS
        )
        answer.raise_for_status()
        document = answer.json()
        cache.mkdir(parents=True, exist_ok=True)
        part = kept.with_suffix(".part")
        part.write_text(json.dumps(document), encoding="utf-8")
        os.replace(part, kept)
    except (requests.RequestException, ValueError) as error:
        if not kept.is_file():
            raise _failed(
                f"The dataset doi:{doi} was not found at {server} ({error})",
                "see that the DOI is right and the server can be reached; or "
                "download the "
                "file with a browser and import it with citypanel import yearbook",
            ) from error
        document = json.loads(kept.read_text(encoding="utf-8"))
        from_cache = True
    except OSError as error:
        raise _failed(
            f"The cache {cache} cannot be written ({error})",
            "name another with --cache",
        ) from error
    try:
        return _dataset(doi, document, server, from_cache)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _failed(
            f"The server {server} describes doi:{doi} in a way that is not understood "
            f"({type(error).__name__}: {error})",
            "download the file with a browser and import it with citypanel import "
            "yearbook",
        ) from error


def _dataset(doi: str, document, server: str, from_cache: bool) -> Dataset:
    data = document["data"]
    version = data["latestVersion"]
    files = []
    for entry in version["files"]:
        file = entry["dataFile"]
        checksum = file.get("checksum") or {"type": "MD5", "value": file.get("md5")}
        kind, value = CHECKSUMS.get(checksum["type"]), checksum["value"]
        # Tables are kept in two forms; the checksum is of the file as deposited.
        original = file.get("originalFileName")
        address = f"{server.rstrip('/')}/api/access/datafile/{int(file['id'])}"
        files.append(
            DatasetFile(
                name=str(original or file["filename"]),
                url=address + ("?format=original" if original else ""),
                checksum=f"{kind}:{value}" if kind and value else "",
                size=int(file.get("originalFileSize") or file.get("filesize") or 0),
            )
        )
    fields = {
        field["typeName"]: field["value"]
        for field in version["metadataBlocks"]["citation"]["fields"]
    }
    terms = version.get("license") or version.get("termsOfUse") or ""
    if isinstance(terms, Mapping):
        terms = " ".join(str(terms.get(key) or "") for key in ("name", "uri"))
    number = ".".join(
        str(version[key])
        for key in ("versionNumber", "versionMinorNumber")
        if version.get(key) is not None
    )
    origin = {
        "publisher": str(data.get("publisher") or ""),
        "title": str(fields.get("title") or ""),
        "edition": f"version {number}" if number else "",
        "retrieved_from": f"doi:{doi} at {server}",
        "rights": str(terms).strip(),
    }
    return Dataset(
        doi=doi,
        files=tuple(files),
        origin={key: harmless(value)[:500] for key, value in origin.items()},
        from_cache=from_cache,
    )


def fetch(dataset: Dataset, name: str, *, cache: Path) -> Path:
    """A file of a dataset, from the cache or the server, its checksum right.

    Raises
    ------
    ImporterError
        When there is no such file, it is too large, cannot be had, or differs from
        what its checksum says.
    """
    found = [file for file in dataset.files if file.name == name]
    if len(found) != 1:
        raise ImporterError(
            describe(
                f"{printed(name)} is {'no' if not found else 'several'} file of "
                f"doi:{dataset.doi}; its files are",
                [file.name for file in dataset.files],
                consequence=NOTHING_WRITTEN,
                remedy="name one with --file",
            )
        )
    file = found[0]
    if not file.checksum:
        raise _failed(
            f"The server gives no checksum of {printed(name)}",
            "download the file with a browser and import it with citypanel import "
            "yearbook",
        )
    if file.size > LARGEST_FILE:
        raise _failed(
            f"{printed(name)} has {file.size:,} bytes, more than the "
            f"{LARGEST_FILE:,} allowed",
            "take the table that is needed out of it and import that",
        )
    # The name is the server's: it must not lead out of the cache.
    if not SAFE_NAME.fullmatch(name) or name.startswith("."):
        raise _failed(
            f"The server calls a file {printed(name)}, which is no plain file name",
            "download the file with a browser and import it under another name",
        )
    import pooch
    import requests

    pooch.get_logger().setLevel(logging.WARNING)
    folder = cache / re.sub(r"[^A-Za-z0-9.-]+", "_", dataset.doi)
    try:
        path = pooch.retrieve(
            url=file.url,
            known_hash=file.checksum,
            fname=name,
            path=folder,
            downloader=pooch.HTTPDownloader(timeout=SECONDS),
        )
    except ValueError as error:
        raise _failed(
            f"{printed(name)} is not the file its checksum is of ({file.checksum})",
            "try again; if it stays so, ask the dataset's contact",
        ) from error
    except (requests.RequestException, OSError) as error:
        raise _failed(
            f"{printed(name)} cannot be downloaded ({error})",
            "see that the server can be reached and the cache can be written",
        ) from error
    return Path(path)


def _failed(problem: str, remedy: str) -> ImporterError:
    return ImporterError(describe(problem, consequence=NOTHING_WRITTEN, remedy=remedy))
