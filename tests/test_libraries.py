"Libraries that are not tables: the synthetic one with its truth, and the paper's folder of NumPy files"
import os, pickle
import numpy as np, pandas as pd, pytest
from mirzai.loading import read_library

def test_data_synthetic(mirzai, tmp_path):
    for name in ('a', 'b'): assert mirzai('data', 'synthetic', '--n', 120, '--seed', 3, '--out', tmp_path/f'{name}.parquet')[0]==0
    lib = read_library(tmp_path/'a.parquet')
    assert lib.spectra.shape==(120, 1764) and {'kex', 'order', 'depth', 'profile', 'source'}<=set(lib.properties)
    truth,drivers = pd.read_parquet(tmp_path/'a.truth.parquet'), pd.read_csv(tmp_path/'a.drivers.csv')
    assert list(truth.id)==list(lib.ids) and np.allclose(truth.drop(columns=['id', 'log10_kex']).sum(1), 1)
    assert list(drivers.columns)[:2]==['wavenumber', 'strength'] and len(drivers)==1764 and (drivers.strength>=0).all()
    assert (tmp_path/'a.parquet').read_bytes()==(tmp_path/'b.parquet').read_bytes()
    assert 'SYNTHETIC' in mirzai('data', 'synthetic', '--n', 10, '--out', tmp_path/'c.csv')[1]

def test_synthetic_noise_is_what_separates_truth_and_measurement():
    from mirzai.synthetic import ceiling, kex_law, synthetic_library
    lib = synthetic_library(4000, seed=1)
    f,order = lib.truth.fractions.to_numpy(), lib.properties.order.to_numpy()
    assert np.allclose(kex_law(f, order), lib.truth.log_kex) and not np.allclose(kex_law(f), lib.truth.log_kex)
    older = synthetic_library(4000, seed=1, law='composition')
    assert np.allclose(kex_law(f), older.truth.log_kex) and np.array_equal(older.spectra, lib.spectra)
    assert .75<ceiling(lib)<.9
    y = lib.y(); ok = y>.5
    assert np.std(np.log10(y[ok])-lib.truth.log_kex[ok])==pytest.approx(.15, abs=.03)

@pytest.mark.parametrize('minimum', [1e-9, .12, .3])
def test_ceiling_is_the_r2_of_the_truth(minimum):
    from mirzai.metrics import r2
    from mirzai.synthetic import ceiling, synthetic_library
    lib = synthetic_library(6000, 2, np.linspace(600, 4000, 20))
    kept = lib.y()>=minimum
    assert ceiling(lib, minimum)==pytest.approx(r2(np.log10(lib.y()[kept]), lib.truth.log_kex[kept]), abs=1e-9)

def test_kex_by_order_is_as_measured():
    from mirzai.synthetic import KEX_QUARTILES, ORDERS, compositions, kex_law, kex_quartiles, measured
    f,order,profile,_ = compositions(400_000, np.random.default_rng(3))
    names = np.array(list(ORDERS))[order]
    kex = measured(kex_law(f, names), profile, np.random.default_rng(4))
    t = kex_quartiles(kex, names)
    off = (t.synthetic/t.measured-1).abs().max(axis=1)
    assert len(t)==len(KEX_QUARTILES)==9 and off.max()<.12 and off.drop(['vertisols', 'andisols']).max()<.05, off
    alone = kex_quartiles(measured(kex_law(f), profile, np.random.default_rng(4)), names)      # the composition alone is far off
    assert (alone.synthetic/alone.measured-1).abs().max(axis=1).median()>.4
    assert np.percentile(kex, [25, 50, 75])==pytest.approx([.15, .36, .74], rel=.03) and np.mean(kex<.12)==pytest.approx(.2, abs=.01)

def test_a_law_that_is_not_known():
    from mirzai.library import MirzaiError
    from mirzai.synthetic import synthetic_library
    with pytest.raises(MirzaiError, match='law'): synthetic_library(10, law='none')

def kssl(folder, sample, lookup):
    folder.mkdir()
    np.save(folder/'spectra-features.npy', sample.spectra[:60].astype(np.float64)); np.save(folder/'spectra-wavenumbers.npy', sample.wavenumbers)
    np.save(folder/'depth-order.npy', np.stack([np.arange(60), np.arange(60)%2], 1)); np.save(folder/'target.npy', sample.y()[:60, None])
    (folder/'tax-order-lu.pkl').write_bytes(lookup)
    return folder

def test_kssl_folder(mirzai, sample, tmp_path):
    f = kssl(tmp_path/'kssl', sample, pickle.dumps({'alfisols': 0, 'mollisols': 1}))
    lib = read_library(f)
    assert np.array_equal(lib.spectra, sample.spectra[:60]) and list(lib.properties.order[:2])==['alfisols', 'mollisols']
    assert np.allclose(lib.y(), sample.y()[:60])
    assert mirzai('train', f, '--model', 'plsr', '--out', tmp_path/'m')[0]==0

class Bomb:
    def __init__(self, path): self.path = path
    def __reduce__(self): return os.mkdir, (str(self.path),)

@pytest.mark.parametrize('where', ['orders', 'array'])
def test_planted_pickle_is_not_run(mirzai, sample, tmp_path, where):
    f = kssl(tmp_path/'kssl', sample, pickle.dumps(Bomb(tmp_path/'exploded') if where=='orders' else {'alfisols': 0}))
    if where=='array': np.save(f/'target.npy', np.array([Bomb(tmp_path/'exploded')], dtype=object), allow_pickle=True)
    code,_,err = mirzai('train', f, '--out', tmp_path/'m')
    assert code==2 and len(err.splitlines())==1 and str(f) in err
    assert not (tmp_path/'exploded').exists() and not (tmp_path/'m').exists()

@pytest.mark.parametrize('missing', ['spectra-wavenumbers.npy', 'depth-order.npy', 'target.npy', 'tax-order-lu.pkl'])
def test_kssl_folder_incomplete(mirzai, sample, tmp_path, missing):
    f = kssl(tmp_path/'kssl', sample, pickle.dumps({'alfisols': 0})); (f/missing).unlink()
    code,_,err = mirzai('train', f, '--out', tmp_path/'m')
    assert code==2 and missing in err and len(err.splitlines())==1
