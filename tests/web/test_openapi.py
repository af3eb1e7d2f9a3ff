"""Any request that the description of the API allows, and many that it does not: no server error."""

from contextlib import nullcontext, suppress

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode

from unimedi.web.app import create_app
from unimedi.web.errors import ErrorAnswer
from unimedi.web.site import Site

EXAMPLES = 8  # of each operation, with right values and with wrong ones


@pytest.fixture(scope="module")
def app(whole: Site) -> FastAPI:
    return create_app(whole)


def test_every_operation_answers_whatever_it_is_asked(app: FastAPI) -> None:
    schema = schemathesis.openapi.from_dict(app.openapi())
    schema.app = app
    operations = [one.ok() for one in schema.get_all_operations()]
    assert len(operations) >= 10
    statuses = set()
    for operation in operations:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            cases = operation.as_strategy(generation_mode=mode)

            @settings(max_examples=EXAMPLES, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
            @given(case=cases)
            def asked(case: Case) -> None:
                answer = case.call(base_url="http://localhost")
                statuses.add(answer.status_code)
                assert answer.status_code < 500
                if answer.status_code >= 400:
                    assert ErrorAnswer.model_validate(answer.json()).error.message

            with suppress(Unsatisfiable) if mode is GenerationMode.NEGATIVE else nullcontext():
                asked()  # where any text is right, nothing is wrong
    assert {404, 422} <= statuses


def test_the_description_names_what_an_upload_may_be_answered(app: FastAPI) -> None:
    described = app.openapi()["paths"]["/api/uploads"]["post"]
    assert described["requestBody"]["content"] == {
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
    }
    assert set(described["responses"]) == {"201", "400", "401", "403", "408", "413", "422", "503"}
    for status, response in described["responses"].items():
        model = "UploadAnswer" if status == "201" else "ErrorAnswer"
        assert response["content"]["application/json"]["schema"] == {"$ref": f"#/components/schemas/{model}"}
