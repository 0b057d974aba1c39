"The command end to end: run, data, train, predict, evaluate"
import json, re, subprocess, sys
import numpy as np, pandas as pd, pytest
from mirzai.library import SpectralLibrary
from mirzai.loading import read_library, write_library
from mirzai.transforms import to_grid

METRICS = ['r2', 'lccc', 'rmse', 'mae', 'mape', 'bias', 'rpd', 'rpiq']

@pytest.fixture(scope='module')
def models(sample, tmp_path_factory):
    "A folder with a table of 150 samples and a model of each kind trained on it by the command"
    from mirzai.cli import main
    d = tmp_path_factory.mktemp('models')
    write_library(sample[:150], d/'train.csv')
    for m in ('plsr', 'gpr'): assert main(['train', str(d/'train.csv'), '--model', m, '--folds', '3', '--out', str(d/m)])==0
    from mirzai.learner import CNNRegressor
    from mirzai.predictor import save_model
    kept = sample[:150].select('kex')
    save_model(CNNRegressor(nets=2, epochs=2).fit(kept), d/'cnn', kept)
    return d

def test_run(mirzai, tmp_path):
    code,out,err = mirzai('run', '--models', 'plsr,gpr', '--seeds', 2, '--jobs', 1, '--out', tmp_path/'out')
    assert code==0, err
    m = pd.read_csv(tmp_path/'out'/'metrics.csv')
    assert list(m.columns)==['model', 'seed', 'split', 'n', *METRICS]
    assert len(m)==2*2*3 and set(m.split)=={'train', 'valid', 'test'} and np.isfinite(m[METRICS]).all(None)
    s = pd.read_csv(tmp_path/'out'/'summary.csv')
    want = m.query('model=="gpr" and split=="test"').r2
    got = s.query('model=="gpr" and split=="test" and metric=="r2" and group=="all"').iloc[0]
    assert got['mean']==pytest.approx(want.mean()) and got.sd==pytest.approx(want.std())
    p = pd.read_csv(tmp_path/'out'/'predictions.csv')
    assert list(p.columns[:3])==['id', 'observed', 'predicted'] and len(p)==2*2*495
    assert {'all', 'from 0.12'}==set(s.group)
    page = (tmp_path/'out'/'report.html').read_text()
    assert 'src="data:' in page and '<script' not in page and not re.search(r'(src|href)="(?!data:)', page)
    assert {f.name for f in (tmp_path/'out'/'models').iterdir()}=={'plsr', 'gpr'}
    assert '495 used; 5 dropped (absorbance not positive); 43 below the detection limit' in out

def test_run_again_replaces_only_its_own(mirzai, tmp_path):
    args = ('run', '--models', 'plsr', '--seeds', 1, '--jobs', 1, '--out', tmp_path/'out')
    assert mirzai(*args)[0]==0 and mirzai(*args)[0]==0
    (tmp_path/'out'/'thesis.txt').write_text('mine')
    assert mirzai(*args)[0]==2 and (tmp_path/'out'/'thesis.txt').read_text()=='mine'

def styled(lib, path):
    "The same spectra as another program would write them: other names, shuffled columns, semicolons, decimal commas"
    t = pd.DataFrame(lib.spectra, index=lib.ids, columns=[f'wn_{w:g}' for w in lib.wavenumbers]).sample(frac=1, axis=1, random_state=1)
    t.rename_axis('sample_id').to_csv(path, sep=';', decimal=',')
    return path

def test_predict_in_another_process(models, sample, tmp_path):
    "One that loads PyTorch for the network alone"
    from mirzai.predictor import Predictor
    new, kinds = sample[400:440], ('plsr', 'gpr', 'cnn')
    f = styled(new, tmp_path/'new.csv')
    lines = [['predict', str(models/kind), str(f), '--out', str(tmp_path/f'{kind}.csv')] for kind in kinds]
    code = f'''import sys
from mirzai.cli import main
for line in {lines!r}:
    assert main(line)==0
    print(sorted(m for m in ('fastai', 'torch') if m in sys.modules))'''
    r = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert r.returncode==0, r.stderr
    assert [line for line in r.stdout.splitlines() if line[:1]=='[']==['[]', '[]', "['torch']"], r.stdout
    for kind in kinds:
        got = pd.read_csv(tmp_path/f'{kind}.csv')
        assert list(got.id)==list(new.ids)
        np.testing.assert_allclose(got.predicted, Predictor.load(models/kind).predict(new).predicted, rtol=1e-4)

