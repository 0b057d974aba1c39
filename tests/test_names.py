"Every public name of version 0.11.0 can still be imported from where it was"
import importlib, json, warnings
from pathlib import Path
import pytest

NAMES = json.loads((Path(__file__).parent/'names_0.11.json').read_text())

@pytest.mark.parametrize('module', NAMES)
def test_old_names(module):
    found = importlib.import_module(module)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', DeprecationWarning)
        gone = [name for name in NAMES[module] if not hasattr(found, name)]
    assert not gone, f'{module}: {gone} were public in 0.11.0: fetch them with mirzai.core.moved'
