"Estimators that are somebody else's: evaluated, certified, kept, loaded and predicted with by the command; what goes wrong is one line"
import json, sys
from contextlib import chdir
from pathlib import Path
import numpy as np, pandas as pd, pytest
from mirzai.cli import main
from mirzai.core import MirzaiError
from mirzai.datasets import read_library
from mirzai.experiment import evaluate
from mirzai.predictor import Predictor

LIBRARY = Path(__file__).parent/'kept'/'0.11.0'/'library.csv'      # 48 soils, 57 wavenumbers
MODULE = '''
import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from mirzai.transforms import SNV
def ridge(): return make_pipeline(SNV(), Ridge(.01))
def forest(): return RandomForestRegressor(5)
def raises(): return 1/0
def three(): return 3
class Short(Ridge):
    def predict(self, X): return super().predict(X)[:-1]
class Nothing(Ridge):
    def predict(self, X): return super().predict(X)*np.nan
'''

@pytest.fixture
def place(tmp_path, monkeypatch):
    "A folder with a module of one's own, in which one stands"
    (tmp_path/'own_models.py').write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop('own_models', None)
    yield tmp_path
    sys.modules.pop('own_models', None)

@pytest.fixture
def lines(capsys):
    "What the command says on stderr, its exit code first"
    def run(*args):
        capsys.readouterr()
        try: code = main([str(a) for a in args])
        except SystemExit as e: code = e.code             # an argument that is refused
        return code, [l for l in capsys.readouterr().err.splitlines() if l.startswith('mirzai: ') and 'warning' not in l]
    return run

def train(name, **_): return ['train', LIBRARY, '--model', name, '--folds', 3, '--jobs', 1, '--out', 'model']

@pytest.fixture
def trained(place, lines):
    assert lines(*train('own_models:forest'))==(0, [])
    return place/'model'

def test_from_the_command_to_intervals(trained, lines):
    assert lines('predict', 'model', LIBRARY, '--out', 'p.csv', '--model', 'own_models:forest')[0]==0
    t = pd.read_csv('p.csv')
    assert len(t)==48 and np.isfinite(t[['predicted', 'lower', 'upper', 'strangeness']]).all(None) and (t.lower<t.upper).all()
    p = Predictor.load(trained, 'own_models:forest')
    again = p.predict(read_library(LIBRARY))
    assert np.allclose(again.predicted, t.predicted, rtol=1e-6)      # its open random states were set, and are again
    assert 'own_models:forest' in repr(p)

def test_a_folder_runs_nothing_by_itself(trained, lines):
    sys.modules.pop('own_models', None)
    code, said = lines('predict', 'model', LIBRARY, '--out', 'p.csv')
    assert code==2 and said==['mirzai: model: own_models:forest makes this model, and no folder may call it: name it yourself, '
                              '--model own_models:forest']
    code, said = lines('predict', 'model', LIBRARY, '--out', 'p.csv', '--model', 'own_models:ridge')
    assert code==2 and said==['mirzai: model: own_models:forest makes this model, not own_models:ridge: name the one that made it']
    assert 'own_models' not in sys.modules
    assert sorted(f.name for f in trained.iterdir())==['.mirzai.json', 'model.json', 'weights.safetensors']

@pytest.mark.parametrize('change, line', [('RandomForestRegressor(6)', 'gives another estimator than the one that was trained'),
                                          ('1/0', 'gives no estimator, but ZeroDivisionError')])
def test_another_estimator_by_the_same_name_is_refused(trained, place, lines, change, line):
    (place/'own_models.py').write_text(MODULE.replace('RandomForestRegressor(5)', change))
    sys.modules.pop('own_models', None)
    code, said = lines('predict', 'model', LIBRARY, '--out', 'p.csv', '--model', 'own_models:forest')
    assert code==2 and len(said)==1 and line in said[0]

