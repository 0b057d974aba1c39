"Nobody guesses a unit, a method or a detection limit: what is refused, what is accepted, what is said"
import json, re
import numpy as np, pandas as pd, pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from mirzai.library import MirzaiError, SpectralLibrary
from mirzai.loading import read_library, write_library
from mirzai.plsr import PLSR
from mirzai.predictor import Predictor
from mirzai.spectra_files import read_instruments
from mirzai.units import MG_K, MG_K2O, PROPERTY_UNITS, check_values, looks_like, per_unit, threshold, threshold_remarks

FACTORS = {'mg/kg': MG_K, 'mg/100g': MG_K/10, 'mgK2O/100g': MG_K2O}
SOILS = settings(max_examples=60, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))

@pytest.fixture(scope='module')
def usable(sample):
    "All usable soils on every tenth wavenumber"
    lib = sample.usable(); return SpectralLibrary(lib.spectra[:, ::10], lib.wavenumbers[::10], lib.properties)

@pytest.fixture(scope='module')
def write(usable):
    "Write soils as a table with these columns in front"
    def f(path, rows=slice(60), **columns):
        X = pd.DataFrame(usable.spectra[rows], columns=[f'{w:g}' for w in usable.wavenumbers])
        t = pd.concat([pd.DataFrame(dict(id=[f'S{i}' for i in np.arange(len(usable))[rows]])|columns), X], axis=1)
        t.to_csv(path, index=False); return path
    return f

@pytest.fixture(scope='module')
def kex(usable): return usable.y()

@pytest.fixture(scope='module')
def model(write, kex, tmp_path_factory):
    "Trained on 60 soils in cmol/kg by an unknown method"
    from mirzai.cli import main
    d = tmp_path_factory.mktemp('units')
    assert main([str(a) for a in train(write(d/'cm.csv', kex=kex[:60]), d/'model')])==0
    return d/'model'

def train(f, out, *more, model='plsr'): return ('train', f, '--model', model, '--folds', 3, '--jobs', 1, '--out', out, *more)

def refused(mirzai, *args, names=()):
    code,out,err = mirzai(*args)
    lines = [l for l in err.splitlines() if not l.startswith('mirzai: warning')]
    assert code==2 and len(lines)==1 and lines[0].startswith('mirzai: '), (code, out, err)
    for n in names: assert str(n) in lines[0], (n, lines[0])
    return lines[0]

def words(v, unit=None, target='kex', name='x.csv'):
    "Why these values are refused; '' where they pass"
    v = np.asarray(v, dtype=float)
    try: check_values(v[v>0], target, name, unit); return ''
    except MirzaiError as e: return str(e)

# --- which values no soil has -------------------------------------------------------------------------------------

