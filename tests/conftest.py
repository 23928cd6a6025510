"""Define options and fixtures of all tests; modules that tests import are in tests/support."""

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from random_models import make_model

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
_cache = tempfile.TemporaryDirectory(prefix="rewardbench")  # removed at the end
os.environ["REWARDBENCH_CACHE"] = os.path.join(_cache.name, "scores.sqlite")
# Background processes of a shell ignore Ctrl-C, and so would every command that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run tests that take minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if "alone" in item.keywords and item.path.name != "test_cli.py":
            raise pytest.UsageError(
                f"scripts/test runs tests marked alone from tests/cli/test_cli.py only: move {item.nodeid}"
            )
    if config.getoption("--slow"):
        return
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="takes minutes: run with --slow"))


@pytest.fixture(autouse=True)
def separate_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a score cache of its own."""
    monkeypatch.setenv("REWARDBENCH_CACHE", str(tmp_path_factory.mktemp("cache") / "scores.sqlite"))


@pytest.fixture(autouse=True)
def silent_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Log no line while a model is loaded, however slow this machine is: tests compare what a command prints."""
    monkeypatch.setattr("rewardbench.console.progress.LOG_FIRST", 600.0)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that makes model folders; the same arguments return the same folder."""
    folders: dict[str, Path] = {}

    def make(arch: str = "llama", kind: str = "reward", seed: int = 0, **options: Any) -> Path:
        key = repr((arch, kind, seed, sorted(options.items(), key=lambda pair: pair[0])))
        if key not in folders:
            folders[key] = make_model(tmp_path_factory.mktemp(arch), arch, kind, seed, **options)
        return folders[key]

    return make


@pytest.fixture(scope="session")
def family_spec(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Return a function that returns the options of a small model of a family by the name of its head spec."""
    from head_families import FAMILIES, ON_REQUEST

    from rewardbench.settings import ModelSpec

    folders: dict[str, Path] = {}

    def make(family: str, **options: Any) -> ModelSpec:
        if family not in folders:
            folders[family] = FAMILIES[family](tmp_path_factory.mktemp(family) / "model")
        return ModelSpec(str(folders[family]), **{"device": "cpu", "adapter": ON_REQUEST.get(family), **options})

    return make


@pytest.fixture(scope="session")
def family_scorer(family_spec: Callable[..., Any]) -> Callable[[str], Any]:
    """Return a function that returns the scorer of a family, which is loaded once; no test may change it."""
    from rewardbench.scorers import load_scorer

    scorers: dict[str, Any] = {}

    def load(family: str) -> Any:
        if family not in scorers:
            scorers[family] = load_scorer(family_spec(family))
        return scorers[family]

    return load


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """Run a local Hub that the real client connects to, with an empty dataset org/results."""
    import hub_server
    from huggingface_hub import HfApi, constants

    with hub_server.hub() as server:
        for name, value in {
            "ENDPOINT": server.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": server.url + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_OFFLINE": False,
            "HF_HOME": str(tmp_path / "home"),
            "HF_HUB_CACHE": str(tmp_path / "home" / "hub"),
            "HF_HUB_DISABLE_XET": True,
            "HF_HUB_ETAG_TIMEOUT": 2,
            "HF_HUB_DOWNLOAD_TIMEOUT": 2,
        }.items():
            monkeypatch.setattr(constants, name, value)
        monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", server.url)
        monkeypatch.setenv("HF_TOKEN", "hf_fake")
        monkeypatch.setattr("rewardbench.hub.TIMEOUT", 1.0)
        HfApi().create_repo("org/results", repo_type="dataset")
        yield server


@pytest.fixture(scope="session")
def bucket_servers() -> Iterator[Any]:
    """Run an S3 server on 127.0.0.1."""
    pytest.importorskip("s3fs", reason="needs s3fs")
    pytest.importorskip("moto.server", reason="needs moto[s3] and flask-cors")
    import bucket_server

    with bucket_server.bucket_server() as server:
        yield server


@pytest.fixture
def bucket(bucket_servers: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return the S3 server, with an empty bucket named `bucket`, and the credentials and copies of a machine."""
    import fsspec
    from bucket_server import KEY, SECRET

    names = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ENDPOINT_URL": bucket_servers.url}
    names |= {"AWS_DEFAULT_REGION": "us-east-1", "AWS_CONFIG_FILE": str(tmp_path / "none"), "AWS_PROFILE": ""}
    names |= {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"), "AWS_EC2_METADATA_DISABLED": "true"}
    for name, value in {**names, "XDG_CACHE_HOME": str(tmp_path / "machine")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE")
    files = fsspec.filesystem("s3", skip_instance_cache=True, use_listings_cache=False)
    if files.exists("bucket"):
        files.rm("bucket", recursive=True)
    files.mkdir("bucket")
    bucket_servers.faults, bucket_servers.requests[:] = [], []
    monkeypatch.setattr("rewardbench.paths.objects.WAIT", 0.01)
    return bucket_servers
