"""Configurations by path or by name, in a checkout and in an installed package."""

import pytest

from gan_sntg.errors import InputError
from gan_sntg.files import yaml_files
from gan_sntg.files.yaml_files import config_file, configs_folder


def test_a_file_is_taken_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits_20").mkdir()
    (tmp_path / "digits_20/fm_gan.yaml").write_text("mine")
    assert config_file("digits_20/fm_gan.yaml").read_text() == "mine"


@pytest.mark.parametrize("name", ["digits_20/fm_gan", "digits_20/fm_gan.yaml", "configs/digits_20/fm_gan.yaml"])
def test_a_name_is_that_of_a_configuration_of_the_package(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert config_file(name) == configs_folder() / "digits_20/fm_gan.yaml" and config_file(name).is_file()


def test_an_installed_package_has_them_beside_its_modules(tmp_path, monkeypatch):
    monkeypatch.setattr(yaml_files, "PACKAGE", tmp_path / "gan_sntg")
    assert configs_folder() == tmp_path / "configs"
    (tmp_path / "gan_sntg/configs").mkdir(parents=True)
    assert configs_folder() == tmp_path / "gan_sntg/configs"


def test_an_unknown_name_is_refused_with_the_nearest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"digits_20/fm_gna is neither a file nor .*did you mean digits_20/fm_gan\b"):
        config_file("digits_20/fm_gna")
    for name in "no such thing", "../configs/digits_20/fm_gan.yaml", "digits_20":
        with pytest.raises(InputError, match="neither a file nor a configuration"):
            config_file(name)