def test_any_thirty_soils_pass_and_are_refused_in_other_units(kex):
    order = np.argsort(kex); n = len(kex)
    ends = dict(all=order, rich=order[3*n//4:], poor=order[:n//4], middle=order[n//4:3*n//4])
    @SOILS
    @given(st.sampled_from(sorted(ends)), st.integers(0, 10**6))
    def check(part, seed):
        v = kex[np.random.default_rng(seed).choice(ends[part], 30, replace=False)]
        assert not words(v), (part, words(v))
        for unit,f in FACTORS.items():
            said = words(v*f)
            assert 'x.csv' in said and unit in said and '--kex-unit' in said and 'cmol/kg' not in said.split('looks like')[1].split(':')[0], (part, unit, said)
            assert not words(v*f, unit) and (part=='poor' and unit!='mg/kg' or 'cannot be cmol/kg' in words(v*f, 'cmol/kg')), (part, unit)   # stated, rich soils are believed
        assert 'cannot be mg/kg' in words(v, 'mg/kg'), part
    check()

def test_the_ends_of_the_sample(kex):
    "The richest and poorest quarter and half, and everything, as a whole"
    v = np.sort(kex); n = len(v)
    for part in (v, v[:n//4], v[3*n//4:], v[:n//2], v[n//2:]):
        assert not words(part) and all(words(part*f) for f in FACTORS.values()) and all(not words(part*f, u) for u,f in FACTORS.items())

def test_every_unit_is_the_first_one_named_for_the_sample(kex):
    for u,f in FACTORS.items(): assert looks_like(kex*f, 'kex')[0]==u and f'--kex-unit {u}' in words(kex*f)

def test_a_message_is_about_the_numbers_in_the_table(kex):
    "Stated in mg/kg, the numbers that are too small or too large are those of the table, and a refused unit is not recommended"
    v = kex[kex>0][:60]
    low, big, rich = words(v, 'mg/kg'), words(v*1e4, 'mg/kg'), words(np.sort(kex)[-50:])
    assert 'cannot be mg/kg' in low and 'below 0.06 cmol(+)/kg' in low and low.endswith('--kex-unit cmol/kg')
    assert 'cannot be mg/kg' in big and f'{(v*1e4).max():.4g}' in big and '--kex-unit mg/kg' not in big
    assert 'does not look like cmol(+)/kg' in rich and f'{np.median(np.sort(kex)[-50:]):.4g}' in rich       # rich, real, and 2.2 cmol/kg in the middle: to be stated
    assert 'looks like cmol/kg' not in rich and 'cannot be cmol(+)/kg' not in rich and not words(np.sort(kex)[-50:], 'cmol/kg')

def test_rich_soils_are_offered_our_own_unit(kex):
    "Soils of the sample hold 2 to 5.5 cmol(+)/kg: where a short table of them is refused, cmol/kg is among the units to be named, and stated it passes"
    for v in ([2.5], [5.4], np.sort(kex)[-3:]): assert words(v).endswith('--kex-unit cmol/kg if it is that') and not words(v, 'cmol/kg')

def test_unit_names():
    for text in ('mg/kg', 'MG / KG', 'mg_/kg'): assert per_unit('kex', text)==MG_K
    for text in ('mgK2O/100g', 'mg K2O/100 g', 'mgK₂O/100g', 'MGK2O/100G'): assert per_unit('kex', text)==MG_K2O
    assert per_unit('kex', 'cmol(+)/kg')==1 and per_unit('oc', 'share')==.01 and per_unit('cec', 'mmol/kg')==10
    for bad in ('furlong', '', 'mg', 'g/kg', '%', None):
        with pytest.raises(MirzaiError, match='not known: use one of cmol/kg, mg/kg'): per_unit('kex', bad)
    assert MG_K/MG_K2O==pytest.approx(10*2*39.0983/(2*39.0983+15.999), rel=1e-5)                         # mg K/kg against mg K2O/100 g

@pytest.mark.parametrize('target,unit', [('oc', 'g/kg'), ('oc', 'share'), ('clay', 'g/kg'), ('clay', 'share'), ('cec', 'mmol/kg')])
def test_other_properties(mirzai, usable, write, tmp_path, target, unit):
    rows = slice(200 if target=='cec' else 60); v,f = usable.y(target)[rows],PROPERTY_UNITS[target][unit]
    t = write(tmp_path/'t.csv', rows, **{target: v*f}); ours = write(tmp_path/'ours.csv', rows, **{target: v})
    refused(mirzai, *train(t, tmp_path/'m', '--property', target), names=(t, unit, f'--{target}-unit {unit}')); assert not (tmp_path/'m').exists()
    wrong = {'g/kg': 'share', 'share': 'g/kg', 'mmol/kg': 'cmol/kg'}[unit]
    refused(mirzai, *train(t, tmp_path/'m', '--property', target, f'--{target}-unit', wrong), names=(t, wrong, unit)); assert not (tmp_path/'m').exists()
    assert mirzai(*train(t, tmp_path/'m', '--property', target, f'--{target}-unit', unit))[0]==0 and mirzai(*train(ours, tmp_path/'o', '--property', target))[0]==0
    a,b = (Predictor.load(tmp_path/m).predict(usable[200:230]).predicted for m in 'mo'); np.testing.assert_allclose(a, b, rtol=1e-4)

# --- through the commands -----------------------------------------------------------------------------------------

def everything(folder): return {f.relative_to(folder).as_posix(): f.read_bytes() for f in folder.rglob('*') if f.is_file()}

@pytest.mark.parametrize('unit', FACTORS)
def test_each_command_refuses_and_writes_nothing(mirzai, model, write, kex, tmp_path, unit):
    f = write(tmp_path/'lab.csv', kex=kex[:60]*FACTORS[unit]); before,inside = everything(tmp_path),everything(model)
    for args in (train(f, tmp_path/'m'), ('run', '--library', f, '--models', 'plsr', '--seeds', 1, '--jobs', 1, '--out', tmp_path/'run'),
                 ('evaluate', f, '--models', 'plsr', '--splits', 1, '--jobs', 1, '--out', tmp_path/'ev'), ('validate', model, f),
                 ('predict', model, f, '--threshold', 'rice', '--report', tmp_path/'r.html', '--out', tmp_path/'p.csv')):
        refused(mirzai, *args, names=(f, unit, '--kex-unit')); assert everything(tmp_path)==before and everything(model)==inside, args[0]

def test_explain_refuses_pairs_in_another_unit(mirzai, model, write, kex, tmp_path):
    "What `--before` and `--after` hold is measured, and written to response.csv"
    x = write(tmp_path/'x.csv', slice(8)); g,h = (write(tmp_path/n, slice(60), kex=(kex[:60]+.2+d)*MG_K) for n,d in (('g.csv', 0), ('h.csv', .5)))
    ask = ('explain', model, x, '--before', g, '--after', h, '--most', 4, '--out', tmp_path/'e')
    refused(mirzai, *ask, names=('mg/kg', '--kex-unit')); assert not (tmp_path/'e').exists()

def test_explain_states_pairs(mirzai, model, write, kex, tmp_path):
    f = write(tmp_path/'x.csv', slice(60), kex=(kex[:60]+.2)*MG_K); g = write(tmp_path/'g.csv', slice(60), kex=(kex[:60]+.7)*MG_K)
    assert mirzai('explain', model, f, '--before', f, '--after', g, '--kex-unit', 'mg/kg', '--most', 4, '--out', tmp_path/'e')[0]==0
    t = pd.read_csv(tmp_path/'e'/'response.csv', index_col='id').sort_index(); np.testing.assert_allclose(t.after-t.before, .5, atol=1e-3)

@pytest.mark.parametrize('unit', FACTORS)
def test_stated_they_give_the_same(mirzai, model, usable, write, kex, tmp_path, unit):
    f,cm = write(tmp_path/'lab.csv', kex=kex[:60]*FACTORS[unit]),write(tmp_path/'cm.csv', kex=kex[:60])
    assert mirzai(*train(f, tmp_path/'m', '--kex-unit', unit))[0]==0
    a,b = (Predictor.load(m).predict(usable[100:160], .3) for m in (tmp_path/'m', model))
    pd.testing.assert_frame_equal(a, b, rtol=1e-4)
    assert mirzai('predict', model, f, '--kex-unit', unit, '--out', tmp_path/'p.csv')[0]==0 and mirzai('predict', model, cm, '--out', tmp_path/'q.csv')[0]==0
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path/'p.csv'), pd.read_csv(tmp_path/'q.csv'), rtol=1e-6)
    lib = read_library(f, kex_unit=unit); np.testing.assert_allclose(lib.y(), kex[:60]); np.testing.assert_allclose(lib.y(), read_library(cm).y())
    write_library(lib, tmp_path/'again.csv'); np.testing.assert_allclose(read_library(tmp_path/'again.csv').check_training().y(), kex[:60])   # converted once
    with pytest.raises(MirzaiError, match=f'{f}.*{re.escape(unit)}.*--kex-unit'): read_library(f).check_training()

def test_stated_in_evaluate_run_and_validate(mirzai, model, write, kex, tmp_path):
    f,cm = write(tmp_path/'a.csv', kex=kex[:60]*MG_K2O),write(tmp_path/'b.csv', kex=kex[:60]); got = {}
    for n,t,more in (('k2o', f, ('--kex-unit', 'mgK2O/100g')), ('cm', cm, ())):
        assert mirzai('evaluate', t, *more, '--models', 'plsr', '--splits', 1, '--jobs', 1, '--out', tmp_path/f'e{n}')[0]==0; got[n] = pd.read_csv(tmp_path/f'e{n}'/'summary.csv')
    pd.testing.assert_frame_equal(got['k2o'], got['cm'], rtol=1e-4)
    assert mirzai('run', '--library', f, '--kex-unit', 'mgK2O/100g', '--models', 'plsr', '--seeds', 1, '--jobs', 1, '--out', tmp_path/'r')[0]==0
    t = pd.read_csv(tmp_path/'r'/'predictions.csv').set_index('id'); np.testing.assert_allclose(t.observed.sort_index(), pd.Series(kex[:60], [f'S{i}' for i in range(60)])[t.index].sort_index(), atol=1e-9)
    local = write(tmp_path/'l.csv', slice(100, 160), kex=kex[100:160]*MG_K)
    assert mirzai('validate', model, local, '--kex-unit', 'mg/kg', '--force')[0]==0; v = json.loads((model/'validation.json').read_text())
    np.testing.assert_allclose([s['observed'] for s in v['soils']], kex[100:160])

@pytest.mark.parametrize('given,stated', [('mg/kg', 'cmol/kg'), ('mg/100g', 'cmol/kg'), ('mgK2O/100g', 'cmol/kg'), ('cmol/kg', 'mg/kg'), ('cmol/kg', 'mg/100g'), ('cmol/kg', 'mgK2O/100g')])
def test_the_wrong_unit_is_refused(mirzai, model, write, kex, tmp_path, given, stated):
    f = write(tmp_path/'lab.csv', kex=kex[:60]*PROPERTY_UNITS['kex'][given])
    said = refused(mirzai, *train(f, tmp_path/'m', '--kex-unit', stated), names=(f, stated, given)); assert not (tmp_path/'m').exists() and f'cannot be {stated}' in said
    refused(mirzai, 'predict', model, f, '--kex-unit', stated, '--out', tmp_path/'p.csv'); refused(mirzai, 'validate', model, f, '--kex-unit', stated)

def test_unknown_units_are_one_line(mirzai, write, kex, tmp_path):
    f = write(tmp_path/'t.csv', kex=kex[:60])
    for option,bad in (('--kex-unit', 'furlong'), ('--oc-unit', 'mg/kg'), ('--kex-method', 'olsen'), ('--kex-limit', '-1'), ('--kex-limit', 'n.d.')):
        refused(mirzai, *train(f, tmp_path/'m', option, bad), names=(option, bad)); assert not (tmp_path/'m').exists()

def test_one_table_of_many_in_another_unit(mirzai, model, write, kex, tmp_path):
    "Beside sound files the table is a refused file with its reason in `flag`"
    (tmp_path/'day').mkdir(); write(tmp_path/'day'/'a.csv', slice(60, 70), kex=kex[60:70]); write(tmp_path/'day'/'b.csv', slice(70, 130), kex=kex[70:130]*MG_K)
    code,out,err = mirzai('predict', model, tmp_path/'day', '--out', tmp_path/'p.csv'); p = pd.read_csv(tmp_path/'p.csv', keep_default_na=False)
    assert code==0 and len(p)==11 and p.predicted.iloc[-1]=='' and 'mg/kg' in p.flag.iloc[-1] and '1 of 2 files could not be read' in err and 'b.csv' in err

# --- columns of the table -----------------------------------------------------------------------------------------

def test_columns_say_it_themselves(mirzai, model, usable, write, kex, tmp_path):
    f = write(tmp_path/'t.csv', kex=kex[:60]*MG_K, kex_unit='mg/kg', kex_method='mehlich3', kex_limit=25.)
    assert mirzai(*train(f, tmp_path/'m'))[0]==0
    p = Predictor.load(tmp_path/'m'); said = p.meta['training']
    assert said['method']=='mehlich3' and said['below_limit']==(kex[:60]*MG_K<25).sum() and said['maximum']==pytest.approx(kex[:60].max())
    assert mirzai(*train(f, tmp_path/'m', '--kex-unit', 'MG/KG', '--kex-method', 'mehlich3'))[0]==0              # saying it again is no contradiction
    refused(mirzai, *train(f, tmp_path/'n', '--kex-unit', 'mg/100g'), names=(f, 'kex_unit says mg/kg', 'mg/100g'))
    refused(mirzai, *train(f, tmp_path/'n', '--kex-method', 'acetate'), names=(f, 'kex_method says mehlich3', 'acetate'))

@pytest.mark.parametrize('columns,names', [
    (dict(kex_unit=['mg/kg']*30+['cmol/kg']*30), ('mg/kg, cmol/kg', 'one unit')), (dict(kex_unit='parsec'), ('t.csv', 'parsec', 'mg/kg')),
    (dict(kex_limit=-1), ('t.csv', 'kex_limit', 'negative')), (dict(kex_limit='a little'), ('t.csv', 'kex_limit'))])
def test_columns_that_are_refused(mirzai, write, kex, tmp_path, columns, names):
    refused(mirzai, *train(write(tmp_path/'t.csv', kex=kex[:60], **columns), tmp_path/'m'), names=names); assert not (tmp_path/'m').exists()

def test_a_unit_of_some_rows_does_not_speak_for_the_others(usable, write, kex, tmp_path):
    "What states no unit is in ours: a unit that only some rows state is refused, unless it is ours or said for all"
    office = usable[:30].like(properties=usable.properties[:30].assign(kex=kex[:30]*MG_K, kex_unit='mg/kg'))
    with pytest.raises(MirzaiError, match='kex_unit says mg/kg, and nothing for 30') as e: (office+usable[30:60]).stated()
    assert '\n' not in str(e.value)
    np.testing.assert_allclose((office.stated()+usable[30:60]).stated().y(), kex[:60])
    f = write(tmp_path/'t.csv', kex=kex[:60]*MG_K, kex_unit=['mg/kg']*30+['']*30)
    with pytest.raises(MirzaiError, match='kex_unit says mg/kg, and nothing for 30'): read_library(f)
    np.testing.assert_allclose(read_library(f, kex_unit='mg/kg').y(), kex[:60], rtol=1e-6)
    missing = write(tmp_path/'m.csv', kex=[f'{v*MG_K:.6f}' for v in kex[:30]]+['']*30, kex_unit=['mg/kg']*30+['']*30)
    np.testing.assert_allclose(read_library(missing).y()[:30], kex[:30], rtol=1e-5)
    spelt = usable[:2].like(properties=usable.properties[:2].assign(kex=[40., 80.], kex_unit=['mg/kg', 'MG / KG']))
    np.testing.assert_allclose(spelt.stated().y(), np.array([40, 80])/MG_K)

@pytest.mark.parametrize('n', [12, 60])
def test_a_model_is_not_taught_another_unit(usable, n):
    office = usable[:n].like(properties=usable.properties[:n].assign(kex=usable.y()[:n]*MG_K, kex_unit='mg/kg'))
    with pytest.raises(MirzaiError, match='kex is still in mg/kg') as e: PLSR(3).fit(office)
    assert '\n' not in str(e.value)
    np.testing.assert_allclose(PLSR(3).fit(office.stated()).predict(office), PLSR(3).fit(usable[:n]).predict(office), rtol=1e-4)

def test_a_folder_s_tables_are_in_our_units(usable, write, kex, tmp_path):
    (tmp_path/'in').mkdir()
    write(tmp_path/'in'/'a.csv', slice(30), kex=kex[:30]*MG_K, kex_unit='mg/kg'); write(tmp_path/'in'/'b.csv', slice(40), kex=kex[:40])
    lib = read_instruments(tmp_path/'in')
    np.testing.assert_allclose(lib.y(), np.r_[kex[:30], kex[:40]], rtol=1e-6)

def test_a_table_s_units_of_other_properties(usable, write, kex, tmp_path):
    lib = read_library(write(tmp_path/'t.csv', kex=kex[:60], oc=usable.y('oc')[:60]*10, oc_unit='g/kg'))
    np.testing.assert_allclose(lib.y('oc'), usable.y('oc')[:60])

def test_a_method_column_with_gaps(write, kex, tmp_path):
    "An empty cell is unknown: the argument fills it, and contradicts nothing"
    f = write(tmp_path/'t.csv', kex=kex[:60], kex_method=['acetate']*30+['']*30)
    assert read_library(f).method()=='acetate 30, unknown 30' and read_library(f, kex_method='acetate').method()=='acetate'
    with pytest.raises(MirzaiError, match='kex_method'): read_library(f, kex_method='bacl2')

@pytest.mark.parametrize('text', ['Mehlich-3', 'MEHLICH3', 'mehlich 3'])
def test_a_method_by_its_usual_name(write, kex, tmp_path, text):
    "Written as people write it, it is the same method, does not differ from itself, and does from another"
    f = write(tmp_path/'t.csv', kex=kex[:60], kex_method=text)
    assert read_library(f, kex_method='mehlich3').method()=='mehlich3'
    with pytest.raises(MirzaiError, match='kex_method says'): read_library(f, kex_method='acetate')

# --- methods ------------------------------------------------------------------------------------------------------

def test_the_method_is_recorded_and_said(mirzai, write, kex, tmp_path):
    f,m = write(tmp_path/'t.csv', kex=kex[:60]),tmp_path/'m'
    code,out,_ = mirzai(*train(f, m, '--kex-method', 'bacl2')); assert code==0 and 'measured by barium chloride' in out
    assert read_library(f, kex_method='bacl2').properties.kex_method.unique()==['bacl2'] and json.loads((m/'model.json').read_text())['training']['method']=='bacl2'
    code,out,_ = mirzai('card', m, '--out', tmp_path/'c.html'); assert code==0 and 'measured by: barium chloride' in out and 'barium chloride' in (tmp_path/'c.html').read_text()
    local = write(tmp_path/'l.csv', slice(100, 160), kex=kex[100:160])
    for how,said in (('mehlich3', 'by barium chloride, the local ones are by Mehlich-3: methods differ'), ('bacl2', None), (None, 'by an unknown method: whether that is the same, nobody knows')):
        out = mirzai('validate', m, local, '--force', *(('--kex-method', how) if how else ()))[1]
        assert said is None and 'the local ones are by' not in out or said and said in ' '.join(out.split()), out
        assert json.loads((m/'validation.json').read_text())['kex_method']==(how or 'unknown')
    assert mirzai('card', m, '--out', tmp_path/'c.html')[0]==0 and 'method unknown' in (tmp_path/'c.html').read_text()

def test_a_threshold_by_another_method(mirzai, write, kex, tmp_path):
    f,new = write(tmp_path/'t.csv', kex=kex[:60]),write(tmp_path/'n.csv', slice(60, 80)); said = {}
    for how in ('acetate', 'mehlich3', None):
        assert mirzai(*train(f, tmp_path/f'm{how}', *(('--kex-method', how) if how else ())))[0]==0
        said[how] = {t: mirzai('predict', tmp_path/f'm{how}', new, '--threshold', t, '--out', tmp_path/'p.csv')[2] for t in ('rice', '0.53')}
    assert 'ammonium acetate' not in said['acetate']['rice'] and 'by 1 M ammonium acetate, pH 7; the model learnt values by Mehlich-3: they differ' in said['mehlich3']['rice']
    assert 'unknown' in said[None]['rice'] and 'they differ' not in said[None]['rice'], said[None]['rice']                # nobody knows whether they do
    assert all('The threshold is for' not in s['0.53'] for s in said.values())                                           # the user's own number

def test_the_sample_is_by_acetate_wherever_it_goes(sample, tmp_path):
    assert sample.method()=='acetate'; write_library(sample[:5], tmp_path/'t.csv'); assert read_library(tmp_path/'t.csv').method()=='acetate'
    other = SpectralLibrary(sample.spectra[:5], sample.wavenumbers, sample.properties[:5].set_axis(list('abcde')).rename_axis('id')); assert other.method()=='unknown'

def test_methods_of_a_mixture(write, kex, tmp_path):
    lib = read_library(write(tmp_path/'t.csv', kex=kex[:60], kex_method=['acetate']*40+['mehlich3']*20)); assert lib.method()=='acetate 40, mehlich3 20'
    assert 'acetate 40, mehlich3 20' in ' '.join(threshold_remarks(.53, True, lib.method()))

# --- thresholds ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('text,kex_', [('2', 2), ('0.53', .53), ('.2', .2), ('1e-1', .1), ('25mgK2O/100g', 25/MG_K2O), ('25 mg K2O / 100 g', 25/MG_K2O), ('25 mgK₂O/100g', 25/MG_K2O), ('25MGK2O/100G', 25/MG_K2O),
    ('200mgK/kg', 200/MG_K), ('20mgK/100g', 200/MG_K), ('200mg/kg', 200/MG_K), ('3cmol/kg', 3), ('3 cmol(+)/kg', 3), ('rice', 25/MG_K2O), ('Soybean', 50/MG_K2O), ('plateau', 1)])
