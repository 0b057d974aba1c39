"The paper's runs, figures and audit, from the results kept beside the notebooks, and the command end to end at a tiny scale"
import json, shutil
import numpy as np, pandas as pd, pytest
from functools import cache
from pathlib import Path
from mirzai.library import MirzaiError
from mirzai.paper import audit as a, runs as r
from mirzai.store import record_made, unrecorded

kept = Path(__file__).parent.parent/'nbs'/'paper'/'results'

@pytest.fixture(autouse=True, scope='module')
def made_once():
    "What audits draw from the same soils and the same published numbers is drawn once"
    with pytest.MonkeyPatch.context() as patch:
        for name in ('table2_check', 'mape_table', 'global_local'): patch.setattr(a, name, cache(getattr(a, name)))
        yield

@pytest.fixture
def own(tmp_path):
    "The kept results as if they came from a user's own library"
    shutil.copytree(kept, tmp_path/'results')
    about = json.loads((kept/'about.json').read_text())|dict(synthetic=False, library='KSSL, as a test', library_n=40_132, quick=False)
    (tmp_path/'results'/'about.json').write_text(json.dumps(about))
    return r.PaperRuns(tmp_path/'results')

SHOWN = pd.DataFrame([dict(fault=f, published=1., ours=2., what='shown') for f in ('MAPE of PLSR', 'MAPE of CNN', 'N of the orders', 'bias', 'CNN R2 spread',
                     'local PLSR: Mollisols', 'local PLSR: Gelisols', 'local PLSR: Vertisols')])

def test_every_published_row_has_one_verdict(sample):
    t = a.audit(r.PaperRuns(kept), sample, SHOWN)
    assert list(t.columns)==['where', 'row', 'model', 'metric', 'published', 'ours', 'verdict', 'why'] and len(t)==len(r.published())
    assert set(t.verdict)<={'reproduced', 'differs', 'cannot be told', 'shown by demonstration', 'needs the library'} and (t.why.str.len()>0).all()
    assert (t.verdict!='needs the library').sum()>=30
    assert not t[t['where'].isin(['Table 4'])].ours.notna().any()      # synthetic numbers are never set against the paper's

def test_a_users_library_fills_the_rest(own, sample):
    t = a.audit(own, sample, SHOWN)
    scores = t.query('`where`=="Table 3" and metric in ("r2", "lccc", "rmse") and row!="All"')
    assert scores.verdict.isin(['reproduced', 'differs', 'cannot be told']).all() and scores.why.str.contains('as a test').all()
    got = scores.query('row=="Mollisols" and model=="CNN" and metric=="r2"').ours.item()
    want = own['library'].select(group='mollisols').query('model=="cnn"').r2.mean()
    assert got==pytest.approx(want)
    assert t.query('`where`=="Fig. 6" and metric=="r2" and model=="CNN"').ours.notna().all()

@pytest.mark.parametrize('change', [dict(synthetic=True), dict(library_n=743), dict(quick=True), dict(splits=1)])
def test_who_may_not_judge(own, sample, change):
    own.about |= change
    assert not a.judges(own) and set(a.audit(own, sample, SHOWN).query('`where`=="Table 4"').verdict)=={'needs the library'}

def test_a_synthetic_table_stays_synthetic(tmp_path):
    from mirzai.loading import read_library, write_library
    from mirzai.synthetic import is_synthetic, synthetic_library
    write_library(synthetic_library(40, 3), tmp_path/'kssl.csv')
    assert is_synthetic(read_library(tmp_path/'kssl.csv'))

def test_a_library_without_profiles_sources_or_orders(sample):
    lib = sample[:300].select('kex')
    runs = r.runs_of(r.SCALES['smoke'], lib)
    assert runs['library'][1]['scopes']==['all'] and not {'sources', 'local'}&set(runs)

def test_figures_are_the_same_file_again(tmp_path, sample):
    for d in ('a', 'b'):
        for name,(_,_,f) in a.figures_of(r.PaperRuns(kept), sample).items():
            if name in ('figure_3', 'figure_8'): r.save_figure(f(), tmp_path/d/name)
    assert {f.name for f in (tmp_path/'a').iterdir()}=={f'figure_{n}.{e}' for n in (3, 8) for e in ('svg', 'pdf')}
    for f in (tmp_path/'a').iterdir(): assert f.read_bytes()==(tmp_path/'b'/f.name).read_bytes() and f.stat().st_size>2000

def test_no_results(tmp_path):
    with pytest.raises(MirzaiError, match='no results of mirzai paper'): r.PaperRuns(tmp_path)