def test_command_trains_what_python_trains(models, sample):
    from mirzai.plsr import PLSR
    from mirzai.predictor import Predictor
    m = PLSR().fit(read_library(models/'train.csv').usable('kex'))
    np.testing.assert_allclose(Predictor.load(models/'plsr').predict(sample[400:]).predicted, m.predict(sample[400:]), rtol=1e-6)

@pytest.mark.parametrize('kind', ['plsr', 'gpr', 'cnn'])
def test_other_grid(mirzai, models, sample, tmp_path, kind):
    from mirzai.predictor import Predictor
    other = to_grid(sample[400:420], np.arange(601.5, 3999, 1.9))   # 1.5 cm-1 short at an edge: filled, and said
    write_library(SpectralLibrary(other.spectra, other.wavenumbers, pd.DataFrame(index=other.ids)), tmp_path/'other.parquet')
    code,_,err = mirzai('predict', models/kind, tmp_path/'other.parquet', '--out', tmp_path/'p.csv')
    assert code==0 and 'filled with the edge value' in err
    p = Predictor.load(models/kind)
    first = to_grid(other, p.model.wavenumbers_)
    np.testing.assert_allclose(pd.read_csv(tmp_path/'p.csv').predicted, p.model.predict(first), rtol=1e-4)

@pytest.mark.parametrize('kind', ['plsr', 'gpr', 'cnn'])
def test_alone_or_together(models, sample, kind):
    from mirzai.predictor import Predictor
    p,lib = Predictor.load(models/kind), sample[400:410]
    together = p.predict(lib).predicted
    np.testing.assert_allclose([p.predict(lib[i]).predicted[0] for i in range(10)], together, rtol=1e-4)

def test_percent_is_converted_when_declared(mirzai, models, sample, tmp_path):
    new = sample[400:410]
    write_library(SpectralLibrary(100*10**-new.spectra.astype(float), new.wavenumbers, pd.DataFrame(index=new.ids)), tmp_path/'pc.csv')
    for f,unit in ((tmp_path/'pc.csv', 'percent'), (styled(new, tmp_path/'a.csv'), 'absorbance')):
        assert mirzai('predict', models/'plsr', f, '--unit', unit, '--out', f'{f}.out.csv')[0]==0
    a,b = (pd.read_csv(tmp_path/f'{n}.csv.out.csv').predicted for n in ('pc', 'a'))
    np.testing.assert_allclose(a, b, rtol=1e-4)

def test_bad_row_is_flagged_and_the_rest_predicted(mirzai, models, sample, tmp_path):
    t = pd.DataFrame(sample.spectra[400:405], index=sample.ids[400:405], columns=[f'{w:g}' for w in sample.wavenumbers]).astype(object)
    t.iloc[1, 7], t.iloc[2, 9], t.iloc[3, 11] = 'broken', float('nan'), float('inf')
    t.rename_axis('id').to_csv(tmp_path/'n.csv')
    code,out,_ = mirzai('predict', models/'gpr', tmp_path/'n.csv', '--out', tmp_path/'p.csv')
    p = pd.read_csv(tmp_path/'p.csv', keep_default_na=False)
    assert code==0 and '3 flagged' in out
    assert [bool(f) for f in p.flag]==[False, True, True, True, False] and list(p.predicted=='')==[False, True, True, True, False]

def test_data_sample(mirzai, sample, tmp_path):
    assert mirzai('data', 'sample', '--out', tmp_path/'s.csv.gz')[0]==0
    lib = read_library(tmp_path/'s.csv.gz')
    assert list(lib.properties)==['kex', 'cec', 'oc', 'clay'] and np.array_equal(lib.spectra, sample.spectra)

