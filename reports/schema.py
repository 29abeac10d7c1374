"""The certificate's published JSON Schema, generated from its classes.

`python -m reports.schema` writes reports/schema/certificate-1.json anew; a test keeps the two in
step.
"""

from inspect import cleandoc
from pathlib import Path
from typing import Final

import msgspec

from reports.certificate import Certificate

__all__ = ["SCHEMA_PATH", "certificate_schema"]

SCHEMA_PATH: Final = Path(__file__).parent / "schema" / "certificate-1.json"


def certificate_schema() -> bytes:
    """Render the JSON Schema (draft 2020-12) of `Certificate` as indented UTF-8 text."""
    schema: dict[str, object] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mountproof certificate, version 1",
        **msgspec.json.schema(Certificate),
    }
    _clean_descriptions(schema)
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"


def _clean_descriptions(node: object) -> None:
    """Take the indentation of the source code out of the descriptions."""
    if isinstance(node, dict):
        if isinstance(node.get("description"), str):
            node["description"] = cleandoc(node["description"])
        for member in node.values():
            _clean_descriptions(member)


if __name__ == "__main__":
    SCHEMA_PATH.parent.mkdir(exist_ok=True)
    SCHEMA_PATH.write_bytes(certificate_schema())
