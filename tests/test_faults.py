"The paper's faults: small pieces against plain loops, and the table the audit reads"
import numpy as np, pytest
from mirzai.metrics import lccc, mape
from mirzai.paper import faults as f
from mirzai.paper.runs import published

def draw(n=30, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.lognormal(-1, 1, n)
    return y, y*rng.lognormal(.1, .4, n)

def test_broadcast_mape_is_the_double_loop_and_what_a_column_does():
    o,p = draw()
    total = 0
    for i in range(len(o)):
        for j in range(len(p)): total += abs(o[i]-p[j])/o[i]
    assert f.broadcast_mape(o, p)==pytest.approx(100*total/len(o)**2)
    assert f.broadcast_mape(o, p)==pytest.approx(100*np.mean(np.abs(o-p[:, None])/np.abs(o)))
    assert f.broadcast_mape(o, p)>mape(o, p)
    assert f.broadcast_mape(o, p[::-1])==pytest.approx(f.broadcast_mape(o, p))   # pairs are random: order is lost

def test_simulation_separates_the_two_formulas():
    t = f.mape_table(range(2))
    assert abs(t.broadcast['PLSR']-t.published['PLSR'])<8 and t.right['PLSR']<60
    assert abs(t.right['CNN']-t.published['CNN'])<8 and t.broadcast['CNN']>100
    assert f.simulate(.6, 200)[0].min()>=.12

def test_printed_lccc_differs_unless_the_means_agree():
    o,p = draw()
    assert f.lccc_printed(o, p)!=pytest.approx(lccc(o, p), abs=1e-6)
    p = p-p.mean()+o.mean()
    assert f.lccc_printed(o, p)==pytest.approx(lccc(o, p))

def test_batches():
    assert f.batch_count([0, 1, 31, 32, 33, 4014]).tolist()==[0, 32, 32, 32, 64, 4032]
    steps = f.NOTEBOOK_N/1.6
    assert np.allclose(steps, steps.round())                      # means over 20 of multiples of 32
    assert (abs(f.printed_n()-f.NOTEBOOK_N.drop('Oxisols'))<1).all()
    c = f.batch_counts(seed=1).drop('Oxisols')
    assert (abs(c.counted-c.notebook)<3*c['sd'].clip(lower=.5)).all()

def test_neighbours_are_in_one_training_set_only():
    profile = np.repeat([f'p{i}' for i in range(40)], 4)
    test,a,b = f.neighbour_split(profile, 3)
    known = set(profile[test])
    assert len(test)==len(known)==10 and len(a)==len(b)==120
    assert not set(test)&(set(a)|set(b)) and not known&set(profile[b])
    assert sum(p in known for p in profile[a])==30

class Neighbours:
    "Knows the soil, and of its laboratory what the horizons of its own profile in training tell; `noisy`: with their own errors"
    def __init__(self, share=1., noisy=False): self.share, self.noisy = share, noisy
    def fit(self, lib):
        p = lib.properties
        error = np.log10(lib.y())-p.log_kex if self.noisy else p.batch
        self.known = self.share*error.groupby(p.profile).mean()
        return self
    def predict_scale(self, lib):
        return (lib.properties.log_kex+self.known.reindex(lib.properties.profile).fillna(0).to_numpy()).to_numpy()

@pytest.fixture(scope='module')
def profiles():
    "Profiles whose soils are known but for their laboratory errors"
    lib = f.horizons(4000)
    own = np.random.default_rng(1).normal(0, f.OWN, len(lib))
    lib.properties = lib.properties.assign(log_kex=np.log10(lib.y())-lib.y('batch')-own)
    return lib

@pytest.mark.parametrize('share', [1., .5, 0.])
def test_leak_is_found_where_a_model_can_know_the_batch(monkeypatch, profiles, share):
    "Planted, it is found at its size; where there is none, none is found"
    monkeypatch.setattr(f, 'horizons', lambda n: profiles)
    monkeypatch.setattr(f, 'make_model', lambda m, **kw: Neighbours(**kw))
    leaks = f.leakage(range(3), models=dict(planted=dict(share=share)))
    assert abs(leaks.leaked-share).max()<.1 and ((leaks.gain>.02) if share else leaks.gain==0).all()

def test_what_neighbours_can_give_is_the_limit(monkeypatch, profiles):
    "Their mean error, shrunk as the limit says, leaks what the limit says and gains at most that (where the floor took no neighbour); shrunk otherwise it gains less"
    monkeypatch.setattr(f, 'horizons', lambda n: profiles)
    monkeypatch.setattr(f, 'make_model', lambda m, **kw: Neighbours(noisy=True, **kw))
    limit = f.leak_limit(profiles)
    leaks = f.leak_summary(f.leakage(range(6), models={'plsr': dict(share=limit.leaked), 'less': dict(share=limit.leaked/3), 'raw': dict(share=1.5)}))
    assert abs(leaks.leaked['plsr']-limit.leaked)<.05 and limit.r2/2<leaks.gain['plsr']<limit.r2
    assert leaks.gain['plsr']>max(leaks.gain['less'], leaks.gain['raw'])

def test_our_models_can_hardly_know_the_batch():
    "Two models of spectra, which do not show it: between nothing and the most that neighbours can give, and nearer to nothing"
    leaks = f.leakage(range(3), n=1000, models={'plsr': dict(n_components=8), 'gpr': dict(windows=(5,), tune_samples=150)})
    assert list(leaks.columns)==['model', 'seed', 'with_r2', 'without_r2', 'leaked', 'gain'] and len(leaks)==6
    assert (leaks.groupby('model').leaked.mean().abs()<f.leak_limit(f.horizons(400)).leaked/2).all()

def test_floored_grid_is_undone():
    d = f.floored_grid(range(2), n_components=20)
    assert np.allclose(d['right -> restored'], d['right -> right'], atol=.005)
    assert (d['right -> floored']<d['right -> right']).any()

def test_small_arithmetic():
    assert f.order_zero().to_dict('list')=={'published': [52, 4], 'right': [4, 4]}
    assert f.mape_owner().tolist()==['Vertisols', 'Gelisols']
    assert f.local_gains().gain.round(3).tolist()==[.065, .120, .191]
    assert f.error_ratios().mape>3*f.error_ratios().mae
    assert set(published('section 3.2.1').model)=={'PLSR', 'CNN'}

def test_the_table_for_the_audit():
    t = f.faults(range(2))
    assert list(t.columns)==['fault', 'published', 'ours', 'what']
    assert t.fault.is_unique and (t.what.str.len()>20).all() and np.isfinite(t[['published', 'ours']]).all(axis=None)
    for word in ('MAPE', 'LCCC', 'bias', 'spread', 'grid', 'local', 'horizons', 'N of', 'order 0', 'Vertisols', 'logarithms', 'RPD'):
        assert t.fault.str.contains(word).any(), word
    drawn = t.fault.str.contains('drawn|MAPE of PLSR|MAPE of CNN')
    assert t.what[drawn].str.contains('SIMULATED').all()
    assert t.what[t.fault.str.contains('horizons|re-run')].str.contains('SYNTHETIC').all()

# --- model folders that say what cannot be ------------------------------------------------------------------------

@pytest.fixture(scope='module')
def saved(tmp_path_factory):
    from mirzai.applicability import certify, fit_domain
    from mirzai.gpr import GPR
    from mirzai.loading import load_sample
    from mirzai.plsr import PLSR
    from mirzai.predictor import save_model
    d,lib = tmp_path_factory.mktemp('saved'),load_sample().select('kex')[:120]
    c,held_out = certify(lambda: PLSR(5), lib, 3)
    m = PLSR(5).fit(lib); save_model(m, d/'plsr', lib, calibration=c, domain=fit_domain(m, lib, held_out))
    save_model(GPR(windows=(21,)).fit(lib), d/'gpr', lib)
    return d

def rewritten(folder, change, arrays=None):
    "Changed, with a fingerprint that fits: it is no signature"
    import json
    from safetensors.numpy import load, save
    from mirzai.predictor import fingerprint
    meta,raw = json.loads((folder/'model.json').read_text()),(folder/'weights.safetensors').read_bytes()
    change(meta)
    if arrays: a = load(raw); arrays(a); raw = save(a); (folder/'weights.safetensors').write_bytes(raw)
    meta['sha256'] = fingerprint(meta, raw); (folder/'model.json').write_text(json.dumps(meta))

CHANGES = dict(k=('calibration', 0), beta=('calibration', float('nan')), window=('calibration', 10**9), poorer=('calibration', 2), share=('domain', -1),
               intercept=('settings', float('inf')), n_components=('settings', True), preprocess=('settings', 'os'), n=('training', '7'), synthetic=('training', 'no'))

@pytest.mark.parametrize('name', list(CHANGES))
def test_settings_out_of_range_are_one_line(saved, tmp_path, mirzai, name):
    import shutil
    part,value = CHANGES[name]
    shutil.copytree(saved/'plsr', tmp_path/'m'); rewritten(tmp_path/'m', lambda m: m[part].update({name: value}))
    code,out,err = mirzai('card', tmp_path/'m', '--out', tmp_path/'x')
    assert code==2 and len(err.splitlines())==1 and f'{part}.{name} is' in err and not (tmp_path/'x').exists(), err

@pytest.mark.parametrize('what', ['factor', 'alpha', 'target', 'view0/known', 'view0/spread', 'theta'])
def test_a_factor_of_other_soils_is_refused(saved, tmp_path, mirzai, what):
    import shutil
    def change(a):
        v = a[f'model/{what}'].copy()
        v.flat[len(v.flat)//2 if what=='factor' else 0] = np.nan if what=='view0/spread' else v.flat[0]*1.5+1
        a[f'model/{what}'] = v
    shutil.copytree(saved/'gpr', tmp_path/'m'); rewritten(tmp_path/'m', lambda m: None, change)
    code,out,err = mirzai('card', tmp_path/'m', '--out', tmp_path/'x')
    assert code==2 and len(err.splitlines())==1, (what, err)
