"Explanations: each test of a claim can fail and can pass, and the command end to end"
import re
import numpy as np, pandas as pd, pytest
from mirzai.attribution import Attribution, attribute, differentiable
from mirzai.claims import REPLACING
from mirzai.library import MirzaiError, SpectralLibrary
from mirzai.loading import write_library
from mirzai.plsr import PLSR
from mirzai.regressor import SpectralRegressor
from mirzai.synthetic import rescanned, synthetic_library
from mirzai import verdicts as v

w = np.linspace(600, 4000, 1701)
TRUE, FALSE = (1500, 1560), (3000, 3060)

def picture(*bands, n=80, seed=0, sign=1):
    "A made-up explanation of rising predictions that points to these bands"
    rng, t = np.random.default_rng(seed), np.linspace(-1, 1, n)
    a = rng.normal(0, 1e-3, (n, len(w)))
    for lo,hi in bands: a[:, (w>=lo)&(w<=hi)] += sign*.02*t[:, None]
    return Attribution(a, rng.normal(size=(n, len(w))), w, t, 0., 'made up')

def only_true(z): # a model that looks at the true band alone
    import torch
    return (z*torch.from_numpy(((w>=TRUE[0])&(w<=TRUE[1])).astype(np.float32))).sum(-1)

@pytest.fixture
def claims(): return v.important_bands(picture(TRUE, FALSE))

def of(claims, band): return int(np.flatnonzero((claims.low<np.mean(band))&(claims.high>np.mean(band)))[0])

def test_both_bands_are_claimed(claims): assert {of(claims, TRUE), of(claims, FALSE)}=={0, 1}

def test_deletion(claims):
    rng = np.random.default_rng(1)
    z = np.cumsum(rng.normal(size=(30, len(w))), 1).astype(np.float32)/20
    t = v.deletion(only_true, z, z.mean(0), w, claims[:2], claims)
    assert t.p[of(claims, TRUE)]<.05 and t.p[of(claims, FALSE)]>.2

@pytest.mark.parametrize('others,holds', [([picture(TRUE, seed=s) for s in (1, 2)], True), ([picture(TRUE, seed=1), picture(TRUE, seed=2, sign=-1)], False),
                                          ([picture(seed=s) for s in (1, 2, 3, 4)], False)])
def test_agreement(claims, others, holds):
    t = v.agreement(picture(TRUE, FALSE), others, claims[:2], claims)
    good = (t.sign>=.8)&(t['rank']>=.8)
    assert good[of(claims, TRUE)]==holds and not good[of(claims, FALSE)]

def test_random_weights(claims):
    a, random = picture(TRUE, FALSE), [picture(FALSE, seed=s) for s in range(19)]   # the false band shines in every random model too
    t = v.vanishes(a, random, claims[:2])
    assert t.p[of(claims, TRUE)]<=.05 and t.p[of(claims, FALSE)]>.05

def test_drivers(claims):
    truth = pd.DataFrame(dict(wavenumber=w, strength=np.exp(-((w-1530)/60)**2)))
    rank = v.driver_rank(claims[:2], truth, w)
    assert rank[of(claims, TRUE)]>=.8>rank[of(claims, FALSE)]
    assert v.drivers_found(claims.iloc[[of(claims, FALSE)]], truth, w)==0

@pytest.mark.parametrize('marks,verdict', [('hhhhn', 'holds'), ('hhhhh', 'holds'), ('hhhhd', 'does not hold'), ('dhhhh', 'does not hold'), ('hdhhn', 'does not hold'),
                                           ('hhdhn', 'does not hold'), ('hhhdn', 'does not hold'), ('hhhnn', 'not tested'), ('hnhhn', 'not tested'), ('nnnnn', 'not tested'),
                                           ('hnhhd', 'does not hold')])
def test_the_verdict_follows_from_the_tests(marks, verdict):
    assert v._verdict([dict(h='holds', d='does not hold', n='not tested')[m] for m in marks])==verdict