def test_thresholds(text, kex_):
    found,said = threshold(text); assert found==pytest.approx(kex_) and f'{kex_:.3g} cmol(+)/kg = {kex_*MG_K2O:.3g} mg K2O/100 g' in said

@pytest.mark.parametrize('text,names', [('25', ('25mgK2O/100g', '25mgK/100g', '25mgK/kg', '25cmol/kg', 'up to 2')), ('2.01', ('2.01mgK2O/100g',)), ('200', ('200mgK/kg',)), ('0.05', ('0.06', 'detection limit')),
    ('20mgK/kg', ('0.06', 'detection limit')), ('2mgK2O/100g', ('0.06',)), ('0', ('above 0',)), ('-1', ('above 0',)), ('nan', ('above 0',)), ('inf', ('at most 50',)), ('60cmol/kg', ('at most 50',)), ('25mg', ('25mgK2O/100g',)),
    ('25mgP2O5/100g', ('not known',)), ('0,53', ('not known',)), ('', ('not known',)), ('potato', ('rice, soybean, plateau',)), ('1_000', ('not known',)), ('٢٥', ('not known',))])
def test_thresholds_refused(mirzai, model, write, tmp_path, text, names):
    refused(mirzai, 'predict', model, write(tmp_path/'n.csv', slice(60, 64)), f'--threshold={text}', '--out', tmp_path/'p.csv', names=('threshold', *names)); assert not (tmp_path/'p.csv').exists()

