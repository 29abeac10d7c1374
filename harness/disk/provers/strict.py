"""Our own strict reading: layout, stale footers, and the digest that other readers must reach."""

from harness.disk.case import Case, Opinion
from harness.disk.content import read_content
from harness.disk.findings import ALL_CONSUMERS, Finding, Severity


class StrictValidator:
    """Judges the findings of harness.disk.validator and of one pass over the disk's data."""

    name = "strict validator"
    consumers = ALL_CONSUMERS

    def judge(self, case: Case) -> Opinion:
        """Read all data once and hand the content on to the other provers."""
        try:
            content = read_content(case.disk.read, case.extents, case.layout.footer)
        except Exception as error:
            case.content.set_exception(error)
            raise
        case.content.set_result(content)
        findings = (*case.layout.findings, *content.findings())
        bad = [finding for finding in findings if finding.condemns(case.consumers)]
        facts: dict[str, float | int | str | bool] = {
            "length_bytes": case.layout.length,
            "data_bytes": content.data_bytes,
            "digest": content.digest,
            "extents": len(case.extents),
        }
        if case.size_bytes is not None:
            facts["size_bytes"] = case.size_bytes
        return Opinion("bad" if bad else "good", _summary(case, bad), _raw(case, findings), facts)


def _summary(case: Case, bad: list[Finding]) -> str:
    if bad:
        return " ".join(finding.sentence for finding in bad)
    notes = [f.sentence for f in case.layout.findings if f.severity is Severity.WARNING]
    return " ".join([f"A fixed VHD of {case.size_bytes} bytes, as all readers need it.", *notes])


def _raw(case: Case, findings: tuple[Finding, ...]) -> str:
    lines = [f"disk {case.disk.name}", f"kind {case.disk.kind}", f"length {case.layout.length}"]
    footer = case.layout.footer
    if footer is None:
        lines.append("footer none")
    else:
        names = footer.__dataclass_fields__
        lines += [
            f"footer {name} {getattr(footer, name)!r}" for name in names if name != "reserved"
        ]
    content = case.content.result()
    lines += [f"data extents {len(case.extents)} bytes {content.data_bytes}"]
    lines += [f"digest sha256 {content.digest}"]
    lines += [finding.line() for finding in findings]
    return "\n".join(lines) + "\n"
