"Nothing is lost silently: the same again replaces and says so, anything else is refused, --force replaces and says so, what is not ours is never touched"
import json, shutil
import numpy as np, pandas as pd, pytest
from pathlib import Path
from mirzai.library import SpectralLibrary
from mirzai.loading import write_library
from mirzai.predictor import Predictor

@pytest.fixture(scope='module')
def tables(sample, tmp_path_factory):
    "Tables on every tenth wavenumber: a and b to learn from; n, m to predict, nm both; local, and the same soils with their values exchanged"
    lib,d = sample.usable(),tmp_path_factory.mktemp('tables'); order = np.random.default_rng(0).permutation(len(lib))
    lib = SpectralLibrary(lib.spectra[order, ::8], lib.wavenumbers[::8], lib.properties[['kex']].iloc[order])
    rows = dict(t=slice(300), a=slice(50), b=slice(20, 70), n=slice(400, 420), m=slice(410, 425), nm=slice(400, 425), local=slice(300, 400), other=slice(400, 495), few=slice(300, 320))
    for k,r in rows.items(): write_library(lib[r] if k not in ('n', 'm', 'nm') else SpectralLibrary(lib.spectra[r], lib.wavenumbers, pd.DataFrame(index=lib.properties.index[r])), d/f'{k}.csv')
    mixed = lib[rows['local']]; mixed.properties = mixed.properties.assign(kex=np.random.default_rng(1).permutation(mixed.y())); write_library(mixed, d/'mixed.csv')
    return {f.stem: f for f in d.glob('*.csv')}

@pytest.fixture(scope='module')
def made(tables, tmp_path_factory):
    "Two models by the command, to be copied"
    from mirzai.cli import main
    d = tmp_path_factory.mktemp('made')
    for m,t in (('one', 'a'), ('two', 'b')): assert main([str(x) for x in train(tables[t], d/m)])==0
    return d

def train(f, out, *more, model='plsr'): return ('train', f, '--model', model, '--folds', 3, '--jobs', 1, '--out', out, *more)
def inside(path):
    if not Path(path).exists(): return None
    return path.read_bytes() if path.is_file() else {f.relative_to(path).as_posix(): f.read_bytes() for f in path.rglob('*') if f.is_file()}

def runs(mirzai, *args, said=None):
    "Exit 0, and what was replaced is said, or nothing is"
    code,out,err = mirzai(*args); text = ' '.join(l for l in err.splitlines() if l.startswith('mirzai: warning') and any(w in l for w in ('replaced', 'thrown away')))
    assert code==0, err
    assert (said in text) if said else not text, (said, err)
    return out

def refused(mirzai, keeps, *args, names=()):
    "Exit 2, one line, and the places stay as they were, byte by byte"
    before = [inside(p) for p in keeps]; code,_,err = mirzai(*args)
    lines = [l for l in err.splitlines() if not l.startswith('mirzai: warning')]
    assert [inside(p) for p in keeps]==before, (code, err)
    assert code==2 and len(lines)==1 and lines[0].startswith('mirzai: '), (code, err)
    for n in names: assert str(n) in lines[0], (n, lines[0])
    return lines[0]

def foreign(mirzai, folder, args):
    "A file of somebody else in the folder is never touched, asked or not"
    (folder/'thesis.txt').write_text('three years')
    for more in ((), ('--force',)): refused(mirzai, [folder], *args, *more, names=(folder, 'did not write'))

# --- folders ------------------------------------------------------------------------------------------------------

def test_train(mirzai, tables, tmp_path):
    m = tmp_path/'m'; runs(mirzai, *train(tables['a'], m)); first = inside(m)
    runs(mirzai, *train(tables['a'], m), said=f'{m}: replaced'); assert inside(m)==first                     # and is the same, byte by byte
    for args in (train(tables['b'], m), train(tables['a'], m, '--seed', 1), train(tables['a'], m, '--kex-method', 'mehlich3'), train(tables['a'], m, model='gpr')): refused(mirzai, [m], *args, names=(m, '--force'))
    runs(mirzai, *train(tables['b'], m, '--force'), said='thrown away'); assert inside(m)!=first
    runs(mirzai, *train(tables['b'], m, '--force'), said=f'{m}: replaced'); foreign(mirzai, m, train(tables['b'], m))