def test_every_decision_prints_its_threshold(mirzai, model, write, tmp_path):
    new = write(tmp_path/'n.csv', slice(60, 80))
    for t in ('2', '0.53', '25mgK2O/100g', '200mgK/kg', 'rice', '0.1', '0.06', '0.12'):
        page = tmp_path/'r.html' if t in ('rice', '0.1') else None
        code,out,err = mirzai('predict', model, new, '--threshold', t, *(('--report', page) if page else ()), '--out', tmp_path/'p.csv'); k,said = threshold(t)
        assert code==0 and f'threshold {said}' in out and re.search(r'threshold (rice: )?[\d.]+ cmol\(\+\)/kg = [\d.]+ mg K2O/100 g', out), (t, out)
        assert not page or f'Threshold {said}' in page.read_text()
        for text in (err, page.read_text()) if page else (err,): assert ('below 0.12 cmol(+)/kg' in text and 'noise' in text)==(k<.12), (t, text[:300])
    assert not any('noise' in r for r in threshold_remarks(.12, False, 'acetate')) and 'noise' in threshold_remarks(.119, False, 'acetate')[0]

# --- values below a limit -----------------------------------------------------------------------------------------

def cells(kex, **at): return [at.get(f's{i}', f'{v:.4f}') for i,v in enumerate(kex[:60])]

