"""What earlier versions wrote: which of it is read and gives the same numbers, and which is refused with which line.

`kept/0.9.0` and `kept/0.11.0` were written by those versions: `library.csv` and `library.parquet` by `write_library` (48 soils
of the sample, every thirtieth wavenumber), `plsr` and `gpr` by `mirzai train library.csv --model NAME --folds 5`, `NAME.csv` by
`mirzai predict NAME library.csv`, `store` by `mirzai evaluate library.csv --models plsr --splits 1`."""
import json, shutil
from pathlib import Path
import numpy as np, pandas as pd, pytest
from mirzai.cli import main
from mirzai.core import MirzaiError
from mirzai.experiment import evaluate
from mirzai.datasets import load_sample, read_library
from mirzai.predictor import Predictor
from mirzai.results import read_results

KEPT = Path(__file__).parent/'kept'
VERSIONS = ['0.9.0', '0.11.0']
NUMBERS = ['predicted', 'mean', 'lower', 'upper', 'strangeness']

@pytest.fixture
def refused(capsys):
    "The one line of a command that is refused"
    def run(*args):
        capsys.readouterr()
        assert main([str(a) for a in args])==2
        line, = [l for l in capsys.readouterr().err.splitlines() if l.startswith('mirzai: ') and 'warning' not in l]
        return line
    return run

@pytest.mark.parametrize('version', VERSIONS)
@pytest.mark.parametrize('name', ['library.csv', 'library.parquet'])
def test_libraries_are_read(version, name):
    lib = read_library(KEPT/version/name)
    sample = load_sample()
    rows = [list(sample.ids).index(i) for i in lib.ids]
    assert len(lib)==(48 if name=='library.csv' else 6)
    at = np.searchsorted(sample.wavenumbers, lib.wavenumbers)
    assert np.array_equal(sample.wavenumbers[at], lib.wavenumbers)
    assert np.allclose(lib.spectra, sample.spectra[np.ix_(rows, at)], atol=6e-5)     # four decimals
    assert np.allclose(lib.y('kex'), sample.y('kex')[rows])

@pytest.mark.parametrize('name', ['plsr', 'gpr'])
def test_models_of_layout_5_predict_the_same(name):
    p = Predictor.load(KEPT/'0.11.0'/name)
    told, then = p.predict(read_library(KEPT/'0.11.0'/'library.csv')), pd.read_csv(KEPT/'0.11.0'/f'{name}.csv')
    assert list(told.id)==list(then.id)
    assert np.allclose(told[NUMBERS], then[NUMBERS], rtol=1e-6, atol=1e-8)
    assert list(told.flag)==list(then.flag.fillna(''))

def test_models_of_0_9_are_refused(refused, tmp_path):
    line = refused('predict', KEPT/'0.9.0'/'plsr', KEPT/'0.9.0'/'library.csv', '--out', tmp_path/'p.csv')
    assert line==(f'mirzai: {KEPT/"0.9.0"/"plsr"}: a model of layout 3, written by mirzai 0.9 or before, whose intervals leave '
                  f'out poor soils: train it again')

@pytest.mark.parametrize('layout, line', [(4, 'a model of layout 4, written between mirzai 0.9 and 0.10'), (6, 'not a model of layout 5'),
                                          (None, 'not a model of layout 5'), ('5', 'not a model of layout 5')])
def test_other_layouts_are_refused(tmp_path, layout, line):
    shutil.copytree(KEPT/'0.11.0'/'plsr', tmp_path/'m')
    note = tmp_path/'m'/'model.json'
    note.write_text(json.dumps(json.loads(note.read_text())|dict(schema=layout)))
    with pytest.raises(MirzaiError, match=line): Predictor.load(tmp_path/'m')

@pytest.mark.parametrize('version', VERSIONS)
def test_stores_are_read(version):
    store = KEPT/version/'store'
    told, then = read_results(store).summary(), pd.read_csv(store/'summary.csv')
    both = told.merge(then, on=['model', 'size', 'scope', 'group', 'split', 'metric'], suffixes=('', '_then'))
    assert len(both)==len(told)==len(then)>8
    assert np.allclose(both['mean'], both.mean_then, rtol=1e-12, equal_nan=True)

@pytest.mark.parametrize('version', VERSIONS)
def test_stores_of_other_versions_are_not_continued(refused, tmp_path, version):
    shutil.copytree(KEPT/version/'store', tmp_path/'store')
    line = refused('evaluate', KEPT/version/'library.csv', '--models', 'plsr', '--splits', 2, '--jobs', 1, '--out', tmp_path/'store')
    assert line.startswith(f'mirzai: {tmp_path/"store"}: holds results ') and line.endswith(': choose another folder')
    assert version=='0.11.0' or 'that do not name the mirzai that made them' in line       # those of 0.9.0 did not yet

def test_stores_of_a_later_format_are_refused(tmp_path):
    shutil.copytree(KEPT/'0.11.0'/'store', tmp_path/'store')
    note = tmp_path/'store'/'.mirzai.json'
    note.write_text(json.dumps(json.loads(note.read_text())|dict(format=2)))
    with pytest.raises(MirzaiError, match='format 2, and this mirzai reads format 1'): read_results(tmp_path/'store')

def test_what_is_written_today_is_read_tomorrow(tmp_path):
    "A store of today is continued, and says its format"
    lib = read_library(KEPT/'0.11.0'/'library.csv')
    first = evaluate(lib, ['plsr'], seeds=range(1), store=tmp_path/'s', jobs=1, quiet=True)
    assert json.loads((tmp_path/'s'/'.mirzai.json').read_text())['format']==1
    again = evaluate(lib, ['plsr'], seeds=range(2), store=tmp_path/'s', jobs=1, quiet=True)
    pd.testing.assert_frame_equal(again.scores.query('seed==0').reset_index(drop=True), first.scores.reset_index(drop=True))
