"""YAML in which every value stays the text that was written, until the schema gives it a type.

YAML 1.1 reads `no` (Norwegian) as False, 1e10 as a number and 12:30 as 750. A setting that is text
must not be changed by this, and for other settings OmegaConf converts text to the type that the
schema declares. Only an empty value, ~ and null are not text.
"""

from __future__ import annotations

from typing import Any

import yaml  # type: ignore[import-untyped]

from mt.errors import UsageError

UNTYPED = ("tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")  # the tags that stay implicit


class TextLoader(yaml.SafeLoader):
    """Loader that resolves no types and refuses repeated keys, as OmegaConf's does."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag in UNTYPED]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for name in names:
            if names.count(name) > 1 and name != "<<":
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {name} is there twice", node.start_mark
                )
        return dict(super().construct_mapping(node, deep=deep))


def load_text_yaml(text: str) -> Any:
    """Return the content of YAML with text as scalars. Raises UsageError if it is not valid."""
    try:
        return yaml.load(text, Loader=TextLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"not valid YAML: {' '.join(str(error).split())}") from error