def test_reported_below_a_limit(mirzai, model, write, kex, tmp_path):
    f = write(tmp_path/'t.csv', kex=cells(kex, s3='<0.12', s7='< 0,12', s8='≤0.30', s9='<=0.5'))
    lib = read_library(f); assert list(lib.y()[[3, 7, 8, 9]])==[0]*4 and list(lib.limit()[[3, 7, 8, 9, 10]])==[.12, .12, .30, .5, .06]
    assert list(lib.floored()[[3, 7, 8, 9]])==[.12, .12, .3, .5] and len(lib.usable())==60
    assert mirzai(*train(f, tmp_path/'m'))[0]==0 and Predictor.load(tmp_path/'m').meta['training']['below_limit']==(read_library(f).y()<lib.limit()).sum()
    assert mirzai('predict', model, f, '--out', tmp_path/'p.csv')[0]==0; seen = pd.read_csv(tmp_path/'p.csv').observed[[3, 7, 8, 9]].fillna('').astype(str)
    assert [re.sub(r'[<≤= ]+', '<', o).replace(',', '.').rstrip('0') for o in seen]==['<0.12', '<0.12', '<0.3', '<0.5']

def test_reported_below_a_limit_in_another_unit(mirzai, model, write, kex, tmp_path):
    k = [f'{v*MG_K:.1f}' for v in kex[:60]]; k[3],k[5],k[6] = '<50', 'n.d.', '< 50,0'; f = write(tmp_path/'t.csv', kex=k)
    lib = read_library(f, kex_unit='mg/kg', kex_limit=25); np.testing.assert_allclose(lib.limit()[[3, 5, 6, 7]], np.array([50, 25, 50, 25])/MG_K)
    assert list(lib.y()[[3, 5, 6]])==[0]*3
    refused(mirzai, *train(f, tmp_path/'m', '--kex-limit', 25), names=(f, 'mg/kg', '--kex-unit')); assert not (tmp_path/'m').exists()
    assert mirzai('predict', model, f, '--kex-unit', 'mg/kg', '--kex-limit', 25, '--out', tmp_path/'p.csv')[0]==0
    assert list(pd.read_csv(tmp_path/'p.csv').observed[[3, 5, 6]])==['<0.128', '<0.0639', '<0.128']