def test_words_of_a_folder_are_checked(trained):
    from mirzai.saving import fingerprint
    meta = json.loads((trained/'model.json').read_text())
    for change in (dict(factory='os.system("x")'), dict(factory=3), dict(seed=-1), dict(shift=None), dict(what='a\nb')):
        other = meta|dict(settings=meta['settings']|change)
        other['sha256'] = fingerprint(other, (trained/'weights.safetensors').read_bytes())
        (trained/'model.json').write_text(json.dumps(other))
        with pytest.raises(MirzaiError, match=f'settings.{[*change][0]} is .* which must be'): Predictor.load(trained, 'own_models:forest')

def test_a_model_of_ours_needs_no_factory(lines):
    code, said = lines('predict', LIBRARY.parent/'plsr', LIBRARY, '--out', 'p.csv', '--model', 'own_models:ridge')
    assert code==2 and 'which did not make it: leave it out' in said[0]

@pytest.mark.parametrize('name, line', [
    ('own_models:raises', 'gives no estimator, but ZeroDivisionError'), ('own_models:three', 'gives int, which cannot fit and predict'),
    ('own_models:Short', 'predicts 19 values for 20 spectra'), ('own_models:Nothing', 'predicts no numbers for its own training spectra'),
    ('own_models:rigde', 'own_models has no rigde; did you mean ridge?'), ('nowhere.at.all:make', 'cannot be imported (No module named'),
    ('own_models:a:b', 'is not known'), ('plsr+own_models:ridge', 'is not known')])
def test_what_goes_wrong_is_one_line(place, lines, name, line):
    code, said = lines(*train(name))
    assert code==2 and len(said)==1 and line in said[0] and not Path('model').exists()

def test_beside_ours_and_resumed(place, lines):
    ask = ['evaluate', LIBRARY, '--models', 'plsr', '--model', 'own_models:ridge', '--jobs', 1, '--out', 'store']
    assert lines(*ask, '--splits', 1)==(0, [])
    about = json.loads(Path('store/.mirzai.json').read_text())['about']['settings']
    assert about['own_models:ridge']['factory']=='own_models:ridge' and len(about['own_models:ridge']['estimator'])==12
    assert lines(*ask, '--splits', 2)==(0, [])
    scores = pd.read_parquet('store/scores.parquet')
    assert scores.groupby('model').seed.nunique().to_dict()=={'plsr': 2, 'own_models:ridge': 2}
    n = scores.query('split=="test" and group=="all"').pivot(index='seed', columns='model', values='n')
    assert (n['plsr']==n['own_models:ridge']).all()                       # the same soils
    (place/'own_models.py').write_text(MODULE.replace('Ridge(.01)', 'Ridge(.02)')); sys.modules.pop('own_models', None)
    code, said = lines(*ask, '--splits', 2)
    assert code==2 and 'holds results with other settings' in said[0]

def test_estimators_in_a_dictionary():
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from mirzai.transforms import SNV
    lib = read_library(LIBRARY)
    found = evaluate(lib, {'ridge': make_pipeline(SNV(), Ridge()), 'made': lambda: Ridge(.1), 'plsr': 'plsr'}, range(2), jobs=1, quiet=True)
    alone = evaluate(lib, ['plsr'], range(2), jobs=1, quiet=True)
    assert set(found.scores.model)=={'ridge', 'made', 'plsr'} and not found.failed
    pd.testing.assert_frame_equal(found.scores.query('model=="plsr"').reset_index(drop=True), alone.scores)
    with pytest.raises(MirzaiError, match='is a model of this library'): evaluate(lib, {'gpr': Ridge()}, range(1), quiet=True)

