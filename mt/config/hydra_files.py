"""Hydra's files, read with text as scalars (`mt.config.text_yaml`).

Hydra has a public interface to add sources of files with a scheme of their own, but none to replace
how YAML files are read. So this module imports private parts of Hydra, whose version is pinned in
pyproject.toml. Hydra's own settings, which are not in our schema, keep YAML's types.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra._internal.core_plugins import file_config_source
from hydra._internal.sources_registry import SourcesRegistry
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, OmegaConf

from mt.config.automatic import encode_content
from mt.config.text_yaml import load_text_yaml
from mt.errors import UsageError

SECTION = "hydra"  # of settings and of directories that belong to Hydra
GLOBAL = "_global_"  # the package of a file whose settings have full keys


class FileConfigSource(file_config_source.FileConfigSource):
    """Source of YAML files. The registry takes the name of the class for that of Hydra's."""

    def load_config(self, config_path: str) -> ConfigResult:
        path = Path(self.path) / self._normalize_file_name(config_path)
        content = read_settings(path) if path.is_file() else None
        result = super().load_config(config_path)
        package = result.header.get("package") or ""
        if content is None or SECTION in (config_path.split("/")[0], package.split(".")[0]):
            return result
        section = package or config_path.rpartition("/")[0].replace("/", ".")
        content = encode_content(content, "" if section == GLOBAL else section)
        if isinstance(result.config, DictConfig) and SECTION in result.config:
            content[SECTION] = result.config[SECTION]
        result.config = OmegaConf.create(content)
        return result


def read_settings(path: Path) -> Any:
    """Return the content of a YAML file, with text as scalars. Raises UsageError with its name."""
    try:
        return load_text_yaml(path.read_text(encoding="utf-8")) or {}
    except (UsageError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from error


def register() -> None:
    """Make Hydra read files with this class."""
    SourcesRegistry.instance().types[FileConfigSource.scheme()] = FileConfigSource