@pytest.mark.parametrize('text', ['n.d.', 'ND', 'b.d.l.', '< LOD', 'n.n.'])
def test_not_detected_needs_a_limit(mirzai, model, write, kex, tmp_path, text):
    f = write(tmp_path/'t.csv', kex=cells(kex, s3=text, s5=text))
    refused(mirzai, *train(f, tmp_path/'m'), names=(f, 'S3', text, 'detection limit', 'kex_limit', 'empty the cell')); assert not (tmp_path/'m').exists()
    refused(mirzai, 'validate', model, f, names=(f, 'S3')); refused(mirzai, 'predict', model, f, '--out', tmp_path/'p.csv', names=('S3',)); assert not (tmp_path/'p.csv').exists()
    lib = read_library(f, kex_limit=.1); assert list(lib.y()[[3, 5]])==[0, 0] and (lib.limit()==.1).all()
    assert list(read_library(write(tmp_path/'u.csv', kex=cells(kex, s3=text), kex_limit=.2)).limit()[[3, 4]])==[.2, .2]
    assert mirzai(*train(f, tmp_path/'m', '--kex-limit', .1))[0]==0

@pytest.mark.parametrize('text', ['-', '<', '> 5', 'trace', '0.12*', '<0.12 cmol/kg', '<-0.1', '1.2.3', '0.1-0.2', 'inf'])
def test_what_is_no_value(mirzai, write, kex, tmp_path, text):
    f = write(tmp_path/'t.csv', kex=cells(kex, s3=text))
    for more in ((), ('--kex-limit', .1)): refused(mirzai, *train(f, tmp_path/'m', *more), names=(f, 'S3', 'correct')); assert not (tmp_path/'m').exists()