def test_a_network_band_planted_in_the_spectra_holds_and_one_in_the_picture_does_not():
    from mirzai.learner import CNNRegressor
    lib = synthetic_library(900, 5).select('kex'); g = lib.wavenumbers
    peak = np.exp(-4*np.log(2)*((g-2150)/40)**2)
    lib = SpectralLibrary(lib.spectra+.6*(np.log10(lib.y())[:, None]+1)*peak, g, lib.properties)
    train, test = lib[:600], lib[600:640]
    nets = [CNNRegressor(recipe='large', epochs=6, seed=s).fit(train) for s in range(3)]
    a = v.picture(nets[0], test, train, quiet=True)
    assert a.replacing
    near = lambda t, x: t[(t.low<x)&(t.high>x)]
    t = v.verdicts(nets, test, train, a, pd.DataFrame(dict(wavenumber=g, strength=peak)), n_test=20, most=6, permutations=2, quiet=True)
    assert ((t.drivers=='holds')&(t.verdict=='holds')&(t.low<2200)&(t.high>2100)).any(), t.T    # the peak is cut where its flanks begin: one part at least
    i, j = np.searchsorted(g, [3795, 3845])
    a.values[:, i:j] += .1*np.linspace(-1, 1, len(a))[np.argsort(np.argsort(a.predicted)), None]
    false = near(v.verdicts(nets, test, train, a, n_test=10, most=4, random=2, quiet=True), 3820)
    assert len(false) and (false.verdict=='does not hold').all() and (false.deletion=='does not hold').all()

def test_a_picture_by_replacing_lies_where_the_function_looks():
    "And nowhere else but within a window of it"
    from mirzai.claims import replacing_contributions
    rng = np.random.default_rng(1)
    z = np.cumsum(rng.normal(size=(30, len(w))), 1).astype(np.float32)/20
    values, = replacing_contributions(only_true, z, z.mean(0), w)
    near = (w>TRUE[0]-30)&(w<TRUE[1]+30)
    assert values.shape==z.shape and (values[:, ~near]==0).all() and (np.abs(values[:, near]).mean(0)>0).mean()>.7

def test_hills_side_by_side_are_claims_of_their_own():
    grid, t = 1000+4*np.arange(200), np.linspace(-1, 1, 40)[:, None]
    hill = lambda at: np.exp(-(np.arange(200)-at)**2/200)
    values = t*(hill(80)+hill(106))
    claims = {m: v.important_bands(Attribution(values, values, grid, t[:, 0], 0., m)) for m in ('made up', REPLACING)}
    assert [len(b) for b in claims.values()]==[1, 2] and (claims[REPLACING].high-claims[REPLACING].low).max()<100

def test_plsr_is_pictured_by_its_contributions(sample):
    lib = sample.select('kex'); models = [PLSR(4).fit(lib[k:60+k]) for k in (0, 20)]
    how = dict(n_test=5, most=3, random=2, permutations=2, quiet=True)
    a = attribute(models[0], lib[80:90], lib[:60], quiet=True)
    pd.testing.assert_frame_equal(v.verdicts(models, lib[80:90], lib[:60], **how), v.verdicts(models, lib[80:90], lib[:60], a, **how))
    assert not a.replacing

def test_a_network_is_explained_by_replacing(sample):
    "Bands, page and faithfulness are of one and the same picture"
    from types import SimpleNamespace
    from mirzai import explaining
    from mirzai.learner import CNNRegressor
    lib = sample.select('kex'); net = CNNRegressor(nets=1, epochs=2).fit(lib[:60])
    p = SimpleNamespace(model=net, others=list, baselines=lib[:60])
    e = explaining._explained(p, lib[60:64], None, None, None, None, dict(by=None, through='snv', control=False, seed=0), True)
    assert e.attribution.replacing and 'are replaced by the mean soil' in explaining.explanation_figures(e)['bands'][1]
    a = v.by_replacing(net, lib[60:64], lib[:60])
    assert list(e.bands.low)==list(v.important_bands(a, 12).low) and e.attribution.log10

