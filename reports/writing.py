"""Writing of the three reports of a run, and the check that its evidence is untouched."""

from pathlib import Path
from typing import Final

import msgspec

from harness.errors import UsageError
from harness.evidence import read_run
from reports.certificate import CERTIFICATE_SCHEMA, Certificate, make_certificate
from reports.junit import junit_xml
from reports.manifest import Difference, make_manifest, manifest_differences
from reports.page import render_page

__all__ = ["CERTIFICATE_NAME", "HTML_NAME", "JUNIT_NAME", "altered_evidence", "write_all"]

CERTIFICATE_NAME: Final = "certificate.json"
JUNIT_NAME: Final = "junit.xml"
HTML_NAME: Final = "report.html"
_MADE: Final = frozenset({CERTIFICATE_NAME, JUNIT_NAME, HTML_NAME})


def write_all(folder_root: Path) -> None:
    """Read DIR/evidence/run.json and write DIR/certificate.json, junit.xml and report.html.

    The page lists the digests of the evidence; the certificate's manifest holds these and the
    digests of the other two reports. UsageError if the evidence is missing or damaged.
    """
    record = read_run(folder_root)
    evidence = make_manifest(folder_root, but=_MADE)
    page = render_page(folder_root, record, evidence)
    _replace(folder_root / JUNIT_NAME, junit_xml(record))
    _replace(folder_root / HTML_NAME, page.encode("utf-8", "replace"))
    manifest = make_manifest(folder_root, but=frozenset({CERTIFICATE_NAME}))
    certificate = msgspec.json.encode(make_certificate(record, manifest), order="deterministic")
    _replace(folder_root / CERTIFICATE_NAME, msgspec.json.format(certificate, indent=2) + b"\n")


def altered_evidence(folder_root: Path) -> list[Difference]:
    """Compare the evidence with the certificate beside it; the reports themselves do not count.

    Empty if nothing was touched, or if there is no certificate yet. UsageError if the certificate
    cannot be read.
    """
    place = folder_root / CERTIFICATE_NAME
    if not place.exists():
        return []
    try:
        certificate = msgspec.json.decode(place.read_bytes(), type=Certificate)
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(
            f"{place} is no readable {CERTIFICATE_SCHEMA}: {error}; so nothing tells whether the"
            " evidence is untouched. Move it away to certify the evidence as it is now"
        ) from error
    then = {path: digest for path, digest in certificate.manifest.items() if path not in _MADE}
    return manifest_differences(then, make_manifest(folder_root, but=_MADE))


def _replace(place: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never half of it."""
    draft = place.with_name(f".{place.name}.draft")
    draft.write_bytes(content)
    draft.replace(place)
