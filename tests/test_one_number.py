"One file, one number, through `mirzai predict`: beside whatever neighbours, in whatever order; what is not read is named; means add up"
import os, random, shutil
import numpy as np, pandas as pd, pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from mirzai.library import SpectralLibrary
from mirzai.loading import write_library
from mirzai.predictor import Predictor
from test_instruments import opus
from test_one_file import neighbours, ours, put

NUMBERS = ['predicted', 'mean', 'lower', 'upper', 'p_below', 'strangeness', 'scans', 'spread', 'flag']
IDS = {'A7': ['A7.0', 'A7.1'], 'B-1': ['B-1.0'], 'B-2': ['B-2.0'], 'C_0-20': ['C_0-20.spa'], 'D.2': ['D.2.dx'], 'E10': ['E10.0']}
REFUSED = {'2short.0', '3near.0', '4broken.0', '5cut.0', '8text.0'}
FOREIGN = {'6foreign.spc', '7.xlsx', 'notes.txt', 'fields.csv'}

@pytest.fixture(scope='module')
def scene(sample):
    "Falling wavenumbers of an instrument, spectra along those"
    return sample.wavenumbers[::-2], sample.spectra[:, ::-2]

@pytest.fixture(scope='module')
def thin(sample):
    lib = sample.usable(); return SpectralLibrary(lib.spectra[:, ::8], lib.wavenumbers[::8], lib.properties[['kex']])

@pytest.fixture(scope='module')
def models(sample, thin, tmp_path_factory):
    "A model of each kind, trained by the command"
    from mirzai.cli import main
    d = tmp_path_factory.mktemp('models'); write_library(thin[100:220], d/'t.csv')
    write_library(sample.usable()[100:160], d/'fine.csv')   # the backbone wants narrow steps
    for m,t in (('plsr', 't'), ('gpr', 't'), ('gpr-transfer', 'fine')): assert main(['train', str(d/f'{t}.csv'), '--model', m, '--folds', '3', '--jobs', '1', '--out', str(d/m)])==0
    return d

def table(path): return pd.read_csv(path, dtype=str, keep_default_na=False).set_index('id')
def predicted(mirzai, model, *paths, out, more=('--threshold', '0.3')):
    code,said,err = mirzai('predict', model, *paths, *more, '--out', out); assert code==0, err
    return table(out)[NUMBERS] if '--threshold' in more else table(out)

def fresh(factory, files):
    d = factory.mktemp('day', numbered=True)
    for n,data in files.items(): put(d, n, data)
    return d

# --- neighbours ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('kind,examples', [('plsr', 10), ('gpr', 10)])
def test_a_row_is_the_same_beside_anything(mirzai, models, scene, tmp_path_factory, kind, examples):
    "To the last digit: alone, in a folder, as a list in any order, beside any neighbours"
    mine,others = ours(*scene),neighbours(*scene); out = tmp_path_factory.mktemp('out')
    at = fresh(tmp_path_factory, mine); alone = pd.concat([predicted(mirzai, models/kind, *(at/n for n in names), out=out/f'{id}.csv') for id,names in IDS.items()])
    assert list(alone.index)==list(IDS) and (alone.predicted!='').all() and alone.scans['A7']=='2' and alone['mean'].ne(alone.predicted).any()
    @settings(max_examples=examples, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.sets(st.sampled_from(sorted(others)), min_size=2), st.randoms(use_true_random=False))
    def check(some, rng):
        d = fresh(tmp_path_factory, {n: others[n] for n in some}|mine); p = out/'p.csv'; p.unlink(missing_ok=True)
        got = predicted(mirzai, models/kind, d, out=p); raw = p.read_bytes(); pd.testing.assert_frame_equal(got.loc[list(IDS)], alone)
        every = list(d.iterdir()); rng.shuffle(every); q = out/'q.csv'; q.unlink(missing_ok=True); predicted(mirzai, models/kind, *every, out=q); assert q.read_bytes()==raw
        bad = got[got.scans=='0']; assert set(bad.index)=={n.rpartition('.')[0] for n in some&REFUSED} and (bad[['predicted', 'mean', 'lower', 'upper', 'p_below']]=='').all(None) and bad.flag.str.startswith('not read: ').all()
        shutil.rmtree(d)
    check()

def test_transfer_beside_others(mirzai, models, scene, tmp_path):
    w,X = scene; names = ['A.0', 'B.0', 'C.0', 'D.0', 'E.0']
    for i,n in enumerate(names): put(tmp_path, f'd/{n}', opus(w, [('ab', X[i+20])]))
    whole = predicted(mirzai, models/'gpr-transfer', tmp_path/'d', out=tmp_path/'p.csv')
    for n in names: pd.testing.assert_frame_equal(predicted(mirzai, models/'gpr-transfer', tmp_path/'d'/n, out=tmp_path/f'{n}.csv'), whole.loc[[n[0]]])

