"""The certificate's published JSON Schema, generated from its classes.

`python -m reports.schema` writes reports/schema/certificate-1.json anew; a test keeps the two in
step.
"""

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
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"


if __name__ == "__main__":
    SCHEMA_PATH.parent.mkdir(exist_ok=True)
    SCHEMA_PATH.write_bytes(certificate_schema())
