"Gives setuptools the version and the requirements of settings.ini; everything else is in pyproject.toml"
from configparser import ConfigParser
import shlex
from pathlib import Path
from setuptools import setup

cfg = ConfigParser(delimiters=['='], interpolation=None)
cfg.read(Path(__file__).parent/'settings.ini', encoding='utf-8')
cfg = cfg['DEFAULT']
extras = {k: shlex.split(cfg[f'{k}_requirements']) for k in ('limesoda', 'cluster', 'instruments', 'excel', 'rivals', 'dev')}
setup(version=cfg['version'], install_requires=shlex.split(cfg['requirements']), extras_require=extras)
