"Applicability: known soils pass, strangers do not, limits are honest, storage, odd input"
import json, subprocess, sys
import numpy as np, pandas as pd, pytest
from mirzai.applicability import (STATISTICS, UNUSABLE, Domain, separation, certify, common_scale, fit_domain, joint_limits, oddity,
                                  promised_share, unseen)
from mirzai.gpr import GPR
from mirzai.library import MirzaiError, SpectralLibrary
from mirzai.loading import load_sample
from mirzai.plsr import PLSR
from mirzai.synthetic import synthetic_library
from mirzai.transforms import to_grid

w = np.arange(600, 4001, 4.)
plsr = lambda: PLSR(8)
NUMBERS = [*STATISTICS, 'strangeness']
lib_like = lambda lib, X: SpectralLibrary(X, lib.wavenumbers, lib.properties)
shifted = lambda lib, d: lib_like(lib, np.array([np.interp(lib.wavenumbers+d, lib.wavenumbers, x) for x in lib.spectra]))

@pytest.fixture(scope='module')
def libs(): return [synthetic_library(1200, seed=s, wavenumbers=w).select('kex') for s in (0, 1)]

@pytest.fixture(scope='module')
def model(libs): return plsr().fit(libs[0])

@pytest.fixture(scope='module')
def certified(libs): return certify(plsr, libs[0])

@pytest.fixture(scope='module')
def domain(libs, model, certified): return fit_domain(model, libs[0], certified[1])

@pytest.fixture(scope='module')
def real():
    lib = to_grid(load_sample().select('kex'), w)
    rows = np.random.default_rng(0).permutation(len(lib))
    return lib[rows[100:]], lib[rows[:100]]

# three correlated statistics, and limits from n of them: how often does the next one lie beyond?
MIX = np.linalg.cholesky([[1, .5, .3], [.5, 1, .4], [.3, .4, 1]])
drawn = lambda rng, n: ((rng.normal(size=(6, n, 3))@MIX.T)**2).sum(0)

def found_beyond(rule, n, missing=False, repeats=200):
    rng = np.random.default_rng(n)
    known, new = np.array([1, 1, np.nan if missing else 1]), drawn(rng, 10_000)
    return np.mean([(new>rule(drawn(rng, n)*known)).any(1).mean() for _ in range(repeats)])

@pytest.mark.parametrize('n,off', [(20, .02), (30, .01), (60, .01), (400, .003)])
@pytest.mark.parametrize('missing', [False, True])
def test_limits_flag_the_share_they_promise(n, off, missing):
    assert abs(found_beyond(joint_limits, n, missing)-promised_share(n)[1])<off

def test_this_check_finds_wrong_limits():
    each = lambda h: np.nanquantile(h, .975, axis=0)                    # a limit for each statistic, none for all
    largest = lambda h: h.max(0)                                        # which no thirty soils can keep
    assert found_beyond(each, 400)-promised_share(400)[1]>.01 and found_beyond(largest, 30)-promised_share(30)[1]>.02

def test_promises():
    assert [promised_share(n)[0] for n in (1, 20, 30, 60, 400, 5000)]==[1, 1, 1, 2, 10, 125]
    assert promised_share(30)[1]==1/31 and promised_share(9, .5)==(5, .5)

def test_common_scale():
    h = drawn(np.random.default_rng(0), 200)
    z = oddity(h, *common_scale(h))
    assert np.isclose(np.median(z), np.median(oddity(h**2*7, *common_scale(h**2*7))), atol=.02)   # any unit, any power
    assert np.allclose(oddity(np.array([np.median(h, 0), np.quantile(h, .75, axis=0)]), *common_scale(h)), [0, 1])
    assert (joint_limits(np.ones((40, 3)))>=1).all()                                             # nothing varies

@pytest.mark.parametrize('n,seeds,off', [(30, 20, .02), (60, 12, .02), (300, 4, .015)])
def test_real_soils_are_flagged_as_promised(n, seeds, off):
    lib = to_grid(load_sample().select('kex'), np.arange(600, 4001, 8.))
    def found(seed):
        rows = np.random.default_rng([seed, n]).permutation(len(lib))
        d = fit_domain(m := PLSR(5).fit(lib[rows[:n]]), lib[rows[:n]])
        assert d.settings['share']==promised_share(n)[1]
        return (d.assess(lib[rows[n:]], m).reason!='').mean()
    assert abs(np.mean([found(s) for s in range(seeds)])-promised_share(n)[1])<off

def off_promise(domain, new, model):
    "How much larger the share of flagged soils is than promised"
    return (domain.assess(new, model).reason!='').mean()-domain.settings['share']

