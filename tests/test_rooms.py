"Who loads whom: a prediction needs neither the protocol nor its workers"
import subprocess, sys
import pytest

def loaded_by(module): # modules of mirzai in a fresh process that imported this one
    code = f'import sys, {module}; print(*(m for m in sys.modules if m.startswith("mirzai.")))'
    return set(subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout.split())

@pytest.mark.parametrize('module', ['mirzai.splits', 'mirzai.uncertainty', 'mirzai.applicability', 'mirzai.results', 'mirzai.predictor'])
def test_loads_no_protocol(module):
    loaded = loaded_by(module)
    assert module in loaded
    assert not loaded&{'mirzai.experiment', 'mirzai.sweep'}

def test_the_protocol_loads_its_workers(): assert 'mirzai.sweep' in loaded_by('mirzai.experiment')

def test_a_model_learns_from_made_up_soils_alone():
    "What a fit needs is loaded by the model, not by whoever read a file before"
    code = 'from mirzai.synthetic import synthetic_library as made; from mirzai.plsr import PLSR; print(PLSR(3).fit(made(80, 0).select("kex")))'
    r = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert r.stdout.strip()=='PLSR(n_components=3)', r.stderr[-500:]