@pytest.mark.parametrize('kind', ['plsr', 'gpr', 'gpr-transfer', 'cnn'])
def test_the_place_among_others_does_not_matter(models, sample, tmp_path, kind):
    "A spectrum at each of the places that are computed at once, beside others: bit by bit the same"
    u = sample.usable()
    if kind=='cnn':
        from mirzai.learner import CNNRegressor
        from mirzai.predictor import save_model
        kept = u[:60]; save_model(CNNRegressor(nets=1, epochs=1).fit(kept), tmp_path/'cnn', kept)
    p = Predictor.load((tmp_path if kind=='cnn' else models)/kind); w = p.model.wavenumbers_; X = u.spectra[:, np.isin(u.wavenumbers, w)]; one = X[300]; found = set()
    for place in range(0, 33):
        B = X[np.arange(33)+place].copy(); B[place] = one; r = p.predict(SpectralLibrary(B, w), .3 if p.calibration else None).iloc[place]; found.add(tuple(float(r[c]) for c in ('predicted', 'mean', 'lower', 'upper', 'strangeness') if r[c]==r[c]))
    assert len(found)==1, (len(found), sorted(found)[:4])

def test_sixty_files_and_one(mirzai, models, scene, tmp_path):
    "More than are computed at once, in parts: the number of files does not matter"
    w,X = scene; (d := tmp_path/'d').mkdir()
    for i in range(70): put(d, f'S{i}.0', opus(w, [('ab', X[i])]))
    for kind in ('plsr', 'gpr'):
        every = predicted(mirzai, models/kind, d, out=tmp_path/f'{kind}.csv')
        for i in (0, 31, 32, 69): pd.testing.assert_frame_equal(predicted(mirzai, models/kind, d/f'S{i}.0', out=tmp_path/f'{kind}{i}.csv'), every.loc[[f'S{i}']])

@pytest.mark.parametrize('kind', ['plsr', 'gpr'])
def test_rows_of_a_table(mirzai, models, thin, scene, tmp_path, kind):
    "A row alone, among others, in another order, beside a row with a hole, beside files"
    t = pd.DataFrame(thin.spectra[:40], index=[f'R{i}' for i in range(40)], columns=[f'{v:g}' for v in thin.wavenumbers]).rename_axis('id'); m = models/kind
    def of(t, name, *more): t.to_csv(tmp_path/f'{name}.csv'); return predicted(mirzai, m, tmp_path/f'{name}.csv', *more, out=tmp_path/f'p{name}.csv')
    whole = of(t, 'whole'); pd.testing.assert_frame_equal(of(t[::-1], 'back')[::-1], whole)
    for i in (0, 20, 39): pd.testing.assert_frame_equal(of(t[i:i+1], f'one{i}'), whole[i:i+1])
    holes = t.astype(object); holes.iloc[7, 5],holes.iloc[8, 9] = 'broken',np.nan; rest = [i for i in range(40) if i not in (7, 8)]
    got = of(holes, 'holes'); pd.testing.assert_frame_equal(got.iloc[rest], whole.iloc[rest]); assert (got.predicted.iloc[[7, 8]]=='').all()
    w,X = scene; put(tmp_path, 'A.0', opus(w[::5], [('ab', X[50][::5])])); put(tmp_path, 'zz.0', b'broken'); pd.testing.assert_frame_equal(of(t, 'beside', tmp_path/'A.0', tmp_path/'zz.0').loc[whole.index], whole)

def test_a_long_table_broken_at_its_end(mirzai, models, thin, scene, tmp_path):
    "What comes late in a table does not stop the other files"
    w,X = scene; rows = np.resize(np.arange(len(thin)), 2100); S = thin.spectra[rows].copy(); S[2090] = 50
    write_library(SpectralLibrary(S, thin.wavenumbers, pd.DataFrame(index=pd.Index([f'R{i}' for i in range(2100)], name='id'))), tmp_path/'t.parquet'); put(tmp_path, 'A.0', opus(w, [('ab', X[0])]))
    code,_,err = mirzai('predict', models/'plsr', tmp_path/'t.parquet', tmp_path/'A.0', '--out', tmp_path/'p.csv')
    assert code==0 and table(tmp_path/'p.csv').predicted['A']!='' and 't.parquet' in err, err

