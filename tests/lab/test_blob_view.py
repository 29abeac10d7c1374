"""The lab's view of the blob service: connection strings that are none."""

import pytest

from harness.errors import UsageError
from harness.lab.blob_view import BlobView

KEY = "a2V5a2V5a2V5a2V5"
GOOD = (
    f"DefaultEndpointsProtocol=http;AccountName=acc;AccountKey={KEY};BlobEndpoint=http://h:1/acc;"
)


@pytest.mark.parametrize(
    "connection",
    [
        "",
        "x",
        "nonsense;nonsense",
        "AccountName=a;AccountKey=",
        GOOD.replace(KEY, "c2hv"),
        GOOD.replace(KEY, "no base64 at all!"),
        GOOD.replace(KEY, "a2V5a2V5a2V5a"),
        GOOD.replace("http://h:1/acc", "nonsense"),
        GOOD.replace("http://h:1/acc", "ftp://h/acc"),
        GOOD.replace("http://h:1/acc", "http://"),
        GOOD.replace("http://h:1/acc", "http://h:port/acc"),
        GOOD.replace(f"AccountKey={KEY};", ""),
    ],
)
def test_a_slip_in_the_connection_string_is_a_usage_error_that_does_not_show_it(
    connection: str,
) -> None:
    with pytest.raises(UsageError) as told:
        BlobView(connection)
    assert KEY not in str(told.value)
    assert not connection or connection not in str(told.value).split()


def test_a_good_connection_string_is_taken() -> None:
    view = BlobView(GOOD)
    assert view.read_url("a.vhd").startswith(f"http://h:1/acc/{view.container}/a.vhd?")
    view.close()