def test_evaluate(mirzai, tmp_path, models):
    code,out,_ = mirzai('evaluate', models/'train.csv', '--models', 'plsr', '--folds', 3, '--repeats', 2, '--jobs', 1, '--out', tmp_path/'cv')
    s = pd.read_parquet(tmp_path/'cv'/'scores.parquet').query('group=="all"')
    assert code==0 and 'bootstrap' in out and list(s.seed)==[0, 1] and set(s.scope)=={'all, 3 folds'} and s.n.nunique()==1 and s.n.iloc[0]>100
    assert 'all usable soils' in out and 'soils from 0.12 cmol(+)/kg up' in out
    code,out,_ = mirzai('evaluate', models/'train.csv', '--models', 'plsr,plsr-paper', '--sizes', '40,80,all', '--splits', 2, '--jobs', 1, '--out', tmp_path/'lc')
    s = pd.read_parquet(tmp_path/'lc'/'scores.parquet').query('split=="test" and model=="plsr" and group=="all"')
    assert code==0 and sorted(s['size'])[:4]==[40, 40, 80, 80] and len(s)==6 and s.n.nunique()==1 and s.n.iloc[0]<20 and '40' in out
    f = pd.read_parquet(tmp_path/'lc'/'fits.parquet')
    assert (f.seconds>0).all() and all('n_components_' in json.loads(c) for c in f.chosen) and 'numpy' in json.loads(f.versions[0])

def test_parallel_and_serial_agree(sample):
    from mirzai.experiment import evaluate
    lib = sample[:150].select('kex')
    a,b = (evaluate(lib, ['plsr', 'gpr'], range(2), jobs=j, quiet=True).predictions.predicted for j in (1, 2))
    np.testing.assert_allclose(a, b, rtol=1e-9)

@pytest.mark.parametrize('header,ids', [('Sample ID', ['001', '002']), ('lab_no', ['5001', 'NA']), ('Name', ['a', 'b'])])
def test_ids_are_kept_as_written(sample, tmp_path, header, ids):
    t = pd.DataFrame(sample.spectra[:2], columns=[f'{w:g}' for w in sample.wavenumbers]); t.insert(0, header, ids)
    t.to_csv(tmp_path/'t.csv', index=False)
    assert list(read_library(tmp_path/'t.csv').ids)==ids

@pytest.mark.parametrize('end', ['', ','])
def test_trailing_separators_shift_nothing(sample, tmp_path, end):
    lib = sample[:5]
    t = pd.concat([pd.DataFrame(lib.spectra, index=lib.ids, columns=[f'{w:g}' for w in lib.wavenumbers]), lib.properties], axis=1).rename_axis('id')
    head,*rows = t.to_csv().splitlines()
    (tmp_path/'t.csv').write_text('\n'.join([head, *(r+end for r in rows)]))
    again = read_library(tmp_path/'t.csv')
    assert list(again.ids)==list(lib.ids) and np.allclose(again.y(), lib.y()) and np.allclose(again.spectra, lib.spectra)

def test_tables_as_r_writes_them(sample, tmp_path):
    lib = sample[:5]
    t = pd.DataFrame(lib.spectra, index=lib.ids, columns=[f'X{w:g}' for w in lib.wavenumbers])
    quoted = lambda v: f'"{v}"'
    (tmp_path/'write.table').write_text('\n'.join([' '.join(map(quoted, t.columns)), *(' '.join([quoted(i), *map(str, r)]) for i,r in zip(t.index, t.to_numpy()))]))
    t.to_csv(tmp_path/'quoted.csv', quoting=1, decimal=',', index_label='id')
    for f in ('write.table', 'quoted.csv'):
        again = read_library(tmp_path/f)
        assert list(again.ids)==list(lib.ids) and np.allclose(again.spectra, lib.spectra), f

def test_negative_absorbance_is_flagged(mirzai, models, sample, tmp_path):
    new = sample[400:403]; low = new.spectra.copy(); low[1] -= low[1].min()+.1
    write_library(SpectralLibrary(low, new.wavenumbers, pd.DataFrame(index=new.ids)), tmp_path/'n.csv')
    assert mirzai('predict', models/'plsr', tmp_path/'n.csv', '--out', tmp_path/'p.csv')[0]==0
    p = pd.read_csv(tmp_path/'p.csv', keep_default_na=False)
    assert ['reference scan' in f for f in p.flag]==[False, True, False]