def test_python_and_command_say_the_same(models, mirzai, scene, tmp_path):
    from mirzai.instruments import SpectraFiles
    from mirzai.transforms import to_grid
    p = Predictor.load(models/'gpr'); put(tmp_path, 'B.0', opus(scene[0], [('ab', scene[1][1])])); lib, = SpectraFiles(tmp_path, wavenumbers=p.model.wavenumbers_, onto=to_grid).parts()
    row = predicted(mirzai, models/'gpr', tmp_path/'B.0', out=tmp_path/'p.csv').iloc[0]; want = p.predict(lib, .3).iloc[0]
    assert all(row[c]==f'{want[c]:.9g}' for c in ('predicted', 'mean', 'lower', 'upper', 'p_below', 'strangeness'))

@pytest.mark.parametrize('name', ['=1+1.0', 'ä ö.0', '<i>x.0', 'A,B;C.0', "O'Neil.0", '-7.0', '007.0', 'NA.0', '1e5.0'])
def test_odd_names(mirzai, models, scene, tmp_path, name):
    w,X = scene; plain = predicted(mirzai, models/'plsr', put(tmp_path, 'one/plain.0', opus(w, [('ab', X[3])])), out=tmp_path/'a.csv')
    put(tmp_path, f'two/{name}', opus(w, [('ab', X[3])])); put(tmp_path, 'two/zz<b>.0', b'broken')
    got = predicted(mirzai, models/'plsr', tmp_path/'two', out=tmp_path/'b.csv'); stem = name.removesuffix('.0'); id = ("'" if stem[0] in '=-' and not stem[1:].isdigit() else '')+stem
    assert set(got.index)=={id, 'zz<b>'} and list(got.loc[id])==list(plain.iloc[0])

# --- folder, glob, list -------------------------------------------------------------------------------------------

def test_folder_glob_and_list_are_one_table(mirzai, models, scene, tmp_path):
    files = neighbours(*scene)|ours(*scene); (d := tmp_path/'d').mkdir()
    for n,data in files.items(): put(d, n, data)
    asks = dict(folder=[d], glob=sorted(d.glob('*')), opus=[*d.glob('*.0'), *d.glob('*.1'), *(f for f in d.iterdir() if f.suffix not in ('.0', '.1'))], twice=[d, *d.iterdir()], shuffled=random.Random(2).sample(list(d.iterdir()), len(files)))
    raw,said = {},{}
    for n,paths in asks.items():
        code,out,err = mirzai('predict', models/'gpr', *paths, '--threshold', 'rice', '--out', tmp_path/'p.csv'); assert code==0, err
        raw[n] = (tmp_path/'p.csv').read_bytes(); said[n] = out,[l for l in err.splitlines() if 'earlier predictions' not in l]; (tmp_path/'p.csv').unlink()
    assert len(set(raw.values()))==1 and all(s==said['folder'] for s in said.values())
    here = os.getcwd(); os.chdir(d)
    try: assert mirzai('predict', models/'gpr', *sorted(os.listdir('.')), '--threshold', 'rice', '--out', '../p.csv')[0]==0
    finally: os.chdir(here)
    assert (tmp_path/'p.csv').read_bytes()==raw['folder']

# --- what is not read ---------------------------------------------------------------------------------------------

def test_everything_refused_is_named(mirzai, models, scene, tmp_path):
    (d := tmp_path/'d').mkdir()
    for n,data in (neighbours(*scene)|ours(*scene)).items(): put(d, n, data)
    code,out,err = mirzai('predict', models/'plsr', d, d/'gone.0', '--threshold', '0.3', '--report', tmp_path/'r.html', '--out', tmp_path/'p.csv'); page = (tmp_path/'r.html').read_text(); t = table(tmp_path/'p.csv')
    assert code==0 and '6 file(s) not read' in out and t.flag['gone']=='not read: no such file' and (t.scans=='0').sum()==6
    for text in (err, page):
        assert '6 of 19 files could not be read' in text and all(n in text for n in (*REFUSED, 'gone.0')), text[:500]
        assert '4 files of other kinds were not read (.csv 1, .spc 1, .txt 1, .xlsx 1)' in text
    assert all(id in page for id in ('2short', '5cut', 'gone')) and '13 of 19 files read: 12 soils' in page
    assert all(r.decision=='wet laboratory' and r.reason==r.flag for r in t[t.scans=='0'].itertuples())
    bad = t[t.scans=='0']; assert (bad[[c for c in t if c in ('predicted', 'reported', 'mean', 'lower', 'upper', 'p_below', 'mg_k_kg', 'mg_k2o_100g', 'strangeness', 'spread')]].isin(['', 'unknown'])).all(None)

