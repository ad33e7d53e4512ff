"""The command line's transcripts, against real servers."""

from pathlib import Path

import pytest
from tests.harness import Server
from tests.unit.cli.test_transcripts import play_file, scripts


@pytest.mark.parametrize("path", scripts("ready") + scripts("real"))
def test_a_transcript_comes_out_as_written(
    path: Path, node: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    known = {"CUSTODY_ADDR": node.address, "CUSTODY_TOKEN": node.token}
    play_file(path, {**known, "HOME": str(tmp_path)})


@pytest.mark.parametrize("path", scripts("fresh") + scripts("ceremony"))
def test_a_transcript_of_a_new_server_comes_out_as_written(
    path: Path, new_node: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    play_file(path, {"CUSTODY_ADDR": new_node.address, "HOME": str(tmp_path)})
