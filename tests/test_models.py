"The registry: every model by its name, imported when it is asked for"
import subprocess, sys
import pytest
from mirzai import models
from mirzai.library import MirzaiError

@pytest.mark.parametrize('name', models.ALL_MODELS)
def test_every_name_makes_its_model(name):
    m = models.make_model(name, 'clay', seed=7, n=300)
    entry, = models.entries_of(name)
    assert isinstance(m, models.imported(entry.home)) and m.target=='clay' and m.get_params().get('seed', 7)==7
    assert entry.seconds(4000)>entry.seconds(100)>0 and models.model_colors[name]==entry.look['color']
    for other in models.ALL_MODELS:
        if other!=name: assert repr(models.make_model(other, 'clay', n=300))!=repr(models.make_model(name, 'clay', n=300))

def test_settings_can_be_overridden():
    assert models.make_model('plsr-paper', n=400).max_components==9
    assert models.make_model('plsr-paper', n=400, max_components=4).max_components==4
    assert [m.seed for m in models.make_model('gpr+gpr-transfer+gpr', seed=2).models]==[2, 2, 102]

@pytest.mark.parametrize('name', ['plsr', 'gpr', 'plsr+gpr', 'plsr-paper'])
def test_no_pytorch_where_none_is_needed(name):
    line = f"import sys; from mirzai.models import make_model; make_model('{name}', n=99); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, '-c', line]).returncode==0

@pytest.mark.parametrize('name', ['forest', 'plsrx', '', 'plsr+', 'gpr-transfer-paper', 'gpr transfer'])
def test_unknown_names_are_refused_in_one_line(name):
    for ask in (models.make_model, models.entries_of, lambda n: models.fit_seconds(n, 100)):
        with pytest.raises(MirzaiError, match='is not known: use one of plsr, gpr') as e: ask(name)
        assert '\n' not in str(e.value)

def test_results_follow_from_the_code_of_every_model():
    from mirzai.store import reached_by
    assert {'mirzai.plsr', 'mirzai.gpr', 'mirzai.learner', 'mirzai.transfer', 'mirzai.ensemble', 'mirzai.backbone'}<=set(reached_by(['mirzai.experiment']))

def test_what_a_run_compares(sample):
    from mirzai.library import SpectralLibrary
    short = SpectralLibrary(sample.spectra[:, 400:], sample.wavenumbers[400:], sample.properties)
    assert models.default_models(sample)==['plsr', 'gpr', 'gpr-transfer', 'cnn-transfer']
    assert models.default_models(short)==['plsr', 'gpr', 'cnn']

def test_whether_a_model_needs_validation_hangs_on_the_model_not_on_its_name():
    from pathlib import Path
    from mirzai.datasets import read_library
    from mirzai.experiment import evaluate
    lib = read_library(Path(__file__).parent/'kept'/'0.11.0'/'library.csv')
    own, alias = (evaluate(lib, m, range(2), jobs=1, quiet=True).scores.r2.tolist() for m in (['plsr-paper'], {'old': 'plsr-paper'}))
    assert own==alias
    with pytest.raises(MirzaiError, match='old chooses by validation samples, which folds do not have'):
        evaluate(lib, {'old': 'plsr-paper'}, [0], folds=3, jobs=1, quiet=True)

def test_an_ensemble_that_cannot_be_refitted_trains_none_of_its_members(sample):
    from mirzai.ensemble import Ensemble
    from mirzai.plsr import PLSR
    from mirzai.regressor import SpectralRegressor
    trained = []
    class Once(PLSR):
        def fit(self, *args, **kw):
            trained.append(1)
            return super().fit(*args, **kw)
    class Never(Once): refit = SpectralRegressor.refit
    lib = sample.select('kex')[:60]
    both = Ensemble([Once(2), Never(2)]).fit(lib)
    trained.clear()
    assert both.refit(lib) is None and not trained
    assert Ensemble([Once(2), Once(3)]).fit(lib).refit(lib).models_[1].n_components_==3