def test_files_without_a_spectrum_are_no_soils(mirzai, models, scene, tmp_path):
    "Counted as files that were not read, not as soils that go to the laboratory"
    for i in range(3): put(tmp_path, f'd/S{i}.0', opus(scene[0], [('ab', scene[1][i+20])]))
    put(tmp_path, 'd/S0.1', b'\n\n\xfe\xfe'+bytes(9))
    code,out,_ = mirzai('predict', models/'plsr', tmp_path/'d', '--threshold', '0.3', '--report', tmp_path/'r.html', '--out', tmp_path/'p.csv')
    assert code==0 and '3 soils' in out and 'wet laboratory: 3' in out and '1 file(s) not read' in out, out
    page = (tmp_path/'r.html').read_text(); assert '3 of 4 files read: 3 soils' in page and '3 samples' in page

def test_nothing_predicted_nothing_written(mirzai, models, scene, tmp_path):
    "Exit 2 and one line; an earlier table and report stay as they were"
    w,X = scene; short = opus(w[:300], [('ab', X[0][:300])]); flat = opus(w, [('ab', np.full(len(w), .5))])
    for i,files in enumerate(({}, {'n.txt': b'x'}, {'a.spc': b'x'}, {'a.0': b'x'}, {'a.0': short, 'b.0': b''}, {'a.0': flat}, {'a.0': short, 'x.spc': b'x', 't.csv': b'id,kex\n1,2\n'})):
        d = tmp_path/f'd{i}'; d.mkdir(); p,r = tmp_path/f'p{i}.csv',tmp_path/f'r{i}.html'
        for n,data in files.items(): put(d, n, data)
        for paths in ([d], list(d.iterdir())):
            if not paths: continue
            code,out,err = mirzai('predict', models/'plsr', *paths, '--out', p, '--report', r); lines = [l for l in err.splitlines() if not l.startswith('mirzai: warning')]
            assert code==2 and len(lines)==1 and lines[0].startswith('mirzai: ') and not p.exists() and not r.exists(), (files.keys(), code, err)
    put(tmp_path, 'ok/S.0', opus(w, [('ab', X[3])])); assert mirzai('predict', models/'plsr', tmp_path/'ok', '--out', p)[0]==0; before = p.read_bytes()
    assert mirzai('predict', models/'plsr', tmp_path/'d4', '--out', p, '--force')[0]==2 and p.read_bytes()==before
    put(tmp_path, 'ok/zz.0', short); assert mirzai('predict', models/'plsr', tmp_path/'ok', '--out', p)[0]==0                      # one sound file is enough

def test_names_in_the_page_are_text(mirzai, models, scene, tmp_path):
    put(tmp_path, 'd/S.0', opus(scene[0], [('ab', scene[1][3])])); put(tmp_path, 'd/<script>x.0', b'broken'); put(tmp_path, 'd/<b>.spc', b'x')
    assert mirzai('predict', models/'plsr', tmp_path/'d', '--report', tmp_path/'r.html', '--out', tmp_path/'p.csv')[0]==0
    page = (tmp_path/'r.html').read_text(); assert '<script' not in page and '&lt;script&gt;x' in page

# --- scans of one soil --------------------------------------------------------------------------------------------

def test_replicates(mirzai, models, scene, tmp_path):
    w,X = scene; names = ['field-1.0', 'field-2.0', 'field-3.0', 'A7.0', 'A7.1', '9XS01.0', '9XS02.0']; d = tmp_path/'d'
    for i,n in enumerate(names): put(d, n, opus(w, [('ab', X[20]*(1+.002*i))]))
    def scans(*more): return {k: int(v) for k,v in predicted(mirzai, models/'plsr', d, out=tmp_path/'p.csv', more=('--threshold', '0.3', '--force', *more)).scans.items()}
    assert scans()=={'field-1': 1, 'field-2': 1, 'field-3': 1, 'A7': 2, '9XS01': 1, '9XS02': 1}==scans('--replicates', 'opus')
    assert scans('--replicates', r'XS\d\d')=={'field-1': 1, 'field-2': 1, 'field-3': 1, 'A7': 2, '9': 2} and set(scans('--replicates', 'none').values())=={1} and len(scans('--replicates', 'none'))==7
    for bad in ('(', '[', r'\w+'):
        code,_,err = mirzai('predict', models/'plsr', d, '--replicates', bad, '--out', tmp_path/'q.csv'); assert code==2 and len(err.splitlines())==1 and 'replicates' in err and not (tmp_path/'q.csv').exists()
    assert 'ending of no file' in mirzai('predict', models/'plsr', d, '--replicates', r'_r\d', '--force', '--out', tmp_path/'p.csv')[2]