def test_run(mirzai, tables, tmp_path):
    r = tmp_path/'r'; ask = lambda t,*more: ('run', '--library', tables[t], '--models', 'plsr', '--seeds', 1, '--jobs', 1, '--out', r, *more)
    runs(mirzai, *ask('a')); runs(mirzai, *ask('a'), said=f'{r}: replaced'); refused(mirzai, [r], *ask('b'), names=(r, '--force')); refused(mirzai, [r], *ask('a', '--seeds', 2), names=(r, '--force'))
    runs(mirzai, *ask('b', '--force'), said='thrown away'); refused(mirzai, [r], *train(tables['a'], r, '--force'), names=(r,)); foreign(mirzai, r, ask('b'))

def test_explain(mirzai, made, tables, tmp_path):
    e = tmp_path/'e'; ask = lambda m,t,*more: ('explain', made/m, tables[t], '--most', 4, '--out', e, *more)
    runs(mirzai, *ask('one', 'a')); runs(mirzai, *ask('one', 'a'), said=f'{e}: replaced')
    for args in (ask('one', 'b'), ask('two', 'a'), ask('one', 'a', '--seed', 1)): refused(mirzai, [e], *args, names=(e, '--force'))
    said = refused(mirzai, [e], *ask('one', 'b')); assert 'a explanation' not in said, said
    runs(mirzai, *ask('one', 'b', '--force'), said='thrown away'); foreign(mirzai, e, ask('one', 'b'))

def test_explain_fewer(mirzai, made, tables, tmp_path):
    "Four explained spectra are not the explanation of forty: --most is part of what it follows from"
    e = tmp_path/'e'; ask = lambda n: ('explain', made/'one', tables['a'], '--most', n, '--out', e)
    runs(mirzai, *ask(6)); refused(mirzai, [e], *ask(4), names=(e, '--force'))

def test_pretrain(mirzai, tmp_path, monkeypatch):
    from mirzai import backbone, pretraining
    once = backbone.pretrain(64, 0, quiet=True); monkeypatch.setattr(backbone, 'pretrain', lambda *a, **k: once)      # the rest is the command's
    answers = pretraining.pretrain_scores(*once[:4]); monkeypatch.setattr(pretraining, 'pretrain_scores', lambda *_, **__: answers)
    b = tmp_path/'b'; ask = lambda n,*more: ('pretrain', '--soils', n, '--out', b, *more)
    runs(mirzai, *ask(64)); runs(mirzai, *ask(64), said=f'{b}: replaced'); refused(mirzai, [b], *ask(512), names=(b, '--force')); refused(mirzai, [b], *ask(64, '--seed', 1), names=(b, '--force'))
    runs(mirzai, *ask(64, '--seed', 1, '--force'), said='thrown away'); foreign(mirzai, b, ask(64, '--seed', 1))

def test_evaluate_goes_on_and_keeps_what_is_not_its_own(mirzai, tables, tmp_path):
    v = tmp_path/'v'; ask = lambda t: ('evaluate', tables[t], '--models', 'plsr', '--splits', 1, '--jobs', 1, '--out', v)
    assert mirzai(*ask('a'))[0]==0; scores = (v/'scores.parquet').read_bytes(); assert mirzai(*ask('a'))[0]==0 and (v/'scores.parquet').read_bytes()==scores
    refused(mirzai, [v], *ask('b'), names=(v, 'another library'))
    shutil.rmtree(v); v.mkdir(); (v/'summary.csv').write_text('mine'); refused(mirzai, [v], *ask('a'), names=(v,))

