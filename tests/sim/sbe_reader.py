"""Reads SBE messages by the venue's published schema, as any generated decoder would."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, parse

_CODES = {"int8": "b", "uint8": "B", "char": "c", "int16": "h", "uint16": "H", "int32": "i",
          "uint32": "I", "int64": "q", "uint64": "Q"}  # fmt: skip
_NULLS = {"b": -(2**7), "B": 2**8 - 1, "h": -(2**15), "H": 2**16 - 1, "i": -(2**31),
          "I": 2**32 - 1, "q": -(2**63), "Q": 2**64 - 1}  # fmt: skip
_HEADER = struct.Struct("<HHHH")


class Schema:
    """One schema file."""

    def __init__(self, path: Path) -> None:
        root = parse(path).getroot()
        self.id, self.version = int(root.attrib["id"]), int(root.attrib["version"])
        self.types: dict[str, Element] = {}
        for group in root.iter("types"):
            for each in group:
                self.types[each.attrib["name"]] = each
        self.messages = {
            int(each.attrib["id"]): each for each in root if each.tag.endswith("message")
        }

    def read(self, frame: bytes) -> dict[str, Any]:
        """A whole message, with `_template`; every byte must be used."""
        found, end = self._message(frame, 0)
        assert end == len(frame), f"{len(frame) - end} bytes left over"
        return found

    def _message(self, frame: bytes, at: int) -> tuple[dict[str, Any], int]:
        block, template, schema, version = _HEADER.unpack_from(frame, at)
        assert (schema, version) == (self.id, self.version)
        message = self.messages[template]
        found: dict[str, Any] = {"_template": template, "_name": message.attrib["name"]}
        end = self._body(message, frame, at + _HEADER.size, block, found)
        return found, end

    def _body(
        self, element: Element, frame: bytes, at: int, block: int, into: dict[str, Any]
    ) -> int:
        place = at
        for field in element.iter("field"):
            if field not in list(element) or field.attrib.get("presence") == "constant":
                continue
            name = field.attrib["name"]
            value, place = self._field(field, frame, place)
            into[name] = value
        assert place == at + block, f"{element.attrib['name']}: block {block}, read {place - at}"
        place = at + block
        for child in element:
            if child.tag == "group":
                place = self._group(child, frame, place, into)
            elif child.tag == "data":
                place = self._data(child, frame, place, into)
        return place

    def size(self, field: Element) -> int:
        """Bytes of a field."""
        return self._field(field, bytes(8), 0)[1]

    def _field(self, field: Element, frame: bytes, at: int) -> tuple[Any, int]:
        kind = self.types.get(field.attrib["type"])
        primitive = field.attrib["type"]
        names: dict[int, str] = {}
        if kind is not None:
            primitive = kind.attrib.get("primitiveType") or kind.attrib["encodingType"]
            if primitive in self.types:
                primitive = self.types[primitive].attrib["primitiveType"]
            names = {int(each.text or "0"): each.attrib["name"] for each in kind.iter("validValue")}
        code = _CODES[primitive]
        (value,) = struct.unpack_from("<" + code, frame, at)
        at += struct.calcsize("<" + code)
        if value == _NULLS[code] and (field.attrib.get("presence") == "optional" or names):
            return None, at
        return (names.get(value, value), at) if names else (value, at)

    def _group(self, group: Element, frame: bytes, at: int, into: dict[str, Any]) -> int:
        wide = group.attrib.get("dimensionType", "groupSizeEncoding") == "groupSizeEncoding"
        head = struct.Struct("<HI" if wide else "<HH")
        block, count = head.unpack_from(frame, at)
        at += head.size
        rows = into[group.attrib["name"]] = []
        for _ in range(count):
            row: dict[str, Any] = {}
            at = self._body(group, frame, at, block, row)
            rows.append(row)
        return at

    def _data(self, data: Element, frame: bytes, at: int, into: dict[str, Any]) -> int:
        composite = self.types[data.attrib["type"]]
        length = next(each for each in composite if each.attrib["name"] == "length")
        code = "<" + _CODES[length.attrib["primitiveType"]]
        (size,) = struct.unpack_from(code, frame, at)
        at += struct.calcsize(code)
        raw = frame[at : at + size]
        assert len(raw) == size
        if "essageData" in data.attrib["type"]:
            into[data.attrib["name"]] = self.read(raw) if raw else None
        else:
            into[data.attrib["name"]] = raw.decode()
        return at + size
