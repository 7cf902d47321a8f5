"""Test what is recorded of the software."""

from __future__ import annotations

import subprocess
from pathlib import Path

from mt.environment import git_commit, short_commit


def test_changes_that_are_not_committed_are_part_of_the_version(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        author = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", "-C", tmp_path, *author, *arguments], check=True)

    assert git_commit(tmp_path) is None
    package = tmp_path / "mt"
    package.mkdir()
    (package / "model.py").write_text("a = 1\n")
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "first")
    versions = [git_commit(tmp_path)]
    for name, text in (
        ("model.py", "a = 2\n"),
        ("model.py", "a = 3\n"),
        ("new.py", ""),
        ("new.py", "b"),
    ):
        (package / name).write_text(text)
        versions.append(git_commit(tmp_path))
    commit = versions[0]
    assert commit and len(commit) == 40 and len(set(versions)) == 5
    assert all(version and version.startswith(f"{commit}+") for version in versions[1:])
    (tmp_path / "notes.txt").write_text("no code")
    assert git_commit(tmp_path) == versions[-1]
    (package / "new.py").unlink()
    git("checkout", "--quiet", ".")
    assert git_commit(tmp_path) == commit
    assert short_commit(versions[1] or "") == commit[:7] + (versions[1] or "")[40:]
