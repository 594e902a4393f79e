"""Which city of the study a row of a table is: by code, by name, through changes."""

from __future__ import annotations

import csv
import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources

from citypanel.importers.cells import FOOTNOTE_MARKS, clean_text

SUFFIXES = ("市", "地区", "盟", "自治州", "州", "特别行政区")
PROVINCE_SUFFIXES = (
    "省", "市", "维吾尔自治区", "壮族自治区", "回族自治区", "自治区", "特别行政区", "",
)  # fmt: skip
FOREIGN_SUFFIXES = (
    "autonomousprefecture", "municipality", "prefecture", "province", "city", "shi",
    "league", "region",
)  # fmt: skip
# Names in letters of places that are called otherwise today.
OLD_FOREIGN = {
    "xiangfan": "襄樊市", "simao": "思茅市", "chaohu": "巢湖市", "laiwu": "莱芜市",
    "luan": "六安市", "huhhot": "呼和浩特市", "haerbin": "哈尔滨市",
    "lvliang": "吕梁市", "luliang": "吕梁市", "erdos": "鄂尔多斯市",
    "chongqin": "重庆市",
}  # fmt: skip


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
        Rows of ref_provinces: province_id, province_zh and, where known, province_en.
    """

    def __init__(
        self,
        *,
        cities: Iterable[Mapping[str, str]],
        changes: Iterable[Mapping[str, str]],
        provinces: Iterable[Mapping[str, str]],
    ) -> None:
        self.cities = {row["city_id"]: dict(row) for row in cities}
        provinces = list(provinces)
        self.provinces = {row["province_id"]: row["province_zh"] for row in provinces}
        self.foreign_provinces = {
            letters(row["province_en"]): row["province_zh"]
            for row in provinces
            if row.get("province_en")
        }
        self.foreign: dict[str, list[str]] = {}
        self.names: dict[str, str] = {}
        self.codes: dict[str, str] = {}
        for code, name, short, *foreign in _places():
            self.codes[code] = name
            for spelled in {letters(text) for text in foreign}:
                self.foreign.setdefault(spelled, []).append(name)
            spellings = [name, short]
            if name.endswith("自治州"):
                spellings += [name.removesuffix("自治州"), f"{short}州"]
            for spelled in spellings:
                self.names.setdefault(spelled, code)
        for code, row in self.cities.items():
            self.codes.setdefault(code, row["city_zh"])
            self.names[row["city_zh"]] = code
            known = self.foreign.setdefault(letters(row.get("city_en") or ""), [])
            if self.codes[code] not in known:
                known.append(self.codes[code])
        self.foreign.pop("", None)
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
        key = (code, name, province)
        if key not in self._found:
            self._found[key] = self._find(
                _clean_code(code), clean_name(name), clean_text(province)
            )
        return self._found[key]

    def _chinese(self, name: str, province: str) -> tuple[str, str]:
        """A name in letters as the Chinese one, or why it is none."""
        spelled = letters(name)
        found = self.foreign.get(spelled) or []
        if spelled in OLD_FOREIGN and not found:
            found = [OLD_FOREIGN[spelled]]
        for suffix in FOREIGN_SUFFIXES:
            if not found and spelled.endswith(suffix):
                found = self.foreign.get(spelled.removesuffix(suffix)) or []
        if len(found) > 1 and province:
            found = [n for n in found if self._same_province(self.names[n], province)]
        if len(found) == 1:
            return found[0], ""
        if not found:
            close = difflib.get_close_matches(spelled, self.foreign, n=1, cutoff=0.6)
            near = f"nearest known name: {self.foreign[close[0]][0]}" if close else ""
            return "", near or "no known name is near"
        return "", f"it is {' or '.join(found)}; give the province or the code"

    def _without_province(self, name: str) -> tuple[str, str]:
        """A name without the province before it (河北省石家庄市), and that province."""
        if name in self.names or name in self.changes:
            return name, ""
        for province in self.provinces.values():
            for suffix in PROVINCE_SUFFIXES:
                rest = name.removeprefix(province + suffix).lstrip("-_/·,、.")
                if rest != name and (
                    rest in self.names
                    or rest in self.changes
                    or _short(rest) in self.names
                ):
                    return rest, province
        return name, ""

    def _find(self, code: str, name: str, province: str) -> Match:
        remark = ""
        if name and not CHINESE.search(name) and letters(name):
            latin, (name, remark) = name, self._chinese(name, province)
            if not name and not code:
                if self.is_province(latin):
                    return Match("", "outside", "a province")
                return Match("", "unknown", remark)
        if CHINESE.search(name):
            name = re.sub(r"[A-Za-z'’. ]+$", "", name)  # 北京市 Beijing
        name, stated = self._without_province(name.replace(" ", ""))
        province = province or stated
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
        text = clean_text(province)
        return (
            not known
            or text.startswith(known)
            or text in (f"{code[:2]}0000", code[:2])
            or self._foreign_province(text) == known
        )

    def _foreign_province(self, text: str) -> str:
        spelled = letters(text)
        for suffix in ("province", "municipality", "autonomousregion", ""):
            if found := self.foreign_provinces.get(spelled.removesuffix(suffix)):
                return found
        return ""

    def may_be_a_province(self, name: object) -> bool:
        """Whether a name is a province's as well as another city's (吉林, Jilin)."""
        text = clean_name(name).replace(" ", "")
        if text in self.provinces.values():
            code = self.names.get(text, "")
            return bool(code) and code not in self.provinces
        spelled = letters(text)
        return (
            not CHINESE.search(text)
            and spelled in self.foreign_provinces
            and any(self.names[n] not in self.provinces for n in
                    self.foreign.get(spelled, []))
        )  # fmt: skip

    def _nearest(self, name: str) -> str:
        known = [*self.names, *self.changes]
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        return f"nearest known name: {close[0]}" if close else "no known name is near"

    def is_province(self, name: object) -> bool:
        """Whether a name is a province's and no city's (a subtotal in many tables)."""
        text = clean_name(name).replace(" ", "")
        if text and not CHINESE.search(text):
            return letters(text) not in self.foreign and bool(
                self._foreign_province(text)
            )
        short = text
        for ending in ("省", "自治区", "回族", "壮族", "维吾尔"):
            short = short.removesuffix(ending)
        provinces = set(self.provinces.values())
        if text in self.names or _short(text) in self.names:
            # 吉林 is both; 吉林省 is the province.
            return text.endswith("省") and short in provinces
        return short in provinces or text in provinces


CHINESE = re.compile(r"[\u3400-\u9fff]")


def letters(name: object) -> str:
    """A name in letters without marks, spaces and case: Lüliang is luliang."""
    plain = unicodedata.normalize("NFKD", str(name)).lower()
    return "".join(character for character in plain if "a" <= character <= "z")


def clean_name(name: object) -> str:
    """A name without the footnote marks behind it."""
    return FOOTNOTE_MARKS.sub("", clean_text(name))


def _clean_code(code: object) -> str:
    """A code of six digits, as 130100.0, 1301 and 130100000000 mean it."""
    text = clean_text(code)
    if re.fullmatch(r"[0-9]+\.0+", text):
        text = text.split(".")[0]
    if re.fullmatch(r"[0-9]{6}0{6}", text):
        text = text[:6]
    if re.fullmatch(r"[1-9][0-9]{3}", text):
        text += "00"
    return text


def _short(name: str) -> str:
    for suffix in SUFFIXES:
        if name.endswith(suffix) and len(name) > len(suffix) + 1:
            return name.removesuffix(suffix)
    return name


def _told(row: Mapping[str, str]) -> str:
    new = f" -> {row['new_name_zh']}" if row["new_name_zh"] else ""
    return f"{row['old_name_zh']}{new}, {row['change']} {row['date']}: {row['effect']}"


def _places() -> list[tuple[str, ...]]:
    text = resources.files("citypanel.importers").joinpath("places.csv")
    rows = csv.DictReader(text.read_text(encoding="utf-8").splitlines())
    return [tuple(row.values()) for row in rows]