@pytest.mark.parametrize('command', ['train', 'run', 'explain'])
def test_places_that_are_no_place(mirzai, made, tables, tmp_path, command):
    "A file, a link, a folder of somebody else, an emptied manifest"
    args = dict(train=train(tables['a'], None)[:-2], run=('run', '--library', tables['a'], '--models', 'plsr', '--seeds', 1, '--jobs', 1), explain=('explain', made/'one', tables['a'], '--most', 4))[command]
    args = tuple(a for a in args if a!='--out')
    (tmp_path/'f').write_text('mine'); (d := tmp_path/'d').mkdir(); (d/'thesis').write_text('mine'); (tmp_path/'link').symlink_to(d)
    shutil.copytree(made/'one', tmp_path/'bare'); (tmp_path/'bare'/'.mirzai.json').unlink()
    for place in ('f', 'd', 'link', 'bare'):
        for more in ((), ('--force',)): refused(mirzai, [tmp_path], *args, '--out', tmp_path/place, *more, names=(place,))

# --- tables and pages ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize('what,name', [('sample', 's.csv.gz'), ('synthetic', 's.csv')])
def test_data(mirzai, tmp_path, what, name):
    f = tmp_path/name; ask = lambda *more: ('data', what, '--n', 12, '--out', f, *more)
    runs(mirzai, *ask()); first = inside(tmp_path); runs(mirzai, *ask(), said=f'{f}: '); assert set(inside(tmp_path))==set(first) and (what=='sample' or inside(tmp_path)==first)

def test_data_of_another_seed(mirzai, tmp_path):
    f = tmp_path/'s.csv'; ask = lambda *more: ('data', 'synthetic', '--n', 12, '--out', f, *more)
    runs(mirzai, *ask()); first = inside(tmp_path)
    for more in (('--seed', 1), ('--n', 13)): refused(mirzai, [tmp_path], *ask(*more), names=(f, '--force'))
    runs(mirzai, *ask('--seed', 1, '--force'), said=f'{f}: '); assert all(inside(tmp_path)[k]!=v for k,v in first.items() if 'drivers' not in k)

@pytest.mark.parametrize('name', ['s.csv', 's.truth.parquet', 's.drivers.csv'])
def test_data_touches_nothing_of_others(mirzai, tmp_path, name):
    "Neither the table nor what is written beside it, asked or not"
    (tmp_path/name).write_text('three years')
    for more in ((), ('--force',)): refused(mirzai, [tmp_path/name], 'data', 'synthetic', '--n', 12, '--out', tmp_path/'s.csv', *more, names=(name,))

@pytest.mark.parametrize('name', ['p.csv', 'p.csv.gz', 'p.xlsx', 'comma.csv'])
def test_predict(mirzai, made, tables, tmp_path, name):
    if name=='p.xlsx': pytest.importorskip('openpyxl')
    p = tmp_path/name; ask = lambda t,*more: ('predict', made/'one', tables[t], '--out', p, *(('--decimal', 'comma') if 'comma' in name else ()), *more)
    runs(mirzai, *ask('n')); first = p.read_bytes(); runs(mirzai, *ask('n'), said=f'{p}: earlier predictions of 20 soils replaced'); assert name=='p.xlsx' or p.read_bytes()==first
    refused(mirzai, [p], *ask('m'), names=(p, '10 soils', '--force'))                                         # some are gone, others new
    runs(mirzai, *ask('nm'), said='20 soils replaced'); refused(mirzai, [p], *ask('n'), names=(p, '5 soils'))
    runs(mirzai, *ask('m', '--force'), said='25 soils replaced')

def test_predict_touches_nothing_of_others(mirzai, made, tables, tmp_path):
    for name,text in (('thesis.csv', 'three years'), ('t.csv', 'id,predicted\na,1\n'), ('u.csv.gz', 'no gzip'), ('v.xlsx', 'no book')):
        (f := tmp_path/name).write_text(text)
        for more in ((), ('--force',)): refused(mirzai, [f], 'predict', made/'one', tables['n'], '--out', f, *more, names=(f, 'no predictions'))
    m = tmp_path/'m'; shutil.copytree(made/'one', m)
    for out in (tables['n'], m/'x.csv', m/'model.json'): refused(mirzai, [m, tables['n']], 'predict', m, tables['n'], '--out', out, '--force', names=(out,))

