"""Read what tells the family of a checkpoint on the Hub, without downloading its weights."""

from __future__ import annotations

from pathlib import Path

from rewardbench.errors import InputError
from rewardbench.hub import snapshot, translate_errors
from rewardbench.models.locate import FILES
from rewardbench.scorers.heads.load import HEAD_FILES, open_tensors
from rewardbench.scorers.heads.tensors import Shape, TensorFiles


def fetch_headers(name: str, revision: str | None = None) -> TensorFiles:
    """Download the small files of a checkpoint, and the headers of its safetensors files.

    Args:
        name: the Hub id.
        revision: branch, tag or commit; None is main.

    Raises:
        InputError: if the Hub has no such checkpoint, or it has no safetensors files.
    """
    from huggingface_hub import HfApi

    small = list(FILES)
    small.remove("*.safetensors")
    folder = snapshot("model", name, revision, small)
    if any(folder.glob("*.safetensors")):  # the weights are cached
        return open_tensors(folder)
    api = HfApi()
    shapes: dict[Path, dict[str, Shape]] = {}
    with translate_errors(f"The files of {name} cannot be listed"):
        paths = list(map(Path, api.list_repo_files(name, revision=folder.name)))
        has_single_file = Path("model.safetensors") in paths
        for path in paths:
            if path.suffix != ".safetensors" or path.parent != Path():
                continue
            if has_single_file and path.stem not in ("model", *HEAD_FILES):
                continue  # a copy in another format
            header = api.parse_safetensors_file_metadata(name, path.name, revision=folder.name)
            shapes[folder / path] = {tensor: tuple(info.shape) for tensor, info in header.tensors.items()}
    if not shapes:
        raise InputError(f"{name} has no safetensors files, in whose headers the names of its tensors are.")
    return TensorFiles(folder, shapes, [path for path in shapes if path.stem in HEAD_FILES])