def test_an_ensemble_that_could_not_be_loaded_is_not_written(place, capsys):
    from mirzai.ensemble import Ensemble
    from mirzai.foreign import Foreign
    from mirzai.plsr import PLSR
    from mirzai.saving import save_model
    lib = read_library(LIBRARY)
    for members in ([PLSR(2), Foreign('own_models:ridge')], [PLSR(2), Ensemble([PLSR(3)])]):
        with pytest.raises(MirzaiError, match='an ensemble with a member of kind .* cannot be loaded again: join plsr, gpr, cnn only'):
            save_model(Ensemble(members).fit(lib), 'model', lib)
        assert not Path('model').exists()

def test_a_run_with_a_factory(place):
    from mirzai.running import run
    found = run(read_library(LIBRARY), 'out', ['plsr', 'own_models:ridge'], seeds=2, jobs=1, quiet=True)
    assert set(found.results.scores.model)=={'plsr', 'own_models:ridge'} and set(found.attributions)=={'plsr'}
    assert sorted(f.name for f in Path('out/models').iterdir())==['own_models.ridge', 'plsr']      # no colon on Windows
    assert not [f for f in Path('out').rglob('*') if ':' in f.name]
    assert Predictor.load('out/models/own_models.ridge', 'own_models:ridge').predict(found.library[:3]).predicted.gt(0).all()

LEARNT = '''
import numpy as np
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.base import BaseEstimator
kept = MLPRegressor(hidden_layer_sizes=(4,), warm_start=True, max_iter=3, random_state=0)
class Sums:
    "Adds up whatever it has seen; no scikit-learn in it"
    n, total = 0, 0.
    def fit(self, X, y): self.n, self.total = self.n+len(y), self.total+y.sum(); return self
    def predict(self, X): return np.full(len(X), self.total/self.n)
sums = Sums()
def cached(): return kept
def adding(): return sums
def centred(): return make_pipeline(FunctionTransformer(lambda X: X-X.mean(0)), Ridge(.01))
class Chance(Ridge):
    def predict(self, X): return super().predict(X)+np.random.default_rng().normal(size=len(X))
class Late(Ridge):
    def fit(self, X, y):
        import own_helper
        return super().fit(X, y)
def nearest(): return KNeighborsRegressor(1, weights='distance')
'''

@pytest.fixture
def learnt(tmp_path, monkeypatch):
    "A folder with estimators that remember, in which one stands, on no path"
    import warnings
    (tmp_path/'own_learnt.py').write_text(LEARNT)
    (tmp_path/'own_helper.py').write_text('')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'path', [p for p in sys.path if p not in ('', str(tmp_path))])
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')       # three steps are no convergence
        yield tmp_path
    for name in ('own_learnt', 'own_helper'): sys.modules.pop(name, None)

@pytest.mark.parametrize('name', ['own_learnt:cached', 'own_learnt:adding'])
def test_what_one_fold_learnt_is_not_in_the_next(learnt, name):
    from mirzai.foreign import Foreign
    lib = read_library(LIBRARY)
    alone = Foreign(name).fit(lib[:20]).predict(lib)
    Foreign(name).fit(lib[20:])
    assert (Foreign(name).fit(lib[:20]).predict(lib)==alone).all()

def test_the_certificate_of_a_cached_estimator_is_that_of_a_new_one(learnt):
    from mirzai.certificate import certify
    from mirzai.foreign import Foreign, factory_of
    from sklearn.base import clone
    lib, kept = read_library(LIBRARY), factory_of('own_learnt:cached')()
    told = lambda make: certify(lambda: Foreign(make), lib, 3)[0].arrays['residual']
    cached, new = told(lambda: kept), told(lambda: clone(kept))
    assert (cached==new).all() and not hasattr(kept, 'coefs_')         # and nobody trained the caller's own

@pytest.mark.parametrize('name, line', [('centred', 'predicts a soil otherwise when others are asked about with it'),
                                        ('Chance', 'predicts the same soils otherwise when asked again')])
def test_what_a_soil_gets_hangs_on_the_soil_alone(learnt, lines, name, line):
    code, said = lines(*train(f'own_learnt:{name}'))
    assert code==2 and len(said)==1 and line in said[0] and not Path('model').exists()

