"""Files of a Dataverse dataset: found by DOI, checked by checksum, kept in a cache."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from citypanel.errors import ImporterError
from citypanel.files import rename
from citypanel.importers.cells import harmless, printed
from citypanel.importers.files import LARGEST_FILE

DOI = re.compile(r"(?:doi:)?(10\.[0-9]{4,9}/[A-Za-z0-9._;()/:-]{1,200})")
SERVER = "https://dataverse.harvard.edu"
SAFE_NAME = re.compile(r"[\w .()-]{1,120}")
CHECKSUMS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-512": "sha512"}
# What a server may take: for an answer to begin, for the metadata, and on top of that
# for a file at this pace at least (2026-11-28).
SECONDS = 60
BYTES_PER_SECOND = 50_000
LARGEST_METADATA = 50 * 2**20


@dataclass(frozen=True)
class DatasetFile:
    """A file of a dataset as its metadata describe it.

    Attributes
    ----------
    size : int
        Declared bytes; 0 where none are.
    largest : int
        Bytes after which a download is given up.
    """

    name: str
    url: str
    checksum: str
    size: int
    largest: int = LARGEST_FILE


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
        raise ImporterError.of("importers.no_doi", doi=printed(doi))
    parts = urlsplit(server)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ImporterError.of(
            "importers.no_server", server=printed(server), shipped=SERVER
        )
    import requests

    doi = matched[1]
    kept = cache / f"{hashlib.sha256(f'{server} {doi}'.encode()).hexdigest()[:24]}.json"
    address = f"{server.rstrip('/')}/api/datasets/:persistentId/"
    from_cache = False
    try:
        content = bytearray()
        _download(
            address, content.extend, params={"persistentId": f"doi:{doi}"},
            largest=LARGEST_METADATA, seconds=SECONDS,
        )  # fmt: skip
        document = json.loads(content)
        cache.mkdir(parents=True, exist_ok=True)
        part = kept.with_suffix(".part")
        part.write_text(json.dumps(document), encoding="utf-8")
        rename(part, kept)
    except (requests.RequestException, ValueError, RecursionError) as error:
        if not kept.is_file():
            raise ImporterError.of(
                "importers.dataset_not_found", doi=doi, server=server, error=error
            ) from error
        document = json.loads(kept.read_text(encoding="utf-8"))
        from_cache = True
    except OSError as error:
        raise ImporterError.of(
            "importers.cache_unwritable", cache=cache, error=error
        ) from error
    try:
        return _dataset(doi, document, server, from_cache)
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        kind = type(error).__name__
        raise ImporterError.of(
            "importers.dataset_not_understood",
            server=server, doi=doi, kind=kind, error=error,
        ) from error  # fmt: skip


class _GivenUp(ValueError):
    """A server sends more, or slower, than it may."""


def _download(
    address: str,
    take: Callable[[bytes], object],
    *,
    largest: int,
    seconds: float,
    params: Mapping[str, str] | None = None,
) -> None:
    """Hand on what a server sends, up to a size and within a time.

    A socket's time-out begins anew with every byte, so the time is kept by this thread
    while another one reads.
    """
    import requests

    failure: list[BaseException] = []
    late = threading.Event()

    def read() -> None:
        size = 0
        try:
            with requests.get(
                address, params=params, timeout=SECONDS, stream=True
            ) as answer:
                answer.raise_for_status()
                for chunk in answer.iter_content(2**16):
                    size += len(chunk)
                    if size > largest:
                        raise _GivenUp(
                            f"it sends more than {largest:,} bytes and was cut off"
                        )
                    if late.is_set():
                        return
                    take(chunk)
        except Exception as error:
            failure.append(error)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(seconds)
    if reader.is_alive():
        late.set()
        raise _GivenUp(f"it was not done after {seconds:.0f} seconds")
    if failure:
        raise failure[0]


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
        declared = int(file.get("originalFileSize" if original else "filesize") or 0)
        stored = int(file.get("filesize") or 0)
        # Where only the other form's size is told, this one's is of its order.
        largest = declared or (64 * stored + 2**20 if stored else LARGEST_FILE)
        address = f"{server.rstrip('/')}/api/access/datafile/{int(file['id'])}"
        files.append(
            DatasetFile(
                name=str(original or file["filename"]),
                url=address + ("?format=original" if original else ""),
                checksum=f"{kind}:{value}" if kind and value else "",
                size=declared or stored,
                largest=min(largest, LARGEST_FILE),
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
        raise ImporterError.of(
            "importers.no_such_file",
            [file.name for file in dataset.files],
            found=found,
            name=printed(name),
            doi=dataset.doi,
        )
    file = found[0]
    if not file.checksum:
        raise ImporterError.of("importers.no_checksum", name=printed(name))
    if file.size > LARGEST_FILE:
        raise ImporterError.of(
            "importers.file_too_large",
            name=printed(name), size=file.size, largest=LARGEST_FILE,
        )  # fmt: skip
    # The name is the server's: it must not lead out of the cache.
    if not SAFE_NAME.fullmatch(name) or name.startswith("."):
        raise ImporterError.of("importers.no_plain_name", name=printed(name))
    import pooch
    import requests

    pooch.get_logger().setLevel(logging.WARNING)
    folder = cache / re.sub(r"[^A-Za-z0-9.-]+", "_", dataset.doi)

    def download(url: str, output: str, _: object) -> None:
        with open(output, "wb") as part:
            _download(
                url, part.write, largest=file.largest,
                seconds=SECONDS + file.largest / BYTES_PER_SECOND,
            )  # fmt: skip

    try:
        path = pooch.retrieve(
            url=file.url,
            known_hash=file.checksum,
            fname=name,
            path=folder,
            downloader=download,
        )
    # A redirect that is refused is a ValueError too, and no wrong checksum.
    except (requests.RequestException, OSError, _GivenUp) as error:
        raise ImporterError.of(
            "importers.no_download", name=printed(name), error=error
        ) from error
    except ValueError as error:
        raise ImporterError.of(
            "importers.other_checksum", name=printed(name), checksum=file.checksum
        ) from error
    return Path(path)