def test_the_command_at_the_scale_of_a_sample(mirzai, tmp_path, monkeypatch):
    monkeypatch.setitem(r.SCALES, 'sample', r.SCALES['sample']|dict(sample_splits=2, sample_sizes=(100, None),
                        settings=dict(cnn=dict(epochs=1, nets=1))|{'cnn-paper': dict(epochs=1)}))
    monkeypatch.setattr(a, 'faults', lambda: SHOWN)
    monkeypatch.setattr(a, 'lr_range', lambda lib, real=a.lr_range: real(lib, [0], 2))
    args = ('paper', '--scale', 'sample', '--jobs', 1, '--out', tmp_path/'p')
    code,out,err = mirzai(*args)
    assert code==0, err
    t = pd.read_csv(tmp_path/'p'/'audit.csv')
    assert len(t)==len(r.published()) and f'{len(t)} rows' in out
    page = (tmp_path/'p'/'paper.html').read_text()
    assert 'Not possible at this scale' in page and 'Fig. 7' in page.split('Not possible')[1] and '<script' not in page
    assert {f.name for f in (tmp_path/'p'/'figures').iterdir()}>={'figure_3.svg', 'figure_3.pdf', 'figure_1.pdf'}
    about = json.loads((tmp_path/'p'/'results'/'about.json').read_text())
    assert not unrecorded(tmp_path/'p'/'results') and {m['command'] for m in about['made']}=={'mirzai paper --scale sample'}
    before = {f: f.stat().st_mtime_ns for f in (tmp_path/'p'/'stores').rglob('tasks/*/*.parquet')}
    assert before and mirzai(*args)[0]==0
    assert {f: f.stat().st_mtime_ns for f in (tmp_path/'p'/'stores').rglob('tasks/*/*.parquet')}==before
    code,_,err = mirzai('paper', '--scale', 'smoke', '--out', tmp_path/'p')
    assert code==2 and 'another paper' in err
    code,_,err = mirzai('paper', '--scale', 'sample', '--library', 'sample', '--out', tmp_path/'q')
    assert code==2 and '--library' in err

def left_end_of(tmp_path, mean, sd, n=20):
    "The kept runs with other scores of the paper's recipes on the real sample"
    shutil.copytree(kept, tmp_path/'results')
    f = tmp_path/'results'/'sample_paper'/'scores.parquet'
    s = pd.read_parquet(f); s = s[s.seed<n]
    test = (s.group=='all')&(s.split=='test')
    z = np.random.default_rng(0).normal(size=n); z = (z-z.mean())/z.std(ddof=1)
    for m in s.model.unique(): s.loc[test&(s.model==m), 'r2'] = mean+sd*z
    s.to_parquet(f)
    return a.judge_left_end(r.PaperRuns(tmp_path/'results')).set_index('model')

@pytest.mark.parametrize('mean,sd', [(.36, .15), (.30, .12), (.5, .19), (.36, 0.)])
def test_wide_intervals_reproduce_nothing(mean, sd, tmp_path):
    "Within the published standard deviation, but with intervals many times the bound"
    assert set(left_end_of(tmp_path, mean, sd).verdict)=={'cannot be told'}

def test_a_model_that_knows_nothing_is_not_reproduced(tmp_path):
    t = left_end_of(tmp_path, -.05, .05)
    assert set(t.verdict)=={'differs'} and t.why.str.contains('bound 0.05').all()

def test_equivalence_wants_the_whole_interval_inside():
    from mirzai.paper.learning_curves import equivalence, split_error
    say = lambda d, se, n=20: equivalence(d, [se, se], [n, n], .05)['verdict']
    assert [say(d, .004) for d in (0, .03, .05, .07)]==['reproduced', 'reproduced', 'cannot be told', 'differs']
    assert say(0, .05)==say(0, .5)==say(0, np.nan)==say(0, .001, 1)=='cannot be told'
    assert split_error(.1, 20)>.1/20**.5*1.8 and split_error(.1, 10**6)>.035     # more splits of the same soils say little more

def test_a_users_library_is_judged_by_the_same_rule(own):
    t = a.judge_library(own)
    fig3 = t[t['where']=='Fig. 3']
    assert len(fig3) and fig3.why.str.contains('bound 0.05').all()
    assert set(t[t['where']=='Table 4'].verdict)=={'cannot be told'}
    own.about['library'] = 'KSSL'
    s = pd.read_parquet(own.path/'library'/'scores.parquet')
    p = r.published('Table 3').query('row=="All" and model=="CNN" and metric=="r2"').value.item()
    hit = (s.scope=='all')&(s.group=='all')&(s.split=='test')&(s.model=='cnn')
    s.loc[hit, 'r2'] = p+np.linspace(-.005, .005, hit.sum()); s.to_parquet(own.path/'library'/'scores.parquet')
    of = lambda: a.judge_library(own).query('`where`=="section 3.2.1" and model=="CNN" and metric=="r2"').verdict.item()
    assert of()=='reproduced'
    s.loc[hit, 'r2'] += .1; s.to_parquet(own.path/'library'/'scores.parquet')
    assert of()=='differs'

@pytest.mark.parametrize('folder', [kept, kept.parent.parent/'results'], ids=['paper', 'chapters'])
def test_every_kept_result_says_what_made_it(folder):
    assert unrecorded(folder)==[]
    for m in json.loads((folder/'about.json').read_text())['made']:
        assert all(m[k] for k in ('mirzai', 'code', 'command', 'date')) and m['files']
        for f in m['files']: assert (folder/f).exists(), f'{f}: has a record and is not there'

def test_a_kept_result_without_a_record_is_found(tmp_path):
    shutil.copytree(kept, tmp_path/'k'); k = tmp_path/'k'
    (k/'new.parquet').write_bytes(b'1'); (k/'faults.csv').write_text('changed under its record')
    assert unrecorded(k)==['faults.csv', 'new.parquet']
    record_made(k, dict(mirzai='1.0', code='', command='nobody knows'), ['new.parquet'])
    assert 'new.parquet' in unrecorded(k)                 # a record that names no code is none
    record_made(k, dict(mirzai='1.0', code='abc', command='x'))
    assert unrecorded(k)==[] and r.PaperRuns(k).about['sample_n']==409
    (k/'about.json').unlink()
    assert len(unrecorded(k))>30
