"""A hub in a local folder."""

import fnmatch
import shutil
from pathlib import Path

from huggingface_hub import ModelInfo


class Hub:
    """A replacement of the hub's client, with one folder per repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.private: dict[str, bool] = {}
        self.downloads = 0

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> None:
        assert exist_ok
        self.private.setdefault(repo_id, private)
        (self.folder / repo_id).mkdir(parents=True, exist_ok=True)

    def upload_folder(self, *, repo_id: str, folder_path: str, commit_message: str, delete_patterns: list[str]) -> None:
        for path in list((self.folder / repo_id).rglob("*")):
            name = path.relative_to(self.folder / repo_id).as_posix()
            if path.is_file() and any(fnmatch.fnmatch(name, pattern) for pattern in delete_patterns):
                path.unlink()
        shutil.copytree(folder_path, self.folder / repo_id, dirs_exist_ok=True)

    def model_info(self, repo_id: str) -> ModelInfo:
        source = self.folder / repo_id
        files = [{"rfilename": path.relative_to(source).as_posix()} for path in source.rglob("*") if path.is_file()]
        return ModelInfo(id=repo_id, sha="0" * 40, siblings=files)

    def snapshot_download(self, repo_id: str, *, revision: str, local_dir: Path, allow_patterns: list[str]) -> str:
        self.downloads += 1
        source = self.folder / repo_id
        for path in source.rglob("*"):
            name = path.relative_to(source).as_posix()
            if not path.is_dir() and any(fnmatch.fnmatch(name, pattern) for pattern in allow_patterns):
                copy = local_dir / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, copy, follow_symlinks=False)
        return str(local_dir)