TOLD = .008     # 968 soils at .025 tell the share to .005

@pytest.mark.parametrize('groups', ['profile', None])
def test_new_soils_are_flagged_as_promised(libs, model, groups):
    d = fit_domain(model, libs[0], certify(plsr, libs[0], groups=groups)[1])
    assert abs(off_promise(d, libs[1], model))<TOLD

def test_soils_that_were_learnt_cannot_judge_the_flags(libs):
    "Limits from the soils that directions and model have seen keep their promise on these, and break it on new ones"
    few = libs[0][:200]     # the fewer, the more a model knows them by heart
    model = plsr().fit(few)
    own = pd.DataFrame(unseen(model, few, few), columns=STATISTICS)
    own.attrs['split'] = 'none'
    cheated = fit_domain(model, few, own)
    assert abs(off_promise(cheated, few, model))<.006 and off_promise(cheated, libs[1], model)>3*TOLD

@pytest.mark.parametrize('factor,way', [(.8, 1), (1.25, -1)])
def test_wrong_limits_are_found_on_new_soils(libs, model, domain, factor, way):
    wrong = Domain(domain.arrays, domain.settings | dict(limits={k: factor*v for k,v in domain.settings['limits'].items()}))
    assert way*off_promise(wrong, libs[1], model)>1.5*TOLD

def test_strangers_do_not_pass(real):
    train,test = real
    d = fit_domain(m := plsr().fit(train), train)
    known = d.assess(test, m)
    rng = np.random.default_rng(0)
    for new,least in ((shifted(test, 8), .95), (lib_like(test, test.spectra+rng.normal(0, .01, test.spectra.shape)), .95),
                      (lib_like(test, 10**-test.spectra), .99), (lib_like(test, test.spectra[:, ::-1]), .99)):
        assert separation(known.strangeness, d.assess(new, m).strangeness)>least
    assert (d.assess(lib_like(test, 10**-test.spectra), m).reason!='').all() and (known.reason!='').mean()<=.06

def test_training_soils_lie_nearer_than_the_limits_assume(libs, model, domain):
    assert (domain.assess(libs[0], model).reason!='').mean()<(domain.assess(libs[1], model).reason!='').mean()

def test_one_by_one_or_all_at_once(libs, model, domain):
    new = libs[1][:40]
    each = pd.concat([domain.assess(new[[i]], model) for i in range(len(new))])
    assert np.allclose(each[NUMBERS], domain.assess(new, model)[NUMBERS], rtol=1e-6) and list(each.index)==list(new.ids)
    a,b = domain.measure(new.spectra, chunk=7), domain.measure(new.spectra)
    assert all(np.allclose(x, y, rtol=1e-9) for x,y in zip(a, b))

def test_other_grids(libs, model, domain):
    fine = synthetic_library(1200, seed=1, wavenumbers=np.linspace(590, 4010, 1711)).by_id(libs[1].ids[:50])
    assert (domain.assess(fine, model).reason=='').mean()>.9

def test_unusable_spectra(libs, model, domain):
    X = libs[1].spectra[:5].copy(); X[0, 3],X[1],X[2, 0] = np.nan, .5, -np.inf
    t = domain.assess(lib_like(libs[1][:5], X), model)
    assert t.reason.tolist()[:3]==[UNUSABLE]*3 and t[NUMBERS].isna().all(axis=1).tolist()==[True]*3+[False]*2
    assert len(domain.assess(libs[1][:0], model))==0
    assert domain.assess(lib_like(libs[1][:3], X[:3]), model).strangeness.isna().all()

