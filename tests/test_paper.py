"The paper's runs, figures and audit, from the results kept beside the notebooks, and the command end to end at a tiny scale"
import json, shutil
import numpy as np, pandas as pd, pytest
from pathlib import Path
from mirzai.library import MirzaiError
from mirzai.paper import audit as a, runs as r

kept = Path(__file__).parent.parent/'nbs'/'paper'/'results'

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
    assert set(t.verdict)<={'reproduced', 'differs', 'shown by demonstration', 'needs the library'} and (t.why.str.len()>0).all()
    assert (t.verdict!='needs the library').sum()>=30
    assert not t[t['where'].isin(['Table 4'])].ours.notna().any()      # synthetic numbers are never set against the paper's

def test_a_users_library_fills_the_rest(own, sample):
    t = a.audit(own, sample, SHOWN)
    scores = t.query('`where`=="Table 3" and metric in ("r2", "lccc", "rmse") and row!="All"')
    assert scores.verdict.isin(['reproduced', 'differs']).all() and scores.why.str.contains('as a test').all()
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
        for name,(run,_,f) in a.figures_of(r.PaperRuns(kept), sample).items():
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
    before = {f: f.stat().st_mtime_ns for f in (tmp_path/'p'/'stores').rglob('tasks/*/*.parquet')}
    assert before and mirzai(*args)[0]==0
    assert {f: f.stat().st_mtime_ns for f in (tmp_path/'p'/'stores').rglob('tasks/*/*.parquet')}==before
    code,_,err = mirzai('paper', '--scale', 'smoke', '--out', tmp_path/'p')
    assert code==2 and 'another paper' in err
    code,_,err = mirzai('paper', '--scale', 'sample', '--library', 'sample', '--out', tmp_path/'q')
    assert code==2 and '--library' in err
