#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""
Usage: ctl_json.py SCHEMA

Checks what vfcapctl --json printed: against its schema, and that all Python
expressions hold of it, in which it is "d", a check of doctor's c("id"), and a function
of list's f("address"). Prints what is not so, each line after "# ", and then "ok" or
"bad".

What to check comes from standard input, as often as asked, since starting takes longer
than checking where the CPU is emulated: the JSON and the expressions, each with a NUL
behind it, and one more NUL.

Of JSON Schema it knows what the schema uses, and takes it more strictly: a key that the
schema does not name is an error.
"""
import json
import os
import re
import sys

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool,
         "null": type(None), "integer": int, "number": (int, float)}
KNOWN = {"$schema", "$defs", "title", "description", "$ref", "oneOf", "type", "enum",
         "const", "pattern", "minLength", "minimum", "required", "properties", "items"}


class Schema:
    """A schema, and the values that are held against it"""

    def __init__(self, path):
        with open(path, encoding="utf-8") as f:
            self.top = json.load(f)

    def find(self, ref):
        """What "#/$defs/name" stands for"""
        found = self.top
        for name in ref.split("/")[1:]:
            found = found[name]
        return found

    def errors(self, value, schema=None, where="d"):
        """What is wrong with a value, as texts"""
        if schema is None:
            schema = self.top
        assert set(schema) <= KNOWN, f"ctl_json.py does not know all of {set(schema)}"
        if "$ref" in schema:
            return self.errors(value, self.find(schema["$ref"]), where)
        if "oneOf" in schema:
            found = [self.errors(value, s, where) for s in schema["oneOf"]]
            fitting = found.count([])
            if fitting > 1:
                return [f"{where}: more than one of the schema's forms fits"]
            if fitting:
                return []
            # Of the forms that do not fit, report the likeliest: the one that lacks the
            # fewest keys.
            return min(found, key=lambda errors: (
                sum(e.startswith(where + ": no ") for e in errors), len(errors)))
        found = list(self.plain_errors(value, schema, where))
        if isinstance(value, dict) and "properties" in schema:
            for key in schema.get("required", []):
                if key not in value:
                    found.append(f"{where}: no {key}")
            for key, v in value.items():
                if key in schema["properties"]:
                    found += self.errors(v, schema["properties"][key], f"{where}.{key}")
                else:
                    found.append(f"{where}: {key} is not in the schema")
        if isinstance(value, list) and "items" in schema:
            for i, v in enumerate(value):
                found += self.errors(v, schema["items"], f"{where}[{i}]")
        return found

    @staticmethod
    def plain_errors(value, schema, where):
        """Of a value without its parts"""
        types = schema.get("type", list(TYPES))
        types = [types] if isinstance(types, str) else types
        if not any(isinstance(value, TYPES[t]) and
                   (t == "boolean" or not isinstance(value, bool)) for t in types):
            yield f"{where}: {value!r} is no {' or '.join(types)}"
        if "enum" in schema and value not in schema["enum"]:
            yield f"{where}: {value!r} is none of {schema['enum']}"
        if "const" in schema and value != schema["const"]:
            yield f"{where}: {value!r} is not {schema['const']!r}"
        if isinstance(value, str):
            if not re.search(schema.get("pattern", ""), value):
                yield f"{where}: {value!r} is not like {schema['pattern']}"
            if len(value) < schema.get("minLength", 0):
                yield f"{where}: {value!r} is too short"
        if isinstance(value, int) and value < schema.get("minimum", value):
            yield f"{where}: {value} is too small"


def strings(file):
    """What ends with a NUL each"""
    buffer = b""
    while True:
        found, nul, rest = buffer.partition(b"\0")
        if nul:
            buffer = rest
            yield found.decode()
            continue
        more = os.read(file, 1 << 16)
        if not more:
            return
        buffer += more


def wrong(schema, text, expressions):
    """What is not so, as texts"""
    try:
        d = json.loads(text)
    except ValueError as e:
        return [f"no JSON: {e}: {text}"]

    def c(name):
        return [c for c in d["checks"] if c["id"] == name][0]

    def fn(address):
        return [f for f in d["functions"] if f["address"] == address][0]

    found = schema.errors(d)
    for e in expressions:
        try:
            if not eval(e, {"d": d, "c": c, "f": fn}):
                found.append("not so: " + e)
        except (LookupError, TypeError) as why:
            found.append(f"not so: {e}: {why!r}")
    return found + ([json.dumps(d)] if found else [])


def main():
    """See above"""
    schema = Schema(sys.argv[1])
    asked = []
    for string in strings(0):
        if string or not asked:
            asked.append(string)
            continue
        found = wrong(schema, asked[0], asked[1:])
        for line in "\n".join(found).splitlines():
            print("# " + line)
        print("bad" if found else "ok", flush=True)
        asked = []


main()
