"""Names of the configs that come with the package."""

import os

from mmsimmim import shipped


def test_configs_of_an_installed_package_have_its_name(tmp_path, monkeypatch):
    package = tmp_path / 'site-packages' / 'mmsimmim'
    (package / '.mim' / 'configs' / 'det').mkdir(parents=True)
    monkeypatch.setattr(shipped, 'PACKAGE', package)
    assert shipped.config_name(shipped.configs_folder() / 'det' / 'a.py') == 'mmsimmim::det/a.py'
    assert shipped.config_name(tmp_path / 'mine.py') == os.path.relpath(tmp_path / 'mine.py')


def test_configs_of_a_checkout_have_their_paths(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, 'PACKAGE', tmp_path / 'mmsimmim')
    monkeypatch.chdir(tmp_path)
    assert shipped.config_name(shipped.configs_folder() / 'det' / 'a.py') == os.path.join('configs', 'det', 'a.py')
