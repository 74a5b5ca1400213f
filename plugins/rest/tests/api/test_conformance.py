"""The API answers as its document says, whatever it is sent: made-up requests of every operation, good and bad."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from plugins.rest.tests.api.desk import Greet, api
from plugins.rest.tests.api.test_document import DOCUMENT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("rest conformance"),
    # The host in the other thread draws its waits by lot whenever it likes; Hypothesis takes that for its own thread's.
    pytest.mark.filterwarnings("ignore:Do not use the `random` module"),
]

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]
REFUSED_UNREAD = {413, 414}
ENDING = "^/host/(drain|reload)$"
schema = schemathesis.openapi.from_path(DOCUMENT).exclude(path_regex=ENDING)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of a host that runs beside the test."""
    folder = tmp_path_factory.mktemp("conformance")
    ready, found = threading.Event(), []
    stops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        async with api(folder, jobs=(Greet,), server='accessLog="false"') as at:
            run = await at.ended("Greet")
            assert run["state"] == "completed"
            stops.append((asyncio.get_running_loop(), stop := asyncio.Event()))
            found.append(f"{at.web.url}/rest/v1")
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(60)
    yield found[0]
    loop, stop = stops[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(60)


def conformance_of(method: str, path: str) -> Callable[..., None]:
    """Give the test of one operation."""

    @schema.include(method=method, path=path).parametrize()
    @settings(
        max_examples=4,
        derandomize=True,
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    def test(case: schemathesis.Case, url: str) -> None:
        answer = case.call(base_url=url, headers={"Authorization": "Bearer administrator"}, timeout=60)
        is_unread = answer.status_code in REFUSED_UNREAD
        checks = [check for check in CHECKS if check is not negative_data_rejection or not is_unread]
        case.validate_response(answer, checks=checks)

    checked: Callable[..., None] = test
    return checked


# Invariant: a function an operation, for pytest-xdist takes tests of one function, as schemathesis names them, for one.
for each in schema.get_all_operations():
    operation = each.ok()
    name = re.sub(r"\W+", "_", operation.label.lower()).strip("_")
    globals()[f"test_{name}_answers_as_documented"] = conformance_of(operation.method, operation.path)