def test_reasons_say_which_and_where(libs, model, domain):
    X = libs[1].spectra[:1].copy(); X[0, 250:254] += .5
    t = domain.assess(lib_like(libs[1][:1], X), model)
    low = int(w[250]//50*50)
    assert 'residual' in t.reason.iloc[0] and f'{low+50}-{low} cm-1' in t.reason.iloc[0] and t.strangeness.iloc[0]>1
    t = domain.assess(lib_like(libs[1][:50], 10**-libs[1].spectra[:50]), model)
    assert t.reason.str.contains('further from the middle').any() and not t.reason.str.contains('\n').any()

def test_stored_and_read_again(libs, model, domain):
    from safetensors.numpy import load, save
    arrays,settings = domain.pack()
    assert sum(a.nbytes for a in arrays.values())<500_000
    again = Domain(load(save(arrays)), json.loads(json.dumps(settings, allow_nan=False)))
    assert again.assess(libs[1], model).equals(domain.assess(libs[1], model))

def test_without_a_model(libs, model, domain):
    a,b = domain.assess(libs[1]), domain.assess(libs[1], model)
    assert a.remoteness.isna().all() and a.q.equals(b.q) and (a.strangeness<=b.strangeness).all()
    none = fit_domain(None, libs[0])
    assert none.settings['limits']['remoteness'] is None and none.assess(libs[1], model).remoteness.isna().all()

def test_cheap_limits_are_those_of_the_folds(libs, model, certified, domain):
    cheap = fit_domain(model, libs[0])
    assert np.allclose(*[[*d.settings['limits'].values()] for d in (cheap, domain)]) and cheap.settings['split']==domain.settings['split']
    assert domain.settings['split']=='10 folds, profiles kept together'==certified[0].settings['split']

def test_same_seed_same_domain_and_any_number_of_jobs(libs):
    lib = libs[0][:300]
    (c,a),(e,b) = certify(plsr, lib), certify(plsr, lib, jobs=2)
    assert np.allclose(a, b, rtol=1e-9) and np.allclose(c.arrays['residual'], e.arrays['residual'])
    x,y = fit_domain(None, lib, a), fit_domain(None, lib, a)
    assert all(np.array_equal(x.arrays[k], y.arrays[k]) for k in x.arrays) and x.settings==y.settings

def test_groups_of_the_calibration(libs): assert certify(plsr, libs[0], by='order')[0].settings['by']=='order'

def test_small_sets(libs):
    for n in (12, 40):
        lib = libs[0][:n]
        t = fit_domain(m := PLSR(2).fit(lib), lib).assess(libs[1][:30], m)
        assert np.isfinite(t.q).all() and np.isfinite(t.strangeness).all()

def test_remoteness_of_plsr_and_gpr(libs):
    for m in (PLSR(6), GPR(windows=(11,), tune_samples=60)):
        m.fit(libs[0][:200])
        far = m.remoteness(libs[1][:100])
        assert (far>=0).all() and np.isfinite(far).all() and np.allclose(m.remoteness(libs[1][:3]), far[:3], rtol=1e-6)
        assert np.median(m.remoteness(shifted(libs[1][:100], 12)))>np.median(far)
        again = m.refit(libs[0][200:400])
        assert not np.allclose(again.predict(libs[1][:9]), m.predict(libs[1][:9])) and np.isfinite(again.remoteness(libs[1][:9])).all()

def test_against_chemotools(real):
    outliers = pytest.importorskip('chemotools.outliers')
    from sklearn.decomposition import PCA
    from mirzai.transforms import SNV
    train,test = real
    d = fit_domain(None, train)
    z = lambda l: SNV().fit_transform(l.spectra.astype(float))
    theirs = outliers.HotellingT2(PCA(20, random_state=0).fit(z(train))).fit(z(train)).predict_residuals(z(test))
    assert np.allclose(d.measure(test.spectra)[1], theirs, rtol=1e-4)

def test_auroc():
    from sklearn.metrics import roc_auc_score
    rng = np.random.default_rng(0); a,b = rng.integers(0, 9, 50), rng.integers(2, 12, 30)
    assert separation(a, b)==pytest.approx(roc_auc_score(np.r_[np.zeros(50), np.ones(30)], np.r_[a, b]))
    assert separation([1, np.nan], [2])==1

def test_missing_values_are_refused(libs):
    lib = libs[0][:60]
    lib = SpectralLibrary(lib.spectra, w, lib.properties.assign(kex=np.where(np.arange(60)==3, np.nan, lib.y())))
    with pytest.raises(MirzaiError, match='select'): certify(plsr, lib)

def test_unseen_of_a_network():
    pytest.importorskip('torch')
    from mirzai.learner import CNNRegressor
    lib = synthetic_library(160, seed=0, wavenumbers=np.linspace(600, 4000, 500)).select('kex')
    m = CNNRegressor(nets=2, epochs=2).fit(lib[:80])
    assert m.latent_.shape==(80, 40) and m.whiten_.shape==(40, 40) and m.latent_.dtype==np.float32
    far = m.remoteness(lib[80:])
    assert np.allclose(m.remoteness(lib[80:90]), far[:10], rtol=1e-3) and np.isfinite(unseen(m, lib[:80], lib[80:])).all()
    d = fit_domain(m, lib[:80])
    assert d.settings['limits']['remoteness'] is None and np.isfinite(d.assess(lib[80:], m).strangeness).all()

def test_light():
    code = "import sys, mirzai.applicability; print([m for m in ('torch', 'fastai', 'captum', 'crepes', 'chemotools') if m in sys.modules])"
    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True).stdout.strip()=='[]'
