"Uncertainty: promises kept where samples are exchangeable, groups, storage, odd input"
import json, subprocess, sys
import numpy as np, pandas as pd, pytest
from mirzai.library import MirzaiError, SpectralLibrary
from mirzai.plsr import PLSR
from mirzai.synthetic import synthetic_library
from mirzai.transforms import SpectralRegressor
from mirzai.uncertainty import (Calibration, MIN_GROUP, CHECK_LEVELS, calibrate, calibration_from, chance_band, check, coverage, ece, fold_numbers,
                                interval_score, out_of_fold, ranks, reliability, as_reported)

w = np.linspace(600, 4000, 200)
plsr = lambda: PLSR(8)

class Mean(SpectralRegressor): # knows nothing, so that its errors are those of the data
    def _fit(self, X, t, valid): self.mean_ = t.mean()
    def _predict(self, X): return np.full(len(X), self.mean_)

def noise(n, seed, **columns):
    rng = np.random.default_rng(seed)
    return SpectralLibrary(rng.random((n, len(w)))+.1, w, pd.DataFrame(dict(kex=10**rng.normal(-.4, .3, n)) | columns), 'noise')

@pytest.fixture(scope='module')
def libs(): return [synthetic_library(800, seed=s, wavenumbers=w).select('kex') for s in (0, 1)]

@pytest.fixture(scope='module')
def cal(libs): return calibrate(plsr, libs[0], by='order')

@pytest.fixture(scope='module')
def predicted(libs): return plsr().fit(libs[0]).predict(libs[1])

@pytest.mark.parametrize('k', [None, 25])
@pytest.mark.parametrize('level', [.5, .8, .9])
def test_exchangeable_samples_are_covered(k, level):
    inside,below = [],[]
    for s in range(25):
        a,b = noise(120, 2*s), noise(80, 2*s+1)
        c,p = calibrate(Mean, a, k=k, seed=s), Mean().fit(a).predict(b)
        lower,upper = c.interval(p, b, level)
        inside.append(np.mean((b.y()>=lower)&(b.y()<=upper)))
        below.append([np.mean(b.y()<.3), c.p_below(p, b, .3).mean()])
    assert abs(np.mean(inside)-level)<.025
    assert abs(np.subtract(*np.mean(below, 0)))<.02

def test_synthetic_soils(libs, cal, predicted):
    t = check(Calibration(cal.arrays, cal.settings | dict(by=None)), predicted, libs[1], by='order')
    assert .86<t.coverage.covered[0]<.94 and t.coverage.n[0]==len(libs[1])==t.coverage.n[1:].sum()
    assert t.probability.ece['mean']<.07 and len(t.probability)==len(CHECK_LEVELS)+1

def test_a_model_that_lies_is_found_out(libs, cal, predicted):
    t = check(cal, predicted*2, libs[1])
    assert not t.coverage.within[0] and t.probability.ece['mean']>.1

def test_stored_and_read_again(libs, cal, predicted):
    from safetensors.numpy import load, save
    arrays,settings = cal.pack()
    again = Calibration(load(save({k: np.ascontiguousarray(v) for k,v in arrays.items()})), json.loads(json.dumps(settings)))
    for f in (lambda c: c.interval(predicted, libs[1]), lambda c: c.p_below(predicted, libs[1], .3)):
        assert np.array_equal(f(cal), f(again))
    assert again.groups().equals(cal.groups())

def test_same_seed_same_calibration(libs):
    a,b,c = [calibrate(plsr, libs[0][:200], seed=s).arrays for s in (0, 0, 1)]
    assert all(np.array_equal(a[k], b[k]) for k in a) and not np.array_equal(a['residual'], c['residual'])

def test_groups_with_errors_of_their_own(libs, cal, predicted):
    new,g = libs[1],cal.groups().set_index('group')
    big = g.index[g.uses==g.index]
    assert (g.n[big]>=MIN_GROUP).all() and (g.n[g.uses=='all']<MIN_GROUP).all() and len(big)
    whole = cal.interval(predicted, new, labels=np.full(len(new), 'never seen'))
    own,order = cal.interval(predicted, new), new.properties.order.to_numpy()
    same = own[1]==whole[1]
    assert same[~np.isin(order, big)].all() and not same[np.isin(order, big)].all()
    assert np.array_equal(own, cal.interval(predicted, new, labels=order))
    assert np.array_equal(np.array(own)[:, :40], np.array([np.r_[[x[0] for x in cal.interval(predicted[[i]], new[[i]])]] for i in range(40)]).T)

