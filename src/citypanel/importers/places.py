"""Which city of the study a row of a table is: by code, by name, through changes."""

from __future__ import annotations

import csv
import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from citypanel.importers.cells import FOOTNOTE_MARKS, clean_text
from citypanel.importers.names import OLD_FOREIGN

SUFFIXES = ("市", "地区", "盟", "自治州", "州", "特别行政区")
PROVINCE_SUFFIXES = (
    "省", "市", "维吾尔自治区", "壮族自治区", "回族自治区", "自治区", "特别行政区", "",
)  # fmt: skip
FOREIGN_SUFFIXES = (
    "autonomousprefecture", "municipality", "prefecture", "province", "city", "shi",
    "league", "region",
)  # fmt: skip


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


@dataclass(frozen=True)
class Place:
    """What a row of a roster stands for.

    Attributes
    ----------
    how : str
        unit (a prefecture-level place), province (all its units), district (a district
        or county of the unit), outside (a known place of no prefecture), unknown, or
        contradiction.
    units : tuple of str
        Codes of the prefecture-level places meant.
    remark : str
        For a change what changed; otherwise why it cannot be used, or whose it is.
    """

    how: str
    units: tuple[str, ...] = ()
    remark: str = ""


class Gazetteer:
    """Cities of the study, all prefecture-level places, and their changes since 2000.

    Parameters
    ----------
    cities : iterable of mapping
        Rows of ref_cities: city_id, city_zh, province_zh.
    prefectures : iterable of mapping
        Rows of ref_prefectures: unit_id, unit_zh, short_zh, unit_en, pinyin.
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
        prefectures: Iterable[Mapping[str, str]],
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
        for row in prefectures:
            code, name, short = row["unit_id"], row["unit_zh"], row["short_zh"]
            self.codes[code] = name
            for spelled in {letters(row["unit_en"]), letters(row["pinyin"])}:
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
        self._found: dict[tuple[object, object, object], Match] = {}

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

    def _province_behind(self, name: str, province: str) -> tuple[str, str]:
        """A name and the province behind it: 石家庄市(河北省), Shijiazhuang, Hebei."""
        matched = re.fullmatch(r"(.+?)(?:, ?|\s*\()([^(),]+)\)?", name)
        if matched and not province and self._province_named(matched[2].strip())[0]:
            return matched[1].strip(), matched[2].strip()
        return name, province

    def _find(self, code: str, name: str, province: str) -> Match:
        remark = ""
        name, province = self._province_behind(name, province)
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
        return code or self.changes.get(name, {}).get("new_code", "")

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

    # ------------------------------------------------------------------- rosters

    def place(
        self, *, code: object = "", name: object = "", province: object = ""
    ) -> Place:
        """What a row of a roster stands for: a unit, a whole province, or a county.

        吉林 is the city, 吉林省 the province. 海南 is the province where 海南 stands
        beside it and 海南藏族自治州 beside 青海; alone it is refused, as is every name
        that is not in the province beside it.
        """
        digits, text = _clean_code(code), clean_name(name).replace(" ", "")
        beside = clean_text(province)
        whole = self._whole_province(digits, text, beside)
        if whole is not None:
            return whole
        county = self._county_of(digits, text)
        match = self.find(code=code, name=name, province=province)
        within = self._district(text, beside) if beside and not digits else None
        if match.how == "contradiction":
            return within or Place("contradiction", remark=match.remark)
        if county is None and match.how in ("code", "name", "change", "outside"):
            found = match.city_id or self._unit_of(digits, text, beside)
            if found and beside and not self._same_province(found, beside):
                if within is not None:  # 朝阳 beside 北京 is its district
                    return within
                there = self.provinces.get(f"{found[:2]}0000", "")
                return Place(
                    "contradiction",
                    remark=f"{self.codes[found]} is in {there}, not in {beside}",
                )
            if found:
                return Place("unit", (found,), match.remark)
        if county is not None:
            return self._as_district(county)
        return self._district(text, beside) or Place(
            "outside" if match.how in ("outside", "abolished") else "unknown",
            remark=match.remark,
        )

    def _county_of(self, code: str, name: str) -> tuple[str, str, str] | None:
        """A county by its code, of which the first four digits are its city's.

        A city without counties (东莞市) is listed among them under its own code.
        """
        if code in self.codes:
            return None
        known = next((c for c in _counties() if c[0] == code), None)
        city = f"{code[:4]}00"
        if known is None and city in self.codes and code not in (city, *self.old_codes):
            return code, name or code, city
        return known

    def _unit_of(self, code: str, name: str, province: str) -> str:
        """Code of a prefecture-level place, in the study or not."""
        if code in self.old_codes:
            code = self.old_codes[code]["new_code"]
        if code in self.codes:
            return code
        if name and not CHINESE.search(name):
            name, _ = self._chinese(name, province)
        name, _ = self._without_province(name)
        return self._code_of(name)

    def _whole_province(self, code: str, name: str, beside: str) -> Place | None:
        """The province that a row names; None where it names none."""
        meant, is_full = self._province_named(name)
        if code in self.provinces and code not in self.codes:
            if name and meant != code:
                return Place(
                    "contradiction",
                    remark=f"code {code} is {self.provinces[code]}, not {name}",
                )
            meant, is_full = code, True
        elif not meant or code:
            return None
        units = tuple(c for c in self.codes if c[:2] == meant[:2])
        if units == (meant,):  # a municipality
            return None
        same = self.names.get(self.provinces[meant], "")
        fits = not beside or self._same_province(meant, beside)
        if is_full or not same:
            if fits:
                return Place("province", units)
            return Place("contradiction", remark=f"{name} is no place of {beside}")
        if beside and not self._same_province(same, beside) and fits:
            return Place("province", units)
        if not beside and same[:2] != meant[:2]:
            return Place(
                "contradiction",
                remark=f"{name} is the province and {self.codes[same]} alike; write "
                "it in full, or the province beside it",
            )
        return None

    def _province_named(self, name: str) -> tuple[str, bool]:
        """Code of the province that a name is, and whether it says province."""
        if name and not CHINESE.search(name):
            found = self._foreign_province(name)
            is_full = letters(name) not in self.foreign
        else:
            endings = [e for e in PROVINCE_SUFFIXES if e != "市" and name.endswith(e)]
            shorts = {name.removesuffix(ending): ending for ending in endings}
            found = next((p for p in self.provinces.values() if p in shorts), "")
            is_full = bool(found) and name != found
        codes = [c for c, province in self.provinces.items() if province == found]
        return (codes[0], is_full) if found and codes else ("", False)

    def _district(self, name: str, province: str) -> Place | None:
        """A district or county by its name, with its city before it or without."""
        names = {name: ""}
        for before in self.provinces.values():
            for ending in PROVINCE_SUFFIXES:
                rest = name.removeprefix(before + ending)
                if rest != name and len(rest) > 1:
                    names[rest] = ""
        for text in list(names):
            for known, code in self.names.items():
                rest = text.removeprefix(known).removeprefix("市")
                if text.startswith(known) and len(rest) > 1:
                    names[rest] = code
        found = [
            county
            for county in _counties()
            for asked, unit in names.items()
            if _is_county(county[1], asked)
            and (not unit or county[2] == unit)
            and (not province or self._same_province(county[0], province))
        ]
        if not found:
            return None
        if len({(unit, "" if unit else code) for code, _, unit in found}) > 1:
            where = ", ".join(
                self.codes.get(unit) or code for code, _, unit in found[:4]
            )
            return Place(
                "unknown",
                remark=f"{name} is a district or county of several places ({where}); "
                "write the city before it, or its code",
            )
        return self._as_district(found[0])

    def _as_district(self, county: tuple[str, str, str]) -> Place:
        code, name, unit = county
        if unit:
            return Place("district", (unit,), f"{name} of {self.codes[unit]}")
        there = self.provinces[f"{code[:2]}0000"]
        return Place("outside", remark=f"{name}, directly under {there}")

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
    text = clean_text(code).removeprefix("'").removeprefix("CN")
    if re.fullmatch(r"[1-9][0-9]{2},[0-9]{3}", text):
        text = text.replace(",", "")
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


@cache
def _counties() -> tuple[tuple[str, str, str], ...]:
    """Code, name and prefecture of every county and district; many share a name."""
    text = resources.files("citypanel.importers").joinpath("counties.csv")
    rows = csv.reader(text.read_text(encoding="utf-8").splitlines()[1:])
    return tuple((code, name, unit) for code, name, unit in rows)


def _is_county(name: str, asked: str) -> bool:
    """Whether a county is asked for: 敦煌市, 敦煌, 琼中 of 琼中黎族苗族自治县."""
    if name == asked:
        return True
    if name.endswith(("自治县", "自治旗")):
        return len(asked) > 1 and name.startswith(asked.removesuffix("县"))
    return len(name) > 2 and name[-1] in "市县区旗" and name[:-1] == asked