def test_a_limit_without_its_zero(write, kex, tmp_path):
    assert read_library(write(tmp_path/'t.csv', kex=cells(kex, s3='<.12'))).limit()[3]==.12

@pytest.mark.parametrize('text,more', [('<500', ()), ('<47', ()), ('n.d.', ('--kex-limit', 25)), ('n.d.', ('--kex-limit', 500))])
def test_a_limit_in_another_unit_is_refused(mirzai, model, write, kex, tmp_path, text, more):
    "No laboratory's detection limit lies above nearly all soils: 25 is mg/kg, and a soil below it is not learnt as 25 cmol(+)/kg"
    f = write(tmp_path/'t.csv', kex=cells(kex, s3=text))
    refused(mirzai, *train(f, tmp_path/'m', *more), names=(f,)); assert not (tmp_path/'m').exists()
    inside = everything(model); refused(mirzai, 'validate', model, write(tmp_path/'l.csv', slice(100, 160), kex=[text]+list(kex[101:160])), *more); assert everything(model)==inside

def test_zeros_are_soils(mirzai, write, kex, tmp_path):
    k = kex[:60].copy(); k[:20] = 0; f = write(tmp_path/'t.csv', kex=k); code,out,_ = mirzai(*train(f, tmp_path/'m'))
    assert code==0 and '60 used' in out and f'{(k<.06).sum()} below the detection limit' in out and Predictor.load(tmp_path/'m').meta['training']['n']==60
    assert not words(k) and words(k*MG_K) and words(np.r_[np.zeros(200), kex[:60]*MG_K])                            # zeros do not hide a unit

