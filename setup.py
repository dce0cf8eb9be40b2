"""Copy of `configs/` into the package when it is built; all else is in pyproject.toml."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConfigs(build_py):
    """Put `configs/` into a wheel as `gan_sntg/configs`, and into an sdist as it is; an editable install reads the checkout's."""

    def run(self):
        """Build the packages, then copy the configurations beside them."""
        super().run()
        if not self.editable_mode:
            for path, target in self.configs().items():
                self.mkpath(str(Path(target).parent))
                self.copy_file(path, target, preserve_mode=False)

    def configs(self) -> dict[str, str]:
        """Each file of `configs/` and where it is copied to."""
        return {str(path): str(Path(self.build_lib, "gan_sntg", path)) for path in sorted(Path("configs").rglob("*.yaml"))}

    def get_source_files(self) -> list[str]:
        """Files that an sdist takes."""
        return [*super().get_source_files(), *self.configs()]

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Files that `run` writes."""
        return [*super().get_outputs(include_bytecode), *([] if self.editable_mode else self.configs().values())]


setup(cmdclass={"build_py": BuildWithConfigs})