def test_predictions_replace_only_predictions(mirzai, models, tmp_path):
    (tmp_path/'thesis.docx').write_text('three years')
    assert mirzai('predict', models/'plsr', models/'train.csv', '--out', tmp_path/'thesis.docx')[0]==2
    assert (tmp_path/'thesis.docx').read_text()=='three years'
    assert mirzai('predict', models/'plsr', models/'train.csv', '--out', models/'plsr'/'model.json')[0]==2
    for _ in range(2): assert mirzai('predict', models/'plsr', models/'train.csv', '--out', tmp_path/'p.csv')[0]==0
    assert mirzai('predict', models/'plsr', models/'train.csv', '--out', tmp_path/'p.csv.gz')[0]==0
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path/'p.csv.gz'), pd.read_csv(tmp_path/'p.csv'))
    assert mirzai('data', 'sample', '--out', tmp_path/'thesis.docx')[0]==2

def test_changed_model_json_is_refused(mirzai, models, tmp_path):
    import shutil
    shutil.copytree(models/'plsr', tmp_path/'m'); f = tmp_path/'m'/'model.json'
    for change in (dict(log10=False), dict(target=['kex']), dict(kind=['plsr']), dict(training={})):
        f.write_text(json.dumps(json.loads((models/'plsr'/'model.json').read_text()) | change))
        code,_,err = mirzai('predict', tmp_path/'m', models/'train.csv', '--out', tmp_path/'p.csv')
        assert code==2 and len(err.splitlines())==1 and not (tmp_path/'p.csv').exists(), (change, err)

def test_cnn_the_same_in_one_process_or_two(sample):
    from mirzai.experiment import evaluate
    lib = sample[:80].select('kex')
    a,b = (evaluate(lib, ['cnn'], (0, 1), settings=dict(cnn=dict(nets=1, epochs=1)), jobs=j, quiet=True).predictions.predicted for j in (1, 2))
    np.testing.assert_array_equal(a, b)

def test_version_and_help(mirzai):
    import mirzai as package
    assert mirzai('--version')[1].strip()==package.__version__
    for c in ('run', 'data', 'train', 'predict', 'evaluate'): assert mirzai(c, '--help')[0]==0

def test_predict_from_a_folder_of_instrument_files(mirzai, models, sample, tmp_path):
    from mirzai.instruments import write_jcamp
    (tmp_path/'scans').mkdir()
    for i in range(3): write_jcamp(tmp_path/'scans'/f'field{chr(65+i)}.dx', sample.wavenumbers, sample.spectra[400+i])
    code,out,err = mirzai('predict', models/'plsr', tmp_path/'scans', '--out', tmp_path/'p.csv')
    assert code==0, err
    p = pd.read_csv(tmp_path/'p.csv')
    from mirzai.predictor import Predictor
    assert list(p.id)==['fieldA', 'fieldB', 'fieldC']
    np.testing.assert_allclose(p.predicted, Predictor.load(models/'plsr').predict(sample[400:403]).predicted, rtol=1e-3)
    (tmp_path/'notes.docx').write_bytes(b'nothing')
    code,out,err = mirzai('predict', models/'plsr', tmp_path/'notes.docx', '--out', tmp_path/'q.csv')
    assert code==2 and 'notes.docx' in err and not (tmp_path/'q.csv').exists()

def test_folds_keep_profiles_together_and_leave_no_source_out(mirzai, tmp_path):
    from mirzai.synthetic import synthetic_library
    write_library(synthetic_library(160, 3), tmp_path/'syn.csv')
    ask = ('evaluate', tmp_path/'syn.csv', '--models', 'plsr', '--folds', 4, '--repeats', 1, '--jobs', 1, '--out', tmp_path/'cv')
    code,out,err = mirzai(*ask, '--leave-out', 'all')
    assert code==2 and '--folds and --leave-out exclude each other' in err
    assert mirzai(*ask, '--grouped')[0]==0
    p = pd.read_parquet(tmp_path/'cv'/'predictions.parquet').query('split=="test" and scope.str.startswith("grouped")')
    assert p.id.is_unique and len(p)>100
