"""Copies of `configs/` and `results/search/` into the package when it is built; all else is in pyproject.toml."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConfigs(build_py):
    """Put `configs/` and what searches chose into a wheel, below `gan_sntg`, and into an sdist; an editable install has the checkout's."""

    def run(self):
        """Build the packages, then copy the configurations beside their modules."""
        super().run()
        if not self.editable_mode:
            for target, path in self.configs().items():
                self.mkpath(str(Path(target).parent))
                self.copy_file(path, target, preserve_mode=False)

    def configs(self) -> dict[str, str]:
        """Place of each configuration and result of a search in the built package, and the file that it is a copy of."""
        files = sorted([*Path("configs").rglob("*.yaml"), *Path("results/search").glob("*.json")])
        return {str(Path(self.build_lib, "gan_sntg", path)): str(path) for path in files}

    def get_source_files(self) -> list[str]:
        """Files that an sdist takes."""
        return [*super().get_source_files(), *self.configs().values()]

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Files that `run` writes."""
        return [*super().get_outputs(include_bytecode), *self.configs()]

    def get_output_mapping(self) -> dict[str, str]:
        """Files that `run` writes, and those that a strict editable install links to."""
        return super().get_output_mapping() | self.configs()


setup(cmdclass={"build_py": BuildWithConfigs})
