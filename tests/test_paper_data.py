"The paper's tables of the data, its first figure, and the learning-rate range test"
import matplotlib.pyplot as plt, numpy as np, pandas as pd, pytest
from pathlib import Path
from mirzai.library import SpectralLibrary
from mirzai.paper.data import both_scales, figure1, figure_pipelines, kept_share, moments, table1, table2, table2_check, through
from mirzai.paper.runs import published, save_figure
from mirzai.synthetic import synthetic_library

@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close('all')

def soils(kex, order=None):
    "A library of nothing but Kex"
    props = pd.DataFrame(dict(kex=kex)|({} if order is None else dict(order=order)))
    return SpectralLibrary(np.ones((len(kex), 3)), [600, 700, 800], props, 'made up')

def test_moments_are_those_of_scipy():
    from scipy.stats import kurtosis, skew
    y = np.random.default_rng(0).lognormal(size=300)
    m = moments(y)
    assert [m['skewness'], m['kurtosis']]==pytest.approx([skew(y), kurtosis(y)])
    assert [m['sd'], m['q1'], m['q3']]==pytest.approx([pd.Series(y).std(), *np.percentile(y, [25, 75])])

def test_missing_and_zero_kex_are_told_apart():
    rows = both_scales(soils([np.nan, 0., .01, 1., 10.]))
    assert len(rows['kex'])==4 and rows['log10_kex']==pytest.approx([-2, 0, 1])

def test_table2_holds_every_published_value(sample):
    t,p = table2(dict(ours=sample)),published('Table 2')
    assert all(t.loc[(r.row, 'published'), r.metric]==r.value for r in p.itertuples())
    assert t.loc[('kex', 'ours'), 'mean']==pytest.approx(sample.y().mean())

def test_table2_check_tells_a_like_library_from_another(sample):
    a,b = (table2_check(sample, 100, seed) for seed in (0, 0))
    pd.testing.assert_frame_equal(a, b)
    rich = soils(sample.y()*3)
    verdicts = lambda t: t.set_index(['row', 'metric']).verdict
    middle = [('kex', 'median'), ('log10_kex', 'mean'), ('log10_kex', 'q3')]
    assert (verdicts(a)[middle]=='reproduced').all()
    c = table2_check(rich, 100)
    assert (verdicts(c)[middle]=='differs').all()
    assert c.set_index(['row', 'metric']).why[middle].str.endswith(': drawn otherwise').all()
    assert verdicts(c)['log10_kex', 'skewness']=='reproduced'   # a factor leaves the shape alone

def test_a_library_as_the_paper_says_is_reproduced():
    from scipy.stats import norm
    p = published('Table 2').query('row=="log10_kex"').set_index('metric').value
    y = 10**norm.ppf((np.arange(500)+.5)/500, p['mean'], p['sd'])   # evenly spread: nothing left to chance
    t = table2_check(soils(y), 200).query('row=="log10_kex" and metric not in ["min", "max"]')
    assert len(t)==7 and (t.verdict=='reproduced').all()

def test_kept_share_counts_the_floor_itself():
    k = kept_share(soils([np.nan, .119, .12, .13, .5])).iloc[0]
    assert (k.kept, k.n)==(3, 4) and k.low<k.share<k.high
    assert kept_share(soils(np.r_[np.full(900, .01), np.ones(100)])).verdict.tolist()==['differs']

def test_table1_is_read_from_the_pipelines(monkeypatch):
    from mirzai.transforms import SNV, SavitzkyGolay
    from sklearn.pipeline import make_pipeline
    assert table1().loc['cnn', 'SavitzkyGolay']=='-' and 'window_length 11' in table1().loc['plsr', 'SavitzkyGolay']
    monkeypatch.setattr('mirzai.paper.data.paper_pipeline', lambda m, w: make_pipeline(SNV(), SavitzkyGolay(21, 2, 1)))
    assert table1().loc['cnn', 'SavitzkyGolay']=='deriv 1, polyorder 2, window_length 21'

def test_a_removed_region_is_a_gap(sample):
    (_,before),*_,(name,after) = through('plsr', sample[:5])
    gone = sample.wavenumbers[np.isnan(after[0])]
    assert name=='RemoveRegion' and not np.isnan(before).any() and gone.min()>=2269 and gone.max()<=2389

def test_figures_with_and_without_orders(sample, tmp_path):
    s = synthetic_library(400, 0, np.arange(600, 4001, 100))
    assert len(figure1(dict(real=sample)))==1
    axs = figure1({'real': sample, 'SYNTHETIC': s})
    assert len(axs)==2 and 'SYNTHETIC' in axs[1].get_title(loc='left')
    assert len(axs[1].get_yticklabels())==s.properties.order.nunique()
    save_figure(axs, tmp_path/'f'); save_figure(figure_pipelines(sample[:20]), tmp_path/'g')
    assert {p.name for p in tmp_path.iterdir()}=={'f.svg', 'f.pdf', 'g.svg', 'g.pdf'}

def test_lr_range_repeats_itself_and_leaves_nothing_behind(sample, tmp_path, monkeypatch):
    from mirzai.paper.lr_range import figure_lr_range, landmarks, lr_range, smoothed
    monkeypatch.chdir(tmp_path)
    lib = sample.select('kex')[:160]
    a,b = (lr_range(lib, [0], epochs=4) for _ in range(2))
    pd.testing.assert_frame_equal(a, b)
    assert len(a)==16 and a.lr.iloc[0]==pytest.approx(1e-5) and a.lr.is_monotonic_increasing and np.isfinite(a.loss).all()
    assert smoothed(a).shape[1]==1 and landmarks(a).index.tolist()==[0, 'median']
    figure_lr_range(a)
    assert not list(Path(tmp_path).iterdir())