def test_the_current_folder_is_on_the_path_for_a_factory_only(learnt):
    from mirzai.foreign import Foreign
    before = list(sys.path)
    Foreign('own_learnt:Late').fit(read_library(LIBRARY))      # imports another file of the folder when it learns
    assert sys.path==before
    with pytest.raises(MirzaiError): Foreign('own_learnt:nothing').fit(read_library(LIBRARY))
    assert sys.path==before

def test_a_folder_notices_an_estimator_that_is_the_same_at_its_soils_only(learnt, monkeypatch):
    from mirzai.foreign import Foreign
    monkeypatch.setattr('mirzai.foreign.estimator_print', lambda estimator: 'the same mark')
    m = Foreign('own_learnt:nearest').fit(read_library(LIBRARY))
    words, arrays = m.pack()
    assert (Foreign.unpack(words, arrays, m.make).predict(read_library(LIBRARY))==m.predict(read_library(LIBRARY))).all()
    (learnt/'own_learnt.py').write_text(LEARNT.replace('KNeighborsRegressor(1,', 'KNeighborsRegressor(12,')); sys.modules.pop('own_learnt')
    with pytest.raises(MirzaiError, match='predicts otherwise than when it was trained'): Foreign.unpack(words, arrays, m.make)

CODE = """
import numpy as np
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
STEP = 2
BANDS = [3, 5]
def helper(X): return X[:, ::STEP]
def thinned(X): return helper(X)+0   # a comment
class Mine(Ridge):
    extra = 0
    def predict(self, X): return super().predict(X)+self.extra+BANDS[0]*0
class Mine2(Mine): pass
class Bare:
    def fit(self, X, y): self.mean = y.mean(); return self
    def predict(self, X): return np.full(len(X), self.mean)
def step(): return make_pipeline(FunctionTransformer(thinned), Ridge())
def lambdas(): return make_pipeline(FunctionTransformer(lambda X: X[:, ::3]), Ridge())
def mine(): return Mine2()
def bare(): return Bare()
def chance(): return Ridge(random_state=np.random.RandomState(7))
"""

@pytest.fixture
def mark_with(tmp_path, monkeypatch):
    "The mark of what a factory of a module gives, its code changed"
    from mirzai.foreign import Foreign
    count = iter(range(100))
    monkeypatch.chdir(tmp_path)
    def mark(name, old='', new=''):
        assert old in CODE
        module = f'own_code_{next(count)}'                 # two files written in one second would share their byte code
        Path(f'{module}.py').write_text(CODE.replace(old, new) if old else CODE)
        sys.modules.pop(module, None)
        return Foreign(f'{module}:{name}').origin()['estimator']
    return mark

@pytest.mark.parametrize('name, old, new', [
    ('step', 'helper(X)+0', 'helper(X)+1'), ('step', 'X[:, ::STEP]', 'X[:, 1::STEP]'), ('step', 'STEP = 2', 'STEP = 4'),
    ('lambdas', '::3', '::4'), ('mine', '+self.extra', '-self.extra'), ('mine', 'extra = 0', 'extra = 1'), ('mine', '[3, 5]', '[4, 5]'),
    ('mine', 'class Mine2(Mine)', 'class Mine2(Ridge)'), ('bare', 'y.mean()', 'y.max()'), ('chance', 'RandomState(7)', 'RandomState(8)')])
def test_changed_code_is_another_estimator(mark_with, name, old, new): assert mark_with(name)!=mark_with(name, old, new)

@pytest.mark.parametrize('name, old, new', [
    ('step', '   # a comment', ''), ('step', 'y.mean()', 'y.max()'), ('mine', 'X[:, ::STEP]', 'X'), ('bare', 'STEP = 2', 'STEP = 3'),
    ('chance', 'STEP = 2', 'STEP = 3')])