def test_without_a_control_a_network_holds_nothing(sample):
    from mirzai.learner import CNNRegressor
    lib = sample.select('kex')
    nets = [CNNRegressor(nets=1, epochs=2, seed=k).fit(lib[:60]) for k in range(2)]
    t = v.verdicts(nets, lib[60:70], lib[:60], n_test=5, most=2, random=2, quiet=True)
    assert set(t.control)=={'not tested'} and 'holds' not in set(t.verdict) and t.false_alarms.isna().all()

@pytest.mark.parametrize('name', ['plsr', 'gpr', 'gpr-transfer', 'cnn-transfer', 'plsr+gpr'])
@pytest.mark.parametrize('through', ['snv', 'absorbance'])
def test_models_of_nothing_are_trained_as_the_real_one(sample, name, through):
    "Refitted to its own soils a model says what it said: the control knows the same hyperparameters"
    import torch
    from mirzai.experiment import make_model
    from mirzai.transforms import SNV
    lib = sample.select('kex'); train, test = lib[:80], lib[80:100]
    m = make_model(name).fit(train); soils = m._teachers(train)
    assert v.refits_cheaply(m)
    t = m._to_scale(soils.floored('kex')); z = SNV().fit_transform(test.spectra) if through=='snv' else test.spectra
    told = v.refits(m, soils, np.stack([t, np.random.default_rng(0).permutation(t)], 1), through)(torch.from_numpy(z)[:, None]).detach().numpy()
    np.testing.assert_allclose(np.diff(told[:, 0]), np.diff(m.predict_scale(test)), atol=2e-4)
    assert abs(np.corrcoef(told.T)[0, 1])<.9

def test_profiles_are_neither_parted_nor_mixed():
    rng = np.random.default_rng(3); profiles = rng.permutation(np.repeat(np.arange(30), rng.integers(1, 6, 30)))
    one, other = v.two_halves(profiles, rng)
    assert not set(profiles[one])&set(profiles[other]) and len(one)+len(other)==len(profiles) and min(len(one), len(other))>len(profiles)/4
    even = rng.permutation(np.repeat(np.arange(20), 3)); dealt = v.dealt_anew(even, rng)
    assert sorted(dealt)==list(range(60)) and all(len(set(even[dealt[even==k]]))==1 for k in range(20))

def of_kex(lib, kex): return SpectralLibrary(lib.spectra, lib.wavenumbers, lib.properties.assign(kex=kex))

@pytest.mark.parametrize('kind', ['plsr', 'gpr'])
def test_nothing_holds_of_nothing_and_a_planted_band_does(sample, kind):
    "The control: bands of models of permuted potassium seldom pass, a planted one passes"
    from mirzai.experiment import make_model
    from mirzai.transforms import to_grid
    lib = to_grid(sample.select('kex'), np.arange(600, 4001, 8.)); passed = bands = 0
    for s in range(3):
        rng = np.random.default_rng(s); nothing = of_kex(lib, rng.permutation(lib.y()))[rng.permutation(len(lib))]
        m = (PLSR(2) if kind=='plsr' else make_model(kind)).fit(nothing[:200])
        own = v.important_bands(attribute(m, nothing[200:220], nothing[:200], n_baselines=20, steps=1, quiet=True), 8)
        c = v.control(m, nothing[200:220], nothing[:200], own, permutations=9, halvings=3, most=8)
        passed += (c.control_p<=v.LEVEL).sum(); bands += len(c)
    assert bands>=15 and passed<=.15*bands
    g = lib.wavenumbers; peak = np.exp(-4*np.log(2)*((g-2150)/60)**2)
    planted = SpectralLibrary(lib.spectra+.6*(np.log10(lib.y())[:, None]+1)*peak, g, lib.properties)
    m = (PLSR(5) if kind=='plsr' else make_model(kind)).fit(planted[:200])
    c = v.control(m, planted[200:220], planted[:200], pd.DataFrame(dict(low=[2110.], high=[2190.])), permutations=9, halvings=3)
    assert c.control_p[0]<=.1 and c.steady[0]>5

