"""Which city of the study a row of a table is: by code, by name, through changes."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources

from citypanel.importers.cells import clean_text

SUFFIXES = ("市", "地区", "盟", "自治州", "州", "特别行政区")


@dataclass(frozen=True)
class Match:
    """What a code and a name were found to be.

    Attributes
    ----------
    city_id : str
        Code of the city of the study, or empty.
    how : str
        code, name, change, outside (a known place that is no city of the study),
        abolished, or unknown.
    remark : str
        For a change what changed; for an unknown name the nearest known one.
    """

    city_id: str
    how: str
    remark: str = ""


class Gazetteer:
    """Cities of the study, all prefecture-level places, and their changes since 2000.

    Parameters
    ----------
    cities : iterable of mapping
        Rows of ref_cities: city_id, city_zh, province_zh.
    changes : iterable of mapping
        Rows of ref_city_changes: old_name_zh, old_code, new_name_zh, new_code, date,
        change, effect.
    provinces : iterable of mapping
        Rows of ref_provinces: province_id, province_zh.
    """

    def __init__(
        self,
        *,
        cities: Iterable[Mapping[str, str]],
        changes: Iterable[Mapping[str, str]],
        provinces: Iterable[Mapping[str, str]],
    ) -> None:
        self.cities = {row["city_id"]: dict(row) for row in cities}
        self.provinces = {row["province_id"]: row["province_zh"] for row in provinces}
        self.names: dict[str, str] = {}
        self.codes: dict[str, str] = {}
        for code, name, short in _places():
            self.codes[code] = name
            spellings = [name, short]
            if name.endswith("自治州"):
                spellings += [name.removesuffix("自治州"), f"{short}州"]
            for spelled in spellings:
                self.names.setdefault(spelled, code)
        for code, row in self.cities.items():
            self.codes.setdefault(code, row["city_zh"])
            self.names[row["city_zh"]] = code
        self.changes: dict[str, dict[str, str]] = {}
        self.old_codes: dict[str, dict[str, str]] = {}
        for row in changes:
            self.changes[row["old_name_zh"]] = dict(row)
            # A name without its suffix can belong to today's city as well.
            self.changes.setdefault(_short(row["old_name_zh"]), dict(row))
            if row["old_code"] != row["new_code"]:
                self.old_codes[row["old_code"]] = dict(row)
        self._found: dict[tuple[str, str, str], Match] = {}

    def find(
        self, *, code: object = "", name: object = "", province: object = ""
    ) -> Match:
        """The city of a row; the code decides, and must not contradict the name.

        Returns
        -------
        Match
            With `how` = contradiction where code and name are two different places.
        """
        key = (clean_text(code), clean_text(name), clean_text(province))
        if key not in self._found:
            self._found[key] = self._find(*key)
        return self._found[key]

    def _find(self, code: str, name: str, province: str) -> Match:
        name = name.replace(" ", "")
        by_name = self._by_name(name, province) if name else None
        if not code:
            return by_name or Match("", "unknown", "")
        if len(code) != 6 or not code.isascii() or not code.isdigit():
            return Match("", "unknown", f"'{code}' is no six-digit code")
        how, remark, place = "code", "", code
        if code in self.old_codes:
            row = self.old_codes[code]
            how, place = "change", row["new_code"]
            remark = _told(row)
            if not place:
                return Match("", "abolished", remark)
        known = self.codes.get(place) or self.provinces.get(place)
        if by_name and by_name.how != "unknown":
            named = self._code_of(name)
            # A mistyped code must not lose a city that its name still says.
            if named and named != place and (place in self.codes or not known):
                return Match(
                    "",
                    "contradiction",
                    f"code {code} is {known or 'no place that is known'}, not {name}",
                )
        if not known and (
            code.endswith("00") or f"{code[:2]}0000" not in self.provinces
        ):
            return Match("", "unknown", f"'{code}' is the code of no known place")
        if place in self.cities:
            return Match(place, how, remark)
        if place in self.provinces and name and by_name and by_name.how == "unknown":
            return Match("", "outside", "a province")
        return Match("", "outside", remark)

    def _code_of(self, name: str) -> str:
        code = self.names.get(name) or self.names.get(_short(name))
        if code:
            return code
        row = self.changes.get(name)
        return row["new_code"] if row else ""

    def _by_name(self, name: str, province: str) -> Match:
        row = self.changes.get(name)
        code = self.names.get(name)
        if code is None and row is None:
            code = self.names.get(_short(name))
        if code is None and row is not None:
            code = row["new_code"]
            if not code:
                return Match("", "abolished", _told(row))
            city = code if code in self.cities else ""
            return Match(city, "change" if city else "outside", _told(row))
        if code is None:
            return Match("", "unknown", self._nearest(name))
        if code not in self.cities:
            return Match("", "outside")
        if province and not self._same_province(code, province):
            return Match(
                "", "contradiction",
                f"{name} is a city of {self.cities[code]['province_zh']}, not of "
                f"{province}",
            )  # fmt: skip
        return Match(code, "name")

    def _same_province(self, code: str, province: str) -> bool:
        known = self.provinces.get(f"{code[:2]}0000", "")
        return not known or clean_text(province).startswith(known)

    def _nearest(self, name: str) -> str:
        known = [*self.names, *self.changes]
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        return f"nearest known name: {close[0]}" if close else "no known name is near"

    def is_province(self, name: object) -> bool:
        """Whether a name is a province's and no city's (a subtotal in many tables)."""
        text = clean_text(name).replace(" ", "")
        short = text
        for ending in ("省", "自治区", "回族", "壮族", "维吾尔"):
            short = short.removesuffix(ending)
        provinces = set(self.provinces.values())
        if text in self.names or _short(text) in self.names:
            # 吉林 is both; 吉林省 is the province.
            return text.endswith("省") and short in provinces
        return short in provinces or text in provinces


def _short(name: str) -> str:
    for suffix in SUFFIXES:
        if name.endswith(suffix) and len(name) > len(suffix) + 1:
            return name.removesuffix(suffix)
    return name


def _told(row: Mapping[str, str]) -> str:
    new = f" -> {row['new_name_zh']}" if row["new_name_zh"] else ""
    return f"{row['old_name_zh']}{new}, {row['change']} {row['date']}: {row['effect']}"


def _places() -> list[tuple[str, str, str]]:
    text = resources.files("citypanel.importers").joinpath("places.csv")
    rows = csv.DictReader(text.read_text(encoding="utf-8").splitlines())
    return [(row["code"], row["name_zh"], row["short_zh"]) for row in rows]
