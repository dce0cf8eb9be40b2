"""Configurations that come with the package, found by name."""

import difflib
from pathlib import Path

from gan_sntg.errors import InputError

PACKAGE = Path(__file__).parents[1]


def configs_folder() -> Path:
    """Folder of the configurations: in an installed package, beside the package in a checkout."""
    installed = PACKAGE / "configs"
    return installed if installed.is_dir() else PACKAGE.parent / "configs"


def config_file(name: str) -> Path:
    """Path of a file, or of the package's configuration of a name. InputError says the nearest ones."""
    if Path(name).is_file():
        return Path(name)
    known = {path.relative_to(configs_folder()).with_suffix("").as_posix(): path for path in sorted(configs_folder().rglob("*.yaml"))}
    asked = name.removeprefix("configs/").removesuffix(".yaml")
    if asked not in known:
        near = difflib.get_close_matches(asked, known, n=3)
        advice = f"did you mean {' or '.join(near)}?" if near else "give the path of a YAML file, or a name as digits_20/fm_gan"
        raise InputError(f"{name} is neither a file nor a configuration of this package; {advice}")
    return known[asked]