def test_a_group_that_is_called_all():
    lib = noise(300, 0, order=['all']*20+['x']*280)
    g = calibrate(Mean, lib, by='order').groups().set_index('group')
    assert g.uses['order all']=='all' and g.uses['x']=='x'

def test_folds_keep_profiles(libs):
    lib = libs[0]
    lib = SpectralLibrary(lib.spectra, lib.wavenumbers, lib.properties.assign(profile=lib.properties.profile.where(np.arange(len(lib))%3>0)))
    fold = fold_numbers(lib)
    assert lib.properties.assign(fold=fold).groupby('profile').fold.nunique().max()==1
    assert np.bincount(fold).max()<1.6*np.bincount(fold).min() and len(np.unique(fold))==10
    assert len(np.unique(fold_numbers(noise(4, 0))))==4

def test_interval_and_probability_agree(libs, cal, predicted):
    lower,upper = cal.interval(predicted, libs[1], .8)
    poorer = .2*cal.settings['poorer']   # a third of the misses may lie below
    assert np.allclose(cal.p_below(predicted, libs[1], lower), poorer, atol=.01) and np.allclose(cal.p_below(predicted, libs[1], upper), .8+poorer, atol=.01)
    p = np.array([cal.p_below(predicted, libs[1], t) for t in (1e-6, .1, .3, 1, 1e6)])
    assert (np.diff(p, axis=0)>=0).all() and p.min()>0 and p.max()<1
    a,b = cal.interval(predicted, libs[1], .95)
    assert (a<=lower).all() and (b>=upper).all()

def test_other_grids(libs, cal, predicted):
    fine = synthetic_library(800, seed=1, wavenumbers=np.linspace(600, 4000, 1000)).by_id(libs[1].ids)
    apart = np.abs(cal.difficulty(fine)/cal.difficulty(libs[1])-1)
    assert np.quantile(apart, .99)<.1 and apart.max()<.2

def test_rows_that_say_nothing(libs, cal):
    X = libs[1].spectra[:4].copy(); X[0, 3],X[1],X[2, 0] = np.nan, .5, np.inf
    p = np.full(4, .4)
    assert np.isnan(cal.interval(p, X)).tolist()==[[True]*3+[False]]*2 and np.isnan(cal.p_below(p, X, .3)).tolist()==[True]*3+[False]
    assert np.isnan(cal.interval([np.nan], libs[1][:1])).all() and np.isnan(cal.p_below([np.nan], libs[1][:1], .3)).all()
    assert [len(e) for e in cal.interval([], X[:0])]==[0, 0] and len(cal.p_below([], X[:0], .3))==0
    assert coverage(np.array([1., 1]), np.array([.5, np.nan]), np.array([2., np.nan])).n[0]==1

def test_a_property_without_logarithm(libs):
    make = lambda: PLSR(8, target='clay')
    c,p = calibrate(make, libs[0]), make().fit(libs[0]).predict(libs[1])
    lower,upper = c.interval(p, libs[1])
    assert .84<np.mean((libs[1].y('clay')>=lower)&(libs[1].y('clay')<=upper))<.96 and lower.min()<0

def test_too_few_for_the_level():
    lib = noise(12, 0)
    assert [e[0] for e in calibrate(Mean, lib).interval([.4], lib[:1])]==[0, np.inf]
    assert np.isfinite(calibrate(Mean, lib).interval([.4], lib[:1], .8)).all()
    assert ranks(19, .9)==(1, 19) and ranks(18, .9)==(0, 19) and ranks(519, .9)==(26, 494)

@pytest.mark.parametrize('call,words', [
    (lambda c, l: c.interval(np.ones(3), l[:2]), 'predicted has shape (3,)'), (lambda c, l: c.interval(np.ones((2, 1)), l[:2]), 'flat array'),
    (lambda c, l: c.interval([-.4, .3], l[:2]), 'not log10'), (lambda c, l: c.interval([.4, .3], l[:2], 90), 'level is 90'),
    (lambda c, l: c.p_below([.4, .3], l[:2], 0), 'threshold: not above 0'), (lambda c, l: c.interval([.4, .3], l[:2], labels=['x']), 'labels: 1 for 2'),
    (lambda c, l: c.difficulty(np.ones((2, 7))), 'X has shape (2, 7)'), (lambda c, l: calibrate(plsr, l[:50], by='county'), "no column 'county'"),
    (lambda c, l: calibrate(plsr, l[:1]), '1 folds of'), (lambda c, l: Calibration(c.arrays | dict(residual=np.ones(3)), c.settings), 'one length')])
def test_errors_in_one_line(libs, cal, call, words):
    with pytest.raises(MirzaiError) as e: call(cal, libs[1])
    assert words in str(e.value) and '\n' not in str(e.value)

