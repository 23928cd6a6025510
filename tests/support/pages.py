"""The pages of the README and the guide: their fenced blocks, and a folder with the files that their commands use."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from repository import ROOT

README = ROOT / "README.md"
GUIDE = ROOT / ".github" / "docs"
GUIDE_PAGES = sorted((GUIDE / "pages").rglob("*.md"))
EXTEND = GUIDE / "pages" / "how-to" / "extend.md"

FENCE = re.compile(r"^( *)```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    title: str
    text: str

    @property
    def is_file(self) -> bool:
        """Return True if the title is the name of a file, to which a reader adds the block."""
        return re.fullmatch(r"[\w-]+\.(py|toml|yaml)", self.title) is not None

    def commands(self) -> list[str]:
        """Return the commands of a shell block, without comments, continued lines joined."""
        lines = self.text.replace("\\\n", " ").splitlines()
        commands = (re.sub(r"(^|\s)#.*", "", line).strip() for line in lines)
        return list(filter(None, commands))


def blocks(page: Path, language: str = "") -> list[Block]:
    """Return the blocks of a page in order, without their indentation; only those of a language if one is named."""
    found_blocks = []
    for match in FENCE.finditer(page.read_text(encoding="utf-8")):
        text = re.sub(rf"(?m)^{match[1]}", "", match[4])
        if match[2].startswith(language):
            found_blocks.append(Block(match[2], match[3] or "", text))
    return found_blocks


def shell_commands(page: Path) -> Iterator[str]:
    for block in blocks(page, "bash"):
        yield from block.commands()


def page_name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def write_pairs(path: Path) -> None:
    """Write 40 sums as pairs of two subsets; the longer response is right in some of them."""
    rows = []
    for number in range(40):
        prompt = f"What is {number} plus {number + 3}?"
        right, wrong = f"It is {2 * number + 3}.", f"I think that it is {2 * number + 4 + number % 3}."
        chosen, rejected = (right, wrong) if number % 3 else (right + " That is the sum.", wrong[:10])
        subset = "facts" if number % 2 else "refusals"
        rows.append({"prompt": prompt, "chosen": chosen, "rejected": rejected, "subset": subset})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_examples(folder: Path) -> None:
    """Write the data, the checkpoints and the results that the README and the guide name."""
    write_pairs(folder / "my_pairs.jsonl")
    shutil.copy(folder / "my_pairs.jsonl", folder / "train.jsonl")
    models = ROOT / "data" / "models"
    shutil.copytree(models / "tiny-rm", folder / "my-checkpoint")
    shutil.copytree(models / "tiny-dpo" / "policy", folder / "policy")
    shutil.copytree(models / "tiny-dpo" / "reference", folder / "sft")
    write_process_model(folder / "my-prm")
    write_steps(folder / "my_steps.jsonl")


def write_process_model(folder: Path) -> None:
    """Write tiny-rm with its head as the value head of Skywork-o1-Open-PRM."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(ROOT / "data" / "models" / "tiny-rm", folder)
    weights = load_file(folder / "model.safetensors")
    weights["v_head.summary.weight"] = weights.pop("score.weight")
    weights["v_head.summary.bias"] = weights["v_head.summary.weight"].new_zeros(1)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["Qwen2ForPrmModel"]}))


def write_steps(path: Path) -> None:
    """Write sums in two steps, of which the second is wrong in every other one."""
    rows = []
    for number in range(12):
        total = 2 * number + 3 + number % 2
        steps = [f"Add {number} and {number + 3}.", f"That is {total}."]
        rows.append(
            {"prompt": f"What is {number} plus {number + 3}?", "steps": steps, "label": 1 if number % 2 else -1}
        )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def install(folder: Path) -> None:
    """Install the package whose pyproject.toml is in a folder, as far as its entry points go.

    The folder must be on the path of the Python that uses it.
    """
    import tomllib

    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    name, version = project["name"], project["version"]
    lines = []
    for group, points in project["entry-points"].items():
        lines.append(f"[{group}]")
        for point, target in points.items():
            lines.append(f"{point} = {target}")
    information = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (information / "entry_points.txt").write_text("\n".join(lines) + "\n")