def test_predict_does_not_lose_what_it_cannot_replace(mirzai, made, tables, tmp_path):
    "Where nothing could be predicted, or only the report is refused, the earlier table stays"
    p,r,bad = tmp_path/'p.csv',tmp_path/'r.html',tmp_path/'bad.csv'; bad.write_text('id,kex\n1,2\n'); r.write_text('<p>mine')
    runs(mirzai, 'predict', made/'one', tables['n'], '--out', p)
    refused(mirzai, [p], 'predict', made/'one', bad, '--out', p, '--force'); refused(mirzai, [p, r], 'predict', made/'one', tables['n'], '--report', r, '--out', p, '--force', names=(r, 'no report'))

def test_report(mirzai, made, tables, tmp_path):
    p,q,r = tmp_path/'p.csv',tmp_path/'q.csv',tmp_path/'r.html'; ask = lambda t,out,*more: ('predict', made/'one', tables[t], '--report', r, '--out', out, *more)
    runs(mirzai, *ask('n', p)); runs(mirzai, *ask('n', p), said=f'{r}: earlier report replaced'); refused(mirzai, [r, q], *ask('m', q), names=(r, 'other soils', '--force')); assert not q.exists()
    runs(mirzai, *ask('m', q, '--force'), said=f'{r}: earlier report replaced')

def test_card(mirzai, made, tmp_path):
    c = tmp_path/'c.html'; ask = lambda m,*more: ('card', made/m, '--out', c, *more)
    runs(mirzai, *ask('one')); first = c.read_bytes(); runs(mirzai, *ask('one'), said=f'{c}: earlier card'); assert c.read_bytes()==first
    refused(mirzai, [c], *ask('two'), names=(c, '--force')); runs(mirzai, *ask('two', '--force'), said=f'{c}: '); assert c.read_bytes()!=first

def test_card_touches_nothing_of_others(mirzai, made, tables, tmp_path):
    "A page of somebody else; a report; and least of all the model itself, whose files name its fingerprint as well"
    (tmp_path/'c.html').write_text('<p>mine'); shutil.copytree(made/'one', m := tmp_path/'m'); assert mirzai('validate', m, tables['local'])[0]==0
    for place in (tmp_path/'c.html', m/'model.json', m/'validation.json', m/'.mirzai.json', m/'weights.safetensors'):
        for more in ((), ('--force',)): refused(mirzai, [tmp_path], 'card', m, '--out', place, *more, names=(place,))

# --- validations --------------------------------------------------------------------------------------------------

@pytest.fixture(scope='module')
def holding(tables, tmp_path_factory):
    "A Gaussian process whose validation on 100 local soils holds, both by the command"
    from mirzai.cli import main
    m = tmp_path_factory.mktemp('holding')/'m'
    assert main([str(x) for x in train(tables['t'], m, model='gpr')])==0 and main(['validate', str(m), str(tables['local'])])==0 and Predictor.load(m).validated
    return m

@pytest.fixture
def held(holding, tmp_path): return Path(shutil.copytree(holding, tmp_path/'held'))

def test_training_does_not_throw_a_validation_away(mirzai, tables, held):
    refused(mirzai, [held], *train(tables['t'], held, model='gpr'), names=(held, 'a validation on local soils', '--force'))
    runs(mirzai, *train(tables['t'], held, '--force'), said='a validation on local soils'); assert not (held/'validation.json').exists()
    runs(mirzai, *train(tables['t'], held), said='replaced the model')                                        # nothing but the model is left to lose

def test_what_held_is_not_replaced_by_what_did_not(mirzai, tables, held):
    for t in ('mixed', 'few'): refused(mirzai, [held], 'validate', held, tables[t], names=(held, 'held and is kept', '--force'))
    code,out,err = mirzai('validate', held, tables['mixed']); assert 'failed' in out and 'kept in' not in out               # the result is shown all the same
    assert 'in place of' in runs(mirzai, 'validate', held, tables['local']) and Predictor.load(held).validated
    said = ' '.join(mirzai('validate', held, tables['mixed'], '--force')[1:]); assert 'in place of' in said and Predictor.load(held).validation['grade']=='failed'

def test_other_soils_do_not_replace_a_validation(mirzai, tables, held, made, tmp_path):
    refused(mirzai, [held], 'validate', held, tables['other'], names=(held, 'not among these', '--force'))
    m = shutil.copytree(made/'one', tmp_path/'m'); assert mirzai('validate', m, tables['mixed'])[0]==0 and not Predictor.load(m).validated
    refused(mirzai, [m], 'validate', m, tables['other'], names=(m, '--force')); assert 'in place of' in mirzai('validate', m, tables['other'], '--force')[1]