@pytest.mark.parametrize('soils', [20, 60])
def test_too_few_soils_or_profiles_make_no_control(sample, soils):
    lib = sample.select('kex')[:soils]
    if soils==60: lib.properties['profile'] = ['a', 'b', 'c']*20
    m = PLSR(3).fit(lib)
    assert v.control(m, lib[:5], lib, pd.DataFrame(dict(low=[1000.], high=[1100.]))).isna().all(axis=None)

@pytest.mark.parametrize('through', ['snv', 'absorbance'])
def test_methods_agree_on_a_network(sample, through):
    from mirzai.learner import CNNRegressor
    lib = sample.select('kex'); m = CNNRegressor(nets=1, epochs=3).fit(lib[:200])
    ways = {k: attribute(m, lib[200:206], lib[:200], method=k, through=through, steps=s, quiet=True) for k,s in (('shap', 4), ('gradientshap', 400))}
    ways['deeplift'] = attribute(m, lib[200:206], lib[:200], method='deeplift', through=through, quiet=True)
    r = [np.corrcoef(x, y)[0, 1] for x,y in zip(ways['shap'].values, ways['gradientshap'].values)]
    assert np.median(r)>.95 and ways['shap'].through==through and (through=='absorbance' or ways['deeplift'].completeness_error()<.01)
    again = attribute(m, lib[200:206], lib[:200], through=through, quiet=True)
    np.testing.assert_array_equal(again.values, ways['shap'].values)

def test_captum_s_draws_follow_the_seed(sample):
    "Twice the same, another seed another draw, and the user's own random numbers go on as if nothing had been drawn"
    lib = sample.select('kex'); m = PLSR(5).fit(lib)
    draw = lambda seed: attribute(m, lib[:3], lib, method='gradientshap', steps=3, seed=seed, quiet=True).values
    np.random.seed(5); expected = np.random.random()
    np.random.seed(5); first = draw(0)
    assert np.random.random()==expected
    np.testing.assert_array_equal(draw(0), first)
    assert not np.allclose(draw(1), first)

def test_groups_keep_missing_and_cut_numbers():
    a = picture(TRUE)
    a.properties = pd.DataFrame({'order': ['a', 'b', None, 'b']*20, 'depth': np.arange(80.)})
    assert list(a.mean_by('order').index)==['a', 'b', 'missing'] and len(a.mean_by('depth'))==4
    assert np.allclose(a.mean_by('order').loc['a'], a.values[::4].mean(0)) and len(a.alike('order'))==3
    with pytest.raises(MirzaiError, match='no such property'): a.mean_by('colour')

@pytest.fixture(scope='module')
def made(tmp_path_factory):
    "A synthetic table with its truth, and a model with seeds"
    from mirzai.cli import main
    d = tmp_path_factory.mktemp('explain')
    for line in (f'data synthetic --n 700 --out {d}/syn.parquet', f'train {d}/syn.parquet --model plsr --seeds 3 --jobs 1 --folds 0 --out {d}/plsr'):
        assert main(line.split())==0
    return d