def test_scans_too_far_apart_are_flagged(mirzai, models, scene, tmp_path):
    w,X = scene; put(tmp_path, 'd/A.0', opus(w, [('ab', X[252])])); put(tmp_path, 'd/A.1', opus(w, [('ab', X[144])])); put(tmp_path, 'd/B.0', opus(w, [('ab', X[20])]))
    t = predicted(mirzai, models/'plsr', tmp_path/'d', out=tmp_path/'p.csv'); assert 'scans differ by' in t.flag['A'] and float(t.spread['A'])>.05 and t.spread['B']=='' and list(t.scans)==['2', '1']
    assert 'one soil?' in mirzai('predict', models/'plsr', tmp_path/'d', '--out', tmp_path/'p.csv')[2]

def test_the_mean_of_scans_is_what_is_predicted(mirzai, models, scene, tmp_path):
    w,X = scene; X = X.astype(np.float64)
    for k in range(3): put(tmp_path, f'd/A.{k}', opus(w, [('ab', X[20]*(1+.01*k))]))
    put(tmp_path, 'e/A.0', opus(w, [('ab', X[20]*1.01)])); a,b = (float(predicted(mirzai, models/'gpr', tmp_path/f, out=tmp_path/f'{f}.csv').predicted.iloc[0]) for f in 'de'); assert a==pytest.approx(b, rel=1e-4)

# --- amounts ------------------------------------------------------------------------------------------------------

@pytest.fixture(scope='module')
def halves(thin, tmp_path_factory):
    "Measured, predicted and mean of the soils of the other half; three divisions, both by the command"
    from mirzai.cli import main
    d,out = tmp_path_factory.mktemp('halves'),[]
    for k in range(3):
        rows = np.random.default_rng(k).permutation(len(thin)); a,b = rows[:len(rows)//2],rows[len(rows)//2:]; write_library(thin[a], d/'a.csv'); write_library(thin[b], d/'b.csv')
        assert main(['train', str(d/'a.csv'), '--model', 'gpr', '--folds', '3', '--jobs', '1', '--force', '--out', str(d/'m')])==0
        assert main(['predict', str(d/'m'), str(d/'b.csv'), '--force', '--out', str(d/'p.csv')])==0; t = pd.read_csv(d/'p.csv'); assert len(t)==len(b); out.append(t)
    return out

def test_means_add_up_and_medians_do_not(halves):
    "Over all soils of the other half, the unflagged ones and those in a random third: sums of `mean` within 10% of what was measured"
    share = lambda c,rows: np.mean([t[c][rows(t)].sum()/t.observed[rows(t)].sum() for t in halves])
    for rows in (lambda t: slice(None), lambda t: t.flag.isna(), lambda t: t.index%3==0): assert abs(share('mean', rows)-1)<.10 and share('predicted', rows)<.90, (share('mean', rows), share('predicted', rows))

def test_a_mean_lies_above_its_median_and_inside_its_interval(halves):
    for t in halves: assert (t['mean']>t.predicted).mean()>.95 and ((t['mean']>t.lower)&(t['mean']<t.upper)).all() and ((t.predicted>t.lower)&(t.predicted<t.upper)).all()

def test_fields_are_summed_from_means(mirzai, models, scene, tmp_path):
    "The field table of the page has the mean of `mean`, not of `predicted`"
    from mirzai.field import by_field
    from mirzai.uncertainty import as_reported
    w,X = scene
    for i in range(6): put(tmp_path, f'd/S{i}.0', opus(w, [('ab', X[40+i])]))
    (tmp_path/'f.csv').write_text('id,field,area_ha\n'+''.join(f'S{i},{"north" if i<3 else "south"},2\n' for i in range(6)))
    assert mirzai('predict', models/'gpr', tmp_path/'d', '--fields', tmp_path/'f.csv', '--report', tmp_path/'r.html', '--out', tmp_path/'p.csv')[0]==0
    t = pd.read_csv(tmp_path/'p.csv'); t['flag'] = t.flag.fillna(''); sound = t[t.flag=='']; f = by_field(t).set_index('field')
    np.testing.assert_allclose(f['mean'], sound.groupby('field')['mean'].mean()); np.testing.assert_allclose(f['median'], sound.groupby('field').predicted.median())
    page = (tmp_path/'r.html').read_text(); part = page[page.index('By field'):page.index('All samples' if page.index('All samples')>page.index('By field') else 'Samples, the most')]
    assert 'mean' in part and all(as_reported(v) in part for v in f['mean']) and 'Amounts are added up from the column mean' in page