@pytest.mark.parametrize('grade', ['weak', 'failed'])
def test_recorded_grades(mirzai, tables, made, tmp_path, grade):
    "Whatever the reason: held stays, weak and failed give way to what is about the same soils"
    m = shutil.copytree(made/'one', tmp_path/'m'); assert mirzai('validate', m, tables['local'])[0]==0
    p = Predictor.load(m); found = {k: v for k,v in p.validation.items() if k not in ('model', 'sha256')}; mine = found['grade']
    p.record(found | dict(grade='held', verdict=True)); assert mine!='held'; refused(mirzai, [m], 'validate', m, tables['local'], names=(m, 'held and is kept'))
    Predictor.load(m).record(found | dict(grade=grade, verdict=False)); assert mirzai('validate', m, tables['local'])[0]==0 and Predictor.load(m).validation['grade']==mine

def test_a_changed_validation_is_refused(mirzai, tables, held, tmp_path):
    f = held/'validation.json'; v = json.loads(f.read_text()); f.write_text(json.dumps(v | dict(grade='held', n=10**6)))
    refused(mirzai, [held], 'predict', held, tables['n'], '--out', tmp_path/'p.csv', names=(f, 'changed')); assert not (tmp_path/'p.csv').exists()

def test_the_card_of_a_validated_model_is_renewed(mirzai, held, tables, tmp_path):
    c = tmp_path/'c.html'; runs(mirzai, 'card', held, '--out', c); assert 'held' in c.read_text()
    assert mirzai('validate', held, tables['mixed'], '--force')[0]==0; runs(mirzai, 'card', held, '--out', c, said=f'{c}: earlier card'); assert 'failed' in c.read_text()

def test_a_run_whose_model_was_validated(mirzai, tables, tmp_path):
    "The validation inside is what would be lost; it was written by mirzai, and --force may throw it away"
    r = tmp_path/'r'; ask = ('run', '--library', tables['t'], '--models', 'plsr', '--seeds', 1, '--jobs', 1, '--out', r); runs(mirzai, *ask)
    assert mirzai('validate', r/'models'/'plsr', tables['local'])[0]==0
    assert 'validation' in refused(mirzai, [r], *ask, names=(r, '--force')); runs(mirzai, *ask, '--force', said='validation'); assert not (r/'models'/'plsr'/'validation.json').exists()

# --- folders of older versions ------------------------------------------------------------------------------------

@pytest.mark.parametrize('layout', [1, 2, 3, 4])
def test_older_layouts_say_train_it_again(mirzai, made, tables, tmp_path, layout):
    m = tmp_path/'old'; shutil.copytree(made/'one', m); (m/'model.json').write_text(json.dumps(json.loads((m/'model.json').read_text()) | dict(schema=layout)))
    (m/'.mirzai.json').write_text(json.dumps(dict(kind='model', files=['model.json', 'weights.safetensors'])))             # as 0.9.0 wrote it
    for args in (('predict', m, tables['n'], '--out', tmp_path/'x'), ('validate', m, tables['local']), ('card', m, '--out', tmp_path/'x'), ('explain', m, tables['a'], '--out', tmp_path/'x')):
        refused(mirzai, [tmp_path], *args, names=(m, f'layout {layout}', 'train it again'))
    refused(mirzai, [m], *train(tables['a'], m), names=(m, '--force')); runs(mirzai, *train(tables['a'], m, '--force'), said='thrown away'); assert Predictor.load(m).meta['schema']==5

@pytest.mark.parametrize('layout', [0, 6, '5', None])
def test_other_layouts(mirzai, made, tables, tmp_path, layout):
    m = tmp_path/'new'; shutil.copytree(made/'one', m); (m/'model.json').write_text(json.dumps(json.loads((m/'model.json').read_text()) | dict(schema=layout)))
    refused(mirzai, [tmp_path], 'predict', m, tables['n'], '--out', tmp_path/'x', names=(m, 'layout 5'))