def test_what_it_does_not_run_leaves_an_estimator_the_same(mark_with, name, old, new): assert mark_with(name)==mark_with(name, old, new)

def test_the_mark_is_the_same_in_another_process(place):
    import os, subprocess
    (place/'own_code.py').write_text(CODE)
    ask = "from mirzai.foreign import Foreign; print(*(Foreign(f'own_code:{n}').origin()['estimator'] for n in ('step', 'lambdas', 'mine', 'bare', 'chance')))"
    told = {subprocess.run([sys.executable, '-c', ask], env=os.environ|dict(PYTHONHASHSEED=seed), capture_output=True, text=True, check=True).stdout for seed in '12'}
    assert len(told)==1 and len(told.pop().split())==5

def made_at(store): return {f.name: f.stat().st_mtime_ns for f in Path(store, 'tasks').iterdir()}

def test_a_store_gains_and_loses_another_s_model(place):
    from sklearn.linear_model import Ridge
    lib, go = read_library(LIBRARY), dict(seeds=range(2), jobs=1, quiet=True, store='s')
    evaluate(lib, ['plsr', 'own_models:ridge'], **go)
    before = made_at('s')
    more = evaluate(lib, {'plsr': 'plsr', 'own_models:ridge': 'own_models:ridge', 'mine': Ridge(1.)}, **go)
    assert set(more.scores.model)=={'plsr', 'own_models:ridge', 'mine'}
    after = made_at('s')
    assert len(before)==4 and len(after)==6 and before.items()<=after.items()           # nothing was made again
    assert set(evaluate(lib, ['plsr'], **go).scores.model)=={'plsr'} and made_at('s')==after
    with pytest.raises(MirzaiError, match='holds results with other settings of mine'): evaluate(lib, {'mine': Ridge(2.)}, **go)
    with pytest.raises(MirzaiError, match='other settings of plsr'): evaluate(lib, ['plsr'], settings=dict(plsr=dict(max_components=3)), **go)
    assert made_at('s')==after

def test_one_name_in_a_store_is_one_model(place):
    from mirzai.models import ENTRIES, ModelEntry, register
    lib, go = read_library(LIBRARY), dict(seeds=range(1), jobs=1, quiet=True, store='s')
    for models in ({'gpr': 'plsr'}, {'plsr+gpr': 'plsr'}, {'own_models:ridge': 'own_models:forest'}):
        with pytest.raises(MirzaiError, match='another name'): evaluate(lib, models, **go)
    evaluate(lib, {'old': 'plsr-paper'}, **go)
    with pytest.raises(MirzaiError, match='other settings of old'): evaluate(lib, {'old': 'plsr'}, **go)
    for most in (3, 4):
        try:
            register(ModelEntry('stiff', 'mirzai.plsr:PLSR', {}, lambda n: 1., dict(max_components=most), seeded=False))
            if most==3: evaluate(lib, ['stiff'], **go)
            else:
                with pytest.raises(MirzaiError, match='other settings of stiff'): evaluate(lib, ['stiff'], **go)
        finally: ENTRIES.pop('stiff')

def test_between_processes(learnt, tmp_path_factory):
    from mirzai.models import ENTRIES, ModelEntry, register
    from mirzai.training import in_parallel, train
    lib = read_library(LIBRARY)
    with chdir(tmp_path_factory.mktemp('elsewhere')): in_parallel([(abs, -1), (abs, -2)], 2, quiet=True)    # workers that were started in another folder
    assert len(train(lib, 'own_learnt:Late', folds=0, seeds=2, jobs=2, quiet=True).models)==2      # its class is not on any path here
    try:
        register(ModelEntry('stiff', 'mirzai.plsr:PLSR', {}, lambda n: 1., dict(max_components=3), seeded=False))
        assert len(evaluate(lib, ['stiff'], range(2), jobs=2, quiet=True).fits)==2                # nor is it known to a new process
    finally: ENTRIES.pop('stiff')