def test_explain(mirzai, made, tmp_path):
    code, out, err = mirzai('explain', made/'plsr', made/'syn.parquet', '--beside', made/'plsr', '--by', 'order,depth', '--most', 60, '--out', tmp_path/'e')
    assert code==0, err
    assert re.search(r'60 predictions explained; \d+ of \d+ important bands hold', out) and 'False alarms: of ' in out and 'AUROC' in out and 'VIP' in out
    t = pd.read_csv(tmp_path/'e'/'bands.csv')
    assert list(t.columns[:4])==['low', 'high', 'assignment', 'importance'] and set(v.TESTS)<=set(t) and (t.drivers!='not tested').all()
    assert set(t.verdict)<={'holds', 'does not hold', 'not tested'} and (t.high>t.low).all()
    assert (t.control!='not tested').all() and t.false_alarms.between(0, .1).all() and (t.bands_of_nothing>=100).all()
    page = (tmp_path/'e'/'report.html').read_text()
    assert 'False alarms: of ' in page and 'SYNTHETIC' in page and 'Flat response' in page and '<script' not in page and not re.search(r'(src|href)="(?!data:)', page)
    assert {'bands.svg', 'by_order.svg', 'by_depth.svg', 'response.svg', 'richest.svg'}<={f.name for f in (tmp_path/'e'/'figures').iterdir()}
    s = pd.read_csv(tmp_path/'e'/'samples.csv', index_col='id')
    assert len(s)==60 and s.predicted.between(.01, 50).all()
    fewer = ('explain', made/'plsr', made/'syn.parquet', '--most', 20, '--out', tmp_path/'e')
    assert mirzai(*fewer)[0]==2 and mirzai(*fewer, '--force')[0]==0    # another explanation replaces it only when told to
    (tmp_path/'e'/'thesis.txt').write_text('mine')
    assert mirzai(*fewer, '--force')[0]==2

def test_one_model_can_not_hold(mirzai, made, sample, tmp_path):
    write_library(sample[:60], tmp_path/'s.csv')
    assert mirzai('train', tmp_path/'s.csv', '--model', 'plsr', '--folds', 0, '--out', tmp_path/'m')[0]==0
    code, out, err = mirzai('explain', tmp_path/'m', tmp_path/'s.csv', '--most', 8, '--out', tmp_path/'e')
    assert code==0, err
    t = pd.read_csv(tmp_path/'e'/'bands.csv')
    assert set(t.agreement)=={'not tested'} and 'holds' not in set(t.verdict) and 'has been tested against models of other seeds' in re.sub(r'\s+', ' ', (tmp_path/'e'/'report.html').read_text())

def test_the_control_needs_the_soils_of_the_training(mirzai, made, tmp_path):
    write_library(synthetic_library(60, 8), tmp_path/'new.csv')
    explain = 'explain', made/'plsr', tmp_path/'new.csv', '--most', 20
    code, out, err = mirzai(*explain, '--out', tmp_path/'a')
    assert code==0 and '--training' in out and set(pd.read_csv(tmp_path/'a'/'bands.csv').control)=={'not tested'}, err
    code, out, err = mirzai(*explain, '--training', made/'syn.parquet', '--out', tmp_path/'b')
    assert code==0 and 'False alarms: of ' in out and 'not tested' not in set(pd.read_csv(tmp_path/'b'/'bands.csv').control), err
    code, out, err = mirzai(*explain, '--training', tmp_path/'new.csv', '--out', tmp_path/'c')
    assert code==2 and 'new.csv: the model learnt from none of these soils' in err and not (tmp_path/'c').exists()

@pytest.mark.parametrize('kind', ['gpr', 'gpr-transfer', 'cnn-transfer'])
def test_soils_the_model_never_saw_are_explained_without_a_control(mirzai, tmp_path, sample, kind):
    write_library(sample[:60], tmp_path/'known.csv'); write_library(sample[300:320], tmp_path/'new.csv')
    assert mirzai('train', tmp_path/'known.csv', '--model', kind, '--folds', 0, '--out', tmp_path/'m')[0]==0
    code, out, err = mirzai('explain', tmp_path/'m', tmp_path/'new.csv', '--most', 3, '--out', tmp_path/'e')
    assert code==0, err
    t = pd.read_csv(tmp_path/'e'/'bands.csv')
    assert set(t.control)=={'not tested'} and 'holds' not in set(t.verdict)