def test_missing_values_are_refused(libs, cal, predicted):
    lib = SpectralLibrary(libs[1].spectra, w, libs[1].properties.assign(kex=np.where(np.arange(len(libs[1]))==3, np.nan, libs[1].y())))
    with pytest.raises(MirzaiError, match='select'): calibrate(plsr, lib)
    with pytest.raises(MirzaiError, match='select'): check(cal, predicted, lib)

def test_scores_by_hand():
    assert interval_score(np.array([0., 3.]), np.array([-1., 0]), np.array([1., 2]), .9)==pytest.approx((2+2+20*1)/2)
    assert ece([.05, .15, .15, 1.], [0, 0, 0, 1])==pytest.approx((.05+.3)/4) and list(reliability([.05, .15, .15, 1.], [0, 0, 0, 1]).n)==[1, 2, 1]
    assert chance_band(2000)==pytest.approx((.8825, .917), abs=.002)

@pytest.mark.parametrize('value,words', [(.0599, '<0.06'), (0, '<0.06'), (.06, '0.06 to 0.30'), (.2999, '0.06 to 0.30'), (.3, '0.300'), (.9996, '1.00'),
                                         (1.234, '1.23'), (99.96, '100'), (1234, '1230'), (np.nan, 'unknown'), (np.inf, 'no limit'), (np.float32(.5), '0.500')])
def test_said(value, words): assert as_reported(value)==words

def test_light():
    code = "import sys, mirzai.uncertainty; print([m for m in ('torch', 'fastai', 'captum', 'crepes') if m in sys.modules])"
    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True).stdout.strip()=='[]'

def test_folds_side_by_side_give_the_same(libs):
    lib = libs[0][:200]
    fold = fold_numbers(lib)
    one,two = (out_of_fold(plsr, lib, fold, also=lambda model, train, test: np.c_[test.y(), np.full(len(test), len(train))], jobs=j) for j in (1, 2))
    assert all(np.allclose(a, b, rtol=1e-9) for a,b in zip(one, two)) and len(one)==3 and len(out_of_fold(plsr, lib, fold))==2
    assert np.array_equal(one[2][:, 0], lib.y()) and np.array_equal(one[2][:, 1], len(lib)-np.bincount(fold)[fold])

def test_calibration_from_the_predictions_of_folds(libs, cal):
    lib = libs[0]
    fold = fold_numbers(lib)
    observed,predicted = (10**v for v in out_of_fold(plsr, lib, fold))
    c = calibration_from(lib, observed, predicted, 'ten folds', fold=fold, by='order')
    assert all(np.allclose(c.arrays[k], cal.arrays[k], rtol=1e-9) for k in cal.arrays) and c.settings['split']=='ten folds'
    assert cal.settings['split']=='10 folds, profiles kept together' and calibrate(plsr, lib[:60], groups=None).settings['split']=='10 folds, by sample'

def test_calibration_from_repeated_test_sets(libs, predicted):
    lib,rng = libs[0],np.random.default_rng(0)
    rows,seen = [],[]
    for _ in range(6):
        p = rng.permutation(len(lib)); a,b = p[200:], p[:200]
        rows.append(b); seen.append(plsr().fit(lib[a]).predict(lib[b]))
    rows,seen = np.concatenate(rows), np.concatenate(seen)
    c = calibration_from(lib[rows], lib.y()[rows], seen, 'test sets of 6 random splits')
    lower,upper = c.interval(predicted, libs[1])
    assert .86<np.mean((libs[1].y()>=lower)&(libs[1].y()<=upper))<.95 and len(c)==1200
    # copies of a sample do not tell its own difficulty: an error of its own, however large, leaves it where it was
    i = rows[0]
    worse = seen.copy(); worse[rows==i] *= 1000
    d = calibration_from(lib[rows], lib.y()[rows], worse, '')
    alone = np.flatnonzero(rows==i)
    assert np.allclose(d.arrays['difficulty'][alone], c.arrays['difficulty'][alone])

@pytest.mark.parametrize('change,words', [(dict(predicted=[.4]), 'predicted has shape (1,)'), (dict(predicted=[.4, np.nan]), 'predicted: values missing'),
                                          (dict(observed=[-.4, .3]), 'observed: 1 value(s) not above 0')])
def test_predictions_that_cannot_be_used(libs, change, words):
    with pytest.raises(MirzaiError) as e: calibration_from(libs[0][:2], **(dict(observed=[.3, .4], predicted=[.3, .4], split='') | change))
    assert words in str(e.value) and '\n' not in str(e.value)
