"""What a rule hides of a list looks like what is not there."""

import pytest

from custody.testing.server import MemoryServer

_HIDES = 'list_scan_response_keys_filter_path = "{{ .path }}{{ .key }}"'


@pytest.mark.parametrize(("method", "status"), [("LIST", 404), ("SCAN", 200)])
@pytest.mark.parametrize("tree", ["metadata", "detailed-metadata"])
async def test_names_that_are_all_hidden_answer_as_names_that_are_not_there(
    method: str, status: int, tree: str
) -> None:
    async with MemoryServer() as server:
        await server.expect(
            200, "POST", "secret/data/a/b", token=server.root_token, body={"data": {}}
        )
        token = await server.token(
            f'path "secret/{tree}/*" {{ capabilities = ["list", "scan"]\n {_HIDES} }}'
        )
        hidden, absent = [
            await server.expect(status, method, f"secret/{tree}/{folder}", token=token)
            for folder in ("a", "z")
        ]
        if status == 404:
            assert hidden.body == absent.body
        else:
            assert hidden.data == absent.data == {}