def test_pairs_before_and_after(mirzai, made, tmp_path):
    field = synthetic_library(40, 9); field.properties.index = [f'f{i}' for i in range(40)]
    write_library(field, tmp_path/'before.csv'); write_library(rescanned(field, .5), tmp_path/'after.csv')
    code, out, err = mirzai('explain', made/'plsr', tmp_path/'before.csv', '--before', tmp_path/'before.csv', '--after', tmp_path/'after.csv', '--out', tmp_path/'e')
    assert code==0, err
    r = pd.read_csv(tmp_path/'e'/'response.csv')
    assert len(r)==40 and np.allclose(r.after-r.before, .5, atol=1e-3) and abs(r.seen.mean())<.1

@pytest.mark.parametrize('args,says', [
    (['--before', 'a.csv'], '--before and --after go together'), (['--drivers', 'nowhere.csv'], 'nowhere.csv: no table of drivers'),
    (['--by', 'colour'], "group by 'colour': no such property"), (['--beside', 'nowhere'], 'nowhere: not a model folder'), (['--most', '0'], 'not a whole number')])
def test_mistakes(mirzai, made, tmp_path, args, says):
    code, out, err = mirzai('explain', made/'plsr', made/'syn.parquet', '--most', 20, *args, '--out', tmp_path/'e')
    assert code==2 and says in err and 'Traceback' not in err and not (tmp_path/'e').exists()

def test_bad_drivers(mirzai, made, tmp_path):
    (tmp_path/'d.csv').write_text('wavenumber,power\n1000,x\n')
    code, out, err = mirzai('explain', made/'plsr', made/'syn.parquet', '--most', 20, '--drivers', tmp_path/'d.csv', '--out', tmp_path/'e')
    assert code==2 and 'no table of drivers' in err

def test_a_changed_seed_is_refused(mirzai, made, tmp_path):
    import shutil
    shutil.copytree(made/'plsr', tmp_path/'m')
    raw = bytearray((tmp_path/'m'/'seed-1'/'weights.safetensors').read_bytes()); raw[-9] ^= 1
    (tmp_path/'m'/'seed-1'/'weights.safetensors').write_bytes(raw)
    code, out, err = mirzai('explain', tmp_path/'m', made/'syn.parquet', '--most', 20, '--out', tmp_path/'e')
    assert code==2 and 'seed-1' in err and 'fingerprint differs' in err

def test_mistakes_in_python(sample):
    lib = sample.select('kex'); m = PLSR(5).fit(lib)
    with pytest.raises(MirzaiError, match='through='): attribute(m, lib[:5], lib, through='fog')
    with pytest.raises(MirzaiError, match="method 'linear'"): attribute(m, lib[:5], lib, method='linear', through='absorbance')
    with pytest.raises(MirzaiError, match='needs a network'): attribute(m, lib[:5], lib, method='deeplift')
    with pytest.raises(MirzaiError, match='cannot be explained'): differentiable(SpectralRegressor())
    bad = SpectralLibrary(np.full((2, len(lib.wavenumbers)), np.nan), lib.wavenumbers)
    with pytest.raises(MirzaiError, match='missing or infinite'): attribute(m, bad, lib)

@pytest.mark.parametrize('through', ['snv', 'absorbance'])
def test_a_picture_of_nothing_adds_up_from_where_it_starts(through):
    "PLSR's exact contributions are of the SNV spectrum: from absorbance its refits are pictured by sampling, as the model itself is"
    from mirzai.claims import explained_spectra
    from mirzai.control import picture_of
    from mirzai.loading import load_sample
    from mirzai.plsr import PLSR
    lib = load_sample().usable('kex'); train,few = lib[:200],lib[200:220]
    model = PLSR(6).fit(train)
    refitted = model.refits(train, np.log10(train.floored('kex'))[:, None], through)
    z,b = explained_spectra(model, few, train, through)
    a = picture_of(model, refitted, z, b[:20], 0, lib.wavenumbers, through)
    total = a.values.sum(1)
    assert a.through==through and np.corrcoef(total, a.predicted)[0, 1]>.99 and .9<total.std()/a.predicted.std()<1.1