def test_negative_values(mirzai, model, write, kex, tmp_path):
    "Dropped and counted in training; named with the file in validation"
    k = kex[:60].copy(); k[3] = -.1; code,out,_ = mirzai(*train(write(tmp_path/'t.csv', kex=k), tmp_path/'m')); assert code==0 and '59 used; 1 dropped (kex not above 0)' in out
    k = kex[100:160].copy(); k[0] = -.1; f = write(tmp_path/'l.csv', slice(100, 160), kex=k); inside = everything(model)
    refused(mirzai, 'validate', model, f, names=('S100', 'l.csv')); assert everything(model)==inside

def test_nothing_but_below(mirzai, write, tmp_path):
    for k,more in ((['<0.1']*60, ()), (['n.d.']*60, ('--kex-limit', .1)), ([0.]*60, ())): refused(mirzai, *train(write(tmp_path/'t.csv', kex=k), tmp_path/'m', *more), names=('t.csv', 'nothing to learn'))

def test_censored_soils_in_a_validation(mirzai, model, write, kex, tmp_path):
    k = ['n.d.' if v<.2 else f'{v:.3f}' for v in kex[100:160]]; f = write(tmp_path/'l.csv', slice(100, 160), kex=k); low = (kex[100:160]<.2).sum()
    refused(mirzai, 'validate', model, f, names=(f,)); assert mirzai('validate', model, f, '--kex-limit', .2, '--force')[0]==0
    v = json.loads((model/'validation.json').read_text()); assert v['censored']==low and v['n']==60 and {s['limit'] for s in v['soils']}=={.2} and sum(s['observed']==0 for s in v['soils'])==low
