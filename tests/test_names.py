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

def test_all_gives_what_people_use():
    "About sixty names; the others can still be asked for"
    names = {}
    exec('from mirzai.all import *', names)
    given = {n for n in names if n!='__builtins__'}
    everything = importlib.import_module('mirzai.all')
    assert given==set(everything.__all__) and len(everything.__all__)==len(given) and 55<=len(given)<=65
    assert {'load_sample', 'PLSR', 'evaluate', 'Predictor', 'train', 'predict_files'}<=given and 'LEAST' not in given

def test_a_name_that_changed_says_so():
    for old,new in (('network.LEAST', 'network.MIN_POINTS'), ('verdicts.moved', 'claims.movement'), ('applicability.auroc', 'applicability.separation'), ('all.LEAST', 'experiment.MIN_TRAIN')):
        module,name = old.split('.')
        with pytest.warns(DeprecationWarning, match=f'mirzai.{old} is now mirzai.{new}'): found = getattr(importlib.import_module(f'mirzai.{module}'), name)
        module,name = new.split('.')
        assert found is getattr(importlib.import_module(f'mirzai.{module}'), name)
