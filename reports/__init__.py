"""Reports made from the evidence of a run: certificate.json, junit.xml and report.html.

They read nothing but the folder that the run left, and the same evidence always gives the same
bytes, so a report can be rebuilt, and compared, years later.
"""

from reports.writing import CERTIFICATE_NAME, HTML_NAME, JUNIT_NAME, altered_evidence, write_all

__all__ = ["CERTIFICATE_NAME", "HTML_NAME", "JUNIT_NAME", "altered_evidence", "write_all"]
